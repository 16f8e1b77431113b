"""Export and comparison without a panel: what is written, and what is said of it."""

import json

import numpy as np
import pytest

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.lut import encode_lut, read_lut
from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.exporting import lut_of, plan_export, size_needed, write_export
from napari_petlut.plugin.work import segmenting, steps
from napari_petlut.plugin.work.choices import ExportChoices
from napari_petlut.plugin.work.comparing import agreement_text, compare_layers

from .test_editing import drag

BLOCK = BlockGeometry(4, 5)


def test_export_writes_what_is_ticked_and_never_overwrites_unasked(done, tmp_path):
    plan = plan_export(tmp_path / "b.lut", ExportChoices(picture=True))
    said = write_export(done, plan)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "b.lut",
        "b.png",
        "b_peaks.csv",
        "b_record.json",
    ]
    assert str(tmp_path) in said
    read = read_lut(tmp_path / "b.lut", "packed", BLOCK).lut
    np.testing.assert_array_equal(read.ids[:60, :70], done.cells_layer.data.astype(int) - 1)
    record = json.loads((tmp_path / "b_record.json").read_text())
    assert record["outputs"]["lut"]["name"] == "b.lut"
    with pytest.raises(FormatError, match="allow overwriting"):
        write_export(done, plan_export(tmp_path / "b", ExportChoices()))
    assert "Wrote" in write_export(done, plan_export(tmp_path / "b", ExportChoices()), overwrite=True)


def test_painting_is_exported_and_recorded(done, tmp_path):
    cells = done.cells_layer
    cells.brush_size = 1
    cells.paint((0, 0), 20)
    said = write_export(done, plan_export(tmp_path / "b", ExportChoices(peaks=False)))
    assert "1 pixel as painted by hand." in said
    assert read_lut(tmp_path / "b.lut", "packed", BLOCK).lut.ids[0, 0] == 19
    assert json.loads((tmp_path / "b_record.json").read_text())["by_hand"]["painted_pixels"] == 1


def test_a_record_of_edited_peaks_repeats_the_lut(block, counts, tmp_path):
    from napari_petlut.formats.maps import write_array
    from napari_petlut.model import FloodMap
    from napari_petlut.workflow.pipeline import recalibrate

    write_array(tmp_path / "map.npy", FloodMap(counts))
    ly.info(block.flood_layer).path = tmp_path / "map.npy"
    steps.run_all_job(block).run()
    drag(block.peaks_layer, [7], (2.0, 1.0))
    segmenting.segmentation_job(block).run()
    write_export(block, plan_export(tmp_path / "b", ExportChoices()))
    again = recalibrate(tmp_path / "b_record.json")
    assert encode_lut(again.lut) == (tmp_path / "b.lut").read_bytes()


def test_a_layout_of_another_size_gets_the_lut_resampled_when_that_is_agreed(done, tmp_path):
    plan = plan_export(tmp_path / "b", ExportChoices(encoding="minipet"))
    assert size_needed(done, plan) == (256, 256)
    with pytest.raises(FormatError, match="resample"):
        write_export(done, plan)
    assert list(tmp_path.iterdir()) == []
    ly.show_labels(done.cells_layer, np.maximum(done.cells_layer.data, 1))  # a MiniPET LUT has no background
    assert "LUT resampled to 256 x 256 pixels." in write_export(done, plan, resampled=True)
    written = read_lut(tmp_path / "b.lut", "minipet", BLOCK).lut
    np.testing.assert_array_equal(written.ids, lut_of(done).resampled((256, 256)).ids)
    assert "LUT resampled to 256 x 256 pixels." in (tmp_path / "b_record.json").read_text()
    assert size_needed(done, plan_export(tmp_path / "c", ExportChoices())) is None
    assert (
        size_needed(done, plan_export(tmp_path / "c", ExportChoices(encoding="minipet", lut=False))) is None
    )


def test_an_edit_after_the_segmentation_is_said_to_be_provisional(done, tmp_path):
    drag(done.peaks_layer, [7], (2.0, 1.0))
    assert "provisional" in write_export(done, plan_export(tmp_path / "b", ExportChoices()))
    segmenting.segmentation_job(done).run()
    assert "provisional" not in write_export(done, plan_export(tmp_path / "c", ExportChoices()))


def test_export_says_what_is_absent(block, tmp_path):
    with pytest.raises(ParameterError, match="run the segmentation first"):
        write_export(block, plan_export(tmp_path / "b", ExportChoices()))
    with pytest.raises(ParameterError, match="does not exist"):
        plan_export(tmp_path / "no" / "b", ExportChoices())
    with pytest.raises(ParameterError, match="nothing is ticked"):
        plan_export(tmp_path / "b", ExportChoices(lut=False, peaks=False, record=False))


def test_two_luts_are_compared_as_a_layer_and_in_words(done, viewer):
    other = ly.cells_layer(
        ly.lut_from_labels(done.cells_layer.data, {"metadata": done.cells_layer.metadata}),
        name="other",
        kind=ly.LayerKind.LUT,
    )
    other.data[30:32, 30:34] = 1
    viewer.layers.append(other)
    layer, found = compare_layers(viewer, done.cells_layer, other, done.flood_layer)
    assert layer.data.sum() == (done.cells_layer.data != other.data).sum() > 0
    assert "of the counts" in agreement_text(found)
    again, _ = compare_layers(viewer, done.cells_layer, other)
    assert again is layer
    with pytest.raises(ParameterError, match="two different"):
        compare_layers(viewer, other, other)

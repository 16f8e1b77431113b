"""Saving layers: the files hold what the layers show, and nothing is overwritten unasked."""

import json
import shutil

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points
from npe2 import PluginManager

from napari_petlut.errors import FormatError
from napari_petlut.formats.lut import read_lut
from napari_petlut.formats.maps import read_map
from napari_petlut.formats.peaks import read_peaks
from napari_petlut.model import CrystalLUT
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io import writer

from .files import BLOCK, block, peaks, write_block


@pytest.fixture
def viewer():
    PluginManager.instance().discover()
    return ViewerModel()


@pytest.fixture
def said(monkeypatch):
    """What is told to the person."""
    lines = []
    monkeypatch.setattr(writer, "tell", lines.append)
    return lines


def cells():
    return ly.cells_layer(block().ideal_lut, name="b - cells", block="b", method="nearest")


def test_a_lut_is_written_as_painted_with_a_record_beside_it(viewer, tmp_path, said):
    layer = cells()
    layer.brush_size = 1
    layer.paint((0, 0), 7)
    viewer.add_layer(layer)
    path = tmp_path / "b.lut"
    written = viewer.layers.save(str(path), plugin="napari-petlut")
    assert written == [str(path), str(tmp_path / "b_record.json")]
    back = read_lut(path, geometry=BLOCK)
    np.testing.assert_array_equal(back.lut.ids, layer.data - 1)
    assert back.lut.ids[0, 0] == 6
    assert back.encoding.name == "packed"
    record = json.loads((tmp_path / "b_record.json").read_text())
    assert record["by_hand"] == {"painted_pixels": 1}
    assert record["geometry"] == {"rows": 4, "cols": 5}
    assert said == [
        f"Wrote {path}: LUT of 20 of 20 crystals, layout 'packed', 1 pixels as painted by hand; "
        "record in b_record.json."
    ]


@pytest.mark.parametrize("encoding", ["packed", "linear", "ucd", "cpm"])
def test_a_lut_that_was_read_is_written_with_the_same_bytes(viewer, tmp_path, encoding):
    files = write_block(tmp_path, encoding=encoding)
    viewer.open(files["map"], plugin="napari-petlut")
    ly.info(viewer.layers[0]).geometry = BLOCK
    from napari_petlut.plugin.io.opening import open_file

    (layer,) = open_file(files["lut"], viewer)
    written = writer.write_lut_layer(str(tmp_path / "again.lut"), *layer.as_layer_data_tuple()[:2])
    assert (tmp_path / "again.lut").read_bytes() == files["lut"].read_bytes()
    # and the record beside it makes it readable on its own
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in written:
        shutil.copy(name, folder)
    (alone,) = open_file(folder / "again.lut")
    np.testing.assert_array_equal(alone.data, layer.data)


def test_the_ending_chooses_the_layout_and_is_added_where_it_lacks(viewer, tmp_path):
    data, meta, _ = cells().as_layer_data_tuple()
    assert writer.write_lut_layer(str(tmp_path / "a"), data, meta)[0] == str(tmp_path / "a.lut")
    writer.write_lut_layer(str(tmp_path / "a.clu"), data, meta)
    assert read_lut(tmp_path / "a.clu", "ucd-clu", BLOCK).lut.ids[0, 0] == data[0, 0] - 1
    small = CrystalLUT(block().ideal_lut.ids, BLOCK).resampled((256, 256))
    data, meta, _ = ly.cells_layer(small, name="s").as_layer_data_tuple()
    writer.write_lut_layer(str(tmp_path / "a.crm"), data, meta)
    np.testing.assert_array_equal(read_lut(tmp_path / "a.crm", "cti-crm", BLOCK).lut.ids, small.ids)


def test_peaks_survive_the_way_through_a_file(viewer, tmp_path, said):
    viewer.add_layer(ly.peaks_layer(peaks(), name="p", geometry=BLOCK))
    path = tmp_path / "p_peaks.csv"
    assert viewer.layers.save(str(path), plugin="napari-petlut") == [str(path)]
    back = read_peaks(path)
    np.testing.assert_array_equal(back.positions, peaks().positions)
    np.testing.assert_array_equal(back.status, peaks().status)
    assert "4,3," not in path.read_text().splitlines()[0]
    assert path.read_text().splitlines()[8].split(",")[3:6] == ["7", "1", "2"]
    assert said == [f"Wrote {path}: 20 peaks, 20 of them numbered."]


def test_plain_points_are_peaks_too(tmp_path):
    layer = Points(np.array([[1, 2], [3, 4]]), name="mine")
    writer.write_peaks_layer(str(tmp_path / "p.csv"), *layer.as_layer_data_tuple()[:2])
    assert read_peaks(tmp_path / "p.csv").positions.tolist() == [[1, 2], [3, 4]]


def test_a_map_survives_the_way_through_a_file(viewer, tmp_path, said):
    flood = block().flood
    viewer.add_layer(ly.flood_layer(flood, name="m"))
    path = tmp_path / "m.dat"
    viewer.layers.save(str(path), plugin="napari-petlut")
    np.testing.assert_array_equal(read_map(path).counts, flood.counts)
    assert said == [f"Wrote {path}: flood map of {flood.total:,.0f} events, without energy spectrum."]


@pytest.mark.parametrize(
    ("write", "layer", "words"),
    [
        (writer.write_lut_layer, Labels(np.ones((4, 4), np.int32)), "does not say its crystal array"),
        (writer.write_peaks_layer, Points(np.ones((2, 3))), "in 2 dimensions"),
        (writer.write_map_layer, Image(np.ones((4, 4))), "512 x 512"),
        (writer.write_map_layer, Image(np.full((512, 512), 0.5)), r"write \.npy or \.tif instead"),
        (writer.write_map_layer, Image(np.full((8, 8), -1.0)), "not negative"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_leaves_no_file(tmp_path, write, layer, words):
    with pytest.raises(FormatError, match=words) as caught:
        write(str(tmp_path / "x"), *layer.as_layer_data_tuple()[:2])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_labels_beyond_the_block_are_refused(tmp_path):
    layer = cells()
    layer.data[0, 0] = 21
    with pytest.raises(FormatError, match="LUT ids run from"):
        writer.write_lut_layer(str(tmp_path / "x.lut"), *layer.as_layer_data_tuple()[:2])


# -- overwriting ----------------------------------------------------------------------------------------


def test_a_script_is_refused_an_existing_file(tmp_path):
    path = tmp_path / "b.lut"
    path.write_bytes(b"mine")
    with pytest.raises(FormatError, match="a file of this name"):
        writer.write_lut_layer(str(path), *cells().as_layer_data_tuple()[:2])
    assert path.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["b.lut"]


@pytest.fixture
def person(monkeypatch):
    """Somebody who answers, and what they were asked."""
    asked = []

    def answer(paths):
        asked.append([path.name for path in paths])
        return answer.yes

    answer.yes, answer.asked = False, asked
    monkeypatch.setattr(writer, "is_interactive", lambda: True)
    monkeypatch.setattr(writer, "may_overwrite", answer)
    return answer


def test_naparis_dialog_has_asked_about_the_very_name(tmp_path, person):
    (tmp_path / "b.lut").write_bytes(b"old")
    writer.write_lut_layer(str(tmp_path / "b.lut"), *cells().as_layer_data_tuple()[:2])
    assert (tmp_path / "b.lut").stat().st_size == 4 * 1024 * 1024
    assert person.asked == []


def test_a_name_with_an_added_ending_is_asked_about(tmp_path, person, said):
    (tmp_path / "b.lut").write_bytes(b"old")
    writer.write_lut_layer(str(tmp_path / "b"), *cells().as_layer_data_tuple()[:2])
    assert person.asked == [["b.lut"]]
    assert (tmp_path / "b.lut").read_bytes() == b"old"
    assert said == ["Nothing was written: b.lut stays as it was."]
    person.yes = True
    writer.write_lut_layer(str(tmp_path / "b"), *cells().as_layer_data_tuple()[:2])
    assert (tmp_path / "b.lut").stat().st_size == 4 * 1024 * 1024


def test_somebody_elses_record_is_asked_about(tmp_path, person):
    (tmp_path / "b_record.json").write_text('{"mine": 1}')
    data, meta, _ = cells().as_layer_data_tuple()
    assert writer.write_lut_layer(str(tmp_path / "b.lut"), data, meta) == [str(tmp_path / "b.lut")]
    assert person.asked == [["b_record.json"]]
    assert (tmp_path / "b_record.json").read_text() == '{"mine": 1}'
    person.yes = True
    writer.write_lut_layer(str(tmp_path / "b.lut"), data, meta)
    person.asked.clear()
    writer.write_lut_layer(str(tmp_path / "b.lut"), data, meta)  # now the record is this LUT's own
    assert person.asked == []

"""The panels without a window: forms, steps, runs in the background, and what stays when they are closed."""

import gc
import json
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.lattice import GeometryProposal, number_peaks
from napari_petlut.analysis.segmentation import SegmentationParameters, nearest_peak_cells
from napari_petlut.errors import Cancelled, FormatError, ParameterError
from napari_petlut.formats.events import write_events
from napari_petlut.formats.lut import encode_lut, read_lut
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, EventFormat, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin import steps
from napari_petlut.plugin.choices import ExportChoices
from napari_petlut.plugin.comparing import agreement_text, compare_layers
from napari_petlut.plugin.exporting import plan_export, write_export
from napari_petlut.plugin.jobs import Job
from napari_petlut.plugin.opening import open_file
from napari_petlut.plugin.widgets import ComparePanel, CorrectPanel, ExportPanel, WorkflowPanel, export
from napari_petlut.plugin.widgets.runner import runner_of
from napari_petlut.plugin.workbench import workbench_of

from .conftest import grid_points
from .test_editing import drag

BLOCK = BlockGeometry(4, 5)


@pytest.fixture
def viewer(counts):
    viewer = ViewerModel()
    viewer.add_image(counts, name="b")
    return viewer


@pytest.fixture
def block(viewer):
    block = workbench_of(viewer).choose_any()
    block.geometry = BLOCK
    return block


@pytest.fixture
def done(block):
    steps.run_all_job(block).run()
    return block


# -- steps ------------------------------------------------------------------------------------------------


def test_run_all_finds_numbers_and_segments(block, viewer, points):
    said = steps.run_all_job(block).run()
    assert said.startswith("20 crystals: 20 found.")
    np.testing.assert_allclose(block.places, points, atol=0.3)
    assert [layer.name for layer in viewer.layers] == ["b", "b - cells", "b - lattice", "b - peaks"]
    assert set(np.unique(block.cells_layer.data)) - {0} == set(range(1, 21))
    assert viewer.layers.selection.active is block.peaks_layer


def test_running_again_updates_the_layers_and_keeps_what_was_placed_by_hand(done, viewer, points):
    drag(done.peaks_layer, [7], (2.0, 1.0))
    by_hand = done.peaks_layer.data[7].copy()
    layers = list(viewer.layers)
    steps.run_all_job(done).run()
    assert list(viewer.layers) == layers
    np.testing.assert_array_equal(done.places[7], by_hand)
    assert done.peaks_layer.features["status"][7] == "manual"
    done.undo()
    done.undo()
    np.testing.assert_allclose(done.places[7], points[7], atol=0.3)


def test_the_peak_search_alone_gives_numbered_peaks_and_lines(block, viewer):
    steps.filter_job(block).run()
    said = steps.peaks_job(block).run()
    assert said == "20 peaks for 20 crystals."
    assert sorted(block.peaks_layer.features["crystal"]) == list(range(20))
    assert {"b - filtered", "b - lattice", "b - peaks"} <= {layer.name for layer in viewer.layers}
    assert viewer.layers[-1] is block.peaks_layer


@pytest.mark.parametrize("method", ["nearest", "watershed", "kmeans", "mixture"])
def test_every_method_makes_cells_in_the_same_layer(done, viewer, method):
    done.choose(SegmentationParameters(method))
    said = steps.segmentation_job(done, show_drift=True).run()
    assert said.startswith(f"20 cells by {method}.")
    assert sum(ly.kind_of(layer) is ly.LayerKind.CELLS for layer in viewer.layers) == 1
    assert ly.info(done.cells_layer)["method"] == method
    assert {"b - centres", "b - drift"} <= {layer.name for layer in viewer.layers}


def test_segmentation_without_peaks_says_what_to_do(block):
    with pytest.raises(ParameterError, match="run the lattice first"):
        steps.segmentation_job(block)


def test_a_map_without_events_has_a_fixed_window(block):
    with pytest.raises(ParameterError, match="open the raw event file"):
        steps.flood_job(block)


@pytest.fixture
def counted(viewer, tmp_path, points):
    """A block whose flood map was counted from an event file, with cells."""
    rng = np.random.default_rng(3)
    spots = np.repeat(points * 8 + 20, 60, axis=0) + rng.normal(0, 6, (1200, 2))
    energy = np.full(1200, 1000)
    ex, ey = np.clip((1 - spots.T / 512) * energy, 0, 1023).astype(int)
    write_events(tmp_path / "b_raw.dat", energy, ex, ey, EventFormat())
    viewer.layers.clear()
    for layer in open_file(tmp_path / "b_raw.dat"):
        viewer.layers.append(layer)
    block = workbench_of(viewer).choose_any()
    block.choose(SegmentationParameters("nearest"))
    block.geometry = BLOCK
    block.set_peaks(Peaks(points * 8 + 20, crystal=np.arange(20)))
    steps.segmentation_job(block).run()
    return block


def test_peaks_and_cells_follow_a_map_with_other_bins(counted, points):
    assert counted.flood.shape == (512, 512)
    counted.choose(replace(counted.parameters(FloodParameters), bins=256))
    said = steps.flood_job(counted).run()
    assert "run again to renew them" in said
    assert counted.flood.shape == (256, 256) == counted.cells_layer.data.shape
    np.testing.assert_allclose(counted.places, (points * 8 + 20.5) / 2 - 0.5)
    np.testing.assert_array_equal(
        counted.cells_layer.data, nearest_peak_cells((256, 256), counted.places) + 1
    )
    assert not counted.editor.undo()


def test_another_window_keeps_the_choices_of_the_other_steps(counted):
    counted.choose(replace(counted.parameters(FloodParameters), window=EnergyWindow(900, 999.5)))
    with pytest.raises(FormatError, match="choose another window"):
        steps.flood_job(counted).run()
    counted.choose(replace(counted.parameters(FloodParameters), window=EnergyWindow(900, 1100)))
    assert steps.flood_job(counted).run().startswith("Flood map: 1,200 events with 900 < E < 1100.")
    assert ly.info(counted.flood_layer)["window"] == (900, 1100)
    assert counted.parameters(SegmentationParameters).method == "nearest"


def test_another_size_of_the_block_numbers_the_cells_anew(done):
    done.geometry = BlockGeometry(5, 4)
    cells = done.cells_layer
    assert ly.geometry_of(cells) == BlockGeometry(5, 4)
    assert cells.features["col"].max() == 3
    done.geometry = BLOCK
    np.testing.assert_array_equal(cells.data, nearest_peak_cells(cells.data.shape, done.places) + 1)


@pytest.mark.parametrize(
    ("sure", "said", "size"),
    [(0.95, "the map shows 4 x 5", BLOCK), (0.7, "16 x 16 was assumed", BlockGeometry(16, 16))],
)
def test_a_size_that_nobody_set_is_said(viewer, monkeypatch, sure, said, size):
    monkeypatch.setattr(steps, "propose_geometry", lambda counts: [GeometryProposal(BLOCK, sure, "")])
    monkeypatch.setattr(
        steps,
        "find_lattice",
        lambda counts, geometry, *chosen, **hooks: number_peaks(grid_points(*geometry.shape), geometry),
    )
    block = workbench_of(viewer).choose_any()
    assert not block.geometry_known
    assert said in steps.lattice_job(block).run()
    assert block.geometry == size


def test_the_comb_can_be_removed_and_put_back(block):
    counts = block.flood.counts.copy()
    counts[30] *= 3
    block.flood_layer.data = counts
    steps.set_comb_removed(block, True)
    assert steps.set_comb_removed(block, False) == "The map is as it was recorded."
    np.testing.assert_array_equal(block.flood_layer.data, counts)


# -- export and comparison --------------------------------------------------------------------------------


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
    from napari_petlut.pipeline import recalibrate

    write_array(tmp_path / "map.npy", FloodMap(counts))
    ly.info(block.flood_layer)["path"] = str(tmp_path / "map.npy")
    steps.run_all_job(block).run()
    drag(block.peaks_layer, [7], (2.0, 1.0))
    steps.segmentation_job(block).run()
    write_export(block, plan_export(tmp_path / "b", ExportChoices()))
    again = recalibrate(tmp_path / "b_record.json")
    assert encode_lut(again.lut) == (tmp_path / "b.lut").read_bytes()


def test_an_edit_after_the_segmentation_is_said_to_be_provisional(done, tmp_path):
    drag(done.peaks_layer, [7], (2.0, 1.0))
    assert "provisional" in write_export(done, plan_export(tmp_path / "b", ExportChoices()))
    steps.segmentation_job(done).run()
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


# -- panels -----------------------------------------------------------------------------------------------


def wait_until(qtbot, condition):
    qtbot.waitUntil(condition, timeout=60_000)


def test_run_all_in_the_panel(viewer, qtbot, points):
    panel = WorkflowPanel(viewer)
    qtbot.addWidget(panel)
    panel.bodies[0].rows.value, panel.bodies[0].cols.value = 4, 5
    panel.start_all.changed.emit(True)
    assert panel.runner.busy
    wait_until(qtbot, lambda: not panel.runner.busy)
    assert panel.message.text().startswith("20 crystals: 20 found.")
    np.testing.assert_allclose(panel.bench.current.places, points, atol=0.3)


def test_a_renamed_flood_map_is_renamed_in_the_panel(viewer, qtbot):
    panel = WorkflowPanel(viewer)
    qtbot.addWidget(panel)
    viewer.layers[0].name = "renamed"
    assert panel.flood.current_choice == "renamed"


def test_panels_share_what_is_chosen(viewer, qtbot):
    first, second = WorkflowPanel(viewer), WorkflowPanel(viewer)
    qtbot.addWidget(first)
    qtbot.addWidget(second)
    first.bodies[2].form["sigma"].value = 2.5
    assert second.bodies[2].form["sigma"].value == 2.5
    first.bodies[6].shared["method"].value = "watershed"
    assert second.bodies[6].shared["method"].value == "watershed"
    assert not second.bodies[6].forms["watershed"].native.isHidden()
    assert second.bodies[6].forms["mixture"].native.isHidden()


def test_suspects_are_listed_and_flown_to(done, viewer, qtbot):
    panel = CorrectPanel(viewer)
    qtbot.addWidget(panel)
    body = panel.bodies[0]
    done.peaks_layer.remove([7, 9])
    assert body.suspects.count() == 2
    assert body.count_label.value == "18 / 20 peaks, 2 suspects"
    body.suspects.setCurrentRow(1)
    body._on_chosen()
    assert done.visited.crystal == 9
    body._undo()
    assert body.suspects.count() == 0


def test_export_in_the_panel_asks_before_overwriting(done, viewer, qtbot, tmp_path, monkeypatch):
    panel = ExportPanel(viewer)
    qtbot.addWidget(panel)
    body = panel.bodies[0]
    body.path.value = tmp_path / "b"
    body._run()
    assert (tmp_path / "b.lut").exists()
    before = (tmp_path / "b.lut").stat().st_mtime_ns
    monkeypatch.setattr(export, "may_overwrite", lambda paths: False)
    body._run()
    assert panel.message.text() == "Nothing was written."
    assert (tmp_path / "b.lut").stat().st_mtime_ns == before
    monkeypatch.setattr(export, "may_overwrite", lambda paths: True)
    body._run()
    assert panel.message.text().startswith("Wrote b.lut")


def test_a_mistake_is_one_line_in_the_panel(viewer, qtbot):
    panel = ComparePanel(viewer)
    qtbot.addWidget(panel)
    panel.bodies[0]._run()
    assert panel.message.text() == "Comparing needs two Labels layers: open a second LUT file."


def test_an_empty_viewer_says_how_to_begin(qtbot):
    viewer = ViewerModel()
    panel = WorkflowPanel(viewer)
    qtbot.addWidget(panel)
    panel.start_all.changed.emit(True)
    assert "Open Sample" in panel.message.text()
    viewer.add_image(np.ones((9, 9)), name="late")
    assert panel.flood.value.name == "late"
    assert panel.message.text() == ""


# -- runs in the background -------------------------------------------------------------------------------


def slow(progress, cancelled):
    for step in range(1000):
        progress(step / 1000)
        if cancelled():
            raise Cancelled("stopped")
        time.sleep(0.005)


def test_a_run_can_be_cancelled_and_changes_nothing(viewer, block, qtbot):
    panel = WorkflowPanel(viewer)
    qtbot.addWidget(panel)
    shown = []
    panel.runner.try_start(lambda: Job("Slow", slow, shown.append))
    panel.runner.try_start(lambda: Job("Other", slow, shown.append))
    assert panel.message.text() == "Slow is still running; cancel it or wait."
    qtbot.waitUntil(lambda: panel.progress.value() > 0)
    panel.cancel.click()
    wait_until(qtbot, lambda: not panel.runner.busy)
    assert panel.message.text() == "Slow cancelled; nothing was changed."
    assert not panel.progress.isVisibleTo(panel)
    assert shown == []


def test_a_mistake_in_a_run_is_one_line(viewer, block, qtbot):
    def fail(progress, cancelled):
        raise ParameterError("sigma must be positive")

    runner, said = runner_of(workbench_of(viewer)), []
    runner.try_start(lambda: Job("Bad", fail, str), also_tell=lambda *told: said.append(told))
    wait_until(qtbot, lambda: bool(said))
    assert said == [("sigma must be positive", False)]


def test_closed_panels_leave_nothing_behind(viewer, qtbot):
    panels = []
    for _ in range(20):
        panel = WorkflowPanel(viewer)
        panels += [weakref.ref(panel), *(weakref.ref(body) for body in panel.bodies)]
        panel.close()
        panel.deleteLater()
        del panel
    QApplication.processEvents()
    gc.collect()
    assert [reference() for reference in panels if reference() is not None] == []
    bench = workbench_of(viewer)
    assert max(len(signal) for signal in (bench.block_changed, bench.edited, bench.parameters_changed)) <= 1


def test_peaks_of_a_block_without_a_panel_are_not_lost_with_it(block, viewer, points, qtbot):
    panel = CorrectPanel(viewer)
    block.set_peaks(Peaks(points))
    panel.close()
    panel.deleteLater()
    del panel
    gc.collect()
    block.peaks_layer.remove([3])
    assert block.count.peaks == 19

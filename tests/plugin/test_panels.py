"""The panels without a window: forms, runs in the background, and what stays when they are closed."""

import gc
import time
import weakref

import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.model import Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.widgets import ComparePanel, CorrectPanel, ExportPanel, WorkflowPanel, export
from napari_petlut.plugin.work.jobs import Job
from napari_petlut.plugin.work.running import BackgroundRun, runner_of
from napari_petlut.plugin.work.workbench import workbench_of


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
    assert body.reviewed.text() == "reviewed 1 of 2"
    body._undo()
    assert body.suspects.count() == 0


def live(body):
    return {button.text for button, _ in body._buttons if button.enabled}


def test_buttons_are_live_when_they_can_do_something(done, viewer, qtbot):
    panel = CorrectPanel(viewer)
    qtbot.addWidget(panel)
    body, layer = panel.bodies[0], done.peaks_layer
    assert live(body) == set()
    layer.selected_data = {3}
    assert live(body) == {"Row", "Column"}
    layer.selected_data = {7, 9}
    layer.remove_selected()
    assert live(body) == {"Undo", "Previous", "Next"}
    body._next()
    assert live(body) == {"Undo", "Previous", "Next", "Accept"}
    body._undo()
    assert live(body) == {"Redo"}
    done.editor.set_features([2], status="suspect", reason="dim")
    assert live(body) >= {"Accept all", "Next"}
    viewer.layers.remove(done.flood_layer)
    assert live(body) == set()


def test_buttons_that_start_something_wait_for_the_end_of_it(block, viewer, qtbot):
    panel, empty = WorkflowPanel(viewer), WorkflowPanel(ViewerModel())
    for one in (panel, empty):
        qtbot.addWidget(one)
    assert not any(live(body) for body in empty.bodies)
    assert not empty.start_all.enabled
    assert live(panel.bodies[4]) == {"Find lattice"}
    assert live(panel.bodies[7]) == set()
    panel.runner.try_start(lambda: Job("Slow", slow, str))
    assert not panel.start_all.enabled
    assert live(panel.bodies[4]) == set()
    panel.runner.cancel()
    wait_until(qtbot, lambda: not panel.runner.busy)
    assert panel.start_all.enabled
    block.set_peaks(Peaks(np.ones((1, 2))))
    assert live(panel.bodies[4]) == {"Find lattice", "Renumber peaks"}
    assert live(panel.bodies[7]) == {"Export"}


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


def test_export_in_the_panel_offers_to_resample(done, viewer, qtbot, tmp_path, monkeypatch):
    panel = ExportPanel(viewer)
    qtbot.addWidget(panel)
    body, asked = panel.bodies[0], []
    body.layout_choice.value = "minipet"
    body.path.value = tmp_path / "b"
    ly.show_labels(done.cells_layer, np.maximum(done.cells_layer.data, 1))
    body._run()  # nobody is there to be asked
    assert panel.message.text().startswith(
        "Found 60 x 70, expected exactly 256 x 256 pixels; resample the LUT"
    )
    monkeypatch.setattr(export, "may_resample", lambda *about: asked.append(about) or True)
    body._run()
    assert asked == [("minipet", (60, 70), (256, 256))]
    assert "LUT resampled to 256 x 256 pixels." in panel.message.text()


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


def test_a_map_that_napari_opened_as_labels_is_explained(qtbot, counts):
    viewer = ViewerModel()
    panel = WorkflowPanel(viewer)
    qtbot.addWidget(panel)
    labels = viewer.add_labels(counts.astype(np.int32), name="whole")
    assert "napari has opened 'whole' as labels" in panel.message.text()
    panel.start_all.changed.emit(True)
    assert "Convert to Image" in panel.message.text()
    viewer.layers.remove(labels)
    viewer.add_image(counts)
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
    # What listens as long as the bench lives, as its preview of the peak search, is made once for 20 panels.
    assert max(len(signal) for signal in (bench.block_changed, bench.edited, bench.parameters_changed)) <= 2


def test_peaks_of_a_block_without_a_panel_are_not_lost_with_it(block, viewer, points, qtbot):
    panel = CorrectPanel(viewer)
    block.set_peaks(Peaks(points))
    panel.close()
    panel.deleteLater()
    del panel
    gc.collect()
    block.peaks_layer.remove([3])
    assert block.count.peaks == 19


def test_reports_of_progress_do_not_nest(viewer, qtbot):
    panel = WorkflowPanel(viewer)
    qtbot.addWidget(panel)
    depth, deepest = [0], [0]

    def look(fraction):
        depth[0] += 1
        deepest[0] = max(deepest[0], depth[0])
        time.sleep(0.05)  # the next report is there before this one is shown
        QApplication.processEvents()  # as napari's own bar does
        depth[0] -= 1

    def compute(progress, cancelled):
        for step in range(30):
            progress(step / 30)
            time.sleep(0.02)

    run = BackgroundRun(Job("Busy", compute, str), lambda outcome: None)
    bar = run._update_bar
    run._update_bar = lambda percent: (bar(percent), look(percent))
    run.start()
    wait_until(qtbot, lambda: not run.running)
    assert deepest == [1]

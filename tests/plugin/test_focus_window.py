"""Two blocks in a real window, with the panel open: what is said is said of the block in focus."""

from threading import Event

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloodMap
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.widgets import WorkflowPanel
from napari_petlut.plugin.work.counting import OVERLAY_KEY
from napari_petlut.plugin.work.jobs import Job, check

from .conftest import flood_of, grid_points

pytestmark = pytest.mark.gl


def add_map(viewer, name, rows, cols, geometry=None):
    flood = FloodMap(flood_of(grid_points(rows, cols)))
    return viewer.add_layer(ly.flood_layer(flood, name=name, geometry=geometry))


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def panel(viewer):
    panel = WorkflowPanel(viewer)
    viewer.window.add_dock_widget(panel)
    add_map(viewer, "a", 4, 5, BlockGeometry(4, 5))
    add_map(viewer, "b", 3, 4, BlockGeometry(3, 4))
    QApplication.processEvents()
    return panel


def run_all(panel, qtbot):
    panel.start_all.native.click()
    qtbot.waitUntil(lambda: not panel.runner.busy, timeout=60_000)


def press(viewer, qtbot, key):
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, key)
    QApplication.processEvents()


def canvas_text(viewer):
    overlay = viewer.canvas.overlays.get(OVERLAY_KEY)
    return overlay.text if overlay is not None else ""


def test_run_all_works_on_the_map_that_was_opened_last(viewer, panel, qtbot):
    assert panel.flood.value.name == "b"
    block_step = panel.bodies[0]
    run_all(panel, qtbot)
    assert panel.message.text().startswith("12 crystals: 12 found")
    assert (block_step.rows.value, block_step.cols.value) == (3, 4)
    assert canvas_text(viewer) == "12 / 12 peaks"
    press(viewer, qtbot, Qt.Key.Key_PageUp)
    assert panel.flood.value.name == "a"
    assert panel.message.text() == ""
    assert (block_step.rows.value, block_step.cols.value) == (4, 5)
    assert canvas_text(viewer) == ""
    assert [layer.name for layer in viewer.layers if layer.visible] == ["a"]
    run_all(panel, qtbot)
    assert panel.message.text().startswith("20 crystals: 20 found")
    panel.next.native.click()
    assert panel.message.text().startswith("12 crystals: 12 found")
    assert canvas_text(viewer) == "12 / 12 peaks"


def test_a_size_that_is_only_assumed_is_said_of_its_block_only(viewer, panel):
    hint = panel.bodies[0].hint.native
    assert hint.isHidden()
    add_map(viewer, "c", 4, 4)
    assert not hint.isHidden()
    panel.next.native.click()
    assert panel.flood.value.name == "a"
    assert hint.isHidden()
    viewer.layers.clear()
    assert hint.isHidden()
    assert panel.message.text().startswith("Open a flood map first")


def test_progress_is_shown_with_its_block_only(viewer, panel, qtbot):
    first = panel.bench.choose(viewer.layers["a"])
    go = Event()

    def compute(progress, cancelled):
        progress(0.5)
        go.wait(20)
        return 7

    panel.runner.try_start(lambda: Job("Slow", compute, lambda n: f"made {n}", first))
    qtbot.waitUntil(lambda: panel.progress.value() == 50)
    assert not panel.progress.isHidden()
    panel.next.native.click()
    assert panel.progress.isHidden()
    assert panel.cancel.isHidden()
    assert not panel.start_all.enabled  # one run at a time, of whichever block
    go.set()
    qtbot.waitUntil(lambda: not panel.runner.busy)
    assert panel.flood.value.name == "b"
    assert "made 7" not in panel.message.text()
    panel.previous.native.click()
    assert panel.message.text() == "made 7"


def test_a_map_renamed_to_the_name_of_another_in_the_middle_of_a_run(viewer, panel, qtbot):
    panel.start_all.native.click()
    viewer.layers["b"].name = "a"
    qtbot.waitUntil(lambda: not panel.runner.busy, timeout=60_000)
    block = panel.bench.current
    assert block.cells_layer is not None
    assert len(np.unique(block.cells_layer.data)) == 12
    assert panel.flood.value is block.flood_layer
    assert "12 crystals" in panel.message.text()


@pytest.mark.trashing
def test_a_run_whose_map_is_trashed_ends_and_says_why(viewer, panel, qtbot):
    block = panel.bench.current
    begun = Event()

    def compute(progress, cancelled):
        begun.set()
        while True:
            check(cancelled)

    panel.runner.try_start(lambda: Job("Run all", compute, str, block))
    qtbot.waitUntil(begun.is_set)
    viewer.layers.remove("b")
    qtbot.waitUntil(lambda: not panel.runner.busy)
    assert panel.message.text() == "Run all stopped: the flood map 'b' was removed. Nothing was changed."
    assert panel.progress.isHidden()
    assert [layer.name for layer in viewer.layers] == ["a"]
    assert canvas_text(viewer) == ""


@pytest.mark.trashing
def test_peaks_and_cells_trashed_in_the_middle_of_a_run_are_made_anew(viewer, panel, qtbot):
    run_all(panel, qtbot)
    for names in (["b - peaks"], ["b - cells", "b - lattice"], ["b - peaks", "b - cells", "b - lattice"]):
        panel.start_all.native.click()
        for name in names:
            viewer.layers.remove(name)
            # A click later than the last one: napari 0.9.2 by itself draws with freed buffers, a segmentation
            # fault, if several layers are taken out and others put in before anything is drawn.
            QApplication.processEvents()
        if not panel.runner.busy:  # it had ended before all were trashed
            panel.start_all.native.click()
        qtbot.waitUntil(lambda: not panel.runner.busy, timeout=60_000)
        assert panel.message.text().startswith("12 crystals")
        assert sorted(layer.name for layer in viewer.layers) == [
            "a",
            "b",
            "b - cells",
            "b - lattice",
            "b - numbers",
            "b - peaks",
        ]


def test_a_fault_of_the_program_ends_the_run_too(viewer, panel, qtbot):
    def fail(result):
        raise ZeroDivisionError("oops")

    with qtbot.captureExceptions() as raised:
        panel.runner.try_start(lambda: Job("Broken", lambda progress, cancelled: 1, fail))
        qtbot.waitUntil(lambda: not panel.runner.busy)
        QApplication.processEvents()
    assert [type(error[1]) for error in raised] == [ZeroDivisionError]
    assert panel.message.text() == "Broken failed: oops"
    assert panel.progress.isHidden()

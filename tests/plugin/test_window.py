"""A person at work: napari's own window, real mouse and key events, and the panels."""

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_petlut.analysis.segmentation import nearest_peak_cells
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.counting import OVERLAY_KEY
from napari_petlut.plugin.work.workbench import workbench_of

BLOCK = BlockGeometry(4, 5)

pytestmark = pytest.mark.gl


class Hand:
    """Mouse and keys on the canvas."""

    def __init__(self, viewer, qtbot):
        self.viewer, self.qtbot = viewer, qtbot
        self.canvas = viewer.window._qt_viewer.canvas.native  # the one private name that tests may use

    def at(self, position):
        """Canvas pixel of a world position."""
        camera = self.viewer.scene.camera
        across = self.canvas.width() / 2 + (position[1] - camera.center[-1]) * camera.zoom
        down = self.canvas.height() / 2 + (position[0] - camera.center[-2]) * camera.zoom
        return QPoint(round(across), round(down))

    def click(self, position):
        self._send(QEvent.Type.MouseMove, position, Qt.MouseButton.NoButton)
        self._send(QEvent.Type.MouseButtonPress, position, Qt.MouseButton.LeftButton)
        self._send(QEvent.Type.MouseButtonRelease, position, Qt.MouseButton.NoButton)

    def drag(self, start, stop):
        self._send(QEvent.Type.MouseMove, start, Qt.MouseButton.NoButton)
        self._send(QEvent.Type.MouseButtonPress, start, Qt.MouseButton.LeftButton)
        for share in (0.5, 1.0):
            self._send(
                QEvent.Type.MouseMove,
                np.asarray(start) * (1 - share) + np.asarray(stop) * share,
                Qt.MouseButton.LeftButton,
            )
        self._send(QEvent.Type.MouseButtonRelease, stop, Qt.MouseButton.NoButton)

    def _send(self, kind, position, held):
        local = QPointF(self.at(position))
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        event = QMouseEvent(
            kind,
            local,
            self.canvas.mapToGlobal(local),
            button,
            held,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self.canvas, event)
        QApplication.processEvents()

    def key(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyClick(self.canvas, key, modifier)
        QApplication.processEvents()


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def block(viewer, counts, points):
    viewer.add_image(counts, name="b")
    block = workbench_of(viewer).choose_any()
    block.geometry = BLOCK
    layer = block.set_peaks(Peaks(points, crystal=np.arange(20)))
    lut = CrystalLUT(nearest_peak_cells(counts.shape, points), BLOCK)
    ly.show_layer(viewer, ly.cells_layer(lut, name="b - cells", block="b", method="nearest"))
    viewer.layers.selection.active = layer
    QApplication.processEvents()
    return block


@pytest.fixture
def hand(viewer, qtbot):
    return Hand(viewer, qtbot)


def overlay(viewer):
    return viewer.canvas.overlays[OVERLAY_KEY].text


def test_drag_a_peak_undo_redo(block, hand, points):
    layer, cells = block.peaks_layer, block.cells_layer
    before = cells.data.copy()
    hand.key(Qt.Key.Key_3)
    hand.drag(points[7], points[7] + (3, 2))
    np.testing.assert_allclose(layer.data[7], points[7] + (3, 2), atol=0.5)
    assert layer.features["status"][7] == "manual"
    after = cells.data.copy()
    np.testing.assert_array_equal(after, nearest_peak_cells(after.shape, layer.data) + 1)
    assert (after != before).any()
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(layer.data, points)
    np.testing.assert_array_equal(cells.data, before)
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_array_equal(cells.data, after)


@pytest.mark.parametrize("contour", [0, 1, 3])
def test_cells_drawn_in_part_look_as_if_drawn_anew(contour, block, hand, viewer, points):
    cells = block.cells_layer
    cells.contour = contour
    cells.opacity = 1.0
    cells.brush_size = 3
    cells.paint((30, 30), 12)
    before = viewer.screenshot(flash=False)
    hand.key(Qt.Key.Key_3)
    hand.drag(points[7], points[7] + (4, -3))  # inside
    hand.drag(points[4], points[4] + (-3, 2))  # in a corner
    hand.key(Qt.Key.Key_Delete)
    cells.paint((12, 40), 3)  # napari draws this part itself
    in_part = viewer.screenshot(flash=False)
    cells.refresh()
    QApplication.processEvents()
    np.testing.assert_array_equal(in_part, viewer.screenshot(flash=False))
    assert (in_part != before).any()


def test_cells_that_were_hidden_or_turned_are_drawn_rightly_after_an_edit(block, hand, viewer, points):
    cells = block.cells_layer
    hand.key(Qt.Key.Key_3)
    cells.visible = False
    hand.drag(points[7], points[7] + (4, -3))
    cells.visible = True
    viewer.dims.order = (1, 0)
    cells.opacity = 1.0
    QApplication.processEvents()
    before = viewer.screenshot(flash=False)
    block.undo()
    QApplication.processEvents()
    turned = viewer.screenshot(flash=False)
    assert (turned != before).any()
    cells.refresh()
    QApplication.processEvents()
    np.testing.assert_array_equal(turned, viewer.screenshot(flash=False))


def test_add_delete_and_paste_keep_the_count(block, hand, viewer, points):
    layer = block.peaks_layer
    hand.key(Qt.Key.Key_3)
    hand.click(points[7])
    hand.key(Qt.Key.Key_Delete)
    assert overlay(viewer) == "19 / 20 peaks, 1 suspect"
    hand.key(Qt.Key.Key_2)
    hand.click(points[7])
    assert overlay(viewer) == "20 / 20 peaks"
    assert layer.features["crystal"].iloc[-1] == 7
    hand.key(Qt.Key.Key_3)
    hand.click(points[3])
    hand.key(Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    hand.key(Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert overlay(viewer).startswith("20 / 20 peaks + 1 extra, 1 suspect")
    assert layer.features["crystal"].iloc[-1] == -1
    for _ in range(3):
        hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert overlay(viewer) == "20 / 20 peaks"
    np.testing.assert_array_equal(layer.data, points)


def test_a_whole_row_is_dragged_and_suspects_are_flown_to(block, hand, viewer, points):
    layer = block.peaks_layer
    hand.key(Qt.Key.Key_3)
    hand.click(points[7])
    hand.key(Qt.Key.Key_R)
    assert set(layer.selected_data) == {5, 6, 7, 8, 9}
    hand.drag(points[7], points[7] + (2, 0))
    np.testing.assert_allclose(layer.data[5:10], points[5:10] + np.array((2, 0)), atol=0.5)
    layer.remove([12])
    hand.key(Qt.Key.Key_N)
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], points[12], atol=1.5)
    hand.key(Qt.Key.Key_K)
    assert overlay(viewer).startswith("20 / 20 peaks")


def test_one_key_hides_what_is_drawn_while_it_is_held_and_another_steps(block, hand, viewer):
    def shown():
        return [layer.name for layer in viewer.layers if layer.visible]

    whole = shown()
    assert len(whole) > 1
    hand.qtbot.keyPress(hand.canvas, Qt.Key.Key_H)
    assert shown() == ["b"]
    hand.qtbot.keyRelease(hand.canvas, Qt.Key.Key_H)
    assert shown() == whole
    hand.key(Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier)
    assert shown() == ["b"]
    hand.key(Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier)
    assert shown() == ["b", "b - peaks"]
    hand.key(Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier)
    hand.key(Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier)
    assert shown() == whole


def test_provisional_cells_say_so_and_one_key_settles_them(viewer, block, hand, points, qtbot):
    cells = block.cells_layer
    ly.info(cells).method = "mixture"
    hand.key(Qt.Key.Key_3)
    hand.drag(points[7], points[7] + (2, 2))
    assert overlay(viewer) == "20 / 20 peaks\ncells provisional: Shift+S segments again"
    hand.key(Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: overlay(viewer) == "20 / 20 peaks", timeout=60_000)
    assert not ly.info(cells).stale
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert overlay(viewer).endswith("Shift+S segments again")


def test_a_peak_dragged_off_its_spot_is_asked_about_once(viewer, block, hand, points):
    hand.key(Qt.Key.Key_3)
    hand.drag(points[7], points[7] + (4, 2))
    assert overlay(viewer) == "20 / 20 peaks, 1 suspect"
    hand.key(Qt.Key.Key_N)
    assert "placed 0.4" in overlay(viewer)
    hand.key(Qt.Key.Key_K)
    assert overlay(viewer) == "20 / 20 peaks"


def test_closing_the_viewer_in_the_middle_of_a_run_does_no_harm(make_napari_viewer, counts, qtbot):
    from napari_petlut.plugin.widgets import WorkflowPanel
    from napari_petlut.plugin.work.jobs import Job

    from .test_panels import slow

    viewer = make_napari_viewer()
    viewer.add_image(counts)
    panel = WorkflowPanel(viewer)
    viewer.window.add_dock_widget(panel)
    shown = []
    panel.runner.try_start(lambda: Job("Slow", slow, shown.append))
    qtbot.waitUntil(lambda: panel.progress.value() > 0)
    runner = panel.runner
    viewer.close()
    qtbot.waitUntil(lambda: not runner.busy)
    assert shown == []

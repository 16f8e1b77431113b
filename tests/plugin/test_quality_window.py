"""Energy and quality in napari's own window, with a real mouse."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.quality.inspector import inspector_of
from napari_petlut.plugin.widgets import QualityPanel
from napari_petlut.plugin.work.workbench import workbench_of

from .test_quality import CENTRES, DEAD, block, event_file, measured
from .test_window import Hand

__all__ = ["block", "event_file", "measured"]  # fixtures

pytestmark = pytest.mark.gl


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def inspector(viewer, block):
    return inspector_of(workbench_of(viewer))


@pytest.fixture
def panel(viewer, measured):
    panel = viewer.window.add_plugin_dock_widget("napari-petlut", "Energy and quality")[1]
    QApplication.processEvents()
    return panel


def test_a_click_on_a_cell_goes_to_its_row_and_a_click_on_a_row_flies(viewer, panel, block, qtbot):
    hand, table = Hand(viewer, qtbot), panel.bodies[0].table
    viewer.reset_view()
    QApplication.processEvents()
    hand.key(Qt.Key.Key_3)  # select peaks
    hand.click(CENTRES[7] + (0, 6))
    assert table.table.crystal(table.currentIndex().row()) == 7
    hand.drag(CENTRES[3] + (0, 6), CENTRES[9] + (0, 6))
    assert inspector_of(panel.bench).crystal == 7
    row = table.visualRect(table.table.index(table.table.row_of(8), 0))
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=row.center())
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], CENTRES[8], atol=0.5)
    assert set(block.peaks_layer.selected_data) == {8}


def test_the_map_is_seen_through_and_painting_goes_on(viewer, panel, block, qtbot):
    hand, cells = Hand(viewer, qtbot), block.cells_layer
    viewer.reset_view()
    viewer.layers.selection.active = cells
    cells.mode, cells.brush_size, cells.selected_label = "paint", 3, 20
    QApplication.processEvents()
    hand.click(CENTRES[7])
    assert cells.data[tuple(CENTRES[7].astype(int))] == 20
    assert inspector_of(panel.bench).crystal == -1
    assert "measure again" in panel.bodies[0].verdict.text()


def test_colours_on_the_canvas_are_those_of_the_figure(viewer, panel, block):
    inspector = inspector_of(panel.bench)
    inspector.choose_figure("photopeak")
    shown = ly.find_layer(viewer, ly.LayerKind.CRYSTAL_MAP, block.name)
    for layer in viewer.layers:
        layer.visible = layer is shown
    shown.opacity, shown.colorbar.visible = 1.0, False
    viewer.canvas.overlays["petlut"].visible = False
    viewer.reset_view()
    QApplication.processEvents()
    picture = viewer.screenshot(canvas_only=True, flash=False)
    hand = Hand(viewer, None)
    for crystal in (1, 10, 18):
        at = hand.at(CENTRES[crystal])
        low, high = shown.contrast_limits
        value = shown.data[tuple(CENTRES[crystal].astype(int))]
        expected = shown.colormap.map(np.clip((value - low) / (high - low), 0, 1))[0]
        np.testing.assert_allclose(picture[at.y(), at.x(), :3] / 255, expected[:3], atol=0.03)
    dead = hand.at(CENTRES[DEAD])
    assert picture[dead.y(), dead.x(), :3].max() == 0


def test_the_workflow_opens_the_panel(viewer, measured):
    workflow = viewer.window.add_plugin_dock_widget("napari-petlut", "Crystal LUT")[1]
    workflow.bodies[-1]._open()
    QApplication.processEvents()
    workflow.bodies[-1]._open()
    panels = [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, QualityPanel)]
    assert len(panels) == 1
    assert panels[0].bodies[0].table.table.rowCount() == 20


def test_a_closed_dock_leaves_the_mouse_alone(viewer, panel):
    watched = len(viewer.mouse_drag_callbacks)
    viewer.window.remove_dock_widget(panel)
    QApplication.processEvents()
    assert len(viewer.mouse_drag_callbacks) == watched - 1

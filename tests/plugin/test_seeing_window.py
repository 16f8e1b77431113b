"""The real window: panels on the screen and as tabs, colours of the theme, messages as a whole."""

import pytest
from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QApplication, QDockWidget

from napari_petlut.plugin.widgets.placing import dock_of, fitted
from napari_petlut.plugin.work.counting import OVERLAY_KEY

pytestmark = pytest.mark.gl

PATH = "/home/somebody/measurements/2026-11-05T13_ring_3/block_07_of_a_long_campaign/flood_map_uint16.map"


def test_panels_stand_on_the_screen_as_tabs_and_follow_the_theme(make_napari_viewer, counts, points, qtbot):
    from napari_petlut.geometry import BlockGeometry
    from napari_petlut.model import Peaks
    from napari_petlut.plugin.work.workbench import workbench_of

    viewer = make_napari_viewer(show=True)
    viewer.add_image(counts, name="b")
    window = viewer.window._qt_window
    screen = window.screen().availableGeometry()
    window.resize(screen.width() + 200, screen.height() + 100)
    panels = [
        viewer.window.add_plugin_dock_widget("napari-petlut", name)[1]
        for name in ("Crystal LUT", "Energy and quality", "Compare LUTs")
    ]
    qtbot.waitUntil(lambda: screen.contains(window.frameGeometry()), timeout=5_000)
    docks = [dock_of(panel) for panel in panels]
    qtbot.waitUntil(lambda: set(window.tabifiedDockWidgets(docks[0])) == set(docks[1:]), timeout=5_000)
    qtbot.waitUntil(lambda: not panels[2].visibleRegion().isEmpty(), timeout=5_000)
    assert panels[0].visibleRegion().isEmpty()

    # A panel that a person has put elsewhere stays there, also when it is hidden and shown again.
    docks[2].setFloating(True)
    panels[2].hide()
    panels[2].show()
    QApplication.processEvents()
    assert docks[2].isFloating()
    apart = viewer.window.add_dock_widget(QDockWidget(), name="of another plugin", area="right")
    assert apart not in window.tabifiedDockWidgets(docks[0])

    # Every colour that is not of the theme itself.
    block = workbench_of(viewer).choose_any()
    block.geometry = BlockGeometry(4, 5)
    block.set_peaks(Peaks(points[:18]))
    said = panels[0].bodies[0].say
    viewer.theme = "light"
    said("no", good=False)
    light = viewer.canvas.overlays[OVERLAY_KEY].color.tolist(), panels[0].message.styleSheet()
    viewer.theme = "dark"
    dark = viewer.canvas.overlays[OVERLAY_KEY].color.tolist(), panels[0].message.styleSheet()
    assert light[0] != dark[0]
    assert light[1] != dark[1]

    # A path has no spaces to break at; it is broken all the same.
    docks[0].raise_()
    short = panels[0].message.height()
    said(f"map file is 1,000 bytes short: {PATH}", good=False)
    QApplication.processEvents()
    message = panels[0].message
    assert message.text().endswith(PATH)
    assert message.height() > 2 * short
    assert message.document().idealWidth() <= message.viewport().width()
    assert message.verticalScrollBar().maximum() == 0
    said("", good=True)
    assert message.height() == 0
    assert message.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse


@pytest.mark.parametrize(
    ("frame", "fitting"),
    [
        ((0, 0, 1571, 639), (0, 0, 1366, 639)),
        ((900, 300, 600, 500), (766, 268, 600, 500)),
        ((-40, 20, 300, 200), (0, 20, 300, 200)),
        ((10, 20, 300, 200), (10, 20, 300, 200)),
    ],
)
def test_a_frame_is_moved_and_shrunk_no_more_than_needed(frame, fitting):
    assert fitted(QRect(*frame), QRect(0, 0, 1366, 768)) == QRect(*fitting)

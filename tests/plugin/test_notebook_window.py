"""The notebook's sections in the real window, with a real mouse."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_petlut.formats.events import write_events
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EventFormat
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.runs import runs_of
from napari_petlut.plugin.work.workbench import workbench_of

from .window import drop

pytestmark = pytest.mark.gl

ROWS, COLS, EVENTS = 4, 5, 200


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def spots(points):
    """Where the crystals are on a map of 512 x 512."""
    return points * 8 + 20


@pytest.fixture
def raw(tmp_path, spots):
    """A raw event file of those crystals."""
    rng = np.random.default_rng(3)
    places = np.repeat(spots, EVENTS, axis=0) + rng.normal(0, 6, (len(spots) * EVENTS, 2))
    places = rng.permutation(places)
    energy = np.full(len(places), 1000)
    ex, ey = np.clip((1 - places.T / 512) * energy, 0, 1023).astype(int)
    write_events(tmp_path / "b_raw.dat", energy, ex, ey, EventFormat())
    return tmp_path / "b_raw.dat"


def click(qtbot, widget):
    native = getattr(widget, "native", widget)
    # On its left: a tick box is wider than what of it can be clicked.
    qtbot.mouseClick(native, Qt.MouseButton.LeftButton, pos=QPoint(10, native.height() // 2))
    QApplication.processEvents()


def choose(qtbot, combo, text):
    """Choose an entry of a box with the keyboard."""
    box = combo.native
    qtbot.keyClick(box, Qt.Key.Key_Home)
    for _ in range(box.findText(text)):
        qtbot.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == text
    QApplication.processEvents()


def test_the_first_sections_of_the_notebook_without_any_peak(viewer, qtbot, raw, spots):
    drop(qtbot, viewer, [raw])
    panel = viewer.window.add_plugin_dock_widget("napari-petlut", "7 Segmentation")[1]
    body, block = panel.bodies[0], workbench_of(viewer).current
    block.geometry = BlockGeometry(ROWS, COLS)
    choose(qtbot, body.shared["method"], "kmeans")
    for number, variant in enumerate(("4.1 events, k-means++", "4.2 map, k-means++", "4.3 map, grid"), 1):
        choose(qtbot, body.variant, variant)
        click(qtbot, body.run)
        qtbot.waitUntil(lambda: not panel.runner.busy, timeout=60_000)
        assert panel.message.text().startswith("20 clusters"), panel.message.text()
        assert len(runs_of(block)) == number
    assert block.peaks_layer is None and block.cells_layer is None
    table = body.runs.table
    assert [table.item(row, 1).text() for row in range(3)] == [
        "events, k-means++",
        "map, k-means++",
        "map, grid",
    ]
    assert all(float(table.item(row, 2).text()) > 0 for row in range(3))
    assert table.item(0, 5).text() == "–"
    choose(qtbot, body.variant, "4.2 map, k-means++")
    click(qtbot, body.run)
    qtbot.waitUntil(lambda: not panel.runner.busy, timeout=60_000)
    click(qtbot, body.number)
    assert "clusters numbered" in panel.message.text()
    assert block.cells_layer is not None and len(block.peaks_layer.data) == 20


def test_a_run_is_shown_again_and_its_settings_are_taken(viewer, qtbot, counts):
    viewer.add_image(counts, name="b")
    panel = viewer.window.add_plugin_dock_widget("napari-petlut", "7 Segmentation")[1]
    body, block = panel.bodies[0], workbench_of(viewer).current
    block.geometry = BlockGeometry(ROWS, COLS)
    choose(qtbot, body.shared["method"], "kmeans")
    for variant in ("4.2 map, k-means++", "4.3 map, grid"):
        choose(qtbot, body.variant, variant)
        click(qtbot, body.run)
        qtbot.waitUntil(lambda: not panel.runner.busy, timeout=60_000)
    table = body.runs.table
    QApplication.processEvents()
    qtbot.mouseClick(
        table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualItemRect(table.item(0, 0)).center()
    )
    click(qtbot, body.runs.show_cells)
    assert viewer.layers["b - run 1: k-means, map, k-means++"].visible
    assert body.variant.value == "4.3 map, grid"
    click(qtbot, body.runs.use)
    assert body.variant.value == "4.2 map, k-means++"
    click(qtbot, body.runs.clear)
    assert not body.runs.isVisible()
    assert "b - clusters" in [layer.name for layer in viewer.layers]
    assert ly.info(block.flood_layer).runs == ()

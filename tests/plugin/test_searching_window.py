"""Filter and peak search in the real window: what the program chose, previews, both maps side by side."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.workbench import workbench_of

from .conftest import flood_of
from .test_notebook_window import click

pytestmark = pytest.mark.gl


@pytest.fixture
def viewer(make_napari_viewer, points):
    viewer = make_napari_viewer(show=True)
    noisy = np.random.default_rng(0).poisson(flood_of(points, height=20)).astype(float)
    viewer.add_image(noisy, name="b")
    return viewer


@pytest.fixture
def block(viewer):
    block = workbench_of(viewer).choose_any()
    block.geometry = BlockGeometry(4, 5)
    return block


def body_of(viewer, panel):
    body = viewer.window.add_plugin_dock_widget("napari-petlut", panel)[1].bodies[0]
    QApplication.processEvents()
    return body


def layer_of(viewer, kind):
    return ly.find_layer(viewer, kind, "b")


def up(qtbot, number, times=1):
    """Press the arrow key in a field."""
    for _ in range(times):
        qtbot.keyClick(number.native, Qt.Key.Key_Up)


def test_auto_shows_what_it_chose_greyed(viewer, block, qtbot):
    body = body_of(viewer, "4 Peak search")
    threshold, most = body.form["threshold"], body.form["max_peaks"]
    qtbot.waitUntil(lambda: threshold.chosen is not None, timeout=10_000)
    field = threshold._number.native
    assert not field.isEnabled() and float(field.text()) == pytest.approx(threshold.chosen, abs=0.051)
    assert most._number.native.text() == "60"
    assert threshold.value is None
    block.geometry = BlockGeometry(2, 5)
    qtbot.waitUntil(lambda: most.chosen == 30, timeout=10_000)
    chosen = threshold.chosen
    click(qtbot, threshold._auto)
    assert field.isEnabled() and threshold.value == pytest.approx(chosen, abs=0.051)


def test_peaks_are_previewed_live_and_nothing_is_replaced(viewer, block, qtbot):
    body = body_of(viewer, "4 Peak search")
    click(qtbot, body.live)
    qtbot.waitUntil(lambda: layer_of(viewer, ly.LayerKind.PREVIEW) is not None, timeout=10_000)
    before = len(layer_of(viewer, ly.LayerKind.PREVIEW).data)
    assert body.found.value == f"{before} for 20 crystals"
    assert block.peaks_layer is None
    assert viewer.layers.selection.active is block.flood_layer
    qtbot.waitUntil(lambda: body.form["min_distance"].chosen is not None, timeout=10_000)
    click(qtbot, body.form["min_distance"]._auto)
    up(qtbot, body.form["min_distance"]._number, 9)  # 11 px, more than the pitch
    qtbot.waitUntil(lambda: len(layer_of(viewer, ly.LayerKind.PREVIEW).data) < before, timeout=10_000)
    click(qtbot, body.live)
    assert layer_of(viewer, ly.LayerKind.PREVIEW) is None
    assert body.found.value == ""


def test_the_filter_is_previewed_live(viewer, block, qtbot):
    body = body_of(viewer, "3 Filter")
    click(qtbot, body.live)
    qtbot.waitUntil(lambda: layer_of(viewer, ly.LayerKind.FILTERED) is not None, timeout=10_000)
    weak = np.std(layer_of(viewer, ly.LayerKind.FILTERED).data)
    up(qtbot, body.form["sigma"], 20)
    qtbot.waitUntil(lambda: np.std(layer_of(viewer, ly.LayerKind.FILTERED).data) < weak, timeout=10_000)
    click(qtbot, body.live)
    assert layer_of(viewer, ly.LayerKind.FILTERED) is None


def test_a_filtered_map_that_was_asked_for_stays_after_the_preview(viewer, block, qtbot):
    from napari_petlut.plugin.work import steps

    steps.filter_job(block).run()
    body = body_of(viewer, "3 Filter")
    click(qtbot, body.live)
    qtbot.wait(300)
    click(qtbot, body.live)
    assert layer_of(viewer, ly.LayerKind.FILTERED) is not None


def test_raw_beside_filtered_each_with_its_own_peaks(viewer, block, qtbot):
    body = body_of(viewer, "3 Filter")
    for _ in range(2):
        up(qtbot, body.form["sigma"], 5)
        click(qtbot, body.beside)
        qtbot.waitUntil(lambda: not body.runner.busy, timeout=10_000)
        image, raw, filtered = (
            layer_of(viewer, kind)
            for kind in (ly.LayerKind.BESIDE, ly.LayerKind.PEAKS_RAW, ly.LayerKind.PEAKS_BESIDE)
        )
        assert len(raw.data) > len(filtered.data) >= 20
        assert block.message[0].startswith(f"Raw map: {len(raw.data)} peaks; filtered with sigma")
        np.testing.assert_allclose(image.translate, (0, 1.04 * 70))
        np.testing.assert_array_equal(filtered.translate, image.translate)
        np.testing.assert_array_equal(raw.translate, (0, 0))
        assert block.peaks_layer is None
        click(qtbot, body.beside)
        assert not (image.visible or raw.visible or filtered.visible)

"""Spectra that are zoomed and saved, and the canvas as a figure, in the real window with a real mouse."""

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.model import EnergyWindow, FloodMap
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io import figures
from napari_petlut.plugin.widgets import canvas
from napari_petlut.plugin.work.workbench import workbench_of

from .test_notebook_window import click

pytestmark = pytest.mark.gl

PEAK = 600


@pytest.fixture
def viewer(make_napari_viewer, counts):
    viewer = make_napari_viewer(show=True)
    channels = np.arange(1000)
    spectrum = (2000 * np.exp(-channels / 90) + 300 * np.exp(-(((channels - PEAK) / 40) ** 2))).astype(int)
    flood = FloodMap(counts, spectrum, EnergyWindow(500, 700))
    viewer.add_layer(ly.flood_layer(flood, name="b"))
    return viewer


@pytest.fixture
def plot(viewer):
    body = viewer.window.add_plugin_dock_widget("napari-petlut", "2 Flood map")[1].bodies[0]
    for _ in range(5):
        QApplication.processEvents()
    return body.plot


def at(plot, channel):
    """Pixel of a channel, in the middle of the plot's height."""
    axes = plot.figure.axes[0]
    x, y = axes.transData.transform((channel, np.mean(axes.get_ylim())))
    return QPointF(x, plot.height() - y)


def wheel(plot, channel, steps):
    place = at(plot, channel)
    for _ in range(abs(steps)):
        turned = QPoint(0, 120 if steps > 0 else -120)
        event = QWheelEvent(
            place,
            plot.mapToGlobal(place),
            QPoint(),
            turned,
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(plot, event)
    QApplication.processEvents()


def double_click(plot, channel):
    place = at(plot, channel)
    left = Qt.MouseButton.LeftButton
    kinds = QEvent.Type
    for kind, held in (
        (kinds.MouseButtonPress, left),
        (kinds.MouseButtonRelease, Qt.MouseButton.NoButton),
        (kinds.MouseButtonDblClick, left),
        (kinds.MouseButtonRelease, Qt.MouseButton.NoButton),
    ):
        event = QMouseEvent(kind, place, plot.mapToGlobal(place), left, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(plot, event)
    QApplication.processEvents()


def test_the_wheel_zooms_about_the_mouse_and_a_double_click_shows_all(plot):
    axes = plot.figure.axes[0]
    whole, height = axes.get_xlim(), axes.get_ylim()[1]
    wheel(plot, PEAK, 5)
    low, high = axes.get_xlim()
    assert plot.zoomed and high - low == pytest.approx(0.8**5 * whole[1], rel=1e-3)
    assert (PEAK - low) / (high - low) == pytest.approx(PEAK / whole[1], abs=0.02)
    assert axes.get_ylim()[1] < height / 3  # the photopeak fills the plot now
    assert plot.energy_window == (500, 700)
    double_click(plot, 650)
    assert not plot.zoomed and axes.get_xlim() == whole
    assert plot.energy_window == (500, 700)
    wheel(plot, PEAK, -3)
    assert axes.get_xlim() == whole
    wheel(plot, PEAK, 60)
    assert axes.get_xlim()[1] - axes.get_xlim()[0] >= 8


def test_counts_on_a_logarithmic_axis(plot, qtbot):
    axes = plot.figure.axes[0]
    click(qtbot, plot.log)
    assert axes.get_yscale() == "log" and axes.get_ylim()[0] == 0.5
    wheel(plot, PEAK, 3)
    assert axes.get_yscale() == "log"
    click(qtbot, plot.whole)
    click(qtbot, plot.log)
    assert axes.get_yscale() == "linear" and axes.get_ylim()[0] == 0 and not plot.zoomed


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_a_plot_is_saved_as_a_figure(viewer, plot, qtbot, tmp_path, monkeypatch, ending):
    asked = []

    def ask(proposed, endings):
        asked.append(proposed.name)
        return tmp_path / f"spectrum{ending}"

    monkeypatch.setattr(canvas, "ask_for_figure", ask)
    before = plot.figure.get_size_inches().tolist()
    click(qtbot, plot.save)
    assert asked == ["b_spectrum.png"]
    path = tmp_path / f"spectrum{ending}"
    assert workbench_of(viewer).current.message == (f"Wrote {path}.", True)
    assert plot.figure.get_size_inches().tolist() == before
    if ending == ".png":
        with Image.open(path) as picture:
            assert picture.size[0] == pytest.approx(17 / 2.54 * 300, abs=2)
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert picture.getpixel((2, 2))[:3] == (255, 255, 255)


def test_what_cannot_be_saved_says_why(plot, viewer, tmp_path):
    with pytest.raises(ParameterError, match=r"\.png, \.pdf, \.svg"):
        plot.save_figure(tmp_path / "x.bmp")
    (tmp_path / "x.png").write_bytes(b"old")
    with pytest.raises(FormatError):
        plot.save_figure(tmp_path / "x.png")
    with pytest.raises(ParameterError, match=r"\.png, \.tif"):
        figures.save_canvas(viewer, tmp_path / "x.jpg")
    assert (tmp_path / "x.png").read_bytes() == b"old"


def test_the_canvas_is_saved_as_it_stands_at_print_resolution(viewer, qtbot, tmp_path, monkeypatch, points):
    viewer.add_points(points, size=4, canvas_size_limits=(6, 40), face_color="#ff0000")
    panel = viewer.window.add_plugin_dock_widget("napari-petlut", "8 Export")[1]
    viewer.reset_view()
    viewer.scene.camera.zoom *= 1.7
    for _ in range(5):
        QApplication.processEvents()
    body, path = panel.bodies[0], tmp_path / "canvas.png"
    monkeypatch.setattr(figures, "ask_for_figure", lambda proposed, endings: path)
    zoom, seen = viewer.scene.camera.zoom, viewer.screenshot(flash=False)[..., :3].astype(float)
    click(qtbot, body.save_canvas)
    with Image.open(path) as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert picture.size[0] == pytest.approx(17 / 2.54 * 300, abs=4)
        small = np.asarray(picture.resize(seen.shape[1::-1], Image.Resampling.BOX), float)
    assert np.abs(small - seen).mean() < 6  # the same picture: what is seen, with more pixels
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
    assert viewer.layers[-1].canvas_size_limits == (6, 40)
    np.testing.assert_array_equal(viewer.screenshot(flash=False)[..., :3], seen)

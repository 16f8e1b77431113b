"""Make the pictures of the README and the user guide from the running program.

    xvfb-run -a -s "-screen 0 1366x768x24" uv run python docs/screenshots.py [NAME ...]

Each picture is a function below; without names all of them are made, into docs/images. PETLUT_EXPORT_FOLDER
is the folder that the pictures show as the place to write to.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

# A fresh configuration, so that the pictures do not show somebody's own settings.
_CONFIG = TemporaryDirectory(prefix="petlut-screenshots-")
os.environ["NAPARI_CONFIG"] = str(Path(_CONFIG.name) / "settings.yaml")

import napari  # noqa: E402
from PIL import Image as Picture  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402
from superqt import QCollapsible  # noqa: E402

from napari_petlut.plugin import layers as ly  # noqa: E402
from napari_petlut.plugin.editing.navigation import fly_to  # noqa: E402
from napari_petlut.plugin.work.workbench import workbench_of  # noqa: E402

if TYPE_CHECKING:
    from napari_petlut.plugin.widgets import Panel
    from napari_petlut.plugin.work.block import BlockController

IMAGES = Path(__file__).parent / "images"
SIZE = 1366, 768
"""A small laptop screen: what fits on it fits everywhere."""
MAX_BYTES = 400_000
PLUGIN = "napari-petlut"


class Scene:
    """A napari window with a sample and a panel."""

    def __init__(self, sample: str, *, panel: str = "Crystal LUT", theme: str = "dark") -> None:
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.viewer.window.resize(*SIZE)
        self.viewer.open_sample(PLUGIN, sample)
        self.panel: Panel = self.viewer.window.add_plugin_dock_widget(PLUGIN, panel)[1]
        self.wait()
        self.viewer.reset_view(margin=0.02)

    @property
    def block(self) -> BlockController:
        """The block that is worked on."""
        block = workbench_of(self.viewer).choose_any()
        assert block is not None
        return block

    def wait(self, seconds: float = 0.6) -> None:
        """Let Qt draw."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)

    def unfold(self, *titles: str) -> None:
        """Show these steps of the panel and fold the others."""
        for fold in self.panel.findChildren(QCollapsible):
            wanted = any(title in fold.text() for title in titles)
            fold.expand(animate=False) if wanted else fold.collapse(animate=False)
        self.wait(0.3)

    def run_all(self) -> None:
        """Press the button and wait for the end."""
        self.panel.start_all.native.click()
        while self.panel.runner.busy:
            self.wait(0.1)
        self.wait()

    def save(self, name: str) -> None:
        """Write the picture, as small as it can be without showing it."""
        self.wait(1.0)
        shot = Picture.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
        data = BytesIO()
        for colors in (256, 192, 128, 96):
            data = BytesIO()
            # Maximum coverage keeps the colours of small things, such as the legend's rings.
            few = shot.quantize(colors, Picture.Quantize.MAXCOVERAGE, kmeans=2, dither=Picture.Dither.NONE)
            few.save(data, "PNG", optimize=True)
            if data.tell() <= MAX_BYTES:
                break
        path = IMAGES / f"{name}.png"
        path.write_bytes(data.getvalue())
        print(f"{path.name}: {shot.width} x {shot.height}, {data.tell():,} bytes")


@contextmanager
def scene(sample: str, *, panel: str = "Crystal LUT", theme: str = "dark") -> Iterator[Scene]:
    """Open a window and close it afterwards."""
    window = Scene(sample, panel=panel, theme=theme)
    try:
        yield window
    finally:
        window.viewer.close()
        QApplication.processEvents()


def opened() -> None:
    """Show a sample as it is opened, beside the workflow panel."""
    with scene("typical") as window:
        window.save("opened")


def energy_window() -> None:
    """Show a raw event file with its spectrum."""
    with scene("events") as window:
        window.unfold("Flood map")
        window.save("energy-window")


def cells() -> None:
    """Show every crystal numbered and every cell drawn, after one button."""
    with scene("typical") as window:
        window.run_all()
        window.save("cells")


def suspects() -> None:
    """Show the list of what to look at, and the first of it in the middle of the canvas."""
    with scene("hard") as window:
        window.unfold("Correct peaks")
        window.run_all()
        window.block.next_suspect()
        window.save("suspects")


def corrected() -> None:
    """Settle the suspects and move a peak by hand; lines, cell and count follow."""
    with scene("hard") as window:
        window.unfold("Correct peaks")
        window.run_all()
        block = window.block
        for _ in range(len(block.suspects)):
            block.next_suspect()
            block.accept_suspect()
        layer = block.peaks_layer
        assert layer is not None
        inner = layer.features["row"].between(4, 11) & layer.features["col"].between(4, 11)
        # One of its own: a merged one would show two cells where there is one spot.
        point = int(layer.features.index[inner & (layer.features["status"] == "found")][0])
        positions = layer.data.copy()
        positions[point] += (4.0, -5.0)
        layer.data = positions
        window.viewer.reset_view()
        fly_to(window.viewer, block.flood_layer, tuple(positions[point]), block.places)
        window.viewer.scene.camera.zoom *= 1.7
        window.save("corrected")


def filled() -> None:
    """Show filled cells, in the light theme."""
    with scene("small", theme="light") as window:
        window.run_all()
        layer = window.block.cells_layer
        assert layer is not None
        layer.contour, layer.opacity = 0, 0.45
        window.viewer.layers.selection.active = layer
        window.save("filled-light")


def export() -> None:
    """Show what was written, and where."""
    with scene("small") as window, TemporaryDirectory() as temporary:
        folder = Path(os.environ.get("PETLUT_EXPORT_FOLDER", temporary))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SystemExit(f"{folder} is not empty; empty it or name another in PETLUT_EXPORT_FOLDER")
        window.run_all()
        window.unfold("Export")
        body = next(body for body in window.panel.bodies if body.title == "Export")
        body.path.value = folder / "block_07"
        body._run()
        window.save("export")


def quality() -> None:
    """Show the verdict, the figures of every crystal, and one of them over the cells."""
    from napari_petlut.plugin.work import steps

    with scene("events", panel="Energy and quality") as window:
        steps.run_all_job(window.block).run()
        body = window.panel.bodies[0]
        body._measure()
        while window.panel.runner.busy:
            window.wait(0.1)
        body.inspector.visit(119)
        body.path.value = Path(os.environ.get("PETLUT_EXPORT_FOLDER", _CONFIG.name)) / "block_07"
        window.viewer.reset_view(margin=0.02)
        window.save("quality")


def compare() -> None:
    """Show the pixels in which two LUTs differ."""
    with scene("typical", panel="Compare LUTs") as window:
        from dataclasses import replace

        from napari_petlut.analysis.segmentation import SegmentationParameters
        from napari_petlut.plugin.work import segmenting, steps

        block = window.block
        steps.run_all_job(block).run()
        first = block.cells_layer
        assert first is not None
        ly.info(first).kind = ly.LayerKind.LUT
        first.name = "by mixture"
        block.choose(replace(block.parameters(SegmentationParameters), method="nearest"))
        segmenting.segmentation_job(block).run()
        second = block.cells_layer
        assert second is not None
        second.name = "by nearest peak"
        body = window.panel.bodies[0]
        body.refresh()
        body.first.value, body.second.value = first, second
        body._run()
        for layer in window.viewer.layers:
            layer.visible = layer in (block.flood_layer, *window.viewer.layers[-1:])
        window.save("compare")


PICTURES: dict[str, Callable[[], None]] = {
    picture.__name__: picture
    for picture in (opened, energy_window, cells, suspects, corrected, filled, export, quality, compare)
}


def main(names: list[str]) -> None:
    """Make the pictures with these names, or all."""
    IMAGES.mkdir(exist_ok=True)
    for name in names or PICTURES:
        PICTURES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])

"""From the end of a drag to the new cells: what the person waits for after moving a peak."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers.base import ActionType

from _common import Report, Timing, main
from napari_petlut.analysis.segmentation import nearest_peak_cells
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.block import BlockController
from napari_petlut.plugin.workbench import workbench_of


def block_in(viewer: Any, rows: int, size: int) -> BlockController:
    """Put a block with peaks, lattice lines and cells into a viewer."""
    rng = np.random.default_rng(0)
    geometry = BlockGeometry(rows, rows)
    axis = (np.arange(rows) + 0.5) * size / rows
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    points += rng.normal(0, 0.05 * size / rows, points.shape)
    flood = viewer.add_image(rng.poisson(20, (size, size)).astype(float), name="block")
    block = workbench_of(viewer).choose(flood)
    assert block is not None
    block.geometry = geometry
    block.set_peaks(Peaks(points, crystal=np.arange(len(geometry))))
    grid = block.places.reshape(rows, rows, 2)
    lines = ly.lattice_layer(grid, flood.name, block=block.name, geometry=geometry)
    ly.show_layer(viewer, lines, like=flood)
    lut = CrystalLUT(nearest_peak_cells((size, size), block.places), geometry)
    ly.show_layer(viewer, ly.cells_layer(lut, name="block - cells", block=block.name, method="nearest"))
    return block


class DragEnd:
    """Ends a drag of one peak, as napari's select tool does; the drag itself is not timed."""

    def __init__(self, block: BlockController) -> None:
        assert block.peaks_layer is not None
        self.layer = block.peaks_layer
        self.turn = 0

    def prepare(self) -> None:
        """Drag the next peak."""
        self.point = 7 * self.turn % len(self.layer.data)
        shift = (1.0, -0.5) if self.turn % 2 else (-1.0, 0.5)
        self.turn += 1
        self._tell(ActionType.CHANGING)
        self.layer.data[self.point] += shift
        self.layer.refresh()

    def __call__(self) -> None:
        """Let go."""
        self._tell(ActionType.CHANGED)

    def _tell(self, action: ActionType) -> None:
        self.layer.events.data(
            value=self.layer.data, action=action, data_indices=(self.point,), vertex_indices=((),)
        )


def delete_and_add(block: BlockController) -> Callable[[], None]:
    """Return a function that deletes one peak and puts it back, renumbering twice."""
    layer = block.peaks_layer
    assert layer is not None

    def step() -> None:
        place = layer.data[7].copy()
        layer.remove([7])
        layer.add(place)

    return step


@dataclass(frozen=True)
class Measured:
    """Wall time, and processor time of the thread that the person waits for."""

    wall: Timing
    processor: Timing


def timed(step: Callable[[], None], prepare: Callable[[], Any], repeats: int) -> Measured:
    """Time `step` alone, each time after `prepare`."""
    wall, processor = [], []
    for _ in range(repeats + 1):
        prepare()
        start, busy = time.perf_counter(), time.thread_time()
        step()
        processor.append(time.thread_time() - busy)
        wall.append(time.perf_counter() - start)
    return Measured(Timing(tuple(wall[1:])), Timing(tuple(processor[1:])))


def _row(case: str, measured: Measured) -> dict[str, str]:
    return {"case": case, "wall time": str(measured.wall), "processor time": str(measured.processor)}


def _headless(quick: bool) -> list[dict[str, str]]:
    from napari.components import ViewerModel

    rows = []
    for crystals, size in ((16, 512), (28, 512)):
        viewer = ViewerModel()
        drag = DragEnd(block_in(viewer, crystals, size))
        timing = timed(drag, drag.prepare, 5 if quick else 40)
        rows.append(_row(f"{crystals} x {crystals} crystals, {size} x {size} px: drag", timing))
    return rows


def _in_window(quick: bool) -> list[dict[str, str]]:
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_petlut.plugin.widgets import WorkflowPanel

    viewer = napari.Viewer(show=True)
    block = block_in(viewer, 16, 512)
    for _ in range(5):
        QApplication.processEvents()

    def drawn(step: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            step()
            QApplication.processEvents()

        return run

    def prepare() -> None:
        drag.prepare()
        QApplication.processEvents()

    repeats = 5 if quick else 40
    drag, edit = DragEnd(block), delete_and_add(block)
    rows = [
        _row("end of drag to layers updated", timed(drag, prepare, repeats)),
        _row("end of drag to drawn", timed(drawn(drag), prepare, repeats)),
    ]
    panel = WorkflowPanel(viewer)
    viewer.window.add_dock_widget(panel)
    cells = block.cells_layer
    assert cells is not None
    ly.info(cells)["method"] = "mixture"
    rows += [
        _row("the same, cells by mixture, panel open", timed(drawn(drag), prepare, repeats)),
        _row("delete and add again, drawn", timed(drawn(edit), QApplication.processEvents, repeats)),
        _row("undo, drawn", timed(drawn(block.undo), QApplication.processEvents, repeats)),
    ]
    viewer.close()
    return rows


def _screen() -> subprocess.Popen[bytes] | None:
    """Start a virtual screen on Linux where there is none; its drawing is done by the processor."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or not shutil.which("Xvfb"):
        return None
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1920x1080x24"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.environ["DISPLAY"] = f":{os.read(read, 16).decode().strip()}"
    return server


def run(quick: bool) -> Report:
    """Measure the live update after an edit, without a window and in one."""
    report = Report("plugin", "Correcting peaks: from the end of an edit to the new cells")
    report.table("Layers updated, no window", _headless(quick))
    server = _screen()
    if os.environ.get("DISPLAY") or not sys.platform.startswith("linux"):
        report.table("In a window: 16 x 16 crystals, 512 x 512 px", _in_window(quick))
    if server is not None:
        report.note("The window was drawn by software on a virtual screen; a graphics card draws faster.")
        server.terminate()
    report.note("Processor time is that of the thread a person waits for; other programs do not change it.")
    report.note(
        "Updated are: numbers, features and colours, lattice lines, all cells, suspects and the count."
    )
    return report


if __name__ == "__main__":
    main(run)

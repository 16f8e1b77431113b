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
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.workbench import workbench_of


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


class MouseDrag:
    """Drags peaks with a real mouse in the viewer's window; only letting go is timed.

    Beside the edit itself this holds what napari does at the end of a drag.
    """

    def __init__(self, block: BlockController) -> None:
        assert block.peaks_layer is not None
        self.viewer: Any = block.viewer
        self.layer = block.peaks_layer
        self.canvas = self.viewer.window._qt_viewer.canvas.native
        self.viewer.layers.selection.active = self.layer
        self.layer.mode = "select"
        self.turn = 0

    def prepare(self) -> None:
        """Take the next peak and move it."""
        from qtpy.QtCore import QEvent

        start = self.layer.data[7 * self.turn % len(self.layer.data)].copy()
        self.stop = start + ((2.0, -1.0) if self.turn % 2 else (-2.0, 1.0))
        self.turn += 1
        self._send(QEvent.Type.MouseMove, start, held=False)
        self._send(QEvent.Type.MouseButtonPress, start)
        for share in (0.5, 1.0):
            self._send(QEvent.Type.MouseMove, start + share * (self.stop - start))
        process_events()

    def __call__(self) -> None:
        """Let go."""
        from qtpy.QtCore import QEvent

        self._send(QEvent.Type.MouseButtonRelease, self.stop, held=False)

    def _send(self, kind: Any, position: Any, *, held: bool = True) -> None:
        from qtpy.QtCore import QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        camera = self.viewer.scene.camera
        across = self.canvas.width() / 2 + (position[1] - camera.center[-1]) * camera.zoom
        down = self.canvas.height() / 2 + (position[0] - camera.center[-2]) * camera.zoom
        local = QPointF(round(across), round(down))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        event = QMouseEvent(
            kind,
            local,
            self.canvas.mapToGlobal(local),
            none if kind == kind.MouseMove else left,
            left if held else none,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self.canvas, event)


class DeleteAndAdd:
    """Deletes one peak and puts it back."""

    def __init__(self, block: BlockController) -> None:
        assert block.peaks_layer is not None
        self.layer = block.peaks_layer
        self.whole = len(self.layer.data)
        self.place = self.layer.data[7].copy()

    def delete(self) -> None:
        """Delete the peak."""
        self.place = self.layer.data[7].copy()
        self.layer.remove([7])

    def add(self) -> None:
        """Put it back."""
        self.layer.add(self.place)

    def make_whole(self) -> None:
        """Put it back if it is away, and draw."""
        if len(self.layer.data) < self.whole:
            self.add()
        process_events()

    def make_hole(self) -> None:
        """Delete it, and draw."""
        self.delete()
        process_events()


def process_events() -> None:
    """Let Qt do and draw all that waits."""
    from qtpy.QtWidgets import QApplication

    for _ in range(3):
        QApplication.processEvents()


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
    process_events()

    def drawn(step: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            step()
            QApplication.processEvents()

        return run

    def prepare() -> None:
        drag.prepare()
        process_events()

    repeats = 5 if quick else 40
    drag = DragEnd(block)
    rows = [
        _row("end of drag to layers updated", timed(drag, prepare, repeats)),
        _row("end of drag to drawn", timed(drawn(drag), prepare, repeats)),
    ]
    mouse, edit = MouseDrag(block), DeleteAndAdd(block)
    rows += [
        _row("release of the mouse button to drawn", timed(drawn(mouse), mouse.prepare, repeats)),
        _row("undo of a drag, drawn", timed(drawn(block.undo), process_events, repeats)),
        _row("one peak deleted, drawn", timed(drawn(edit.delete), edit.make_whole, repeats)),
    ]
    edit.make_whole()
    rows += [
        _row("one peak added, drawn", timed(drawn(edit.add), edit.make_hole, repeats)),
        _row("undo of adding and deleting, drawn", timed(drawn(block.undo), process_events, repeats)),
    ]
    panel = WorkflowPanel(viewer)
    viewer.window.add_dock_widget(panel)
    cells = block.cells_layer
    assert cells is not None
    ly.info(cells).method = "mixture"
    rows.append(
        _row("end of drag to drawn, cells by mixture, panel open", timed(drawn(drag), prepare, repeats))
    )
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

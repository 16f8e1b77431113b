"""What the command palette and the menus offer, for the block that is worked on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_petlut.plugin.editing.shortcuts import html_table
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import Job
from napari_petlut.plugin.work.workbench import workbench_of

if TYPE_CHECKING:
    import napari


def run_all(viewer: napari.viewer.Viewer) -> None:
    """Go from the flood map to the cells in one go."""
    from napari_petlut.plugin.work.steps import run_all_job

    _run(viewer, run_all_job)


def find_peaks(viewer: napari.viewer.Viewer) -> None:
    """Find the local maxima of the filtered map."""
    from napari_petlut.plugin.work.steps import peaks_job

    _run(viewer, peaks_job)


def find_lattice(viewer: napari.viewer.Viewer) -> None:
    """Find and number every crystal."""
    from napari_petlut.plugin.work.steps import lattice_job

    _run(viewer, lattice_job)


def segment(viewer: napari.viewer.Viewer) -> None:
    """Give every pixel to a crystal."""
    from napari_petlut.plugin.work.segmenting import segmentation_job

    _run(viewer, segmentation_job)


def measure(viewer: napari.viewer.Viewer) -> None:
    """Measure quality and energies of every crystal."""
    from napari_petlut.plugin.quality.inspector import inspector_of

    _run(viewer, inspector_of(workbench_of(viewer)).job)


def undo(viewer: napari.viewer.Viewer) -> None:
    """Take back the last edit of the peaks."""
    _act(viewer, BlockController.undo)


def redo(viewer: napari.viewer.Viewer) -> None:
    """Do the edit again that was taken back."""
    _act(viewer, BlockController.redo)


def next_suspect(viewer: napari.viewer.Viewer) -> None:
    """Fly to the next suspect."""
    _act(viewer, BlockController.next_suspect)


def previous_suspect(viewer: napari.viewer.Viewer) -> None:
    """Fly to the previous suspect."""
    _act(viewer, BlockController.previous_suspect)


def accept_suspect(viewer: napari.viewer.Viewer) -> None:
    """Settle the suspect last visited."""
    _act(viewer, BlockController.accept_suspect)


def toggle_snap(viewer: napari.viewer.Viewer) -> None:
    """Turn snapping to the local maximum on or off."""
    _act(viewer, BlockController.toggle_snap)


def show_keys(viewer: napari.viewer.Viewer) -> None:
    """Show every key in a window of its own."""
    from qtpy.QtWidgets import QMessageBox

    box = QMessageBox()
    box.setWindowTitle("Keys for correcting peaks")
    box.setText(html_table())
    box.exec()


def work_on(viewer: napari.viewer.Viewer) -> None:
    """Let keys, count and status bar follow the flood map in the viewer, without opening a panel."""
    bench = workbench_of(viewer)
    if bench.choose_any() is None:
        _complain(bench.advice)


def _act(viewer: napari.viewer.Viewer, action: Callable[[BlockController], None]) -> None:
    bench = workbench_of(viewer)
    block = bench.choose_any()
    if block is None:
        _complain(bench.advice)
    else:
        action(block)


def _run(viewer: napari.viewer.Viewer, make: Callable[[BlockController], Job]) -> None:
    """Start a job; its end is told by a notification, and by every open panel."""
    from napari_petlut.plugin.work.running import runner_of

    bench = workbench_of(viewer)
    block = bench.choose_any()
    if block is None:
        _complain(bench.advice)
        return
    runner_of(bench).try_start(lambda: make(block), also_tell=_tell)


def _tell(text: str, good: bool) -> None:
    from napari.utils.notifications import show_error, show_info

    (show_info if good else show_error)(text)


def _complain(text: str) -> None:
    from napari.utils.notifications import show_error

    show_error(text)

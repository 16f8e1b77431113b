"""Opening napari from the command line, where it is installed and has a screen to open on."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari import Viewer

PANEL = "Crystal LUT"

# A Qt that finds no screen ends the whole program, so another one is sent ahead.
_PROBE = """
from qtpy.QtGui import QGuiApplication, QOpenGLContext
app = QGuiApplication([])
raise SystemExit(not QOpenGLContext().create())
"""
_PROBE_SECONDS = 30
_DRAWN_MS = 500


def open_if_possible(paths: list[Path]) -> None:
    """Open napari on a calibrated block, with the workflow panel, and return when its window is closed.

    Returns at once where napari, Qt or a display is missing.

    Parameters
    ----------
    paths : list of Path
        Flood map, LUT and peaks of one block.
    """
    if not can_open_window():
        return
    import napari
    from qtpy.QtCore import QTimer

    viewer = show_result(paths)
    # The panel takes its place beside the canvas only when the window is drawn.
    QTimer.singleShot(_DRAWN_MS, viewer.reset_view)
    napari.run()


def can_open_window() -> bool:
    """Return whether napari is installed and a window of it would appear somewhere."""
    if any(find_spec(name) is None for name in ("napari", "qtpy")):
        return False
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    try:
        probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def show_result(paths: list[Path]) -> Viewer:
    """Return a new napari window with a calibrated block as the workflow leaves it.

    Parameters
    ----------
    paths : list of Path
        Flood map, LUT and peaks of one block.
    """
    import napari

    from napari_petlut.formats.record import read_record
    from napari_petlut.plugin import layers as ly
    from napari_petlut.plugin.io.opening import become_cells, open_file
    from napari_petlut.plugin.work.steps import show_lines
    from napari_petlut.plugin.work.workbench import workbench_of

    viewer = napari.Viewer()
    for path in paths:
        for layer in open_file(path, viewer):
            if ly.kind_of(layer) is ly.LayerKind.LUT:
                record = read_record(path.with_name(f"{path.stem}_record.json"))
                become_cells(layer, record.segmentation_method)
            viewer.add_layer(layer)
    viewer.window.add_plugin_dock_widget("napari-petlut", PANEL)
    block = workbench_of(viewer).choose_any()
    if block is not None and block.peaks_layer is not None:
        show_lines(block)
        viewer.layers.selection.active = block.peaks_layer
    return viewer

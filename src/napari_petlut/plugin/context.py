"""Whether a person sits in front of the program, and how to talk to them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari import Viewer


def current_viewer() -> Viewer | None:
    """Return the napari window that is in use, or None."""
    from napari import current_viewer as current

    return current()


def is_interactive() -> bool:
    """Return whether somebody works in a napari window right now.

    That is the case while Qt's event loop runs. A script that opens files before ``napari.run()`` wants its
    result at the next line, and an exception if there is none.
    """
    try:
        from qtpy.QtCore import QThread
        from qtpy.QtWidgets import QApplication
    except (ImportError, RuntimeError):  # no Qt, or a binding that does not load
        return False
    if QApplication.instance() is None or current_viewer() is None:
        return False
    thread = QThread.currentThread()
    return thread is not None and thread.loopLevel() > 0


def tell(message: str) -> None:
    """Say something in napari's notifications; without a window nobody would see it, so it is not printed."""
    if current_viewer() is not None:
        from napari.utils.notifications import show_info

        show_info(message)


def complain(message: str) -> None:
    """Say that something went wrong, without a traceback."""
    from napari.utils.notifications import show_error

    show_error(message)


def may_overwrite(paths: Iterable[Path]) -> bool:
    """Ask whether existing files may be replaced; without a person to ask, they may not.

    Parameters
    ----------
    paths : iterable of Path
        Files that exist.
    """
    names = [path.name for path in paths]
    if not names:
        return True
    if not is_interactive():
        return False
    from qtpy.QtWidgets import QMessageBox

    parent = current_viewer()
    answer = QMessageBox.question(
        parent.window._qt_window if parent else None,
        "Replace files?",
        f"{', '.join(names)} already exist{'s' if len(names) == 1 else ''}.\nReplace?",
        QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
        QMessageBox.StandardButton.No,
    )
    return bool(answer == QMessageBox.StandardButton.Yes)

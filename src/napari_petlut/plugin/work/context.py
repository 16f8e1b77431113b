"""Whether a person sits in front of the program, and how to talk to them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_petlut.errors import FormatError, PetlutError

if TYPE_CHECKING:
    from napari import Viewer

_STARTING_MS = 500


def current_viewer() -> Viewer | None:
    """Return the napari window that is in use, or None."""
    from napari import current_viewer as current

    return current()


def is_interactive() -> bool:
    """Return whether somebody works in a napari window right now.

    That is the case while Qt's event loop runs, and for the files named on the command line, which napari
    opens a moment before. A script that opens files before ``napari.run()`` wants its result at the next
    line, and an exception if there is none.
    """
    return current_viewer() is not None and (_loop_runs() or "napari.__main__" in sys.modules)


def _loop_runs() -> bool:
    try:
        from qtpy.QtCore import QThread
    except (ImportError, RuntimeError):  # no Qt, or a binding that does not load
        return False
    thread = QThread.currentThread()
    return thread is not None and thread.loopLevel() > 0


def tell(message: str) -> None:
    """Say something in napari's notifications; without a window nobody would see it, so it is not printed."""
    if current_viewer() is not None:
        from napari.utils.notifications import show_info

        _when_visible(show_info, message)


def complain(error: PetlutError) -> None:
    """Say that something went wrong, without a traceback.

    napari shows the first words of a message until it is unfolded, so a file is called by its name alone.
    """
    from napari.utils.notifications import show_error

    message = str(error)
    if isinstance(error, FormatError):
        message = message.replace(error.path, Path(error.path).name, 1)
    _when_visible(show_error, message)


def _when_visible(show: Callable[[str], None], message: str) -> None:
    """Show a message, if napari is just starting then as soon as its window is there."""
    if is_interactive() and not _loop_runs():
        from qtpy.QtCore import QTimer

        QTimer.singleShot(_STARTING_MS, lambda: show(message))
    else:
        show(message)


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
    from qtpy.QtWidgets import QApplication, QMessageBox

    answer = QMessageBox.question(
        QApplication.activeWindow(),
        "Replace files?",
        f"{', '.join(names)} already exist{'s' if len(names) == 1 else ''}.\nReplace?",
        QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
        QMessageBox.StandardButton.No,
    )
    return bool(answer == QMessageBox.StandardButton.Yes)

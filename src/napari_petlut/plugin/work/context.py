"""Whether a person sits in front of the program, and how to talk to them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_petlut.errors import FormatError, PetlutError, printable

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
    """Say that something went wrong, without a traceback."""
    from napari.utils.notifications import show_error

    _when_visible(show_error, cause_first(error))


def cause_first(error: PetlutError) -> str:
    """Return what went wrong, beginning with the cause; the whole path of a file comes last.

    napari shows the first words of a message until it is unfolded.

    Examples
    --------
    >>> cause_first(FormatError("/data/a.dat", "a map file", "1,000 bytes too few", "copy it again"))
    'Found 1,000 bytes too few, expected a map file; copy it again: /data/a.dat'
    """
    if not isinstance(error, FormatError):
        return str(error)
    return f"Found {error.found}, expected {error.expected}; {error.remedy}: {printable(error.path)}"


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
    words = f"{', '.join(names)} already exist{'s' if len(names) == 1 else ''}.\nReplace?"
    return is_interactive() and _agrees("Replace files?", words)


def may_resample(layout: str, pixels: tuple[int, int], needed: tuple[int, int]) -> bool:
    """Ask whether a LUT may be written on the pixels that its layout needs; without a person, it may not.

    Parameters
    ----------
    layout : str
        Name of the LUT encoding.
    pixels, needed : tuple of int
        Pixels of the LUT along axis 0 and axis 1, and those that the layout needs.
    """
    has, holds = (f"{size[0]} x {size[1]}" for size in (pixels, needed))
    words = (
        f"The layout '{layout}' holds {holds} pixels, the LUT has {has}.\n"
        f"Write it resampled to {holds}? Each pixel takes the crystal at its centre."
    )
    return is_interactive() and _agrees("Resample the LUT?", words)


def _agrees(title: str, question: str) -> bool:
    from qtpy.QtWidgets import QApplication, QMessageBox

    answer = QMessageBox.question(
        QApplication.activeWindow(),
        title,
        question,
        QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
        QMessageBox.StandardButton.No,
    )
    return bool(answer == QMessageBox.StandardButton.Yes)

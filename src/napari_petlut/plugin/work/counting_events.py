"""Counting a raw event file into a flood map in the background, with progress and cancel.

napari's readers return at once what they read. A large event file takes longer than a person should wait in
front of a frozen window, so it is counted in a thread, and its layer appears when it is complete.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.errors import Cancelled, PetlutError
from napari_petlut.model import EventFormat, FloodMap
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.opening import events_layer
from napari_petlut.plugin.work.context import complain, tell
from napari_petlut.workflow.sources import flood_of_events

if TYPE_CHECKING:
    from napari import Viewer

AT_ONCE_EVENTS = 10_000_000
"""Files with at most so many events are counted before a person notices, in a fraction of a second."""
_LOOK_EVERY_MS = 50

Counted = tuple[FloodMap, FloodParameters, tuple[str, ...]]
_RUNNING: set[EventCount] = set()


class EventCount:
    """One event file that is being counted.

    Parameters
    ----------
    path : Path
    fmt : EventFormat
    parameters : FloodParameters
    done : callable
        Gets the flood map, the parameters with the window that was used, and notes about it, in the main
        thread. Not called after cancelling or an error, which is shown.
    """

    def __init__(
        self,
        path: Path,
        fmt: EventFormat,
        parameters: FloodParameters,
        done: Callable[[FloodMap, FloodParameters, tuple[str, ...]], None],
    ) -> None:
        self.path = path
        self._arguments = path, parameters, fmt
        self._done = done
        self._stop = Event()
        self._fraction = 0.0
        self._worker: Any = None
        self._bar: Any = None
        self._timer: Any = None

    @property
    def running(self) -> bool:
        """Whether it is still counting."""
        return self in _RUNNING

    def start(self) -> None:
        """Begin counting; returns at once."""
        from napari.qt.threading import create_worker
        from napari.utils import cancelable_progress
        from qtpy.QtCore import QTimer

        _RUNNING.add(self)
        # Only the time that is left: all of tqdm's figures would push the Cancel button out of sight.
        self._bar = cancelable_progress(
            total=100, desc=f"Counting {shortened(self.path.name)}", bar_format="{desc}|{remaining}"
        )
        self._timer = QTimer()
        self._timer.timeout.connect(self._show_progress)
        self._timer.start(_LOOK_EVERY_MS)
        self._worker = create_worker(self._work)
        self._worker.returned.connect(self._finish)
        self._worker.finished.connect(self._end)
        self._worker.start()

    def cancel(self) -> None:
        """Stop counting; nothing will be shown."""
        self._stop.set()

    def _work(self) -> tuple[Counted | None, PetlutError | None]:
        # Runs in the thread. What a person did wrong is a result: napari would show a traceback for it.
        try:
            counted = flood_of_events(
                *self._arguments, progress=self._progressed, cancelled=self._is_cancelled
            )
        except PetlutError as error:
            return None, error
        return counted, None

    def _progressed(self, fraction: float) -> None:
        self._fraction = fraction

    def _is_cancelled(self) -> bool:
        return self._stop.is_set() or bool(self._worker is not None and self._worker.abort_requested)

    def _show_progress(self) -> None:
        if self._bar.is_canceled:
            self.cancel()
        self._bar.update(int(100 * self._fraction) - self._bar.n)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            self._bar.close()
        _RUNNING.discard(self)

    def _finish(self, result: tuple[Counted | None, PetlutError | None]) -> None:
        cancelled = self._is_cancelled()
        self._end()
        counted, error = result
        if counted is not None and not cancelled:
            self._done(*counted)
        elif error is not None and not isinstance(error, Cancelled):
            complain(error)


def shortened(name: str, length: int = 28) -> str:
    """Return a file name with its middle left out if it is too long for the progress bar.

    Examples
    --------
    >>> shortened("block_07_raw.dat"), shortened("scanner_3_ring_12_block_07_raw.dat", 20)
    ('block_07_raw.dat', 'scanner_3_…7_raw.dat')
    """
    half = (length - 1) // 2
    return name if len(name) <= length else f"{name[: length - 1 - half]}…{name[-half:]}"


def open_in_background(path: Path, fmt: EventFormat, viewer: Viewer) -> EventCount:
    """Count an event file and add its flood map to the viewer when it is complete.

    Parameters
    ----------
    path : Path
    fmt : EventFormat
    viewer : Viewer
        Held weakly. Closing its window cancels the counting, as napari does with all its workers.
    """
    reference = weakref.ref(viewer)

    def add(flood: FloodMap, parameters: FloodParameters, notes: tuple[str, ...]) -> None:
        still_there = reference()
        if still_there is not None:
            ly.add_below_drawings(still_there, events_layer(path, fmt, flood, parameters, notes))
            tell_about(path, flood, "; ".join(notes))

    count = EventCount(path, fmt, FloodParameters(), add)
    count.start()
    tell(f"Counting {path.name} in the background; 'activity' at the bottom right shows progress and Cancel.")
    return count


def tell_about(path: Path, flood: FloodMap, note: str) -> None:
    """Say what an event file turned out to be."""
    window = f"energy window {flood.window}" if flood.window else "all energies"
    tell("; ".join([f"{path.name}: {flood.total:,.0f} events in the map, {window}", *filter(None, [note])]))

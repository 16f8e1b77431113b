"""Counting a raw event file into a flood map in the background, with progress and cancel.

napari's readers return at once what they read. A large event file takes longer than a person should wait in
front of a frozen window, so it is counted in a thread, and its layer appears when it is complete.
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.errors import Cancelled
from napari_petlut.model import EventFormat, FloodMap
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.context import complain, tell
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress
from napari_petlut.plugin.work.running import BackgroundRun, Outcome
from napari_petlut.workflow.sources import flood_of_events

if TYPE_CHECKING:
    from napari import Viewer

AT_ONCE_EVENTS = 10_000_000
"""Files with at most so many events are counted before a person notices, in a fraction of a second."""

Counted = tuple[FloodMap, FloodParameters, tuple[str, ...]]


def shortened(name: str, length: int = 28) -> str:
    """Return a file name with its middle left out if it is too long for the progress bar.

    Examples
    --------
    >>> shortened("block_07_raw.dat"), shortened("scanner_3_ring_12_block_07_raw.dat", 20)
    ('block_07_raw.dat', 'scanner_3_…7_raw.dat')
    """
    half = (length - 1) // 2
    return name if len(name) <= length else f"{name[: length - 1 - half]}…{name[-half:]}"


def open_in_background(path: Path, fmt: EventFormat, viewer: Viewer) -> BackgroundRun:
    """Count an event file and add its flood map to the viewer when it is complete.

    Parameters
    ----------
    path : Path
    fmt : EventFormat
    viewer : Viewer
        Held weakly. Closing its window cancels the counting, as napari does with all its workers.
    """
    reference = weakref.ref(viewer)

    def compute(progress: Progress, cancelled: CancelCheck) -> Counted:
        return flood_of_events(path, FloodParameters(), fmt, progress=progress, cancelled=cancelled)

    def add(counted: Counted) -> str:
        still_there = reference()
        flood, _, notes = counted
        if still_there is not None:
            ly.add_below_drawings(still_there, ly.events_layer(path, fmt, *counted))
        return description(path, flood, "; ".join(notes))

    run = BackgroundRun(Job(f"Counting {shortened(path.name)}", compute, add), _tell_end)
    run.start()
    tell(f"Counting {path.name} in the background; 'activity' at the bottom right shows progress and Cancel.")
    return run


def _tell_end(outcome: Outcome) -> None:
    if outcome.error is None or isinstance(outcome.error, Cancelled):
        tell(outcome.text)
    else:
        complain(outcome.error)


def description(path: Path, flood: FloodMap, note: str) -> str:
    """Return what an event file turned out to be, in words."""
    window = f"energy window {flood.window}" if flood.window else "all energies"
    return "; ".join([f"{path.name}: {flood.total:,.0f} events in the map, {window}", *filter(None, [note])])

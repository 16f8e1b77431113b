"""A LUT applied to events: the crystal of each, and how many each crystal has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.energy.spectra import lut_rows, window_limits
from napari_petlut.analysis.events.counting import CancelCheck, Progress, Workers, watched
from napari_petlut.analysis.events.locating import Locator
from napari_petlut.analysis.events.pixels import energies_in, pixel_rule
from napari_petlut.analysis.events.rule import PixelRule
from napari_petlut.analysis.events.words import EventChunk, Words, counted_events
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EnergyWindow, EventColumns, EventFormat

Windows = EnergyWindow | npt.ArrayLike


@dataclass(frozen=True, eq=False)
class AppliedLUT:
    """How many events a LUT gave to each crystal.

    Parameters
    ----------
    counts : ndarray of int64, shape (rows * cols,)
        Events by crystal id.
    unassigned : int
        Events outside the window, off the map, or on pixels of no crystal.
    geometry : BlockGeometry
    """

    counts: npt.NDArray[np.int64]
    unassigned: int
    geometry: BlockGeometry


def apply_lut(
    chunks: Iterable[EventChunk],
    lut: CrystalLUT,
    windows: Windows | None = None,
    fmt: EventFormat = EventFormat(),
    *,
    sink: Callable[[npt.NDArray[np.int32]], object] | None = None,
    events: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> AppliedLUT:
    """Count the events of each crystal, and hand on the crystal of every event if asked to.

    Parameters
    ----------
    chunks, lut, windows, fmt, threads
        As for `iter_crystals`.
    sink : callable, optional
        Gets the crystal ids of each chunk, for example to write them to a file.
    events : int, optional
        How many events will come; without it `progress` is only called at the end.
    progress : callable, optional
        Gets the finished fraction, 0 to 1, after each chunk.
    cancelled : callable, optional
        Asked before each chunk; when it returns True the work stops.

    Raises
    ------
    Cancelled
        If `cancelled` returned True.
    ParameterError
        If the LUT is not square, windows do not fit, or the words are not unsigned integers of the format's
        size.
    """
    n = len(lut.geometry)
    totals = np.zeros(n + 1, np.int64)
    watched_chunks = watched(chunks, events, progress, cancelled)
    for crystals in iter_crystals(watched_chunks, lut, windows, fmt, threads=threads):
        totals += np.bincount(crystals + 1, minlength=n + 1)
        if sink is not None:
            sink(crystals)
    return AppliedLUT(totals[1:], int(totals[0]), lut.geometry)


def iter_crystals(
    chunks: Iterable[EventChunk],
    lut: CrystalLUT,
    windows: Windows | None = None,
    fmt: EventFormat = EventFormat(),
    *,
    threads: int | None = None,
) -> Iterator[npt.NDArray[np.int32]]:
    """Apply a LUT to events: yield the crystal id of every event, chunk by chunk.

    Parameters
    ----------
    chunks : iterable of ndarray of unsigned int
        Event words. Only one chunk is held at a time.
    lut : CrystalLUT
        Which crystal each pixel belongs to; square, over the whole position scale.
    windows : EnergyWindow or array_like of int, shape (rows * cols, 2), optional
        Energies that are kept: a window for all, or the first and last energy by crystal id; without them
        every energy above 0.
    fmt : EventFormat
        Layout of a word.
    threads : int, optional
        Threads to use; by default all cores. The result does not depend on it.

    Yields
    ------
    ndarray of int32, shape (n,)
        Crystal id of each event of a chunk in its order; -1 outside the window, off the map, or on a pixel of
        no crystal.

    Raises
    ------
    ParameterError
        If the LUT is not square, windows do not fit, or the words are not unsigned integers of the format's
        size.
    """
    none = len(lut.geometry)
    rows = lut_rows(lut.ids, none)
    rule = pixel_rule(fmt, lut.shape[0])
    everything = np.tile(energies_in(None, fmt), (none, 1)) if windows is None else windows
    limits = np.vstack([window_limits(everything, none, fmt.largest_energy), [(1, 0)]])
    # A function of its own, so that wrong arguments are known at the call and not at the first chunk.
    return _crystals(chunks, fmt, rule, rows, limits, Workers(threads))


def _crystals(
    chunks: Iterable[EventChunk],
    fmt: EventFormat,
    rule: PixelRule,
    rows: npt.NDArray[np.unsignedinteger],
    limits: npt.NDArray[np.int64],
    workers: Workers,
) -> Iterator[npt.NDArray[np.int32]]:
    from napari_petlut.analysis.events.loops import label_events

    locator = None if fmt.source is None else Locator(fmt.source, rule)
    for chunk in chunks:
        words = counted_events(chunk, fmt)
        crystals = np.empty(words.size, np.int32)

        def label(
            _: int, part: Words | EventColumns, start: int, crystals: npt.NDArray[np.int32] = crystals
        ) -> None:
            if not isinstance(part, EventColumns):
                label_events(part, 0, rule, rows, limits, crystals[start : start + part.size])
                return
            assert locator is not None
            for located, _, at in locator.parts(part, 0):
                place = start + at
                label_events(located, 0, rule, rows, limits, crystals[place : place + located.size])

        workers.run(label, words)
        yield crystals

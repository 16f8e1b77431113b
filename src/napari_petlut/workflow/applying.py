"""A crystal LUT applied to recorded events: how many each crystal has, and the crystal of every event."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.energy import AppliedLUT, apply_lut
from napari_petlut.analysis.events import EventChunk, event_energies
from napari_petlut.errors import FormatError, GeometryError, ParameterError
from napari_petlut.formats._files import atomic_write
from napari_petlut.formats.event_files import count_events, iter_events
from napari_petlut.formats.identification import IdentifiedFile
from napari_petlut.model import PHOTOPEAK_KEV, CrystalLUT, EnergyLUT, EnergyWindow, EventFormat
from napari_petlut.workflow.sources import require_events

CHUNK_EVENTS = 2_097_152
"""Events held in memory at a time."""


def event_list_dtype(*, calibrated: bool) -> np.dtype[np.void]:
    """Return the layout of one event in an event list: 8 bytes, little-endian.

    ======  ==================  =======================================================================
    bytes   field               meaning
    ======  ==================  =======================================================================
    0 to 3  ``crystal``, i4     crystal id; -1 outside the window, off the map, or on a pixel of no crystal
    4 to 7  ``channel``, f4     energy in ADC channels; or
            ``keV``, f4         energy in keV by the energy LUT; NaN where it has no photopeak
    ======  ==================  =======================================================================

    Parameters
    ----------
    calibrated : bool
        Whether the energy is in keV.
    """
    return np.dtype([("crystal", "<i4"), ("keV" if calibrated else "channel", "<f4")])


def apply_to_events(
    path: str | os.PathLike[str],
    lut: CrystalLUT,
    windows: EnergyWindow | npt.ArrayLike | None = None,
    event_format: EventFormat = EventFormat(),
    *,
    event_list: str | os.PathLike[str] | None = None,
    energy_lut: EnergyLUT | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> AppliedLUT:
    """Give every event of a raw file to a crystal, chunk by chunk.

    The event list is a NumPy file (``.npy``): a header that ends at a multiple of 64 bytes and says layout
    and length, then one record of `event_list_dtype` for every event of the raw file, in its order; so event
    i of the list is event i of the file. ``np.load(path, mmap_mode="r")`` reads it without taking memory, and
    any other program does that skips the header.

    Parameters
    ----------
    path : path-like
        Raw event file.
    lut : CrystalLUT
        Square, over the whole position scale.
    windows : EnergyWindow or array_like of int, shape (rows * cols, 2), optional
        Energies that are kept: a window for all, or first and last energy by crystal id, for example from
        `windows_in_kev`; without them every energy above 0.
    event_format : EventFormat
        How the file packs its events.
    event_list : path, optional
        Where the list of events goes; not written when left out.
    energy_lut : EnergyLUT, optional
        Energies of the list are in keV by it.
    overwrite : bool
        Whether the event list may be replaced.
    progress, cancelled : callable, optional
        Hooks; `progress` gets the fraction that is done.

    Raises
    ------
    FormatError
        If the raw file cannot be used, or the event list exists and `overwrite` is off, or cannot be written.
    GeometryError
        If the energy LUT is that of another crystal array.
    ParameterError
        If the LUT is not square, or the format leaves the map's range to these events.
    Cancelled
        If `cancelled` said so; then no event list is left.
    """
    _check_same_array(lut, energy_lut)
    raw = require_events(path, event_format)
    layout: EventFormat = raw.found.layout
    # What was told when the file was identified first: its format has been settled by its events since.
    _check_own_scale(path if isinstance(path, IdentifiedFile) else raw, windows)
    events = count_events(raw, layout)
    held: list[EventChunk] = []

    def chunks() -> Iterator[EventChunk]:
        for chunk in iter_events(raw, layout, chunk_events=CHUNK_EVENTS):
            held[:] = [chunk]
            yield chunk

    def run(sink: Callable[[npt.NDArray[np.int32]], object] | None) -> AppliedLUT:
        hooks: dict[str, Any] = {"progress": progress, "cancelled": cancelled}
        return apply_lut(chunks(), lut, windows, layout, sink=sink, events=events, **hooks)

    if event_list is None:
        return run(None)
    results: list[AppliedLUT] = []

    def write(file: BinaryIO) -> None:
        writer = _ListWriter(file, events, layout, energy_lut)
        results.append(run(lambda crystals: writer.add(held[0], crystals)))
        if events is None:
            writer.finish()
        elif writer.written != events:
            # The header has promised more.
            found = f"{writer.written:,}: the file shrank"
            raise FormatError(path, f"{events:,} events", found, "try again")

    atomic_write(event_list, write, overwrite=overwrite)
    return results[0]


def windows_in_kev(low: float, high: float, energy_lut: EnergyLUT) -> npt.NDArray[np.int64]:
    """Return the first and last channel of each crystal with low < energy < high in keV, shape (n, 2).

    A crystal whose photopeak is not known keeps nothing: nobody knows its energies.

    Examples
    --------
    >>> from napari_petlut.geometry import BlockGeometry
    >>> lut = EnergyLUT(np.array([511.0, 1022.0, np.nan]), BlockGeometry(1, 3))
    >>> windows_in_kev(400, 600, lut).tolist()
    [[401, 599], [801, 1199], [1, 0]]
    """
    EnergyWindow(low, high)  # checks them
    channels = np.outer(energy_lut.photopeaks, (low, high)) / PHOTOPEAK_KEV
    known = np.isfinite(channels[:, 0])
    channels = np.where(known[:, None], channels, 1.0)
    first, last = np.floor(channels[:, 0]) + 1, np.ceil(channels[:, 1]) - 1
    return np.where(known[:, None], np.stack([first, last], axis=1), (1, 0)).astype(np.int64)


def _check_own_scale(raw: IdentifiedFile, windows: EnergyWindow | npt.ArrayLike | None) -> None:
    """Refuse a map's range or energy scale that these events would decide: the LUT was made of others."""
    given, layout = raw.hints.event_format, raw.found.layout
    if layout.source is None or (given.source is not None and given.source.settled):
        return
    ranges = layout.source.position.rule in ("direct", "channels") and (
        given.source is None or None in (given.source.position.x_range, given.source.position.y_range)
    )
    step = windows is not None and (given.source is None or given.source.energy.step is None)
    if ranges or step:
        what = "the range of the map" if ranges else "the energy of a channel"
        raise ParameterError(
            f"{raw.path}: {what} would be taken from these events; give the record of the calibration: "
            "--event-format STEM_record.json"
        )


def _check_same_array(lut: CrystalLUT, energy_lut: EnergyLUT | None) -> None:
    if energy_lut is not None and energy_lut.geometry != lut.geometry:
        raise GeometryError(
            f"the energy LUT is of a {energy_lut.geometry} block, the crystal LUT of a {lut.geometry} one; "
            "give those of the same block"
        )


class _ListWriter:
    """Writes an event list chunk by chunk."""

    def __init__(
        self, file: BinaryIO, events: int | None, event_format: EventFormat, energy_lut: EnergyLUT | None
    ) -> None:
        self.written = 0
        self._file, self._format = file, event_format
        self._layout = event_list_dtype(calibrated=energy_lut is not None)
        # One gain more at the end, which "no crystal", -1, picks.
        self._gains = None if energy_lut is None else np.append(energy_lut.gains, np.nan)
        self._write_header(events or 0)

    def _write_header(self, events: int) -> None:
        description = np.lib.format.dtype_to_descr(self._layout)
        header = {"descr": description, "fortran_order": False, "shape": (events,)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def add(self, chunk: EventChunk, crystals: npt.NDArray[np.int32]) -> None:
        """Write the records of a chunk."""
        energy = event_energies(chunk, self._format)
        records = np.empty(crystals.size, self._layout)
        records["crystal"] = crystals
        if self._gains is None:
            records["channel"] = energy
        else:
            records["keV"] = energy * self._gains[crystals]
        self._file.write(records.tobytes())
        self.written += records.size

    def finish(self) -> None:
        """Write the number of events into the header, which has room for any."""
        self._file.seek(0)
        self._write_header(self.written)


def as_dict(applied: AppliedLUT) -> dict[str, Any]:
    """Return an applied LUT in plain values; `counts` is a list by crystal id."""
    assigned = int(applied.counts.sum())
    return {
        "rows": applied.geometry.rows,
        "cols": applied.geometry.cols,
        "events": assigned + applied.unassigned,
        "assigned": assigned,
        "counts": applied.counts.tolist(),
    }


def write_counts(path: str | os.PathLike[str], applied: AppliedLUT, *, overwrite: bool = False) -> None:
    """Write events per crystal as CSV: crystal, row, col, events.

    Raises
    ------
    FormatError
        If the file exists and `overwrite` is off, or cannot be written.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("crystal", "row", "col", "events"))
    for crystal, count in enumerate(applied.counts.tolist()):
        writer.writerow((crystal, *divmod(crystal, applied.geometry.cols), count))
    atomic_write(Path(path), table.getvalue().encode(), overwrite=overwrite)

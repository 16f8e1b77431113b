"""A crystal LUT applied to recorded events: how many each crystal has, and the crystal of every event."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.energy import iter_crystals
from napari_petlut.errors import Cancelled, FormatError, GeometryError
from napari_petlut.formats._files import atomic_write
from napari_petlut.formats.events import event_count, iter_words
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model import CrystalLUT, EnergyLUT, EnergyWindow, EventFormat

CHUNK_EVENTS = 2_097_152
"""Events held in memory at a time."""


@dataclass(frozen=True, eq=False)
class CrystalCounts:
    """How many events each crystal has.

    Parameters
    ----------
    counts : ndarray of int64, shape (rows * cols,)
        By crystal id.
    events : int
        Events in the file.
    geometry : BlockGeometry
    """

    counts: npt.NDArray[np.int64]
    events: int
    geometry: BlockGeometry

    @property
    def assigned(self) -> int:
        """Events that a crystal has."""
        return int(self.counts.sum())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; `counts` is a list by crystal id."""
        return {
            "rows": self.geometry.rows,
            "cols": self.geometry.cols,
            "events": self.events,
            "assigned": self.assigned,
            "counts": self.counts.tolist(),
        }

    def to_csv(self) -> str:
        """Return a table with the columns crystal, row, col, events."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("crystal", "row", "col", "events"))
        for crystal, count in enumerate(self.counts.tolist()):
            writer.writerow((crystal, *divmod(crystal, self.geometry.cols), count))
        return file.getvalue()


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


def apply_lut(
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
) -> CrystalCounts:
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
        If the LUT is not square.
    Cancelled
        If `cancelled` said so; then no event list is left.
    """
    _check_same_array(lut, energy_lut)
    events = event_count(path, event_format)
    labelled = _labelled(path, lut, windows, event_format, events, progress, cancelled)
    counts = np.zeros(len(lut.geometry) + 1, np.int64)

    def counted() -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int32]]]:
        for words, crystals in labelled:
            # One up: place 0 is for events of no crystal.
            counts[:] += np.bincount(crystals - NO_CRYSTAL, minlength=counts.size)
            yield words, crystals

    if event_list is None:
        for _ in counted():
            pass
    else:
        atomic_write(
            event_list,
            lambda file: _write_list(file, counted(), path, events, event_format, energy_lut),
            overwrite=overwrite,
        )
    return CrystalCounts(counts[1:], events, lut.geometry)


def windows_in_kev(low: float, high: float, energy_lut: EnergyLUT) -> npt.NDArray[np.int64]:
    """Return the first and last channel of each crystal with low < energy < high in keV, shape (n, 2).

    A crystal whose photopeak is not known keeps nothing: nobody knows its energies.

    Examples
    --------
    >>> lut = EnergyLUT(np.array([511.0, 1022.0, np.nan]), BlockGeometry(1, 3))
    >>> windows_in_kev(400, 600, lut).tolist()
    [[401, 599], [801, 1199], [1, 0]]
    """
    EnergyWindow(low, high)  # checks them
    channels = np.outer(energy_lut.photopeaks, (low, high)) / 511.0
    known = np.isfinite(channels[:, 0])
    channels = np.where(known[:, None], channels, 1.0)
    first, last = np.floor(channels[:, 0]) + 1, np.ceil(channels[:, 1]) - 1
    return np.where(known[:, None], np.stack([first, last], axis=1), (1, 0)).astype(np.int64)


def _check_same_array(lut: CrystalLUT, energy_lut: EnergyLUT | None) -> None:
    if energy_lut is not None and energy_lut.geometry != lut.geometry:
        raise GeometryError(
            f"the energy LUT is of a {energy_lut.geometry} block, the crystal LUT of a {lut.geometry} one; "
            "give those of the same block"
        )


def _labelled(
    path: str | os.PathLike[str],
    lut: CrystalLUT,
    windows: EnergyWindow | npt.ArrayLike | None,
    event_format: EventFormat,
    events: int,
    progress: Callable[[float], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int32]]]:
    """Yield the words of each chunk with their crystals."""
    held: list[npt.NDArray[Any]] = []

    def watched() -> Iterator[npt.NDArray[Any]]:
        for words in iter_words(path, event_format, chunk_events=CHUNK_EVENTS):
            if cancelled is not None and cancelled():
                raise Cancelled("stopped as asked; nothing was kept")
            held[:] = [words]
            yield words

    done = 0
    for crystals in iter_crystals(watched(), lut, windows, event_format):
        yield held[0], crystals
        done += crystals.size
        if progress is not None:
            progress(min(done / max(events, 1), 1.0))


def _write_list(
    file: BinaryIO,
    labelled: Iterable[tuple[npt.NDArray[Any], npt.NDArray[np.int32]]],
    source: str | os.PathLike[str],
    events: int,
    event_format: EventFormat,
    energy_lut: EnergyLUT | None,
) -> None:
    layout = event_list_dtype(calibrated=energy_lut is not None)
    header = {"descr": np.lib.format.dtype_to_descr(layout), "fortran_order": False, "shape": (events,)}
    np.lib.format.write_array_header_1_0(file, header)
    # One gain more at the end, which "no crystal", -1, picks.
    gains = None if energy_lut is None else np.append(energy_lut.gains, np.nan)
    field, written = event_format.energy, 0
    for words, crystals in labelled:
        records = np.empty(words.size, layout)
        energy = (words >> words.dtype.type(field.shift)) & words.dtype.type(field.mask)
        records["crystal"] = crystals
        records[layout.names[1]] = energy if gains is None else energy * gains[crystals]  # type: ignore[index]
        file.write(records.tobytes())
        written += records.size
    if written != events:
        # The header has promised more.
        raise FormatError(source, f"{events:,} events", f"{written:,}: the file shrank", "try again")


def write_counts(path: str | os.PathLike[str], counts: CrystalCounts, *, overwrite: bool = False) -> None:
    """Write events per crystal as CSV: crystal, row, col, events.

    Raises
    ------
    FormatError
        If the file exists and `overwrite` is off, or cannot be written.
    """
    atomic_write(Path(path), counts.to_csv().encode(), overwrite=overwrite)

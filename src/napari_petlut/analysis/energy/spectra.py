"""Events counted by crystal: a spectrum for each, and the map of each one's own energy window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.counting import CancelCheck, EventCounter, Progress, watched
from napari_petlut.analysis.events.pixels import energies_in, map_of_pixels, pixel_rule, spectrum_channels
from napari_petlut.analysis.events.words import Counts, EventChunk, Words
from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.maps.cells import cell_centres, squared_distances
from napari_petlut.model import CrystalLUT, EnergyWindow, EventFormat, FloodMap

_SPECTRUM_PADDING = 48


@dataclass(frozen=True, eq=False)
class CrystalSpectra:
    """The energy spectrum of every crystal.

    Parameters
    ----------
    counts : ndarray of int64, shape (rows * cols, channels)
        Events by crystal id and ADC channel, whatever their energy.
    core : ndarray of int64, shape (rows * cols, channels)
        Those of them on core pixels, where neighbours mix in least; the same as `counts` without any.
    unassigned : ndarray of int64, shape (channels,)
        Events off the map or on pixels of no crystal.
    geometry : BlockGeometry
    """

    counts: npt.NDArray[np.int64]
    core: npt.NDArray[np.int64]
    unassigned: npt.NDArray[np.int64]
    geometry: BlockGeometry

    @property
    def total(self) -> npt.NDArray[np.int64]:
        """Spectrum of all events, shape (channels,)."""
        total: npt.NDArray[np.int64] = self.counts.sum(axis=0) + self.unassigned
        return total

    def counts_in(self, windows: EnergyWindow | npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return each crystal's events in a window for all, or in its own.

        Parameters
        ----------
        windows : EnergyWindow or array_like of int, shape (rows * cols, 2)
            First and last energy that is kept, by crystal id.

        Returns
        -------
        ndarray of int64, shape (rows * cols,)
        """
        limits = window_limits(windows, len(self.counts), self.counts.shape[1] - 1)
        cumulative = np.pad(np.cumsum(self.counts, axis=1), ((0, 0), (1, 0)))
        first, last = np.clip(limits[:, 0], 0, None), np.minimum(limits[:, 1], self.counts.shape[1] - 1)
        crystals = np.arange(len(self.counts))
        inside = cumulative[crystals, last + 1] - cumulative[crystals, np.minimum(first, last + 1)]
        return np.asarray(inside, np.int64)


def core_pixels(
    lut: CrystalLUT, counts: npt.ArrayLike, share: float = 0.35, *, at_least: float = 1000.0
) -> npt.NDArray[np.bool_]:
    """Return the pixels in the middle of each cell, where few events of neighbours are.

    Parameters
    ----------
    lut : CrystalLUT
        The cells.
    counts : array_like, shape of the LUT
        Flood map.
    share : float
        Share of each cell's counts on its core, 0 < share <= 1: the pixels nearest to its centre of mass.
    at_least : float
        Counts that a core has if its cell does, however large its share then is.

    Returns
    -------
    ndarray of bool, shape of the LUT

    Raises
    ------
    ParameterError
        If map and LUT differ in shape or the share is out of range.
    """
    weights = np.asarray(counts, np.float64)
    if weights.shape != lut.shape or not 0 < share <= 1:
        raise ParameterError(
            f"cores need a map of the LUT's shape and 0 < share <= 1, not {weights.shape} and {share}"
        )
    pixels = np.flatnonzero(lut.ids.ravel() != NO_CRYSTAL)
    cell, weight, n = lut.ids.ravel()[pixels], weights.ravel()[pixels], len(lut.geometry)
    total, centres = cell_centres(lut.ids, weights, n)
    distance = squared_distances(lut.ids, centres).ravel()[pixels]
    order = np.lexsort((distance, cell))
    before = np.cumsum(weight[order]) - weight[order] - (np.cumsum(total) - total)[cell[order]]
    core = np.zeros(lut.ids.size, np.bool_)
    core[pixels[order]] = before < np.maximum(share * total, np.minimum(at_least, total))[cell[order]]
    return core.reshape(lut.shape)


def crystal_spectra(
    chunks: Iterable[EventChunk],
    lut: CrystalLUT,
    fmt: EventFormat = EventFormat(),
    *,
    core: npt.NDArray[np.bool_] | None = None,
    events: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> CrystalSpectra:
    """Return the energy spectrum of each crystal in one pass over the events.

    Parameters
    ----------
    chunks : iterable of ndarray of unsigned int
        Event words, for example ``formats.events.iter_words(path)``. Only one chunk is held at a time.
    lut : CrystalLUT
        Which crystal each pixel belongs to; square, over the whole position scale.
    fmt : EventFormat
        Layout of a word.
    core : ndarray of bool, shape of the LUT, optional
        Pixels whose events are counted apart as well, see `core_pixels`.
    events : int, optional
        How many events will come; without it `progress` is only called at the end.
    threads : int, optional
        Threads to use; by default all cores. The result does not depend on it.
    progress : callable, optional
        Gets the finished fraction, 0 to 1, after each chunk.
    cancelled : callable, optional
        Asked before each chunk; when it returns True the work stops.

    Raises
    ------
    Cancelled
        If `cancelled` returned True.
    ParameterError
        If the LUT is not square, or the words are not unsigned integers of the format's size.
    """
    from napari_petlut.analysis.events.loops import count_crystal_spectra

    n, channels = len(lut.geometry), spectrum_channels(fmt)
    # Rows 0 to n - 1 are whole crystals or their cores; the rims follow if there are cores, the rest is last.
    ids = lut.ids if core is None else np.where(core | (lut.ids == NO_CRYSTAL), lut.ids, lut.ids + n)
    none = n if core is None else 2 * n
    rows = lut_rows(ids, none)
    rule = pixel_rule(fmt, lut.shape[0])

    def count(words: Words, first_index: int, spectra: Counts) -> None:
        count_crystal_spectra(words, first_index, rule, rows, channels - 1, spectra)

    # Spectra of a power of 2 would all start in the same few places of the processor's cache.
    counter = EventCounter(fmt, rule, count, [(none + 1, channels + _SPECTRUM_PADDING)], threads=threads)
    for chunk in watched(chunks, events, progress, cancelled):
        counter.add(chunk)
    spectra = counter.totals()[0][:, :channels]
    inner = np.ascontiguousarray(spectra[:n])
    whole = inner if core is None else inner + spectra[n:none]
    return CrystalSpectra(whole, inner, spectra[none].copy(), lut.geometry)


def flood_of_windows(
    chunks: Iterable[EventChunk],
    lut: CrystalLUT,
    windows: npt.ArrayLike,
    fmt: EventFormat = EventFormat(),
    parameters: FloodParameters = FloodParameters(),
    *,
    events: int | None = None,
    source: str = "",
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> FloodMap:
    """Return the flood map of the events that lie in the window of the crystal of their pixel.

    Parameters
    ----------
    chunks, fmt, events, source, threads, progress, cancelled
        As for `napari_petlut.analysis.flood.flood_from_words`.
    lut : CrystalLUT
        Which crystal each pixel belongs to; its shape is that of the map.
    windows : array_like of int, shape (rows * cols, 2)
        First and last energy that is kept, by crystal id.
    parameters : FloodParameters
        Dither and seed; `window` is for pixels of no crystal.

    Raises
    ------
    Cancelled
        If `cancelled` returned True.
    ParameterError
        If LUT, windows and parameters do not fit together, or the words are not unsigned integers of the
        format's size.
    """
    from napari_petlut.analysis.events.loops import count_crystal_windows

    none = len(lut.geometry)
    rows = lut_rows(lut.ids, none)
    if lut.shape[0] != parameters.bins:
        raise ParameterError(
            f"a map of {parameters.bins} bins needs a LUT of as many pixels, not {lut.shape[0]}; "
            "use lut.resampled"
        )
    limits = np.vstack(
        [window_limits(windows, none, fmt.largest_energy), [energies_in(parameters.window, fmt)]]
    )
    everything = EnergyWindow(max(limits[:, 0].min() - 1, 0), max(limits[:, 1].max(), limits[:, 0].min()) + 1)
    rule = pixel_rule(fmt, parameters.bins, everything, dither=parameters.dither, seed=parameters.seed)

    def count(words: Words, first_index: int, spectrum: Counts, counts: Counts) -> None:
        count_crystal_windows(words, first_index, rule, rows, limits, spectrum, counts)

    shapes = (spectrum_channels(fmt),), (rule.pixels,)
    counter = EventCounter(fmt, rule, count, shapes, threads=threads)
    for chunk in watched(chunks, events, progress, cancelled):
        counter.add(chunk)
    spectrum, counts = counter.totals()
    return FloodMap(map_of_pixels(counts, parameters.bins), spectrum, None, fmt.full_scale, source)


def lut_rows(ids: npt.NDArray[np.int32], none: int) -> npt.NDArray[np.unsignedinteger]:
    """Return a LUT over the loops' pixels; `none` stands for no crystal and for off the map."""
    bins = ids.shape[0]
    if ids.shape != (bins, bins):
        raise ParameterError(
            f"a LUT for events is square, over the whole position scale, not {ids.shape[0]} x {ids.shape[1]}"
        )
    rows = np.full((bins + 1, bins + 1), none, np.uint16 if none < 2**16 else np.uint32)
    rows[:bins, :bins] = np.where(ids == NO_CRYSTAL, none, ids)
    return rows.ravel()


def window_limits(
    windows: EnergyWindow | npt.ArrayLike, crystals: int, highest: int
) -> npt.NDArray[np.int64]:
    """Return the first and last energy of each crystal, checked, shape (crystals, 2)."""
    if isinstance(windows, EnergyWindow):
        first, last = np.floor(windows.low) + 1, np.ceil(windows.high) - 1
        windows = np.tile([first, min(last, highest)], (crystals, 1))
    limits = np.asarray(windows, np.int64)
    if limits.shape != (crystals, 2):
        raise ParameterError(
            f"windows are a first and a last energy for each of {crystals} crystals, not {limits.shape}"
        )
    return limits

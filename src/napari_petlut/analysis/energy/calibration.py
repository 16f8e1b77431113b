"""Every crystal's own energy window, found by turns with the LUT until nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.energy.spectra import (
    CrystalSpectra,
    core_pixels,
    crystal_spectra,
    flood_of_windows,
)
from napari_petlut.analysis.events.counting import CancelCheck, Progress
from napari_petlut.analysis.events.pixels import energies_in
from napari_petlut.analysis.events.words import EventChunk
from napari_petlut.analysis.flood import FloodParameters, energy_spectrum, flood_from_words, suggest_window
from napari_petlut.analysis.photopeak import Photopeaks, PhotopeakStatus, fit_photopeaks, locate_photopeak
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EnergyLUT, EventFormat, FloodMap


@dataclass(frozen=True)
class CrystalWindowParameters:
    """Each crystal's own energy window.

    Parameters
    ----------
    low, high : float
        The window's ends as multiples of the crystal's photopeak, both excluded; 0 <= low < 1 < high.
    core : float
        Share of each crystal's events whose spectrum is fitted, those nearest the centre of its cell: the
        fewer, the less the photopeaks of neighbours mix in. At least 1000 events where there are as many.
    max_rounds : int
        Most rounds of windows, flood map and LUT, at least 1.
    tolerance : float
        Share of the map's events whose pixels may still change crystal when the rounds end; 0 waits until
        not a single pixel does.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    low: float = 0.75
    high: float = 1.35
    core: float = 0.35
    max_rounds: int = 8
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 <= self.low < 1 < self.high < np.inf:
            raise ParameterError(f"crystal windows need 0 <= low < 1 < high, not {self.low} and {self.high}")
        if not 0 < self.core <= 1:
            raise ParameterError(f"the core of crystals must be a share above 0 and up to 1, not {self.core}")
        if self.max_rounds < 1 or not 0 <= self.tolerance < 1:
            raise ParameterError(
                f"crystal windows need max_rounds of 1 or more and 0 <= tolerance < 1, "
                f"not {self.max_rounds} and {self.tolerance}"
            )


@dataclass(frozen=True, eq=False)
class EnergyCalibration:
    """A block whose every crystal has its own energy window.

    Parameters
    ----------
    flood : FloodMap
        Map of the events in their crystal's window, as the windows were before the last fit.
    lut : CrystalLUT
        Made from `flood`.
    spectra : CrystalSpectra
        Spectrum of each crystal of `lut`.
    photopeaks : Photopeaks
        Photopeak of each of them.
    windows : ndarray of int64, shape (rows * cols, 2)
        First and last energy that is kept, by crystal id, from `photopeaks`.
    changed : tuple of float
        Share of the map's events on pixels that changed crystal, for each round.
    converged : bool
        Whether the last of them was within the tolerance.
    doubts : tuple of str
        What is doubtful about the block's window, in words; empty if nothing is.
    """

    flood: FloodMap
    lut: CrystalLUT
    spectra: CrystalSpectra
    photopeaks: Photopeaks
    windows: npt.NDArray[np.int64]
    changed: tuple[float, ...]
    converged: bool
    doubts: tuple[str, ...] = ()

    @property
    def energy_lut(self) -> EnergyLUT:
        """Photopeak of each crystal, NaN where it is missing."""
        return energy_lut(self.photopeaks, self.lut.geometry)


def energy_lut(photopeaks: Photopeaks, geometry: BlockGeometry) -> EnergyLUT:
    """Return the energy LUT of a block's photopeaks; a missing one is NaN, not invented.

    Parameters
    ----------
    photopeaks : Photopeaks
        By crystal id.
    geometry : BlockGeometry

    Raises
    ------
    GeometryError
        If there is not one photopeak for each crystal.
    """
    return EnergyLUT(photopeaks.position, geometry)


def crystal_photopeaks(spectra: CrystalSpectra) -> Photopeaks:
    """Return the photopeak of each crystal's core, looked for around that of the whole block.

    Parameters
    ----------
    spectra : CrystalSpectra

    Returns
    -------
    Photopeaks
        By crystal id.
    """
    block = locate_photopeak(spectra.counts.sum(axis=0))
    near = None if block.status == PhotopeakStatus.MISSING else block.position
    return fit_photopeaks(spectra.core, near=near)


def crystal_windows(
    photopeaks: Photopeaks,
    parameters: CrystalWindowParameters = CrystalWindowParameters(),
    *,
    otherwise: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """Return the first and last energy of each crystal's window, shape (n, 2).

    Parameters
    ----------
    photopeaks : Photopeaks
        By crystal id.
    parameters : CrystalWindowParameters
        How the window lies about the photopeak.
    otherwise : tuple of int
        First and last energy for crystals whose photopeak is not clear.
    """
    clear = photopeaks.found
    position = np.where(clear, photopeaks.position, 1.0)
    first = np.floor(parameters.low * position).astype(np.int64) + 1
    last = np.ceil(parameters.high * position).astype(np.int64) - 1
    return np.where(clear[:, None], np.stack([first, last], axis=1), np.array(otherwise, np.int64))


def calibrate_energy(
    read_words: Callable[[], Iterable[EventChunk]],
    make_lut: Callable[[FloodMap], CrystalLUT],
    fmt: EventFormat = EventFormat(),
    flood_parameters: FloodParameters = FloodParameters(),
    parameters: CrystalWindowParameters = CrystalWindowParameters(),
    *,
    events: int | None = None,
    source: str = "",
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> EnergyCalibration:
    """Find each crystal's energy window and the LUT of the map that these windows make.

    Block window, LUT, photopeaks; then by turns the map of each crystal's own window, the LUT of that, and
    the photopeaks by it, until the LUT does not change. A crystal without a clear photopeak keeps the block's
    window. Two passes over the events for each round.

    Parameters
    ----------
    read_words : callable
        Starts a pass over the events: returns the chunks, for example ``lambda: iter_words(path)``.
    make_lut : callable
        Makes the LUT of a flood map: lattice and segmentation.
    fmt : EventFormat
        Layout of a word.
    flood_parameters : FloodParameters
        Bins and dither of the map, and the block's window; without one it is suggested from the spectrum.
    parameters : CrystalWindowParameters
        How the windows lie about the photopeaks, and when to stop.
    events : int, optional
        How many events a pass has, for `progress`.
    source : str
        Where the events come from, for titles and records.
    threads : int, optional
        Threads to use; by default all cores. The result does not depend on it.
    progress : callable, optional
        Gets the finished fraction, 0 to 1, as if all rounds were needed.
    cancelled : callable, optional
        Asked before each chunk; when it returns True the work stops.

    Raises
    ------
    Cancelled
        If `cancelled` returned True.
    ParameterError
        If there is no window and none can be suggested, or the arguments do not fit together.
    """
    passes = _Passes(read_words, fmt, events, threads, 3 + 2 * parameters.max_rounds, progress, cancelled)
    doubts: tuple[str, ...] = ()
    if flood_parameters.window is None:
        suggestion = suggest_window(passes.run(energy_spectrum))
        if suggestion.window is None:
            raise ParameterError(f"no energy window can be suggested, as {suggestion.reason}; give one")
        if suggestion.reason:
            doubts = (f"the energy window {suggestion.window} is uncertain: {suggestion.reason}",)
        flood_parameters = replace(flood_parameters, window=suggestion.window)
    block_window = energies_in(flood_parameters.window, fmt)
    flood = passes.run(flood_from_words, parameters=flood_parameters, source=source)
    lut = make_lut(flood)
    changed: list[float] = []
    windows: npt.NDArray[np.int64] | None = None
    while True:
        spectra = passes.run(crystal_spectra, lut=lut, core=core_pixels(lut, flood.counts, parameters.core))
        photopeaks = crystal_photopeaks(spectra)
        previous, windows = windows, crystal_windows(photopeaks, parameters, otherwise=block_window)
        settled = bool(changed) and changed[-1] <= parameters.tolerance
        settled |= previous is not None and np.array_equal(previous, windows)
        if settled or len(changed) == parameters.max_rounds:
            break
        flood = passes.run(
            flood_of_windows, lut=lut, windows=windows, parameters=flood_parameters, source=source
        )
        new = make_lut(flood)
        changed.append(float(flood.counts[new.ids != lut.ids].sum() / max(flood.total, 1.0)))
        lut = new
    if progress is not None:
        progress(1.0)
    return EnergyCalibration(flood, lut, spectra, photopeaks, windows, tuple(changed), settled, doubts)


Result = TypeVar("Result")


class _Passes:
    """Runs passes over the events and tells the progress of all of them together."""

    def __init__(
        self,
        read_words: Callable[[], Iterable[EventChunk]],
        fmt: EventFormat,
        events: int | None,
        threads: int | None,
        most: int,
        progress: Progress | None,
        cancelled: CancelCheck | None,
    ) -> None:
        self._read_words, self._progress, self._most, self._done = read_words, progress, most, 0
        self._options: dict[str, Any] = {
            "fmt": fmt,
            "events": events,
            "threads": threads,
            "cancelled": cancelled,
        }

    def run(self, function: Callable[..., Result], **arguments: object) -> Result:
        def tell(fraction: float) -> None:
            if self._progress is not None:
                self._progress((self._done + fraction) / self._most)

        result = function(self._read_words(), progress=tell, **self._options, **arguments)
        self._done += 1
        return result

"""Finding the photopeak of a spectrum without knowing where it lies or how wide it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from napari_petlut.errors import ParameterError

FloatArray = npt.NDArray[np.float64]

_LOG_STEP = 0.015
_RELATIVE_SIGMAS = (0.04, 0.065, 0.1)
_FIRST_CHANNEL = 16
_MIN_SIGNIFICANCE = 5.0
_MIN_SIGNIFICANCE_NEAR = 4.0
_NEAR = (0.55, 1.6)
_MIN_CONTRAST = 0.08
_MIN_STRENGTH = 0.02
_MAX_VALLEY = 0.65
_HIGHER_LINE_RATIO = (1.8, 2.75)
_HIGHER_LINE_WEAKER = 3.0


class PhotopeakStatus(StrEnum):
    """Whether a spectrum has a photopeak."""

    FOUND = "found"
    """It stands out clearly."""
    UNCERTAIN = "uncertain"
    """There is a peak, but it could be something else or its figures are poor."""
    MISSING = "missing"
    """Nothing stands out of the spectrum."""


@dataclass(frozen=True)
class PhotopeakGuess:
    """Where a photopeak seems to be.

    Parameters
    ----------
    status : PhotopeakStatus
        Whether there is one.
    position : float
        Channel of its maximum; NaN if missing.
    fwhm : float
        Twice its half width at half maximum on the high-energy side, in channels; NaN if missing.
    significance : float
        Height of the peak above a smooth spectrum, in standard deviations of the counting noise.
    below, above : float
        Lowest level of the spectrum from 0.65 times the peak's energy to the peak, and from there to 1.6
        times, in counts per channel and with room for noise and slope; NaN if missing.
    reason : str
        Why it is uncertain or missing, in words; empty if found.
    """

    status: PhotopeakStatus
    position: float
    fwhm: float
    significance: float
    below: float = np.nan
    above: float = np.nan
    reason: str = ""

    @property
    def found(self) -> bool:
        """Whether there is a clear peak."""
        return self.status == PhotopeakStatus.FOUND


def locate_photopeak(spectrum: npt.ArrayLike, *, near: float | None = None) -> PhotopeakGuess:
    """Find the photopeak of a spectrum without knowing where to look.

    A peak is where the spectrum, counted in channels that grow with energy, curves downwards by more than its
    noise: photopeaks are 10 to 25 % wide wherever the gain puts them. Of several the one at the highest
    energy is taken, because what scattered lies below; but not a line of about twice the energy that is much
    weaker (pile-up, or the 1275 keV of a sodium-22 source). Where it is known about where to look the
    strongest is taken, because the photopeaks of the next crystals can be seen there as well.

    Parameters
    ----------
    spectrum : array_like, shape (n,)
        Counts per channel. The first 16 channels and the last, where overflow gathers, are not looked at.
    near : float, optional
        Where the photopeak is expected: it is only looked for between 0.55 and 1.6 times this channel, and a
        little less significance suffices.

    Returns
    -------
    PhotopeakGuess

    Raises
    ------
    ParameterError
        If the spectrum is no 1-D array of finite counts, at least 64 channels long and not negative, or
        `near` is not positive.
    """
    counts = checked_spectrum(spectrum)
    if near is not None and not near > 0:
        raise ParameterError(f"the channel where a photopeak is expected must be positive, not {near}")
    counts[: min(_FIRST_CHANNEL, counts.size)] = 0
    counts[-1] = 0
    if not counts.any():
        return _missing(0.0, "the spectrum is empty")
    energies, strength, significance, contrast = _curvature(counts)
    candidates = _local_maxima(significance)
    wanted = _MIN_SIGNIFICANCE
    if near is not None:
        wanted = _MIN_SIGNIFICANCE_NEAR
        low, high = (factor * near for factor in _NEAR)
        candidates = candidates[(energies[candidates] > low) & (energies[candidates] < high)]
    candidates = candidates[(significance[candidates] >= wanted) & (contrast[candidates] >= _MIN_CONTRAST)]
    if not candidates.size:
        return _missing(float(significance.max(initial=0.0)), "no peak stands out of the spectrum")
    if near is None:
        best = candidates[_photopeak_among(energies[candidates], strength[candidates])]
    else:
        best = candidates[np.argmax(strength[candidates])]
    return _measured(counts, float(energies[best]), float(significance[best]))


def _missing(significance: float, reason: str) -> PhotopeakGuess:
    return PhotopeakGuess(PhotopeakStatus.MISSING, np.nan, np.nan, significance, reason=reason)


def checked_spectrum(spectrum: npt.ArrayLike) -> FloatArray:
    """Return a copy of a spectrum as floats.

    Raises
    ------
    ParameterError
        If it is no 1-D array of finite counts, at least 64 channels long and not negative.
    """
    counts = np.array(spectrum, np.float64)
    if counts.ndim != 1 or counts.size < 64:
        raise ParameterError(f"a spectrum is a 1-D array of at least 64 channels, not {counts.shape}")
    if not np.isfinite(counts).all() or counts.min() < 0:
        raise ParameterError("a spectrum holds counts: finite and not negative")
    return counts


def _curvature(counts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return energies on a logarithmic scale and, there, how strongly the spectrum curves downwards.

    Strength is in counts, significance in standard deviations, contrast relative to the spectrum; each is the
    best over a few peak widths.
    """
    steps = int(np.log(counts.size / _FIRST_CHANNEL) / _LOG_STEP)
    edges = _FIRST_CHANNEL * np.exp(_LOG_STEP * np.arange(steps + 1))
    per_step = np.diff(np.interp(edges, np.arange(counts.size + 1), np.concatenate([[0], np.cumsum(counts)])))
    energies = np.sqrt(edges[1:] * edges[:-1])
    best = np.zeros((3, steps))
    for relative_sigma in _RELATIVE_SIGMAS:
        sigma = relative_sigma / _LOG_STEP
        reach = int(np.ceil(4 * sigma))
        t = np.arange(-reach, reach + 1) / sigma
        kernel = (1 - t**2) * np.exp(-(t**2) / 2)
        kernel -= kernel.mean()
        # "nearest" beyond the ends: an end of the scale is no step.
        padded = np.pad(per_step, reach, mode="edge")
        strength = np.convolve(padded, kernel, mode="valid")
        noise = np.sqrt(np.convolve(padded, kernel**2, mode="valid") + 1.0)
        level = np.convolve(padded, np.exp(-(t**2) / 2), mode="valid")
        here = np.stack([strength, strength / noise, strength / np.maximum(level, 1e-300)])
        best = np.where(here[1] > best[1], here, best)
    return energies, best[0], best[1], best[2]


def _local_maxima(values: FloatArray) -> npt.NDArray[np.intp]:
    padded = np.concatenate([[-np.inf], values, [-np.inf]])
    return np.flatnonzero((values > padded[:-2]) & (values >= padded[2:]))


def _photopeak_among(energies: FloatArray, strength: FloatArray) -> int:
    """Return which of several peaks, sorted by energy, is the photopeak."""
    chosen = int(np.flatnonzero(strength >= _MIN_STRENGTH * strength.max())[-1])
    ratio = energies[chosen] / energies
    low, high = _HIGHER_LINE_RATIO
    lower = (ratio >= low) & (ratio <= high) & (strength >= _HIGHER_LINE_WEAKER * strength[chosen])
    return int(np.flatnonzero(lower)[-1]) if lower.any() else chosen


def _measured(counts: FloatArray, energy: float, significance: float) -> PhotopeakGuess:
    """Return the peak near `energy` with its width and the levels to either side of it."""
    blur = max(0.025 * energy, 0.5)
    start, end = int(0.5 * energy), min(int(2 * energy) + 2, counts.size)
    smooth = gaussian_filter1d(counts[start:end], blur, mode="nearest")
    low, high = int(0.85 * energy) - start, min(int(1.15 * energy) + 2, end) - start
    top = low + int(np.argmax(smooth[low:high]))
    height = float(smooth[top])
    lower_half = np.flatnonzero(smooth[top:] < height / 2)
    half_width = 0.15 * energy
    if lower_half.size:
        after = top + lower_half[0]
        half_width = float(after - top - (height / 2 - smooth[after]) / (smooth[after - 1] - smooth[after]))
    # Around its top a photopeak is symmetric enough for the centre of mass.
    near_top = np.abs(np.arange(smooth.size) - top) <= max(0.6 * half_width, 1)
    weights = np.where(near_top, np.maximum(smooth - 0.6 * height, 0), 0)
    position = start + float(np.average(np.arange(smooth.size), weights=weights))
    # The Compton edge lies at 2/3 of a 511 keV photopeak.
    below = float(smooth[max(int(0.65 * (start + top)) - start, 0) : top + 1].min())
    above = float(smooth[top : int(1.6 * (start + top)) - start].min())
    reason = ""
    if below > _MAX_VALLEY * height:
        reason = f"below the peak the spectrum falls only to {below / height:.0%} of it: a Compton edge?"
    averaged = 2 * np.sqrt(np.pi) * blur
    below, above = (1.5 * level + 2 * np.sqrt(level / averaged) + 3 / averaged for level in (below, above))
    status = PhotopeakStatus.UNCERTAIN if reason else PhotopeakStatus.FOUND
    return PhotopeakGuess(status, position, 2 * half_width, significance, float(below), float(above), reason)

"""Finding the photopeak of a spectrum without knowing where it lies or how wide it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from napari_petlut.analysis.photopeak.known_lines import Explanation, beside_line, explain
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
# Of what lies at its own place, the line has at least this share, or there is none.
_LEAST_SHARE = 0.15
# Another candidate, or no line at all, is out of the question if it explains the spectrum so much worse.
_CLEARLY_WORSE = 1.5
# It takes more to see a photopeak where the spectrum hardly falls below it.
_SHALLOW_WORSE, _MAX_VALLEY = 2.0, 0.65
# Below this misfit an explanation is as good as the counts allow, above the other none is good.
_GOOD_MISFIT, _POOR_MISFIT = 0.1, 12.0
# Candidates of which one may be the other, seen twice.
_SAME_PEAK = 1.12
# Sodium-22's 1275 keV over 511 keV, with what a photosensor's saturation takes away.
_SECOND_GAMMA_RATIO, _SECOND_GAMMA_WORSE = (2.05, 2.65), 4.0
# A photopeak's top is looked for within this share of where it was seen.
_REACH = 0.15
_WIDER_THAN_MODEL = 1.35


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
    rivals : tuple of float
        Channels that may be the photopeak as well; empty if found.
    """

    status: PhotopeakStatus
    position: float
    fwhm: float
    significance: float
    below: float = np.nan
    above: float = np.nan
    reason: str = ""
    rivals: tuple[float, ...] = ()

    @property
    def found(self) -> bool:
        """Whether there is a clear peak."""
        return self.status == PhotopeakStatus.FOUND


def locate_photopeak(spectrum: npt.ArrayLike, *, near: float | None = None) -> PhotopeakGuess:
    """Find the photopeak of a spectrum without knowing where to look.

    A peak is where the spectrum, counted in channels that grow with energy, curves downwards by more than its
    noise: photopeaks are 10 to 25 % wide wherever the gain puts them. Of several the one is taken whose
    energy scale explains the whole spectrum best, with the Compton continuum, a second gamma, pile-up and
    lutetium's own decays at their known energies. Where it is known about where to look the strongest is
    taken, because the photopeaks of the next crystals can be seen there as well.

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
        strong = strength[candidates] >= _MIN_STRENGTH * strength[candidates].max()
        return _photopeak_among(counts, energies[candidates[strong]], significance[candidates[strong]])
    best = candidates[np.argmax(strength[candidates])]
    guess = _measured(counts, float(energies[best]), _REACH)
    return replace(guess, significance=float(significance[best]))


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


def _photopeak_among(counts: FloatArray, candidates: FloatArray, significance: FloatArray) -> PhotopeakGuess:
    """Return the candidate that is the photopeak, uncertain if another may be it, or none of them."""
    explanations = explain(counts, candidates)
    order = sorted(range(len(candidates)), key=lambda index: explanations[index].misfit)
    lines = [index for index in order if explanations[index].share >= _LEAST_SHARE]
    chosen = _not_the_second_gamma(explanations, lines) if lines else order[0]
    best = explanations[chosen]
    bound = _CLEARLY_WORSE * max(explanations[order[0]].misfit, _GOOD_MISFIT)
    rivals = tuple(
        other.channel
        for other in (explanations[index] for index in order)
        if other.misfit < bound and abs(np.log(other.channel / best.channel)) > np.log(_SAME_PEAK)
    )
    reason = ""
    if not lines:
        reason = "no peak of it is where a gamma's would be: lutetium's own decays alone?"
    elif best.misfit_without < bound * (_SHALLOW_WORSE if _is_shallow(counts, best.channel) else 1):
        reason = "it may be the Compton edge of a photopeak that is not in the spectrum"
    elif rivals:
        reason = f"it may be the peak at channel {rivals[0]:.0f} as well"
    elif best.misfit > _POOR_MISFIT:
        reason = "no line of a source explains the spectrum"
    net = counts - beside_line(counts, best)
    guess = _measured(counts, best.channel, min(_REACH, 0.5 * best.resolution), net=net)
    # Lutetium's decays lie above the peak and can keep the spectrum from falling to half its height.
    fwhm = min(guess.fwhm, _WIDER_THAN_MODEL * best.resolution * guess.position)
    status = PhotopeakStatus.UNCERTAIN if reason else PhotopeakStatus.FOUND
    return replace(
        guess,
        status=status,
        reason=reason,
        fwhm=fwhm,
        rivals=rivals if reason else (),
        significance=float(significance[chosen]),
    )


def _not_the_second_gamma(explanations: list[Explanation], lines: list[int]) -> int:
    """Return the best of the candidates, or the one below it whose second gamma the best may be."""
    best = explanations[lines[0]]
    low, high = _SECOND_GAMMA_RATIO
    for index in lines[1:]:
        ratio = best.channel / explanations[index].channel
        if low < ratio < high and explanations[index].misfit < _SECOND_GAMMA_WORSE * max(
            best.misfit, _GOOD_MISFIT
        ):
            return index
    return lines[0]


def _is_shallow(counts: FloatArray, channel: float) -> bool:
    """Return whether between the Compton edge of a peak and the peak the spectrum hardly falls."""
    smooth = gaussian_filter1d(counts, max(0.025 * channel, 0.5), mode="nearest")
    lowest, top, end = (min(int(share * channel), counts.size - 1) for share in (0.65, 1.0, 1.15))
    return bool(smooth[lowest : top + 1].min() > _MAX_VALLEY * smooth[int(0.85 * channel) : end + 1].max())


def _measured(
    counts: FloatArray, energy: float, reach: float, *, net: FloatArray | None = None
) -> PhotopeakGuess:
    """Return the peak within a share `reach` of an energy, with its width and the levels beside it.

    `net`, if given, is the spectrum without what is known to lie under the peak.
    """
    blur = max(0.025 * energy, 0.5)
    start, end = int(0.5 * energy), min(int(2 * energy) + 2, counts.size)
    smooth = gaussian_filter1d(counts[start:end], blur, mode="nearest")
    peak = smooth if net is None else gaussian_filter1d(net[start:end], blur, mode="nearest")
    low, high = int((1 - reach) * energy) - start, min(int((1 + reach) * energy) + 2, end) - start
    top = low + int(np.argmax(peak[low:high]))
    height = float(peak[top])
    lower_half = np.flatnonzero(peak[top:] < height / 2)
    half_width = 0.15 * energy
    if lower_half.size:
        after = top + lower_half[0]
        half_width = float(after - top - (height / 2 - peak[after]) / (peak[after - 1] - peak[after]))
    if height <= 0:
        return _measured(counts, energy, reach)
    # Around its top a photopeak is symmetric enough for the centre of mass.
    near_top = np.abs(np.arange(peak.size) - top) <= max(0.6 * half_width, 1)
    weights = np.where(near_top, np.maximum(peak - 0.6 * height, 0), 0)
    position = start + float(np.average(np.arange(peak.size), weights=weights))
    # The Compton edge lies at 2/3 of a 511 keV photopeak.
    below = float(smooth[max(int(0.65 * (start + top)) - start, 0) : top + 1].min())
    above = float(smooth[top : int(1.6 * (start + top)) - start].min())
    averaged = 2 * np.sqrt(np.pi) * blur
    below, above = (1.5 * level + 2 * np.sqrt(level / averaged) + 3 / averaged for level in (below, above))
    return PhotopeakGuess(PhotopeakStatus.FOUND, position, 2 * half_width, np.nan, float(below), float(above))

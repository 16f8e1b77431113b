"""The comb of a flood map: single lines that dividing whole numbers leaves at simple fractions of the scale.

Ex and E are whole numbers, so that positions such as 1/2 of the scale are reached by many pairs and those
just below by few: whole rows and columns of the map hold too much or too little. Where events are at hand,
`FloodParameters.dither` undoes it; these functions are for maps without events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import ParameterError
from napari_petlut.model import FloatArray

_LARGEST_DENOMINATOR = 16
_REACH = 6
_NEARBY = 5
_ROUNDS = 4
_SIGMAS = 5.0
_MIN_COUNTS = 25.0


@dataclass(frozen=True, eq=False)
class CombProfile:
    """How the lines of a map along one axis differ from their neighbours.

    Parameters
    ----------
    deviation : ndarray of float64, shape (n,)
        Sum of each line relative to what its neighbours make expect, minus 1; 0 where counts are too few.
    lines : ndarray of intp, shape (k,)
        Indices of the lines that belong to a comb.
    rms : float
        Root mean square of `deviation` over the lines with enough counts.
    poisson_limit : float
        What `rms` would be from counting noise alone.
    """

    deviation: FloatArray
    lines: npt.NDArray[np.intp]
    rms: float
    poisson_limit: float


def comb_strength(counts: npt.ArrayLike, *, threshold: float = 0.02) -> tuple[CombProfile, CombProfile]:
    """Measure the comb of a flood map.

    The expected sum is a parabola through the logarithms of the sums of the 6 lines to either side. A line
    belongs to a comb where it lies at a fraction of the scale with a denominator of at most 16 and differs
    from the expected sum by more than `threshold`, by more than 5 times what lines nearby usually differ, and
    by more than 5 standard deviations of its counts.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Flood map over the whole position scale.
    threshold : float
        Smallest relative deviation that counts as a comb.

    Returns
    -------
    rows, columns : CombProfile
        Lines of constant axis-0 index, and of constant axis-1 index.

    Raises
    ------
    ParameterError
        If the map is not 2-D or the threshold is not positive.
    """
    image = _checked(counts, threshold)
    rows, columns = (_profile(image.sum(axis=axis), threshold)[0] for axis in (1, 0))
    return rows, columns


def remove_comb(counts: npt.ArrayLike, *, threshold: float = 0.02) -> FloatArray:
    """Return a flood map whose comb lines are scaled to the sums that their neighbours make expect.

    Only lines that `comb_strength` finds are changed, each by one factor.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Flood map over the whole position scale.
    threshold : float
        Smallest relative deviation that counts as a comb.

    Returns
    -------
    ndarray of float64, shape (n0, n1)

    Raises
    ------
    ParameterError
        If the map is not 2-D or the threshold is not positive.
    """
    image = _checked(counts, threshold)
    for axis in (0, 1):
        sums = image.sum(axis=1 - axis)
        profile, expected = _profile(sums, threshold)
        factor = np.ones(sums.size)
        factor[profile.lines] = expected[profile.lines] / sums[profile.lines]
        image = image * np.expand_dims(factor, 1 - axis)
    return image


def _checked(counts: npt.ArrayLike, threshold: float) -> FloatArray:
    image = np.asarray(counts, np.float64)
    if image.ndim != 2:
        raise ParameterError(f"a flood map is a 2-D array, not {image.shape}")
    if not threshold > 0:
        raise ParameterError(f"the comb threshold must be positive, not {threshold}")
    return image


def _profile(sums: FloatArray, threshold: float) -> tuple[CombProfile, FloatArray]:
    """Return the profile of the lines with these sums, and the sums that their neighbours make expect."""
    candidates = _simple_fractions(sums.size)
    lines = np.zeros(sums.size, np.bool_)
    for _ in range(_ROUNDS):
        expected, variance = _from_neighbours(sums, lines)
        known = np.isfinite(expected) & (sums >= _MIN_COUNTS)
        deviation = np.divide(sums, expected, out=np.ones_like(sums), where=known) - 1
        noise = np.sqrt(np.where(known, variance + 1 / np.maximum(sums, 1), 0.0))
        usual = _usual_nearby(np.where(known & ~candidates, np.abs(deviation), np.nan))
        limit = np.maximum(threshold, _SIGMAS * np.maximum(noise, usual))
        found = known & candidates & (np.abs(deviation) > limit)
        if (found == lines).all():
            break
        lines = found
    rms, poisson = (
        float(np.sqrt(np.mean(values[known] ** 2))) if known.any() else 0.0 for values in (deviation, noise)
    )
    return CombProfile(deviation, np.flatnonzero(lines), rms, poisson), expected


def _simple_fractions(n: int) -> npt.NDArray[np.bool_]:
    """Return which of `n` lines hold p / q of the scale, or end there, for whole p < q up to 16."""
    simple = np.zeros(n, np.bool_)
    for q in range(2, _LARGEST_DENOMINATOR + 1):
        place, rest = np.divmod(np.arange(1, q) * n, q)
        simple[place] = True
        simple[np.maximum(place[rest == 0] - 1, 0)] = True
    return simple


def _from_neighbours(sums: FloatArray, lines: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Return each line's sum as its neighbours make it expect, NaN where too few have counts.

    The line itself and the comb `lines` take no part. The second array is the relative variance of the first.
    """
    offsets = np.concatenate([np.arange(-_REACH, 0), np.arange(1, _REACH + 1)])
    places = np.arange(sums.size)[:, None] + offsets
    inside = (places >= 0) & (places < sums.size)
    places = np.clip(places, 0, sums.size - 1)
    weight = (inside & ~lines[places] & (sums[places] >= _MIN_COUNTS)).astype(np.float64)
    logs = np.log(np.maximum(sums, 1.0))
    design = (offsets[:, None] / _REACH) ** np.arange(3.0)
    normal = np.einsum("nk,ki,kj->nij", weight, design, design) + 1e-9 * np.eye(3)
    solved = np.linalg.solve(normal, np.einsum("nk,ki->nik", weight, design))[:, 0]
    enough = (weight[:, :_REACH].sum(axis=1) >= 2) & (weight[:, _REACH:].sum(axis=1) >= 2)
    expected = np.where(enough, np.exp((solved * logs[places]).sum(axis=1)), np.nan)
    return expected, (solved**2 / np.maximum(sums[places], 1.0)).sum(axis=1)


def _usual_nearby(deviation: FloatArray) -> FloatArray:
    """Return the standard deviation that the median of the known deviations within 5 lines stands for."""
    padded = np.pad(deviation, _NEARBY, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEARBY + 1)
    known = np.where(np.isnan(windows).all(axis=1, keepdims=True), 0.0, windows)
    return 1.4826 * np.asarray(np.nanmedian(known, axis=1), np.float64)

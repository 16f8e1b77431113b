"""Figures of neighbouring crystals: how far apart, how well resolved, how deep the valley."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.quality._profiles import sample_profiles
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import FloatArray, IntArray, LabelArray

# Samples along the line of centres. Peaks are read at its ends, the valley between these shares of it.
_PLACES = np.linspace(0, 1, 41)
_VALLEY = (0.2, 0.8)
# Peak and valley are means over so many samples along the line, and a strip of this half width across it,
# in shares of the line, which keeps the noise down.
_SMOOTH = 5
_STRIP = np.linspace(-0.1, 0.1, 7)
# Crystals that share fewer border pixels than this are neighbours in the array but not in the map.
_LEAST_BORDER = 2


@dataclass(frozen=True, eq=False)
class PairQuality:
    """Figures of the pairs of neighbours along one axis of the array, NaN where a crystal is missing.

    Parameters
    ----------
    first, second : ndarray of intp, shape (m,)
        Crystal ids; `second` is the next row, or the next column.
    distance : ndarray of float64, shape (m,)
        Of the spot centres in pixels.
    k : ndarray of float64, shape (m,)
        Distance over the mean full width at half maximum of the two spots along the line of centres:
        ``k = d / ((w1 + w2) / 2)`` ("flood-histogram quality" of Du, Cherry and others). Larger is
        better; two equal Gaussians show one top below k = 0.85, where they are 2 sigma apart.
    pvr_line : ndarray of float64, shape (m,)
        Peak-to-valley ratio by line profile, ``((P1 + P2) / 2) / V``, on the unfiltered map along the line of
        centres: P at the fitted centres, V where the fitted model is lowest between them. V is not searched
        in the map, so noise does not deepen it. Both are means over a strip, corrected by what the same
        means do to the model. The border's ratio is another figure, not this one. Infinite where no event
        lies in the valley.
    pvr_border : ndarray of float64, shape (m,)
        Peak-to-valley ratio by cell border: the same peaks over the mean counts of the pixels on either side
        of the border that the two cells share. NaN where they share none.
    """

    first: IntArray
    second: IntArray
    distance: FloatArray
    k: FloatArray
    pvr_line: FloatArray
    pvr_border: FloatArray

    def __len__(self) -> int:
        return len(self.first)


def neighbour_ids(geometry: BlockGeometry, axis: int) -> tuple[IntArray, IntArray]:
    """Return the ids of all neighbours along an axis of the array, the lower one first."""
    first, second = geometry.neighbours[axis].T
    return first, second


def widths_along(covariances: FloatArray, direction: FloatArray) -> FloatArray:
    """Return the full width at half maximum of Gaussians along unit vectors, shape (m,)."""
    variance = np.einsum("mi,mij,mj->m", direction, covariances, direction)
    return np.asarray(FWHM_PER_SIGMA * np.sqrt(variance))


def pair_quality(
    counts: FloatArray,
    model: FloatArray,
    labels: LabelArray,
    means: FloatArray,
    covariances: FloatArray,
    pairs: tuple[IntArray, IntArray],
) -> PairQuality:
    """Return the figures of pairs of crystals.

    Parameters
    ----------
    counts, model : ndarray, shape (n0, n1)
        Unfiltered flood map, and the counts the fitted mixture expects.
    labels : ndarray of int32, shape (n0, n1)
        Crystal id of each pixel.
    means, covariances : ndarray, shape (n, 2) and (n, 2, 2)
        Fitted spots by crystal id, NaN for crystals without one.
    pairs : tuple of ndarray of intp
        Ids of the two crystals of each pair.
    """
    first, second = pairs
    step = means[second] - means[first]
    distance = np.hypot(*step.T)
    known = np.isfinite(distance) & (distance > 0)
    direction = step / np.where(known, distance, 1)[:, None]
    width = (widths_along(covariances[first], direction) + widths_along(covariances[second], direction)) / 2
    k, line, border = (np.full(len(first), np.nan) for _ in range(3))
    k[known] = distance[known] / width[known]
    peaks, line[known] = _line_ratio(counts, model, means[first[known]], means[second[known]])
    shared, seen = _border_means(counts, labels, first[known], second[known])
    border[known] = np.where(seen >= _LEAST_BORDER, _ratio(peaks, shared), np.nan)
    distance = np.where(known, distance, np.nan)
    return PairQuality(first, second, distance, k, line, border)


def _line_ratio(
    counts: FloatArray, model: FloatArray, start: FloatArray, stop: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the mean peak height and the peak-to-valley ratio along each line of centres."""
    margin = _SMOOTH // 2
    step = _PLACES[1] - _PLACES[0]
    places = np.arange(-margin, len(_PLACES) + margin) * step
    seen = _running_mean(sample_profiles(counts, start, stop, places, _STRIP))
    fitted = _running_mean(sample_profiles(model, start, stop, places, _STRIP))
    sharp = sample_profiles(model, start, stop, _PLACES, np.zeros(1))
    between = (_VALLEY[0] <= _PLACES) & (_VALLEY[1] >= _PLACES)
    valley = np.argmin(np.where(between, np.nan_to_num(sharp, nan=np.inf), np.inf), axis=1)
    # What the means take off the peaks and fill into the valley, the model tells: the wider apart two spots
    # are, the more of them lies within the strip.
    seen = seen * np.divide(sharp, fitted, out=np.ones_like(sharp), where=fitted > 0)
    peaks = (seen[:, 0] + seen[:, -1]) / 2
    return peaks, _ratio(peaks, seen[np.arange(len(seen)), valley])


def _running_mean(profiles: FloatArray) -> FloatArray:
    windows = np.lib.stride_tricks.sliding_window_view(profiles, _SMOOTH, axis=1)
    return np.asarray(windows.mean(axis=-1))


def _ratio(peaks: FloatArray, valley: FloatArray) -> FloatArray:
    """Return peaks over valley: infinite over an empty valley, NaN where there is no peak either."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(peaks > 0, peaks / valley, np.nan))


def _border_means(
    counts: FloatArray, labels: LabelArray, first: IntArray, second: IntArray
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Return the mean counts on the border shared by each pair of cells, and its number of pixels."""
    number = int(max(labels.max(), first.max(initial=-1), second.max(initial=-1))) + 2
    sums: list[npt.NDArray[np.int64]] = []
    weights = []
    for one, other, height in (
        (labels[:-1], labels[1:], counts[:-1] + counts[1:]),
        (labels[:, :-1], labels[:, 1:], counts[:, :-1] + counts[:, 1:]),
    ):
        edge = (one != other) & (one >= 0) & (other >= 0)
        low, high = np.minimum(one[edge], other[edge]), np.maximum(one[edge], other[edge])
        sums.append(low.astype(np.int64) * number + high)
        weights.append(height[edge])
    keys, inverse = np.unique(np.concatenate(sums), return_inverse=True)
    total = np.bincount(inverse, np.concatenate(weights), len(keys))
    pixels = 2 * np.bincount(inverse, minlength=len(keys))
    wanted = np.minimum(first, second) * number + np.maximum(first, second)
    if len(keys) == 0:
        return np.full(len(first), np.nan), np.zeros(len(first), np.intp)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = keys[at] == wanted
    seen = np.where(found, pixels[at], 0)
    return np.where(found, total[at] / np.maximum(pixels[at], 1), np.nan), seen

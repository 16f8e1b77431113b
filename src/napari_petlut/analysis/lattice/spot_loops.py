"""Compiled loops over the spots of a mixture: counts expected, halos laid, moments taken.

Whatever is as large as a map is in single precision, which halves the time: a sum over a spot is then right
to about a hundred-thousandth, far less than what a Gaussian misses of a real spot.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_petlut.model import FloatArray, SingleArray

REORDERED = {"reassoc", "nsz", "contract"}
"""Sums may be taken in any order, so that several terms are added at once."""
SPREAD_MIN = 0.5
"""Smallest variance of a spot, in squared bins: a spot cannot be narrower than a bin."""
HALO_TILT = 0.9
"""Largest correlation of a halo's two coordinates."""
LANES = 8
"""Boxes around spots are this many bins wide or a multiple, so that loops along them run without a rest."""
END_SQUARED = 12.0
"""Squared Mahalanobis distance at which a spot ends."""
CORE_SQUARED = 6.0
"""The same while a mixture is fitted: tails are less sure to be a crystal's own, and cost time."""
HALO_SPREAD = 0.3
"""Variance of a crystal's halo of scattered events, in squared steps to its neighbours along both axes:
about that of an event shared with a neighbour. Simulated and measured maps are both explained best at 0.2
to 0.35."""
HALO_MAX = 4.0
"""Largest variance of a halo against the largest one of a spot."""
FLAT = 0.05
"""Share of the background that does not come from halos."""


@njit(cache=True)
def core_moments(core: float) -> tuple[float, float]:
    """Return the share of a Gaussian's counts within a squared Mahalanobis distance, and their variance.

    In two dimensions that distance is exponentially distributed, with mean 2.
    """
    share = 1 - np.exp(-core / 2)
    return share, 1 - core / 2 * np.exp(-core / 2) / share


@njit(cache=True)
def window_size(variance0: float, variance1: float, end: float) -> int:
    """Return how many bins the box around a spot of these variances holds at most."""
    high = int(2 * np.sqrt(end * variance0)) + 2
    wide = int(2 * np.sqrt(end * variance1)) + 2
    return int(high * (wide + LANES - 1))


@njit(cache=True, error_model="numpy")
def expected_counts(
    mean: FloatArray,
    cov: FloatArray,
    weight: FloatArray,
    window: SingleArray,
    box: npt.NDArray[np.int64],
    out: SingleArray,
    end: float,
) -> None:
    """Add every spot to `out`, and keep its values in `window` and its bounds in `box` for `moments`.

    Spots end at the squared Mahalanobis distance `end`.
    """
    height, width = out.shape
    sigmas, lowest = np.sqrt(end), np.exp(-0.5 * end)
    value, factor = np.zeros(width + LANES, np.float32), np.zeros(width + LANES, np.float32)
    nothing = np.float32(0.0)
    for k in range(len(mean)):
        v0, v01, v1 = cov[k, 0], cov[k, 1], cov[k, 2]
        det = v0 * v1 - v01 * v01
        p0, p01, p1 = v1 / det, -v01 / det, v0 / det
        amplitude = weight[k] / (2 * np.pi * np.sqrt(det))
        h0, h1 = sigmas * np.sqrt(v0), sigmas * np.sqrt(v1)
        a0 = min(height, max(0, int(np.ceil(mean[k, 0] - h0))))
        a1 = max(a0, min(height, int(np.floor(mean[k, 0] + h0)) + 1))
        b0 = min(width, max(0, int(np.ceil(mean[k, 1] - h1))))
        b1 = max(b0, min(width, int(np.floor(mean[k, 1] + h1)) + 1))
        wide = b1 - b0
        full = (wide + LANES - 1) // LANES * LANES
        if b0 + full <= width:
            wide = full
        box[k, 0], box[k, 1], box[k, 2], box[k, 3] = a0, a1, b0, b0 + wide
        # From bin to bin a Gaussian is a geometric sequence of second order: a few exponentials make all of
        # it, along the first row and from there down every column.
        d0, d1 = a0 - mean[k, 0], b0 - mean[k, 1]
        here = amplitude * np.exp(-0.5 * (p0 * d0 * d0 + 2 * p01 * d0 * d1 + p1 * d1 * d1))
        right, right_again = np.exp(-(p01 * d0 + p1 * (d1 + 0.5))), np.exp(-p1)
        down, down_right = np.exp(-(p0 * (d0 + 0.5) + p01 * d1)), np.exp(-p01)
        down_again = np.float32(np.exp(-p0))
        for j in range(wide):
            value[j], factor[j] = np.float32(here), np.float32(down)
            here *= right
            right *= right_again
            down *= down_right
        least = np.float32(amplitude * lowest)
        n = 0
        for i in range(a0, a1):
            kept, row = window[k, n : n + wide], out[i, b0 : b0 + wide]
            for j in range(wide):
                inside = value[j] if value[j] > least else nothing
                kept[j] = inside
                row[j] += inside
                value[j] *= factor[j]
                factor[j] *= down_again
            n += wide


@njit(cache=True, fastmath=REORDERED)
def total(values: SingleArray) -> float:
    """Return the sum of a map; long sums are taken in double precision."""
    out = 0.0
    for i in range(values.shape[0]):
        row = np.float32(0.0)
        for j in range(values.shape[1]):
            row += values[i, j]
        out += float(row)
    return out


@njit(cache=True)
def lay_halos(
    mean: FloatArray,
    weight: FloatArray,
    limit: FloatArray,
    flat: SingleArray,
    window: SingleArray,
    box: npt.NDArray[np.int64],
    out: SingleArray,
) -> None:
    """Fill `out` with all crystals' halos and a share of `flat`, together as many counts as `flat` holds."""
    rows, cols = weight.shape
    cov = np.zeros((rows * cols, 3))
    for i in range(rows):
        for j in range(cols):
            k = i * cols + j
            cov[k, 0], cov[k, 2] = SPREAD_MIN, SPREAD_MIN
            for axis in range(2):
                if axis == 0:
                    a, b = max(i - 1, 0), min(i + 1, rows - 1)
                    d0, d1 = mean[b, j, 0] - mean[a, j, 0], mean[b, j, 1] - mean[a, j, 1]
                else:
                    a, b = max(j - 1, 0), min(j + 1, cols - 1)
                    d0, d1 = mean[i, b, 0] - mean[i, a, 0], mean[i, b, 1] - mean[i, a, 1]
                part = HALO_SPREAD / max(b - a, 1) ** 2
                cov[k, 0] += part * d0 * d0
                cov[k, 1] += part * d0 * d1
                cov[k, 2] += part * d1 * d1
            shrink = min(1.0, HALO_MAX * limit[0] / cov[k, 0], HALO_MAX * limit[1] / cov[k, 2])
            tilt = HALO_TILT * np.sqrt(cov[k, 0] * cov[k, 2])
            cov[k, 0] *= shrink
            cov[k, 1] = shrink * min(max(cov[k, 1], -tilt), tilt)
            cov[k, 2] *= shrink
    out[:] = 0.0
    expected_counts(mean.reshape(rows * cols, 2), cov, weight.ravel(), window, box, out, CORE_SQUARED)
    scale = np.float32((1 - FLAT) * total(flat) / max(total(out), 1e-9))
    share = np.float32(FLAT)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = scale * out[i, j] + share * flat[i, j]


@njit(cache=True, fastmath=REORDERED)
def moments(
    mean: FloatArray,
    window: SingleArray,
    box: npt.NDArray[np.int64],
    ratio: SingleArray,
    out: FloatArray,
) -> None:
    """Fill `out` (n, 6) with each spot's share of the counts and its first and second moments."""
    for k in range(len(mean)):
        s, s0, s1, s00, s01, s11 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        first, wide = np.float32(box[k, 2] - mean[k, 1]), box[k, 3] - box[k, 2]
        n = 0
        for i in range(box[k, 0], box[k, 1]):
            kept, share = window[k, n : n + wide], ratio[i, box[k, 2] : box[k, 3]]
            row, row1, row11 = np.float32(0.0), np.float32(0.0), np.float32(0.0)
            for j in range(wide):
                d1 = first + np.float32(j)
                g = kept[j] * share[j]
                row += g
                row1 += g * d1
                row11 += g * d1 * d1
            n += wide
            d0 = i - mean[k, 0]
            s += float(row)
            s0 += row * d0
            s1 += float(row1)
            s00 += row * d0 * d0
            s01 += row1 * d0
            s11 += float(row11)
        out[k, 0], out[k, 1], out[k, 2] = s, s0, s1
        out[k, 3], out[k, 4], out[k, 5] = s00, s01, s11


@njit(cache=True, fastmath=REORDERED, error_model="numpy")
def explain(
    counts: SingleArray, shape: SingleArray, background: float, model: SingleArray, ratio: SingleArray
) -> float:
    """Add the background to the spots in `model`; return its share of the counts.

    `ratio` is filled with the counts over what is expected.
    """
    share = 0.0
    scale, least = np.float32(background), np.float32(1e-9)
    for i in range(counts.shape[0]):
        row = np.float32(0.0)
        for j in range(counts.shape[1]):
            behind = scale * shape[i, j]
            expected = model[i, j] + behind + least
            seen = counts[i, j] / expected
            ratio[i, j] = seen
            model[i, j] = expected
            row += behind * seen
        share += float(row)
    return share

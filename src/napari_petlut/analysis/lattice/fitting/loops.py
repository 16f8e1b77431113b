"""The compiled loops of the tied mixture: counts expected, moments taken, shares read, lines solved.

None calls another: Numba compiles what is called into every caller anew, which is most of the time that the
first run takes. `iterating.py` calls them in turn.

Whatever is as large as a map is in single precision, which halves the time: a sum over a spot is then right
to about a hundred-thousandth, far less than what a Gaussian misses of a real spot.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.compiling import compiled
from napari_petlut.model import FloatArray, SingleArray

REORDERED = {"reassoc", "nsz", "contract"}
"""Sums may be taken in any order, so that several terms are added at once."""
SPREAD_MIN = 0.5
"""Smallest variance of a spot, in squared bins: a spot cannot be narrower than a bin."""
LANES = 8
"""Boxes around spots are this many bins wide or a multiple, so that loops along them run without a rest."""


@compiled(error_model="numpy")
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


@compiled(fastmath=REORDERED)
def total(values: SingleArray) -> float:
    """Return the sum of a map; long sums are taken in double precision."""
    out = 0.0
    for i in range(values.shape[0]):
        row = np.float32(0.0)
        for j in range(values.shape[1]):
            row += values[i, j]
        out += float(row)
    return out


@compiled(fastmath=REORDERED)
def moments(
    mean: FloatArray,
    window: SingleArray,
    box: npt.NDArray[np.int64],
    ratio: SingleArray,
    out: FloatArray,
) -> None:
    """Fill `out` (n, 6) with each spot's share of the counts and its first and second moments."""
    for k in range(len(mean)):
        # M step, sums of eqs. 9.24 to 9.26 of Bishop, Pattern Recognition and Machine Learning (2006), with
        # bins for samples: a bin's counts belong to a spot by its part of what is expected there, kept *
        # ratio.
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


@compiled(fastmath=REORDERED, error_model="numpy")
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
            # E step (eq. 9.23 there): with the counts over what is expected, any spot's share of a bin is a
            # product.
            behind = scale * shape[i, j]
            expected = model[i, j] + behind + least
            seen = counts[i, j] / expected
            ratio[i, j] = seen
            model[i, j] = expected
            row += behind * seen
        share += float(row)
    return share


TILT_MAX = 0.6
"""Largest correlation of a spot's two coordinates."""
SPREAD_SHRINK = 0.3
"""Weight of the neighbourhood's mean covariance against the crystal's own; more pulls spots of crowded edges
off their place, as do counts that lean on the neighbours."""


@compiled(error_model="numpy")
def solve_lines(
    diagonal: FloatArray,
    stiffness: float,
    bands: FloatArray,
    right: FloatArray,
    out: FloatArray,
    inverse: FloatArray,
    low: FloatArray,
) -> None:
    """Solve (diag(diagonal) + stiffness * D'D) x = right for every column, D the second difference.

    By banded L D L' factors, all columns at once: divisions take the time, and several are done together.

    Parameters
    ----------
    diagonal, right, out : ndarray of float64, shape (n, columns)
    stiffness : float
    bands : ndarray of float64, shape (n, 3)
        From `bend_bands`.
    inverse, low : ndarray of float64, shapes (n, columns) and (n, 2, columns)
        Room for the inverse pivots and the factors below them.
    """
    # The smoother of Whittaker (1923; Eilers, Analytical Chemistry 75 (2003) 3631), weights in `diagonal`.
    n, columns = right.shape
    for i in range(n):
        main, one, two = stiffness * bands[i, 0], stiffness * bands[i, 1], stiffness * bands[i, 2]
        for c in range(columns):
            pivot, value = diagonal[i, c] + main, right[i, c]
            if i >= 2:
                l2 = two * inverse[i - 2, c]
                u1 = one - two * low[i - 1, 0, c]
                pivot -= l2 * two
                value -= l2 * out[i - 2, c]
                low[i, 1, c] = l2
            else:
                u1 = one
            if i >= 1:
                l1 = u1 * inverse[i - 1, c]
                pivot -= l1 * u1
                value -= l1 * out[i - 1, c]
                low[i, 0, c] = l1
            inverse[i, c] = 1.0 / pivot
            out[i, c] = value
    for i in range(n - 1, -1, -1):
        for c in range(columns):
            value = out[i, c] * inverse[i, c]
            if i + 1 < n:
                value -= low[i + 1, 0, c] * out[i + 1, c]
            if i + 2 < n:
                value -= low[i + 2, 1, c] * out[i + 2, c]
            out[i, c] = value


@compiled(error_model="numpy")
def update_spread(own: FloatArray, evidence: FloatArray, limit: FloatArray, cov: FloatArray) -> None:
    """Shrink covariances (rows, cols, 3) towards their neighbourhood and keep them within bounds.

    The neighbourhood is the 3 x 3 mean weighted by the evidence; outer lines are repeated outwards.
    """
    rows, cols = evidence.shape
    for i in range(rows):
        for j in range(cols):
            near0, near01, near1, lit = 0.0, 0.0, 0.0, 0.0
            for a in range(i - 1, i + 2):
                r = min(max(a, 0), rows - 1)
                for b in range(j - 1, j + 2):
                    c = min(max(b, 0), cols - 1)
                    weight = evidence[r, c]
                    near0 += own[r, c, 0] * weight
                    near01 += own[r, c, 1] * weight
                    near1 += own[r, c, 2] * weight
                    lit += weight
            lit /= 9.0
            e = evidence[i, j]
            # Mean of its own and its neighbours' covariances, as after seeing `SPREAD_SHRINK` crystals like
            # them: the maximum a posteriori of a Gaussian prior on each entry.
            v0 = (e * own[i, j, 0] + SPREAD_SHRINK * (near0 / 9.0 / lit)) / (e + SPREAD_SHRINK)
            v01 = (e * own[i, j, 1] + SPREAD_SHRINK * (near01 / 9.0 / lit)) / (e + SPREAD_SHRINK)
            v1 = (e * own[i, j, 2] + SPREAD_SHRINK * (near1 / 9.0 / lit)) / (e + SPREAD_SHRINK)
            v0, v1 = min(max(v0, SPREAD_MIN), limit[0]), min(max(v1, SPREAD_MIN), limit[1])
            tilt = TILT_MAX * np.sqrt(v0 * v1)
            cov[i, j, 0], cov[i, j, 1], cov[i, j, 2] = v0, min(max(v01, -tilt), tilt), v1


MIN_EVIDENCE = 0.02
"""Least weight of a crystal's own data in its position, so that a dead one hangs on its neighbours."""
DARK_EVIDENCE = 1e-3
"""Weight of its last place in the position of a crystal that is taken for dead."""


@compiled(error_model="numpy")
def take_shares(
    stats: FloatArray,
    mean: FloatArray,
    cov: FloatArray,
    dark: npt.NDArray[np.bool_],
    typical: float,
    power: float,
    core_share: float,
    core_variance: float,
    wanted: FloatArray,
    own: FloatArray,
    evidence: FloatArray,
    weight: FloatArray,
) -> None:
    """Fill in where each crystal wants to be, its own covariance, its evidence and its counts.

    `stats` (rows * cols, 6) are the moments of its share of the counts. Dark ones stay as they are, without
    counts. `typical` and `power` as in `run_mixture`, `core_share` and `core_variance` from `core_moments`.
    """
    rows, cols = weight.shape
    for i in range(rows):
        for j in range(cols):
            if dark[i, j]:
                weight[i, j], evidence[i, j] = 0.0, DARK_EVIDENCE
                wanted[i, j, 0], wanted[i, j, 1] = mean[i, j, 0], mean[i, j, 1]
                own[i, j, 0], own[i, j, 1], own[i, j, 2] = cov[i, j, 0], cov[i, j, 1], cov[i, j, 2]
                continue
            k = i * cols + j
            s = max(stats[k, 0], 1e-6)
            # M step: centre and covariance of its counts. The spot was cut at `core`, which makes it too
            # narrow and its counts too few by what a Gaussian has beyond.
            d0, d1 = stats[k, 1] / s, stats[k, 2] / s
            wanted[i, j, 0], wanted[i, j, 1] = mean[i, j, 0] + d0, mean[i, j, 1] + d1
            own[i, j, 0] = (stats[k, 3] / s - d0 * d0) / core_variance
            own[i, j, 1] = (stats[k, 4] / s - d0 * d1) / core_variance
            own[i, j, 2] = (stats[k, 5] / s - d1 * d1) / core_variance
            lit = min(1.0, s / max(typical, 1e-6))
            evidence[i, j] = max(MIN_EVIDENCE, lit if power == 1.0 else lit**power)
            weight[i, j] = s / core_share

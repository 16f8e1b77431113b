"""Compiled loops that tie the crystals of a mixture: lines resist bending, spreads are shared."""

from __future__ import annotations

import numpy as np
from numba import njit

from napari_petlut.analysis.lattice.spot_loops import SPREAD_MIN
from napari_petlut.model import FloatArray

TILT_MAX = 0.6
"""Largest correlation of a spot's two coordinates."""
SPREAD_SHRINK = 0.3
"""Weight of the neighbourhood's mean covariance against the crystal's own; more pulls spots of crowded edges
off their place, as do counts that lean on the neighbours."""
ALONG = 0.03
"""Stiffness along a coordinate against that across: the pitch pattern of a block is not smooth."""


@njit(cache=True)
def bend_bands(n: int) -> FloatArray:
    """Return D'D of n places, D the second difference: its diagonal and the two below, shape (n, 3)."""
    out = np.zeros((n, 3))
    for start in range(n - 2):
        for k, main in ((start, 1.0), (start + 1, 4.0), (start + 2, 1.0)):
            out[k, 0] += main
        out[start + 1, 1] -= 2.0
        out[start + 2, 1] -= 2.0
        out[start + 2, 2] += 1.0
    return out


@njit(cache=True)
def bend_forces(places: FloatArray, bands: FloatArray, out: FloatArray) -> None:
    """Fill `out` with D'D times every column of `places` (n, columns)."""
    n, columns = places.shape
    out[:] = 0.0
    for i in range(n):
        for c in range(columns):
            out[i, c] += bands[i, 0] * places[i, c]
        for below in range(1, min(i, 2) + 1):
            for c in range(columns):
                out[i, c] += bands[i, below] * places[i - below, c]
                out[i - below, c] += bands[i, below] * places[i, c]


@njit(cache=True, error_model="numpy")
def solve_lines(
    diagonal: FloatArray, stiffness: float, bands: FloatArray, right: FloatArray, out: FloatArray
) -> None:
    """Solve (diag(diagonal) + stiffness * D'D) x = right for every column, D the second difference.

    By banded L D L' factors, all columns at once: divisions take the time, and several are done together.

    Parameters
    ----------
    diagonal, right, out : ndarray of float64, shape (n, columns)
    stiffness : float
    bands : ndarray of float64, shape (n, 3)
        From `bend_bands`.
    """
    n, columns = right.shape
    inverse, low = np.empty((n, columns)), np.zeros((n + 2, 2, columns))
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


@njit(cache=True)
def tie_centres(
    wanted: FloatArray, old: FloatArray, evidence: FloatArray, stiffness: float, out: FloatArray
) -> None:
    """Move centres (rows, cols, 2) towards `wanted`, held by the stiffness of their lines.

    Across a coordinate the lines are solved exactly; the weak stiffness along it enters from `old`, which
    converges with the iterations around it.
    """
    rows, cols = evidence.shape
    extra = 6.0 * ALONG * stiffness
    for axis in range(2):
        # Lines run along the first axis of these; a row of crystals is a line of the first coordinate.
        length, lines = (cols, rows) if axis == 0 else (rows, cols)
        bands, across = bend_bands(length), bend_bands(lines)
        place, force = np.empty((lines, length)), np.empty((lines, length))
        diagonal, right = np.empty((length, lines)), np.empty((length, lines))
        solved = np.empty((length, lines))
        for i in range(lines):
            for j in range(length):
                place[i, j] = old[i, j, 0] if axis == 0 else old[j, i, 1]
        bend_forces(place, across, force)
        for i in range(lines):
            for j in range(length):
                r, c = (i, j) if axis == 0 else (j, i)
                diagonal[j, i] = evidence[r, c] + extra
                right[j, i] = evidence[r, c] * wanted[r, c, axis] + extra * place[i, j]
                right[j, i] -= ALONG * stiffness * force[i, j]
        solve_lines(diagonal, stiffness, bands, right, solved)
        for i in range(lines):
            for j in range(length):
                r, c = (i, j) if axis == 0 else (j, i)
                out[r, c, axis] = solved[j, i]


@njit(cache=True)
def mean_of_neighbours(values: FloatArray, out: FloatArray) -> None:
    """Fill `out` with the 3 x 3 mean of `values` (rows, cols, n); outer lines are repeated outwards."""
    rows, cols, depth = values.shape
    for i in range(rows):
        for j in range(cols):
            for d in range(depth):
                total = 0.0
                for a in range(i - 1, i + 2):
                    for b in range(j - 1, j + 2):
                        total += values[min(max(a, 0), rows - 1), min(max(b, 0), cols - 1), d]
                out[i, j, d] = total / 9.0


@njit(cache=True, error_model="numpy")
def update_spread(own: FloatArray, evidence: FloatArray, limit: FloatArray, cov: FloatArray) -> None:
    """Shrink covariances (rows, cols, 3) towards their neighbourhood and keep them within bounds."""
    rows, cols = evidence.shape
    weighted, mean = np.zeros((rows, cols, 4)), np.zeros((rows, cols, 4))
    for i in range(rows):
        for j in range(cols):
            for d in range(3):
                weighted[i, j, d] = own[i, j, d] * evidence[i, j]
            weighted[i, j, 3] = evidence[i, j]
    mean_of_neighbours(weighted, mean)
    for i in range(rows):
        for j in range(cols):
            e = evidence[i, j]
            for d in range(3):
                near = mean[i, j, d] / mean[i, j, 3]
                cov[i, j, d] = (e * own[i, j, d] + SPREAD_SHRINK * near) / (e + SPREAD_SHRINK)
            cov[i, j, 0] = min(max(cov[i, j, 0], SPREAD_MIN), limit[0])
            cov[i, j, 2] = min(max(cov[i, j, 2], SPREAD_MIN), limit[1])
            tilt = TILT_MAX * np.sqrt(cov[i, j, 0] * cov[i, j, 2])
            cov[i, j, 1] = min(max(cov[i, j, 1], -tilt), tilt)

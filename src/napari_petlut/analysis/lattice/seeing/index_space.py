"""Index space: the map seen along a lattice, where neighbouring crystals are one unit apart everywhere.

`v` counts rows and `u` columns, so that crystal (r, c) of the lattice lies at v = r, u = c.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from napari_petlut.analysis.lattice.grids import median
from napari_petlut.analysis.lattice.seeing.blurring import blur
from napari_petlut.compiling import compiled
from napari_petlut.maps.binning import to_bins
from napari_petlut.model import FloatArray, IntArray

SAMPLES = 8
"""Samples per pitch: lines can be 0.28 pitches apart, which is just over two samples."""
MARGIN = 2
"""Pitches around the block that are still looked at, so that a lattice one line off is seen as such."""
CONTRAST_BLUR, CONTRAST_RANGE = 0.16, 0.9
"""Widths in pitches of the two Gaussians whose relative difference is the local contrast."""
CONTRAST_FLOOR = 0.12
"""Added to the local level, as a share of its median: darkness has no contrast."""
CONTRAST_LIMITS = (-1.0, 1.5)
"""The contrast is cut to this range: one bright spot must not buy a wrong line."""


@lru_cache(maxsize=64)
def extension(lines: int, more: int) -> FloatArray:
    """Return what continues an axis straight on by `more` nodes on each side, (lines + 2 more, lines).

    At the pitch of its outermost two nodes.
    """
    out = np.zeros((lines + 2 * more, lines))
    out[more : more + lines] = np.eye(lines)
    for k in range(1, more + 1):
        out[more - k, :2] = 1.0 + k, -k
        out[more + lines - 1 + k, -2:] = -k, 1.0 + k
    return out


@lru_cache(maxsize=64)
def _coefficients(lines: int) -> FloatArray:
    """Return what turns the nodes of one axis into the coefficients of a natural cubic spline through them.

    One coefficient per node of the extended axis and one beyond at each end, (lines + 2 (MARGIN + 2), lines):
    ``(c[i - 1] + 4 c[i] + c[i + 1]) / 6`` is the value at node i, and the curvature at both ends is 0.
    """
    nodes = lines + 2 * (MARGIN + 1)
    system = (np.eye(nodes, k=-1) + 4 * np.eye(nodes) + np.eye(nodes, k=1)) / 6
    system[[0, -1]] = np.eye(nodes)[[0, -1]]
    inner = np.linalg.solve(system, extension(lines, MARGIN + 1))
    return np.concatenate([2 * inner[:1] - inner[1:2], inner, 2 * inner[-1:] - inner[-2:-1]])


def _taps(places: FloatArray, lines: int) -> tuple[IntArray, FloatArray]:
    """Return the first of the four coefficients that make a spline at each place, and their weights."""
    last = lines + 2 * MARGIN + 1
    x = np.minimum(np.maximum(places + MARGIN + 1.0, 0.0), float(last))
    first = np.minimum(np.where(np.isnan(x), 0.0, x).astype(np.intp), last - 1)
    s = x - first
    weight = np.empty((len(places), 4))
    weight[:, 0] = (1 - s) * ((1 - s) * (1 - s)) / 6
    weight[:, 1] = (3 * (s * (s * s)) - 6 * (s * s) + 4) / 6
    weight[:, 2] = (-3 * (s * (s * s)) + 3 * (s * s) + 3 * s + 1) / 6
    weight[:, 3] = s * (s * s) / 6
    return first, weight


@compiled()
def _spline(
    coefficients: FloatArray,
    i: IntArray,
    j: IntArray,
    down: FloatArray,
    across: FloatArray,
    out: FloatArray,
) -> None:
    """Fill `out` (n, 2) with a spline at places whose first coefficients and weights are given."""
    for n in range(out.shape[0]):
        for axis in range(2):
            total = 0.0
            for a in range(4):
                for b in range(4):
                    total += down[n, a] * across[n, b] * coefficients[axis, i[n] + a, j[n] + b]
            out[n, axis] = total


@lru_cache(maxsize=64)
def _basis(lines: int) -> FloatArray:
    """Return what turns the nodes of one axis into the spline at its samples, (samples, lines)."""
    places = sample_places(lines)
    first, weight = _taps(places, lines)
    taps = np.zeros((len(places), lines + 2 * (MARGIN + 2)))
    np.put_along_axis(taps, first[:, None] + np.arange(4), weight, axis=1)
    return np.asarray(taps @ _coefficients(lines))


def sample_places(lines: int) -> FloatArray:
    """Return the index-space coordinates of the samples of one axis."""
    return np.arange((lines - 1 + 2 * MARGIN) * SAMPLES + 1) / SAMPLES - MARGIN


@dataclass(frozen=True, eq=False)
class IndexSpace:
    """A lattice as a coordinate system.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        In pixels of the prepared map; smooth enough to be continued between and beyond the nodes.
    """

    grid: FloatArray

    def image(self, counts: FloatArray, factor: int) -> FloatArray:
        """Return counts per squared pitch, sampled in index space.

        Parameters
        ----------
        counts : ndarray of float64, shape (m0, m1)
            Map binned by `factor`.
        factor : int

        Returns
        -------
        ndarray of float64, shape (samples along v, samples along u)
            Counts per pixel times the local size of a cell, so that sums are counts.
        """
        rows, cols = self.grid.shape[:2]
        left, right = _basis(rows), _basis(cols)
        bins = to_bins(self.grid, factor)
        x0, x1 = (left @ bins[..., axis] @ right.T for axis in (0, 1))
        return counts_per_cell(counts, x0, x1)

    def to_pixels(self, v: FloatArray, u: FloatArray) -> FloatArray:
        """Return the positions of index-space places, shape (..., 2), in pixels of the prepared map.

        Places more than `MARGIN` + 1 beyond the outermost lines are put there.
        """
        out = np.empty((v.size, 2))
        rows, cols = self.grid.shape[:2]
        (i, down), (j, across) = _taps(np.ravel(v), rows), _taps(np.ravel(u), cols)
        _spline(self._spline_coefficients, i, j, down, across, out)
        return out.reshape(*v.shape, 2)

    @cached_property
    def _spline_coefficients(self) -> FloatArray:
        left, right = (_coefficients(lines) for lines in self.grid.shape[:2])
        return np.stack([left @ self.grid[..., axis] @ right.T for axis in (0, 1)])


@compiled(error_model="numpy")
def counts_per_cell(counts: FloatArray, x0: FloatArray, x1: FloatArray) -> FloatArray:
    """Return counts at places in bins, linear between them and 0 outside, times the size of a cell there.

    Parameters
    ----------
    counts : ndarray of float64, shape (m0, m1)
    x0, x1 : ndarray of float64, shape (samples along v, samples along u)
        `SAMPLES` places are a cell's side.
    """
    height, width = x0.shape
    last0, last1 = counts.shape[0] - 1, counts.shape[1] - 1
    out = np.zeros((height, width))
    for i in range(height):
        up, down = max(i - 1, 0), min(i + 1, height - 1)
        for j in range(width):
            a, b = x0[i, j], x1[i, j]
            if not (0 <= a <= last0 and 0 <= b <= last1):
                continue
            left, right = max(j - 1, 0), min(j + 1, width - 1)
            size = (x0[down, j] - x0[up, j]) * (x1[i, right] - x1[i, left])
            size -= (x0[i, right] - x0[i, left]) * (x1[down, j] - x1[up, j])
            size = abs(size) / ((down - up) * (right - left))
            p, q = min(int(a), last0 - 1), min(int(b), last1 - 1)
            s, t = a - p, b - q
            upper = counts[p, q] * (1 - t) + counts[p, q + 1] * t
            lower = counts[p + 1, q] * (1 - t) + counts[p + 1, q + 1] * t
            out[i, j] = (upper * (1 - s) + lower * s) * size * SAMPLES**2
    return out


@dataclass(frozen=True, eq=False)
class RectifiedMap:
    """A rectified map and its local contrast, both (samples along v, samples along u).

    Parameters
    ----------
    counts, contrast : ndarray of float64
        Counts from `IndexSpace.image`, and how much brighter each place is than those around it.
    """

    counts: FloatArray
    contrast: FloatArray

    @classmethod
    def from_counts(cls, counts: FloatArray) -> RectifiedMap:
        """Return a rectified map with its contrast."""
        fine = blur(counts, CONTRAST_BLUR * SAMPLES)
        level = blur(counts, CONTRAST_RANGE * SAMPLES)
        # So smooth that a few samples per pitch have the same median.
        inner = slice(MARGIN * SAMPLES, -MARGIN * SAMPLES, SAMPLES // 2)
        floor = CONTRAST_FLOOR * median(level[inner, inner]) + 1e-12
        return cls(counts, np.clip((fine - level) / (level + floor), *CONTRAST_LIMITS))

    @property
    def transposed(self) -> RectifiedMap:
        """The same with rows and columns changed."""
        return RectifiedMap(np.ascontiguousarray(self.counts.T), np.ascontiguousarray(self.contrast.T))

    def along(self, axis: int) -> RectifiedMap:
        """Return itself for the rows, axis 0, and transposed for the columns, axis 1."""
        return self if axis == 0 else self.transposed

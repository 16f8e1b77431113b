"""Index space: the map seen along a lattice, where neighbouring crystals are one unit apart everywhere.

`v` counts rows and `u` columns, so that crystal (r, c) of the lattice lies at v = r, u = c.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from scipy import ndimage
from scipy.interpolate import BSpline

from napari_petlut.analysis.lattice.blurring import blurred
from napari_petlut.model import FloatArray

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


def extend(grid: FloatArray, lines: int) -> FloatArray:
    """Return the grid with `lines` more lines on each side, straight on at the pitch of the outermost two."""
    for _ in range(lines):
        grid = np.concatenate([2 * grid[:1] - grid[1:2], grid, 2 * grid[-1:] - grid[-2:-1]], axis=0)
        grid = np.concatenate(
            [2 * grid[:, :1] - grid[:, 1:2], grid, 2 * grid[:, -1:] - grid[:, -2:-1]], axis=1
        )
    return grid


@lru_cache(maxsize=64)
def _basis(lines: int) -> FloatArray:
    """Cubic interpolation from the extended nodes of one axis to its samples, (samples, nodes)."""
    nodes = lines + 2 * (MARGIN + 1)
    degree = min(3, nodes - 1)
    from scipy.interpolate import make_interp_spline

    spline: BSpline = make_interp_spline(np.arange(nodes) - MARGIN - 1.0, np.eye(nodes), k=degree)
    return np.asarray(spline(sample_places(lines)))


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
        wide = extend(self.grid, MARGIN + 1)
        left, right = _basis(rows), _basis(cols)
        bins = (wide + 0.5) / factor - 0.5
        x0, x1 = (left @ bins[..., axis] @ right.T for axis in (0, 1))
        return counts_per_cell(counts, x0, x1)

    def to_pixels(self, v: FloatArray, u: FloatArray) -> FloatArray:
        """Return the positions of index-space places, shape (..., 2), in pixels of the prepared map."""
        wide = extend(self.grid, MARGIN + 1)
        places = np.stack([v + MARGIN + 1.0, u + MARGIN + 1.0])
        return np.stack(
            [ndimage.map_coordinates(wide[..., axis], places, order=3, mode="nearest") for axis in (0, 1)],
            axis=-1,
        )


@njit(cache=True, error_model="numpy")
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
        fine = blurred(counts, CONTRAST_BLUR * SAMPLES)
        level = blurred(counts, CONTRAST_RANGE * SAMPLES)
        # So smooth that a few samples per pitch have the same median.
        inner = slice(MARGIN * SAMPLES, -MARGIN * SAMPLES, SAMPLES // 2)
        floor = CONTRAST_FLOOR * float(np.median(level[inner, inner])) + 1e-12
        return cls(counts, np.clip((fine - level) / (level + floor), *CONTRAST_LIMITS))

    @property
    def transposed(self) -> RectifiedMap:
        """The same with rows and columns changed."""
        return RectifiedMap(np.ascontiguousarray(self.counts.T), np.ascontiguousarray(self.contrast.T))

    def along(self, axis: int) -> RectifiedMap:
        """Return itself for the rows, axis 0, and transposed for the columns, axis 1."""
        return self if axis == 0 else self.transposed

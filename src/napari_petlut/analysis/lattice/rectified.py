"""Index space: the map seen along a lattice, where neighbouring crystals are one unit apart everywhere.

`v` counts rows and `u` columns, so that crystal (r, c) of the lattice lies at v = r, u = c.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage
from scipy.interpolate import BSpline

from napari_petlut.model import FloatArray

SAMPLES = 8
"""Samples per pitch: lines can be 0.28 pitches apart, which is just over two samples."""
MARGIN = 2
"""Pitches around the block that are still looked at, so that a lattice one line off is seen as such."""


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
        area = np.abs(
            np.gradient(x0, axis=0) * np.gradient(x1, axis=1)
            - np.gradient(x0, axis=1) * np.gradient(x1, axis=0)
        )
        sampled = ndimage.map_coordinates(counts, [x0, x1], order=1, mode="constant")
        return np.asarray(sampled * area * SAMPLES**2)

    def to_pixels(self, v: FloatArray, u: FloatArray) -> FloatArray:
        """Return the positions of index-space places, shape (..., 2), in pixels of the prepared map."""
        wide = extend(self.grid, MARGIN + 1)
        places = np.stack([v + MARGIN + 1.0, u + MARGIN + 1.0])
        return np.stack(
            [ndimage.map_coordinates(wide[..., axis], places, order=3, mode="nearest") for axis in (0, 1)],
            axis=-1,
        )

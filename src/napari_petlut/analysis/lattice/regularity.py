"""How regular a lattice is around each crystal: bends of its lines, uneven pitches, uneven counts."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.grids import local_pitch
from napari_petlut.analysis.lattice.objective import log_gaps
from napari_petlut.model import FloatArray

LARGEST = 1.0
"""Most that one crystal or one pair of neighbours counts: wilder ones say no more."""


def bends(grid: FloatArray) -> FloatArray:
    """Return how sharply the lines bend at each crystal, in median pitches, shape (rows, cols).

    The larger second difference of both axes; outermost crystals bend as the next ones do.
    """
    out = np.zeros(grid.shape[:2])
    pitch = max(float(np.median(local_pitch(grid))), 1e-9)
    for axis in (0, 1):
        if grid.shape[axis] < 3:
            continue
        bend = np.linalg.norm(np.diff(grid, 2, axis=axis), axis=-1) / pitch
        out = np.maximum(out, _padded(bend, axis, 1, 1))
    return np.minimum(out, LARGEST)


def inconsistencies(grid: FloatArray) -> FloatArray:
    """Return how much pitches around each crystal differ from those of the next line, shape (rows, cols).

    The largest difference of log-pitches in the cells that it is a corner of.
    """
    rows, cols = grid.shape[:2]
    if min(rows, cols) < 2:
        return np.zeros((rows, cols))
    down, right = log_gaps(grid)
    cells = np.maximum(np.abs(np.diff(down, axis=1)), np.abs(np.diff(right, axis=0)))
    around = np.pad(np.minimum(cells, LARGEST), 1, mode="edge")
    return np.asarray(ndimage.maximum_filter(around, 2, origin=-1)[:rows, :cols])


def unevenness(log_weight: FloatArray) -> FloatArray:
    """Return how much the counts of each crystal differ from those of its neighbours, shape (rows, cols).

    The sum of the differences of log-counts to the four of them; at an edge the inner one counts twice.
    """
    out = np.zeros(log_weight.shape)
    for axis in (0, 1):
        if log_weight.shape[axis] < 2:
            continue
        step = np.minimum(np.abs(np.diff(log_weight, axis=axis)), LARGEST)
        out += _padded(step, axis, 1, 0) + _padded(step, axis, 0, 1)
    return out


def odd_lines(log_weight: FloatArray) -> tuple[float, float]:
    """Return how far the counts of the weakest line are below the block's and of the strongest above it.

    Differences of the median log-counts of rows and columns to that of all crystals, neither below 0.
    """
    lines = np.concatenate([np.median(log_weight, axis=axis) for axis in (0, 1)]) - np.median(log_weight)
    return max(0.0, -float(lines.min())), max(0.0, float(lines.max()))


def _padded(values: FloatArray, axis: int, before: int, after: int) -> FloatArray:
    """Repeat the outermost lines of an axis."""
    width = [(0, 0), (0, 0)]
    width[axis] = (before, after)
    return np.pad(values, width, mode="edge")

"""How regular a lattice is around each crystal: bends of its lines, uneven pitches, uneven counts."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.fitting.mixture import MixtureFit
from napari_petlut.analysis.lattice.fitting.objective import log_weight
from napari_petlut.analysis.lattice.grids import log_gaps, nearest_spacing
from napari_petlut.analysis.lattice.seeing.spots import own_spots
from napari_petlut.maps.grids import bends
from napari_petlut.model import FloatArray

SPOTLESS_BADNESS = 0.3
"""Badness of a crystal without a spot of its own."""
LARGEST_TERM = 1.0
"""Most that one crystal or one pair of neighbours counts: wilder ones say no more."""


def sharpest_bends(grid: FloatArray) -> FloatArray:
    """Return how sharply the lines bend at each crystal, in median pitches, shape (rows, cols).

    The larger second difference of both axes; outermost crystals bend as the next ones do.
    """
    out = np.zeros(grid.shape[:2])
    pitch = max(float(np.median(nearest_spacing(grid))), 1e-9)
    for axis in (0, 1):
        if grid.shape[axis] > 2:
            out = np.maximum(out, _pad_lines(bends(grid, axis) / pitch, axis, 1, 1))
    return np.minimum(out, LARGEST_TERM)


def inconsistencies(grid: FloatArray) -> FloatArray:
    """Return how much pitches around each crystal differ from those of the next line, shape (rows, cols).

    The largest difference of log-pitches in the cells that it is a corner of.
    """
    rows, cols = grid.shape[:2]
    if min(rows, cols) < 2:
        return np.zeros((rows, cols))
    down, right = log_gaps(grid)
    cells = np.maximum(np.abs(np.diff(down, axis=1)), np.abs(np.diff(right, axis=0)))
    around = np.pad(np.minimum(cells, LARGEST_TERM), 1, mode="edge")
    return np.asarray(ndimage.maximum_filter(around, 2, origin=-1)[:rows, :cols])


def unevenness(log_weight: FloatArray) -> FloatArray:
    """Return how much the counts of each crystal differ from those of its neighbours, shape (rows, cols).

    The sum of the differences of log-counts to the four of them; at an edge the inner one counts twice.
    """
    out = np.zeros(log_weight.shape)
    for axis in (0, 1):
        if log_weight.shape[axis] < 2:
            continue
        step = np.minimum(np.abs(np.diff(log_weight, axis=axis)), LARGEST_TERM)
        out += _pad_lines(step, axis, 1, 0) + _pad_lines(step, axis, 0, 1)
    return out


def odd_lines(log_weight: FloatArray) -> tuple[float, float]:
    """Return how far the counts of the weakest line are below the block's and of the strongest above it.

    Differences of the median log-counts of rows and columns to that of all crystals, neither below 0.
    """
    lines = np.concatenate([np.median(log_weight, axis=axis) for axis in (0, 1)]) - np.median(log_weight)
    return max(0.0, -float(lines.min())), max(0.0, float(lines.max()))


def _pad_lines(values: FloatArray, axis: int, before: int, after: int) -> FloatArray:
    """Repeat the outermost lines of an axis."""
    width = [(0, 0), (0, 0)]
    width[axis] = (before, after)
    return np.pad(values, width, mode="edge")


def badness(fit: MixtureFit) -> FloatArray:
    """Return how badly each crystal fits its surroundings: uneven pitch and uneven counts, (rows, cols)."""
    out = np.zeros(fit.grid.shape[:2])
    for axis, gap in enumerate(log_gaps(fit.grid)):
        size = (5, 1) if axis == 1 else (1, 5)
        off = np.abs(gap - ndimage.median_filter(gap, size=size, mode="nearest"))
        first = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        last = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        out[first] += 0.5 * off
        out[last] += 0.5 * off
    weight = log_weight(fit)
    return np.asarray(out + 0.8 * np.abs(weight - ndimage.gaussian_filter(weight, 2.0, mode="nearest")))


def doubt_map(contest: Contest, start: Hypothesis) -> FloatArray:
    """Return how doubtful each crystal's place is: badness, and no spot of its own."""
    bad = badness(start.fit)
    _, own = own_spots(start.grid, contest.scene.spots)
    bad = bad + SPOTLESS_BADNESS * ~own
    return np.maximum(bad, 1.2 * ndimage.gaussian_filter(bad, 0.8))

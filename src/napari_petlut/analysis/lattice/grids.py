"""Arithmetic on grids of positions, arrays of shape (rows, cols, 2): smooth, measure, compare."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_petlut.compiling import compiled
from napari_petlut.maps.grids import ALONG, second_difference
from napari_petlut.model import FloatArray

BoolArray = npt.NDArray[np.bool_]
NOTHING = np.zeros((0, 0), bool)
"""A mask of no crystal, of any lattice."""


def whole_mask(mask: BoolArray, shape: tuple[int, ...]) -> BoolArray:
    """Return a mask (rows, cols) in full where it is `NOTHING`."""
    return mask if mask.size else np.zeros(shape, bool)


def grid_of_places(shape: tuple[int, ...]) -> FloatArray:
    """Return the grid of index space: node (r, c) lies at (r, c), shape (rows, cols, 2)."""
    return np.stack(np.meshgrid(*(np.arange(float(n)) for n in shape), indexing="ij"), axis=-1)


def steps(grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the local step vectors along rows index and column index, each (rows, cols, 2).

    Half the way from the node before to the node after; at an edge the way to the only neighbour.
    """
    step, area = np.empty((*grid.shape[:2], 4)), np.empty(grid.shape[:2])
    _steps_and_areas(grid, step, area)
    return step[..., :2], step[..., 2:]


def median(values: FloatArray) -> float:
    """Return the median of a small array; `numpy.median` takes longer to begin than to end."""
    ordered = np.sort(values, axis=None)
    n = len(ordered)
    return float(0.5 * (ordered[(n - 1) // 2] + ordered[n // 2]))


def node_distance(grid: FloatArray, other: FloatArray) -> FloatArray:
    """Return how far apart the nodes of two grids are, in local steps of `other`, shape (rows, cols).

    The larger of the offsets along both axes counts: 1 is one crystal. `grid` may be several grids, shape
    (n, rows, cols, 2), and the distances are (n, rows, cols) then.
    """
    rows, cols = other.shape[:2]
    step, area = np.empty((rows, cols, 4)), np.empty((rows, cols))
    _steps_and_areas(other, step, area)
    floor = 1e-6 + 1e-3 * median(area)
    out = np.empty(grid.shape[:-1])
    for one, distance in zip(grid.reshape(-1, rows, cols, 2), out.reshape(-1, rows, cols), strict=True):
        _offsets(one, other, step, floor, distance)
    return out


@compiled()
def _steps_and_areas(grid: FloatArray, step: FloatArray, area: FloatArray) -> None:
    """Fill `step` with the local steps down and right, (rows, cols, 4), and `area` with what they span."""
    rows, cols = area.shape
    for i in range(rows):
        up, low = max(i - 1, 0), min(i + 1, rows - 1)
        for j in range(cols):
            left, right = max(j - 1, 0), min(j + 1, cols - 1)
            for axis in range(2):
                step[i, j, axis] = (grid[low, j, axis] - grid[up, j, axis]) / max(low - up, 1)
                step[i, j, 2 + axis] = (grid[i, right, axis] - grid[i, left, axis]) / max(right - left, 1)
            area[i, j] = abs(step[i, j, 0] * step[i, j, 3] - step[i, j, 1] * step[i, j, 2])


@compiled(error_model="numpy")
def _offsets(grid: FloatArray, other: FloatArray, step: FloatArray, floor: float, out: FloatArray) -> None:
    """Fill `out` with the larger of the offsets of nodes along both steps; cells have at least an area."""
    rows, cols = out.shape
    for i in range(rows):
        for j in range(cols):
            d0, d1, r0, r1 = step[i, j, 0], step[i, j, 1], step[i, j, 2], step[i, j, 3]
            det = d0 * r1 - d1 * r0
            if abs(det) < floor:
                det = floor
            off0, off1 = grid[i, j, 0] - other[i, j, 0], grid[i, j, 1] - other[i, j, 1]
            out[i, j] = max(abs((off0 * r1 - off1 * r0) / det), abs((d0 * off1 - d1 * off0) / det))


def cell_areas(grid: FloatArray) -> FloatArray:
    """Return the area of each crystal's cell, spanned by its local steps, shape (rows, cols)."""
    step, area = np.empty((*grid.shape[:2], 4)), np.empty(grid.shape[:2])
    _steps_and_areas(grid, step, area)
    return area


def folded_cells(grid: FloatArray) -> BoolArray:
    """Return which of the (rows - 1, cols - 1) cells are turned inside out, that is where lines cross."""
    down, right = np.diff(grid, axis=0)[:, :-1], np.diff(grid, axis=1)[:-1]
    low_down, low_right = np.diff(grid, axis=0)[:, 1:], np.diff(grid, axis=1)[1:]
    first = down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0]
    second = low_down[..., 0] * low_right[..., 1] - low_down[..., 1] * low_right[..., 0]
    return np.asarray((first <= 0) | (second <= 0))


def touching(cells: BoolArray) -> BoolArray:
    """Return which nodes touch a marked cell, shape (rows, cols)."""
    rows, cols = cells.shape[0] + 1, cells.shape[1] + 1
    out = np.zeros((rows, cols), bool)
    for d0 in (0, 1):
        for d1 in (0, 1):
            out[d0 : rows - 1 + d0, d1 : cols - 1 + d1] |= cells
    return out


@lru_cache(maxsize=64)
def _smoother(n: int, amount: float) -> FloatArray:
    """Return the matrix that straightens a line of n nodes."""
    bend = second_difference(n)
    return np.asarray(np.linalg.inv(np.eye(n) + amount * bend.T @ bend), dtype=np.float64)


def smooth_grid(grid: FloatArray, strength: float) -> FloatArray:
    """Return the grid with its lines straightened, pitch pattern kept; `strength` is in squared nodes."""
    rows, cols = grid.shape[:2]
    weak = strength * ALONG
    return np.stack(
        [
            _smoother(rows, weak) @ grid[..., 0] @ _smoother(cols, strength).T,
            _smoother(rows, strength) @ grid[..., 1] @ _smoother(cols, weak).T,
        ],
        axis=-1,
    ).astype(np.float64)


def nearest_spacing(grid: FloatArray) -> FloatArray:
    """Return the distance to the nearest neighbour of each node, shape (rows, cols), in pixels."""
    rows, cols = grid.shape[:2]
    out = np.full((rows, cols), np.inf)
    for axis in (0, 1):
        gap = np.linalg.norm(np.diff(grid, axis=axis), axis=-1)
        first = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        last = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        out[first] = np.minimum(out[first], gap)
        out[last] = np.minimum(out[last], gap)
    return out


def shifted_grid(grid: FloatArray, axis: int, way: int) -> FloatArray:
    """Return the grid with each crystal where the next line's was; the new line lies 0.8 pitches outside."""
    view = np.moveaxis(grid, axis, 0)
    if len(view) < 2:
        return np.array(grid)
    if way > 0:
        out = np.concatenate([view[1:], view[-1:] + 0.8 * (view[-1:] - view[-2:-1])])
    else:
        out = np.concatenate([view[:1] - 0.8 * (view[1:2] - view[:1]), view[:-1]])
    return np.moveaxis(out, 0, axis)


def dead_lines(dark: BoolArray) -> list[tuple[int, int]]:
    """Return the rows and columns that are dark as a whole, as (axis, index)."""
    return [(axis, int(k)) for axis in (0, 1) for k in np.flatnonzero(dark.all(axis=1 - axis))]


def log_gaps(grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log of the pitch along rows index and column index, in median pitches, folds levelled."""
    gap0, gap1 = np.diff(grid[..., 0], axis=0), np.diff(grid[..., 1], axis=1)
    out = []
    for gap in (gap0, gap1):
        middle = median(gap) if gap.size else 1.0
        out.append(np.log(np.maximum(gap / max(middle, 1e-9), 0) + 0.1))
    return out[0], out[1]


def regions(mask: BoolArray, weight: FloatArray, most: int) -> list[BoolArray]:
    """Return the connected regions of a mask, heaviest first."""
    label, number = ndimage.label(mask, np.ones((3, 3)))
    if number == 0:
        return []
    size = ndimage.sum_labels(weight, label, np.arange(1, number + 1))
    return [label == k + 1 for k in np.argsort(-size, kind="stable")[:most]]

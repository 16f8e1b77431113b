"""Grids of positions, arrays of shape (rows, cols, 2): holes filled, bends of lines, typical pitch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from scipy.sparse.linalg import spsolve

from napari_petlut.model import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]

ACROSS = 1.0
"""Weight of second differences across lines: a line is smooth along its length."""
ALONG = 0.05
"""Weight of second differences along the coordinate: the pitch pattern of a block is not smooth."""
TWIST = 1.0
"""Weight of the mixed difference: neighbouring lines have the same pitch pattern."""
SINGULAR = 1e-9
"""Added to the diagonal where holes are filled, so that those that nothing holds stay finite."""
FEW_HOLES = 200
"""So many holes or fewer are filled by a dense solution: building a sparse one takes longer."""


def second_difference(n: int) -> FloatArray:
    """Return the (n - 2, n) operator of second differences (no rows where n < 3)."""
    return np.diff(np.eye(n), 2, axis=0) if n > 2 else np.zeros((0, n))


@lru_cache(maxsize=32)
def _stiffness(rows: int, cols: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Quadratic forms that penalise bent lines, for coordinate 0 and coordinate 1."""
    bend0 = sparse.csr_matrix(second_difference(rows).T @ second_difference(rows))
    bend1 = sparse.csr_matrix(second_difference(cols).T @ second_difference(cols))
    first0, first1 = np.diff(np.eye(rows), axis=0), np.diff(np.eye(cols), axis=0)
    twist = sparse.kron(first0.T @ first0, first1.T @ first1)
    down, across = sparse.kron(bend0, sparse.eye(cols)), sparse.kron(sparse.eye(rows), bend1)
    return (
        sparse.csr_matrix(ACROSS * across + ALONG * down + TWIST * twist),
        sparse.csr_matrix(ACROSS * down + ALONG * across + TWIST * twist),
    )


def fill_holes(grid: FloatArray, hole: BoolArray) -> FloatArray:
    """Return `grid` with the nodes of `hole` put where the lines bend least.

    The sum over the grid of the squared second differences across the lines, along them (weakly) and of the
    mixed difference is smallest, a discrete thin plate (J. Duchon, Splines minimizing rotation-invariant
    semi-norms in Sobolev spaces, 1977) whose stiffness depends on the direction.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
    hole : ndarray of bool, shape (rows, cols)
        The others must span the grid, see `spans`.

    Returns
    -------
    ndarray of float64, shape (rows, cols, 2)

    Examples
    --------
    >>> grid = np.stack(np.meshgrid([0.0, 8.0, 16.0], [0.0, 5.0], indexing="ij"), axis=-1)
    >>> hole = np.array([[False, False], [False, True], [False, False]])
    >>> fill_holes(np.where(hole[..., None], 0.0, grid), hole)[1, 1].round(3).tolist()
    [8.0, 5.0]
    """
    rows, cols = hole.shape
    flat = hole.ravel()
    out = np.array(grid, dtype=np.float64).reshape(-1, 2)
    if not flat.any():
        return out.reshape(grid.shape)
    at = np.flatnonzero(flat)
    out[at] = 0.0
    for axis, form in enumerate(_stiffness(rows, cols)):
        pull = -(form @ out[:, axis])[at]
        if len(at) <= FEW_HOLES:
            inner = _dense_part(form, at)
            inner.flat[:: len(at) + 1] += SINGULAR
            factor = linalg.cho_factor(inner, overwrite_a=True, check_finite=False)
            out[at, axis] = linalg.cho_solve(factor, pull, check_finite=False)
        else:
            part = form[at][:, at] + SINGULAR * sparse.eye(len(at))
            out[at, axis] = spsolve(sparse.csc_matrix(part), pull)
    return out.reshape(grid.shape)


def _dense_part(form: sparse.csr_matrix, at: IntArray) -> FloatArray:
    """Return the rows and columns `at` of a sparse matrix, (k, k)."""
    # SciPy's own slicing, ``form[at][:, at].toarray()``, takes several times as long.
    first, number = form.indptr[at], np.diff(form.indptr)[at]
    row = np.repeat(np.arange(len(at)), number)
    entry = np.repeat(first - np.concatenate([[0], np.cumsum(number)[:-1]]), number) + np.arange(number.sum())
    place = np.full(form.shape[0], -1, np.intp)
    place[at] = np.arange(len(at))
    column = place[form.indices[entry]]
    inside = column >= 0
    out = np.zeros((len(at), len(at)))
    out[row[inside], column[inside]] = form.data[entry[inside]]
    return out


def spans(known: BoolArray) -> bool:
    """Whether the known nodes are enough to fill the rest: three that are not on one line.

    Parameters
    ----------
    known : ndarray of bool, shape (rows, cols)
        Of a single line of nodes two are enough.
    """
    rows, cols = known.shape
    if min(rows, cols) == 1:
        return int(known.sum()) >= min(2, known.size)
    return int(known.sum()) >= 3 and known.any(0).sum() > 1 and known.any(1).sum() > 1


def completed_grid(grid: FloatArray) -> FloatArray:
    """Return a grid with its unknown nodes put where the lines through the others bend least.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        NaN where a node is unknown.

    Returns
    -------
    ndarray of float64, shape (rows, cols, 2)
        Still NaN there if the known ones do not span the grid.
    """
    hole = np.asarray(~np.isfinite(grid).all(axis=-1))
    if not spans(~hole):
        return np.where(hole[..., None], np.nan, grid)
    return fill_holes(grid, hole)


def bends(grid: FloatArray, axis: int) -> FloatArray:
    """Return how far the lines along an axis bend at each inner node, in pixels.

    The length of the second difference ``p[i - 1] - 2 p[i] + p[i + 1]``: twice the distance of a node from
    the middle of its two neighbours, and the distance of an outer neighbour from the straight line through
    the other two.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        NaN where a node is unknown.
    axis : int

    Returns
    -------
    ndarray of float64, shape (rows - 2, cols) or (rows, cols - 2)
        No lines where there are less than three.

    Examples
    --------
    >>> bends(np.array([[[0.0, 0.0]], [[4.0, 1.0]], [[8.0, 0.0]]]), 0).tolist()
    [[2.0]]
    """
    if grid.shape[axis] < 3:
        return np.empty((0, grid.shape[1]) if axis == 0 else (grid.shape[0], 0))
    return np.asarray(np.linalg.norm(np.diff(grid, 2, axis=axis), axis=-1))


def typical_pitch(grid: FloatArray) -> float:
    """Return the median distance of neighbours in pixels; NaN if there are none.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        NaN where a node is unknown.
    """
    steps = [np.diff(grid, axis=axis).reshape(-1, 2) for axis in (0, 1)]
    lengths = np.linalg.norm(np.concatenate(steps), axis=1)
    lengths = lengths[np.isfinite(lengths)]
    return float(np.median(lengths)) if lengths.size else float("nan")

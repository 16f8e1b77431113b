"""Sums over the cells of a labelled map: counts, centres, distances from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.model import FloatArray

Labels = npt.NDArray[np.integer]


def cell_counts(labels: Labels, counts: FloatArray, cells: int) -> FloatArray:
    """Return the counts in each cell.

    Parameters
    ----------
    labels : ndarray of int, shape (n0, n1)
        Crystal ids, -1 for pixels of no crystal.
    counts : ndarray of float64, shape (n0, n1)
    cells : int
        Number of crystals.

    Returns
    -------
    ndarray of float64, shape (cells,)

    Examples
    --------
    >>> cell_counts(np.array([[0, 0, 2, -1]]), np.array([[1.0, 3.0, 2.0, 9.0]]), 3)
    array([4., 0., 2.])
    """
    return np.asarray(np.bincount(labels.ravel() + 1, counts.ravel(), cells + 1)[1:], np.float64)


def cell_centres(labels: Labels, counts: FloatArray, cells: int) -> tuple[FloatArray, FloatArray]:
    """Return the counts in each cell and their centre of mass.

    Parameters
    ----------
    labels, counts, cells
        As for `cell_counts`.

    Returns
    -------
    held : ndarray of float64, shape (cells,)
    centres : ndarray of float64, shape (cells, 2)
        (axis 0, axis 1) in pixels, NaN for cells without counts.

    Examples
    --------
    >>> held, centres = cell_centres(np.array([[0, 0, 2, -1]]), np.array([[1.0, 3.0, 2.0, 9.0]]), 3)
    >>> centres.tolist()
    [[0.0, 0.75], [nan, nan], [0.0, 2.0]]
    """
    held = cell_counts(labels, counts, cells)
    rows = np.arange(counts.shape[0], dtype=np.float64)[:, None] * counts
    cols = np.arange(counts.shape[1], dtype=np.float64)[None, :] * counts
    sums = np.stack([cell_counts(labels, part, cells) for part in (rows, cols)], axis=1)
    return held, np.asarray(sums / np.where(held > 0, held, np.nan)[:, None])


def squared_distances(labels: Labels, centres: FloatArray) -> FloatArray:
    """Return the squared distance of each pixel from the centre of its cell, shape (n0, n1).

    Parameters
    ----------
    labels : ndarray of int, shape (n0, n1)
        Crystal ids; what stands at pixels of no crystal, -1, means nothing.
    centres : ndarray of float64, shape (n, 2)
        By crystal id, in pixels.

    Examples
    --------
    >>> squared_distances(np.array([[0, 0, 1]]), np.array([[0.0, 0.5], [3.0, 2.0]]))
    array([[0.25, 0.25, 9.  ]])
    """
    own = centres[np.maximum(labels, 0)]
    i, j = np.ogrid[: labels.shape[0], : labels.shape[1]]
    return np.asarray((i - own[..., 0]) ** 2 + (j - own[..., 1]) ** 2)

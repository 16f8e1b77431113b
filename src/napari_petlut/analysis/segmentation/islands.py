"""One piece per cell: what is cut off from a cell goes to the cells around it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import label

from napari_petlut.model import FloatArray, LabelArray


def join_islands(
    labels: LabelArray, centres: FloatArray, claimed: npt.NDArray[np.bool_] | None = None
) -> LabelArray:
    """Return labels in which every cell is one piece: all other pixels take the nearest kept label.

    The piece that is kept holds the crystal's centre, or is the largest if the centre lies elsewhere.

    Parameters
    ----------
    labels : ndarray of int32, shape (n0, n1)
        Crystal ids, all 0 or more.
    centres : ndarray of float64, shape (n, 2)
        By crystal id.
    claimed : ndarray of bool, shape (n0, n1), optional
        Pixels whose label counts; all by default. The others take the nearest kept label too.
    """
    own = labels if claimed is None else np.where(claimed, labels, -1)
    pieces = label(own, connectivity=1, background=-1)  # type: ignore[no-untyped-call]
    size = np.bincount(pieces.ravel())
    owner = np.empty(len(size), np.intp)
    owner[pieces.ravel()] = labels.ravel()
    rank = size.astype(np.float64)
    inside = np.rint(np.nan_to_num(centres, nan=-1.0)).astype(np.intp)
    held = np.flatnonzero(((inside >= 0) & (inside < labels.shape)).all(axis=1))
    own_piece = pieces[tuple(inside[held].T)]
    rank[own_piece[owner[own_piece] == held]] += labels.size
    order = np.lexsort((-rank[1:], owner[1:])) + 1
    first = order[np.unique(owner[order], return_index=True)[1]]
    keep = np.zeros(len(size), np.bool_)
    keep[first] = True
    islands = ~keep[pieces]
    if not islands.any():
        return labels
    nearest = ndimage.distance_transform_edt(islands, return_distances=False, return_indices=True)
    return np.ascontiguousarray(labels[tuple(nearest)])

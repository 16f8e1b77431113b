"""How far apart peaks are, without knowing which is which crystal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_petlut.model import FloatArray, IntArray

# A pitch below this, in pixels, is a doubled peak rather than a lattice.
_LEAST_PITCH = 2.0


def nearest_neighbours(points: FloatArray, number: int) -> tuple[FloatArray, IntArray]:
    """Return distance and index of the nearest other points, both (n, at most `number`), nearest first."""
    number = min(number, len(points) - 1)
    if number < 1:
        return np.empty((len(points), 0)), np.empty((len(points), 0), np.intp)
    distance, index = (np.asarray(part) for part in cKDTree(points).query(points, number + 1))
    # Of points at the same place the query may name any first, so "itself" is removed by index.
    own = index == np.arange(len(points))[:, None]
    own[~own.any(axis=1), -1] = True
    keep = ~own
    return distance[keep].reshape(len(points), number), index[keep].reshape(len(points), number)


def nearest_distances(points: FloatArray) -> FloatArray:
    """Return the distance of each point (n, 2) to the nearest other, shape (n,); infinity for a lone point.

    Examples
    --------
    >>> nearest_distances(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])).tolist()
    [5.0, 1.0, 1.0]
    """
    distance, _ = nearest_neighbours(points, 1)
    return distance[:, 0] if distance.shape[1] else np.full(len(points), np.inf)


def local_pitch(points: npt.ArrayLike) -> FloatArray:
    """Return the mean distance of each peak to its two nearest peaks in pixels, shape (n,).

    Peaks that are not finite have NaN; a lone peak has infinity.
    """
    points = np.asarray(points, np.float64)
    pitch = np.full(len(points), np.nan)
    finite = np.flatnonzero(np.isfinite(points).all(axis=1))
    distance, _ = nearest_neighbours(points[finite], 2)
    pitch[finite] = np.maximum(distance.mean(axis=1), _LEAST_PITCH) if distance.shape[1] else np.inf
    return pitch

"""Nearest-peak cells: each pixel belongs to the closest peak (a Voronoi diagram)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.compiling import compiled, inlined
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.model import FloatArray, LabelArray

# Pixels of a tile share one list of candidate peaks. 16 balances the cost of the lists against their length.
_TILE = 16
# Candidates are kept with this relative slack, so that rounding of the bounds cannot drop the nearest peak.
_SLACK = 1e-9


def nearest_peak_cells(
    shape: tuple[int, int], positions: npt.ArrayLike, max_distance: float | None = None
) -> LabelArray:
    """Give each pixel to the nearest peak.

    Exact: equal to comparing every pixel with every peak. Of several peaks at the same distance the one with
    the lowest id wins.

    Parameters
    ----------
    shape : tuple of int
        Pixels along axis 0 and axis 1.
    positions : array_like of float, shape (n, 2)
        Peaks by crystal id, (axis 0, axis 1) in pixels. A row of NaN is a crystal that takes no part.
    max_distance : float, optional
        Pixels farther than this from every peak, in pixels, belong to no crystal. No bound by default.

    Returns
    -------
    labels : ndarray of int32, shape `shape`
        Crystal id of each pixel, -1 for "no crystal".

    Raises
    ------
    ParameterError
        If there is no peak, or the bound is not positive.

    Examples
    --------
    >>> nearest_peak_cells((1, 6), [[0, 1], [0, 4]]).tolist()
    [[0, 0, 0, 1, 1, 1]]
    >>> nearest_peak_cells((1, 6), [[0, 0], [0, 5]], max_distance=1).tolist()
    [[0, 0, -1, -1, 1, 1]]
    """
    points, ids = usable_peaks(positions)
    if max_distance is not None and not max_distance > 0:
        raise ParameterError(f"max_distance must be positive, not {max_distance}; leave it out for no bound")
    bound = np.inf if max_distance is None else float(max_distance) ** 2
    labels, none = np.empty((int(shape[0]), int(shape[1])), np.int32), np.empty((0, 2))
    room = np.empty(len(points)), np.empty(len(points), np.int64)
    _fill_tiles(labels, none, none, points, ids, bound, *room)
    return labels


def update_nearest_cells(
    labels: LabelArray,
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    max_distance: float | None = None,
) -> None:
    """Bring nearest-peak cells in step with peaks of which a few have moved, come or gone, in place.

    The result is that of `nearest_peak_cells` for `after`, but only the tiles of the map that a changed peak
    can reach are computed.

    Parameters
    ----------
    labels : ndarray of int32, shape (n0, n1)
        What `nearest_peak_cells` gave for `before`; overwritten.
    before, after : array_like of float, shape (n, 2)
        Peaks by crystal id, NaN for those that take no part.
    max_distance : float, optional
        The same as for `labels`.

    Raises
    ------
    ParameterError
        If there is no peak before or after, or their numbers differ.

    Examples
    --------
    >>> before, after = [[0, 1], [0, 4]], [[0, 1], [0, 2]]
    >>> labels = nearest_peak_cells((1, 6), before)
    >>> update_nearest_cells(labels, before, after)
    >>> labels.tolist()
    [[0, 0, 1, 1, 1, 1]]
    """
    old, new = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if old.shape != new.shape:
        raise ParameterError(f"{len(old)} peaks before and {len(new)} after; each id must be in both")
    points, ids = usable_peaks(new)
    usable_peaks(old)
    same = ((old == new) | (np.isnan(old) & np.isnan(new))).all(axis=1)
    if same.all():
        return
    changed = np.concatenate([old[~same], new[~same]])
    changed = np.ascontiguousarray(changed[np.isfinite(changed).all(axis=1)])
    unmoved = np.ascontiguousarray(new[same & np.isfinite(new).all(axis=1)])
    bound = np.inf if max_distance is None else float(max_distance) ** 2
    room = np.empty(len(points)), np.empty(len(points), np.int64)
    _fill_tiles(labels, changed, unmoved, points, ids, bound, *room)


def usable_peaks(positions: npt.ArrayLike) -> tuple[FloatArray, LabelArray]:
    """Return the peaks that take part, finite ones, and their ids.

    Raises
    ------
    ParameterError
        If the positions are not (n, 2), or none is finite.
    """
    points = np.asarray(positions, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ParameterError(f"peak positions have shape {points.shape}, expected (n, 2)")
    ids = np.flatnonzero(np.isfinite(points).all(axis=1))
    if ids.size == 0:
        raise ParameterError("there is no peak to give pixels to; detect or add peaks first")
    return np.ascontiguousarray(points[ids]), ids.astype(np.int32)


@inlined
def _tile_candidates(
    points: FloatArray,
    low0: float,
    high0: float,
    low1: float,
    high1: float,
    least: FloatArray,
    candidates: npt.NDArray[np.int64],
) -> int:
    """Write the peaks that can be nearest to some pixel of a tile into `candidates`; return their number."""
    nearest_far_corner = np.inf
    for k in range(points.shape[0]):
        p0, p1 = points[k, 0], points[k, 1]
        near0, near1 = max(low0 - p0, 0.0, p0 - high0), max(low1 - p1, 0.0, p1 - high1)
        far0, far1 = max(p0 - low0, high0 - p0), max(p1 - low1, high1 - p1)
        least[k] = near0 * near0 + near1 * near1
        nearest_far_corner = min(nearest_far_corner, far0 * far0 + far1 * far1)
    limit = nearest_far_corner * (1.0 + _SLACK)
    count = 0
    for k in range(points.shape[0]):
        if least[k] <= limit:
            candidates[count] = k
            count += 1
    return count


@inlined
def _fill_tile(
    labels: LabelArray,
    start0: int,
    start1: int,
    points: FloatArray,
    ids: LabelArray,
    bound: float,
    least: FloatArray,
    candidates: npt.NDArray[np.int64],
) -> None:
    stop0, stop1 = min(start0 + _TILE, labels.shape[0]), min(start1 + _TILE, labels.shape[1])
    count = _tile_candidates(
        points, float(start0), stop0 - 1.0, float(start1), stop1 - 1.0, least, candidates
    )
    for i in range(start0, stop0):
        for j in range(start1, stop1):
            best, winner = np.inf, NO_CRYSTAL
            for c in range(count):
                k = candidates[c]
                d0, d1 = i - points[k, 0], j - points[k, 1]
                distance = d0 * d0 + d1 * d1
                if distance < best:
                    best, winner = distance, ids[k]
            labels[i, j] = winner if best <= bound else NO_CRYSTAL


@compiled()
def _fill_tiles(
    labels: LabelArray,
    changed: FloatArray,
    unmoved: FloatArray,
    points: FloatArray,
    ids: LabelArray,
    bound: float,
    least: FloatArray,
    candidates: npt.NDArray[np.int64],
) -> None:
    """Give the pixels of each tile to their nearest peaks, where a changed one reaches.

    Everywhere if there is none.

    `least` and `candidates` are room for one number per peak.
    """
    for start0 in range(0, labels.shape[0], _TILE):
        high0 = min(start0 + _TILE, labels.shape[0]) - 1.0
        for start1 in range(0, labels.shape[1], _TILE):
            high1 = min(start1 + _TILE, labels.shape[1]) - 1.0
            if changed.shape[0] == 0 or _reaches(
                changed, unmoved, float(start0), high0, float(start1), high1
            ):
                _fill_tile(labels, start0, start1, points, ids, bound, least, candidates)


@inlined
def _reaches(
    changed: FloatArray, unmoved: FloatArray, low0: float, high0: float, low1: float, high1: float
) -> bool:
    """Return whether a changed peak can be nearer to some pixel of a tile than all that stayed."""
    nearest_far_corner = np.inf
    for k in range(unmoved.shape[0]):
        p0, p1 = unmoved[k, 0], unmoved[k, 1]
        far0, far1 = max(p0 - low0, high0 - p0), max(p1 - low1, high1 - p1)
        nearest_far_corner = min(nearest_far_corner, far0 * far0 + far1 * far1)
    limit = nearest_far_corner * (1.0 + _SLACK)
    for k in range(changed.shape[0]):
        p0, p1 = changed[k, 0], changed[k, 1]
        near0, near1 = max(low0 - p0, 0.0, p0 - high0), max(low1 - p1, 0.0, p1 - high1)
        if near0 * near0 + near1 * near1 <= limit:
            return True
    return False

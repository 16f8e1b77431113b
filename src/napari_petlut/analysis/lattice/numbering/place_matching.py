"""Points joined to the places of an array that is no rectangle: grown as its pattern goes on, then cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.grids import BoolArray
from napari_petlut.analysis.lattice.numbering.place_growing import grow_places
from napari_petlut.model import FloatArray, IntArray

LARGEST_PERIOD = 4
"""Most places after which a pattern is looked for to repeat."""
LIKE_PATTERN = 0.01
"""A place more in the cell that repeats has to explain so large a share of the places."""
PLACE_SEEDS = 3
"""Growth is tried from this many points next to the middle."""
BEYOND = 2
"""Periods beyond the array that growth may follow on each side."""


@dataclass(frozen=True, eq=False)
class PlaceMatch:
    """Points joined to places.

    Parameters
    ----------
    owner : ndarray of intp, shape (rows, cols)
        Index of the point at each place, -1 where there is none.
    held : int
        Places with a point.
    outside : int
        Points that the pattern goes on to beyond the array.
    """

    owner: IntArray
    held: int
    outside: int


def repeating_cell(present: BoolArray) -> BoolArray:
    """Return the smallest cell of places that, repeated from (0, 0), is the pattern of an array.

    The outline does not matter: a round array has the pattern of a full one.

    Examples
    --------
    >>> chessboard = np.add.outer(np.arange(5), np.arange(7)) % 2 == 0
    >>> repeating_cell(chessboard).astype(int).tolist()
    [[1, 0], [0, 1]]
    """
    rows, cols = present.shape
    best, best_cost = np.ones((1, 1), bool), np.inf
    for high in range(1, min(LARGEST_PERIOD, rows) + 1):
        for wide in range(1, min(LARGEST_PERIOD, cols) + 1):
            share = np.array([[present[a::high, b::wide].mean() for b in range(wide)] for a in range(high)])
            cell = share > 0.5
            wrong = (_repeated(cell, (rows, cols)) != present).mean()
            cost = float(wrong) + LIKE_PATTERN * high * wide
            if cell.any() and cost < best_cost - 1e-9:
                best, best_cost = cell, cost
    return best


def neighbour_distance(present: BoolArray) -> float:
    """Return the usual distance from a place of an array to the nearest other, in places."""
    where = np.argwhere(present)
    return float(np.median(np.asarray(cKDTree(where).query(where, k=2)[0])[:, 1]))


def match_places(points: FloatArray, present: BoolArray, rough: FloatArray) -> Iterator[PlaceMatch]:
    """Yield the ways to join points to the places of an array, fullest first.

    Growth goes from some points next to the middle, each taken for every place of the pattern, beyond the
    array on all sides; what has grown is cut at every shift that keeps the pattern.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
    present : ndarray of bool, shape (rows, cols)
        Places that hold a crystal.
    rough : ndarray of float64, shape (rows, cols, 2)
        Where about the places are, among the points.
    """
    found: dict[bytes, PlaceMatch] = {}
    if len(points) >= 2:
        for owner, shape in _grown(points, present, rough):
            for match in _cuts(owner, present, shape):
                found.setdefault(match.owner.tobytes(), match)
    yield from sorted(found.values(), key=lambda match: match.outside - match.held)


def _repeated(cell: BoolArray, shape: tuple[int, int]) -> BoolArray:
    rows, cols = (np.arange(n) % period for n, period in zip(shape, cell.shape, strict=True))
    return np.asarray(cell[rows[:, None], cols])


def _grown(
    points: FloatArray, present: BoolArray, rough: FloatArray
) -> Iterator[tuple[IntArray, tuple[int, int]]]:
    """Yield what has grown on the pattern, and how many places it goes beyond the array at the low sides."""
    cell, distance = repeating_cell(present), neighbour_distance(present)
    beyond = (BEYOND * cell.shape[0], BEYOND * cell.shape[1])
    pattern = _repeated(cell, (present.shape[0] + 2 * beyond[0], present.shape[1] + 2 * beyond[1]))
    steps = np.stack([np.asarray(np.gradient(rough, axis=axis)) for axis in (0, 1)], axis=-1)
    tree = cKDTree(rough.reshape(-1, 2))
    middle = rough[present.shape[0] // 2, present.shape[1] // 2]
    nearest = np.argsort(((points - middle) ** 2).sum(axis=1), kind="stable")[:PLACE_SEEDS]
    for seed in nearest:
        node = np.unravel_index(int(tree.query(points[seed])[1]), present.shape)
        for first in np.argwhere(cell):
            place = [
                int(node[axis] + beyond[axis] + (first[axis] - node[axis]) % cell.shape[axis])
                for axis in (0, 1)
            ]
            if pattern[tuple(place)]:
                owner = grow_places(points, pattern, distance, int(seed), (place[0], place[1]), steps[node])
                yield owner.astype(np.intp), beyond


def _cuts(owner: IntArray, present: BoolArray, beyond: tuple[int, int]) -> Iterator[PlaceMatch]:
    """Yield what has grown, cut to the array at every shift by whole periods."""
    rows, cols = present.shape
    number = int((owner >= 0).sum())
    periods = (beyond[0] // BEYOND, beyond[1] // BEYOND)
    for low0 in range(0, 2 * beyond[0] + 1, periods[0]):
        for low1 in range(0, 2 * beyond[1] + 1, periods[1]):
            cut = np.where(present, owner[low0 : low0 + rows, low1 : low1 + cols], -1)
            held = int((cut >= 0).sum())
            if held:
                yield PlaceMatch(cut, held, number - held)

"""Which point is which crystal, kept up to date while a person edits the points.

An edit keeps the numbers it does not touch. Only where that leaves holes, extra points or kinks is the whole
block numbered afresh, and the new numbers are taken only if they leave fewer of those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from napari_petlut.errors import PetlutError
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.maps.grids import bends, completed_grid, typical_pitch
from napari_petlut.model import FloatArray, IntArray

_SAME_PLACE = 1e-6
_REACH = 0.75
"""A point takes the number of a crystal whose place is at most this many pitches away."""
_KINK = 0.6
"""A crystal this many pitches off the lines of its neighbours counts as a kink."""


@dataclass(frozen=True, eq=False)
class Numbering:
    """The crystals of a table of points.

    Parameters
    ----------
    crystal : ndarray of intp, shape (n,)
        Crystal id of each point, -1 for a point that belongs to no crystal.
    places : ndarray of float64, shape (rows * cols, 2)
        Where each crystal is: its point, else where its neighbours say it should be; NaN if they cannot tell.
    occupied : ndarray of bool, shape (rows * cols,)
        Whether a point has this crystal's id.
    """

    crystal: IntArray
    places: FloatArray
    occupied: npt.NDArray[np.bool_]


def number_points(positions: FloatArray, geometry: BlockGeometry, previous: IntArray) -> Numbering:
    """Give points their numbers, keeping those they had wherever that makes sense.

    Parameters
    ----------
    positions : ndarray of float64, shape (n, 2)
        (axis 0, axis 1) in flood-map pixels.
    geometry : BlockGeometry
    previous : ndarray of intp, shape (n,)
        The number each point had, -1 for new points.

    Returns
    -------
    Numbering
    """
    kept = _fill_vacancies(positions, geometry, previous)
    unavoidable = abs(len(positions) - geometry.crystals)
    flaws = _flaws(kept, positions, geometry)
    if len(positions) < 4 or flaws <= unavoidable:  # no other numbers could be better, and they take long
        return numbering_of(kept, positions, geometry)
    fresh = _number_afresh(positions, geometry)
    if _flaws(fresh, positions, geometry) < flaws:
        kept = fresh
    return numbering_of(kept, positions, geometry)


def numbering_of(crystal: IntArray, positions: FloatArray, geometry: BlockGeometry) -> Numbering:
    """Return the numbering that given ids mean; ids outside the geometry count as "no crystal"."""
    crystal = _existing(crystal, geometry)
    grid = _grid(crystal, positions, geometry)
    occupied = np.isfinite(grid).all(axis=-1).ravel()
    return Numbering(crystal, completed_grid(grid).reshape(-1, 2), occupied)


def _existing(crystal: IntArray, geometry: BlockGeometry) -> IntArray:
    """Return ids with those that no crystal has made "no crystal"."""
    numbers = np.append(geometry.numbers, NO_CRYSTAL)
    inside = (crystal >= 0) & (crystal < len(geometry))
    held = inside & (numbers[np.where(inside, crystal, NO_CRYSTAL)] >= 0)
    return np.where(held, crystal, NO_CRYSTAL).astype(np.intp)


def _grid(crystal: IntArray, positions: FloatArray, geometry: BlockGeometry) -> FloatArray:
    grid = np.full((len(geometry), 2), np.nan)
    numbered = crystal >= 0
    grid[crystal[numbered]] = positions[numbered]
    return grid.reshape(*geometry.shape, 2)


def _number_afresh(positions: FloatArray, geometry: BlockGeometry) -> IntArray:
    """Return crystal ids from the points alone, -1 for points that fit no crystal."""
    from napari_petlut.analysis.lattice import number_peaks

    crystal = np.full(len(positions), NO_CRYSTAL, np.intp)
    try:
        lattice = number_peaks(positions, geometry)
    except PetlutError:  # too few points, or points that make no grid: they stay without a number
        return crystal
    distance, point = (np.asarray(a) for a in cKDTree(positions).query(lattice.positions))
    for crystal_id in np.flatnonzero((distance < _SAME_PLACE) & geometry.present.ravel()):
        if crystal[point[crystal_id]] == NO_CRYSTAL:
            crystal[point[crystal_id]] = crystal_id
    return crystal


def _fill_vacancies(positions: FloatArray, geometry: BlockGeometry, previous: IntArray) -> IntArray:
    """Return the previous numbers, with points that had none put into the vacant places they lie at."""
    crystal = _existing(previous, geometry)
    _, first = np.unique(crystal, return_index=True)
    repeated = np.ones(len(crystal), bool)
    repeated[first] = False
    crystal[repeated] = NO_CRYSTAL
    homeless = np.flatnonzero(crystal == NO_CRYSTAL)
    vacant = np.setdiff1d(np.flatnonzero(geometry.present), crystal)
    if homeless.size == 0 or vacant.size == 0 or homeless.size == len(crystal):
        return crystal
    grid = _grid(crystal, positions, geometry)
    reach = _REACH * typical_pitch(grid)
    places = completed_grid(grid).reshape(-1, 2)[vacant]
    distance = np.linalg.norm(positions[homeless, None] - places[None], axis=2)
    distance[~(distance < reach)] = 1e6
    point, place = linear_sum_assignment(distance)
    near = distance[point, place] < reach
    crystal[homeless[point[near]]] = vacant[place[near]]
    return crystal


def kinks(grid: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which crystals lie off the lines of their neighbours.

    A crystal must be off both its row and its column: where two rows nearly merge, all crystals of a column
    are unevenly spaced, but each is still in line with its row.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        NaN where there is no peak.

    Returns
    -------
    ndarray of bool, shape (rows, cols)
    """
    off = np.fmin(_off_line(grid, 0), _off_line(grid, 1))
    return np.asarray(off > _KINK * typical_pitch(grid))


def _off_line(grid: FloatArray, axis: int) -> FloatArray:
    """Return how far each crystal is from the middle of its neighbours along an axis.

    At the ends it is the distance from the straight line through the next two; NaN where they are absent.
    """
    off = np.full(grid.shape[:2], np.nan)
    lines = np.moveaxis(off, axis, 0)
    if len(lines) > 2:
        bend = np.moveaxis(bends(grid, axis), axis, 0)
        lines[1:-1] = bend / 2
        lines[0], lines[-1] = bend[0], bend[-1]
    return off


def _flaws(crystal: IntArray, positions: FloatArray, geometry: BlockGeometry) -> int:
    """Return how many points have no crystal, crystals no point, and crystals lie at a kink."""
    homeless = int((crystal == NO_CRYSTAL).sum())
    vacant = geometry.crystals - (len(crystal) - homeless)
    return homeless + vacant + int(kinks(_grid(crystal, positions, geometry)).sum())

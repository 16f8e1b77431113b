"""Points joined to a grid of a given size: grown as they lie and as they are when spread evenly, then cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.grids import BoolArray
from napari_petlut.analysis.lattice.numbering.growing import EMPTY, grow_grid
from napari_petlut.analysis.lattice.numbering.spreading import spread_spots
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.grids import fill_holes, spans
from napari_petlut.model import FloatArray, IntArray

GROWTH_SEEDS = 6
"""Growth is tried from this many points next to the middle; the grid that holds most points is kept."""
LINES_BEYOND = 2
"""Lines beyond the block that growth may follow on each side, so that too many lines are noticed."""
REACH_0, REACH_1 = 0.02, 0.98
"""Quantiles of the points that stand for the outermost lines; stray points beyond them do not count."""
MOSTLY = 0.7
"""A grid with points for this share of the crystals is a lattice worth fitting to a map."""
WEAKEST = 0.35
"""Weakest spot of a complete grid against the median one; weaker ones may be no spots at all."""
STRAY = 0.02
"""Spots without a crystal that a complete grid may leave, as a share of the crystals."""


@dataclass(frozen=True, eq=False)
class GridMatch:
    """A grid of points cut to the geometry.

    Parameters
    ----------
    owner : ndarray of intp, shape (rows, cols)
        Index of the point at each node, -1 where there is none.
    grid : ndarray of float64, shape (rows, cols, 2)
        Positions; holes are filled from their neighbours.
    outside : int
        Points on lines beyond the rows and columns of the geometry.
    shifts : tuple of str
        Sides towards which the numbers could be shifted with no point lost.
    """

    owner: IntArray
    grid: FloatArray
    outside: int
    shifts: tuple[str, ...]


def _scales(points: FloatArray, geometry: BlockGeometry) -> FloatArray:
    """Mean pitch along both axes from the extent of the points."""
    low, high = np.quantile(points, [REACH_0, REACH_1], axis=0)
    gaps = np.maximum(np.array(geometry.shape) - 1, 1)
    extent = (high - low) / (REACH_1 - REACH_0)
    pitch = extent / gaps
    if pitch.max() <= 0:
        raise GeometryError("the points all lie in one place; a lattice needs points apart from each other")
    return np.asarray(np.where(pitch > 0.05 * pitch.max(), pitch, pitch.max()))


def first_steps(points: FloatArray, tree: cKDTree, seed: int) -> FloatArray | None:
    """Return the steps from a seed to its neighbours along both axes, in lattice units."""
    near = np.asarray(tree.query(points[seed], k=min(13, len(points)))[1])
    offset = points[near[1:]] - points[seed]
    steps = np.eye(2)
    for axis in (0, 1):
        along, across = np.abs(offset[:, axis]), np.abs(offset[:, 1 - axis])
        fits = (across < 0.8 * along) & (along > 0.25)
        if not fits.any():
            if len(points) < 5:
                continue
            return None
        # In lattice units a step is about 1; the nearest point may be a spot seen twice.
        misfit = np.abs(np.log(np.maximum(along, 1e-9))) + 1.5 * across / np.maximum(along, 1e-9)
        pick = offset[int(np.argmin(np.where(fits, misfit, np.inf)))]
        steps[axis] = pick * np.sign(pick[axis])
    return steps


def _best_window(real: BoolArray, shape: tuple[int, int]) -> tuple[int, int, int, tuple[str, ...]]:
    """Where to cut (rows, cols) out of the grown grid: offsets, points inside, and equally good shifts."""
    inside = np.zeros((real.shape[0] + 1, real.shape[1] + 1), int)
    inside[1:, 1:] = real.cumsum(0).cumsum(1)
    rows, cols = shape
    held = inside[rows:, cols:] - inside[:-rows, cols:] - inside[rows:, :-cols] + inside[:-rows, :-cols]
    middle = (np.array(held.shape) - 1) / 2
    distance = sum(
        (np.arange(n) - m).reshape(s) ** 2
        for n, m, s in zip(held.shape, middle, ((-1, 1), (1, -1)), strict=True)
    )
    best = np.unravel_index(np.argmax(held - 1e-6 * distance), held.shape)
    a, b = int(best[0]), int(best[1])
    names = {(-1, 0): "rows down", (1, 0): "rows up", (0, -1): "columns right", (0, 1): "columns left"}
    equal = tuple(
        f"all {name} by one"
        for (d0, d1), name in names.items()
        if 0 <= a + d0 < held.shape[0] and 0 <= b + d1 < held.shape[1] and held[a + d0, b + d1] == held[a, b]
    )
    return a, b, int(held[a, b]), equal


def match_grid(
    points: FloatArray, geometry: BlockGeometry, places: FloatArray | None = None
) -> GridMatch | None:
    """Grow a grid over the points and cut it to the geometry; None where no grid can be grown.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        In pixels.
    geometry : BlockGeometry
    places : ndarray of float64, shape (n, 2), optional
        The same points in rough lattice units; by default they are scaled by their extent.
    """
    points = np.asarray(points, float).reshape(-1, 2)
    rows, cols = geometry.shape
    if len(points) < 2:
        return None
    scaled = points / _scales(points, geometry) if places is None else np.ascontiguousarray(places)
    tree = cKDTree(scaled)
    middle = np.median(scaled, axis=0)
    order = np.argsort(((scaled - middle) ** 2).sum(1), kind="stable")
    found: tuple[int, GridMatch] | None = None
    for seed in order[:GROWTH_SEEDS]:
        base = first_steps(scaled, tree, int(seed))
        if base is None:
            continue
        owner, _ = grow_grid(
            scaled, int(seed), base, 2 * (rows + LINES_BEYOND) + 1, 2 * (cols + LINES_BEYOND) + 1
        )
        real = owner >= 0
        a, b, held, equal = _best_window(real, (rows, cols))
        cut = owner[a : a + rows, b : b + cols]
        known = cut >= 0
        if (found is not None and held <= found[0]) or not spans(known):
            continue
        grid = np.where(known[..., None], points[np.maximum(cut, 0)], 0.0)
        grid = fill_holes(grid, ~known)
        found = (
            held,
            GridMatch(np.where(known, cut, EMPTY).astype(np.intp), grid, int(real.sum()) - held, equal),
        )
        if held == rows * cols:
            break
    return found[1] if found else None


def best_match(points: FloatArray, geometry: BlockGeometry) -> GridMatch | None:
    """Grow a grid over the points as they lie and as they are when spread evenly; return the fuller one.

    Spreading undoes crowded edges; stray points far outside disturb it, but not the points as they lie.
    """
    if len(points) < 2:
        return None
    spread = match_grid(points, geometry, spread_spots(points, np.ones(len(points)), geometry).places)
    if spread is not None and (spread.owner >= 0).all() and spread.outside == 0:
        return spread
    plain = match_grid(points, geometry)
    both = [m for m in (spread, plain) if m is not None]
    return max(both, key=_fullness, default=None)


def regrown_match(points: FloatArray, geometry: BlockGeometry, match: GridMatch) -> GridMatch:
    """Grow again in the axes of a grid that was grown before, as long as that takes in more points.

    The extent of a long array that is turned says little about its pitches; a grid that holds most of its
    points knows them, and its shear.
    """
    while _fullness(match) < len(points):
        known = match.owner >= 0
        index = np.argwhere(known)
        design = np.column_stack([index, np.ones(len(index))])
        axes, _, rank, _ = np.linalg.lstsq(design, points[match.owner[known]], rcond=None)
        if rank < 3 or np.linalg.matrix_rank(axes[:2]) < 2:
            break
        again = match_grid(points, geometry, (points - axes[2]) @ np.linalg.inv(axes[:2]))
        if again is None or _fullness(again) <= _fullness(match):
            break
        match = again
    return match


def _fullness(match: GridMatch) -> int:
    """Points at nodes, less those on lines beyond the block."""
    return int((match.owner >= 0).sum()) - match.outside

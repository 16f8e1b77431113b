"""Numbers from points alone: which point is which crystal, and what does not fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.grids import (
    BoolArray,
    fill_holes,
    folded_cells,
    local_pitch,
    touching,
)
from napari_petlut.analysis.lattice.growing import EMPTY, grow_grid
from napari_petlut.analysis.lattice.transport import spread_spots
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, IntArray, Lattice, PeakStatus

SEEDS = 6
"""Growth is tried from this many points next to the middle; the grid that holds most points is kept."""
MARGIN = 2
"""Lines beyond the block that growth may follow on each side, so that too many lines are noticed."""
DUPLICATE_DISTANCE = 0.35
"""An unused point this close to a node, in local pitches, is the same crystal seen twice."""
REACH_0, REACH_1 = 0.02, 0.98
"""Quantiles of the points that stand for the outermost lines; stray points beyond them do not count."""

POINT_CONFIDENCE = 0.97
"""Confidence of a point whose neighbours predict its place; points alone do not allow more."""
MOSTLY = 0.7
"""A grid with points for this share of the crystals is a lattice worth fitting to a map."""
HOLE_CONFIDENCE = 0.5
"""Confidence of a place without a point."""
BENT = 0.3
"""Distance from the place that the neighbours predict, in local pitches, from which a point is doubted."""


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
    for seed in order[:SEEDS]:
        base = first_steps(scaled, tree, int(seed))
        if base is None:
            continue
        owner, _ = grow_grid(scaled, int(seed), base, 2 * (rows + MARGIN) + 1, 2 * (cols + MARGIN) + 1)
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


def spans(known: BoolArray) -> bool:
    """Whether the known nodes are enough to fill the rest: three that are not on one line."""
    rows, cols = known.shape
    if min(rows, cols) == 1:
        return int(known.sum()) >= min(2, known.size)
    return int(known.sum()) >= 3 and known.any(0).sum() > 1 and known.any(1).sum() > 1


def _bend(grid: FloatArray) -> FloatArray:
    """Distance of each inner node from the middle of its neighbours on its own lines, in local pitches."""
    rows, cols = grid.shape[:2]
    pitch = local_pitch(grid)
    out = np.zeros((rows, cols))
    if cols > 2:
        middle = (grid[:, 2:, 0] + grid[:, :-2, 0]) / 2
        out[:, 1:-1] = np.maximum(out[:, 1:-1], np.abs(grid[:, 1:-1, 0] - middle))
    if rows > 2:
        middle = (grid[2:, :, 1] + grid[:-2, :, 1]) / 2
        out[1:-1] = np.maximum(out[1:-1], np.abs(grid[1:-1, :, 1] - middle))
    return np.asarray(out / np.maximum(pitch, 1e-9))


def number_peaks(positions: npt.ArrayLike, geometry: BlockGeometry) -> Lattice:
    """Give every point its row and column, and report what does not fit.

    Only the points decide: where a whole outer line is absent, its place cannot be known, and the lattice
    says so in `Lattice.doubts`. Use `find_lattice` where the flood map is at hand.

    Parameters
    ----------
    positions : array_like of float, shape (n, 2)
        (axis 0, axis 1) in flood-map pixels, in any order. Points may be absent, double or astray.
    geometry : BlockGeometry

    Returns
    -------
    Lattice
        Crystals without a point are "inferred" from their neighbours; points that belong to no crystal are
        in `Lattice.extra`.

    Raises
    ------
    GeometryError
        If the points are not finite, or no grid can be grown over them.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.argwhere(np.ones((3, 4))) * 10.0
    >>> lattice = number_peaks(points[::-1], BlockGeometry(3, 4))
    >>> lattice.grid[2, 3]
    array([20., 30.])
    """
    points = np.asarray(positions, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise GeometryError("peak positions must be finite numbers")
    match = best_match(points, geometry)
    if match is None:
        raise GeometryError(
            f"{len(points)} points do not form a grid of {geometry}; check the number of rows and columns"
        )
    return lattice_from_match(points, regrown_match(points, geometry, match), geometry)


def lattice_from_match(points: FloatArray, match: GridMatch, geometry: BlockGeometry) -> Lattice:
    """Turn a cut grid into a lattice with statuses, reasons and doubts."""
    hole = match.owner.ravel() < 0
    flat = match.grid.reshape(-1, 2)
    used = np.zeros(len(points), bool)
    used[match.owner[match.owner >= 0]] = True
    extra = points[~used]
    reasons = [""] * len(geometry)
    confidence = np.full(len(geometry), POINT_CONFIDENCE)
    status = np.where(hole, PeakStatus.INFERRED, PeakStatus.FOUND).astype("<U8")

    def doubt(which: BoolArray, reason: str, sure: float, word: PeakStatus | None) -> None:
        for k in np.flatnonzero(which):
            reasons[k] = f"{reasons[k]}; {reason}" if reasons[k] else reason
            confidence[k] = min(confidence[k], sure)
            if word is not None:
                status[k] = word

    bend = _bend(match.grid).ravel()
    doubt(hole, "no peak here; placed from its neighbours", HOLE_CONFIDENCE, None)
    doubt(bend > BENT, "off the line of its neighbours", 0.7, None)
    doubt(touching(folded_cells(match.grid)).ravel(), "lines cross here", 0.3, PeakStatus.SUSPECT)
    doubts = []
    if len(extra):
        near, node = (np.asarray(a) for a in cKDTree(flat).query(extra))
        same = near < DUPLICATE_DISTANCE * local_pitch(match.grid).ravel()[node]
        twice = np.zeros(len(flat), bool)
        twice[node[same]] = True
        doubt(twice, "two peaks for this crystal", 0.6, PeakStatus.SUSPECT)
        doubts.append(f"{len(extra)} peaks belong to no crystal, {int(same.sum())} of them double")
    if match.outside:
        doubts.append(f"{match.outside} peaks lie on lines beyond {geometry}: are rows and columns right?")
    if match.shifts:
        doubts.append(f"the numbering could as well be shifted: {', '.join(match.shifts)}")
    if hole.any():
        doubts.append(f"{int(hole.sum())} crystals have no peak")
    return Lattice(geometry, flat, status, confidence, tuple(reasons), tuple(doubts), extra)

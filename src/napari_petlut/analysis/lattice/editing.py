"""Hand edits: solve the rest of a lattice around peaks that a person placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_petlut.analysis.lattice.grids import (
    BoolArray,
    fill_holes,
    node_distance,
    shifted_grid,
    steps,
)
from napari_petlut.analysis.lattice.hypotheses import SAME, Contest
from napari_petlut.analysis.lattice.prepare import PreparedMap, remove_comb, remove_hot_bins
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, Lattice, PeakStatus

CHANGED = 0.3
"""A crystal that moves further than this, in local pitches, was solved anew."""
SHIFTED = 0.5
"""A crystal placed further away than this may be another crystal: the lattice may be a line off."""
NEIGHBOURHOOD = 1
"""Crystals this many steps from a fixed one are fitted again."""
BORDER = 1.0
"""Pitches around the lattice that belong to the map that is fitted."""
MOST_CANDIDATES = 6
"""Lattices that are fitted for one edit."""


def checked_fixed(
    fixed: Mapping[int, tuple[float, float]] | None, geometry: BlockGeometry
) -> dict[int, tuple[float, float]]:
    """Return the fixed points with their ids checked.

    Raises
    ------
    GeometryError
        If a crystal does not exist or a position is not finite.
    """
    out: dict[int, tuple[float, float]] = {}
    for crystal, place in (fixed or {}).items():
        if not 0 <= int(crystal) < len(geometry):
            raise GeometryError(f"fixed crystal {crystal} does not exist in a {geometry} block")
        point = np.asarray(place, dtype=np.float64)
        if point.shape != (2,) or not np.isfinite(point).all():
            raise GeometryError(f"the fixed position of crystal {crystal} must be two finite numbers")
        out[int(crystal)] = (float(point[0]), float(point[1]))
    return out


def place_fixed(lattice: Lattice, fixed: Mapping[int, tuple[float, float]]) -> Lattice:
    """Return the lattice with fixed crystals at their places, marked manual."""
    positions, status = lattice.positions.copy(), lattice.status.copy()
    confidence, reasons = lattice.confidence.copy(), list(lattice.reasons)
    for crystal, place in fixed.items():
        positions[crystal] = place
        status[crystal], confidence[crystal], reasons[crystal] = PeakStatus.MANUAL, 1.0, ""
    return replace(lattice, positions=positions, status=status, confidence=confidence, reasons=tuple(reasons))


def solve_around(
    lattice: Lattice, counts: npt.ArrayLike, fixed: Mapping[int, tuple[float, float]]
) -> Lattice:
    """Keep the fixed crystals and solve the others around them.

    A few lattices compete: the present one as it is and with its doubtful crystals placed anew, and, where a
    crystal was moved by more than half a pitch, its alternatives and the present one shifted by a line. Each
    is fitted with the fixed crystals held. Crystals that neither move nor lie beside a fixed one keep exactly
    what they had.

    Parameters
    ----------
    lattice : Lattice
        As it was before the edit. Its manual crystals stay as they are, too.
    counts : array_like of float, shape (n0, n1)
        Flood map.
    fixed : mapping of int to (float, float)
        Crystal ids and the positions that a person gave them, (axis 0, axis 1) in pixels.

    Returns
    -------
    Lattice

    Raises
    ------
    GeometryError
        If a crystal does not exist or a position is not finite.
    """
    geometry = lattice.geometry
    manual = np.flatnonzero(lattice.status == PeakStatus.MANUAL).tolist()
    places = {k: (float(lattice.positions[k, 0]), float(lattice.positions[k, 1])) for k in manual}
    places |= checked_fixed(fixed, geometry)
    if not places:
        return lattice
    contest = _contest_around(lattice, np.asarray(counts, dtype=np.float64))
    origin = contest.ready.origin
    contest.fix({k: np.asarray(p) - origin for k, p in places.items()})
    dark = (lattice.status == PeakStatus.MISSING).reshape(geometry.shape)
    for grid in _candidates(lattice, places):
        contest.judge(grid - origin, "around the fixed crystals", dark if dark.any() else None)
    solved = contest.best.grid + origin
    changed = node_distance(solved, lattice.grid) > CHANGED
    beside = ndimage.binary_dilation(_mask(geometry, places), np.ones((3, 3), bool), iterations=NEIGHBOURHOOD)
    take = (changed | beside).ravel()
    positions = np.where(take[:, None], solved.reshape(-1, 2), lattice.positions)
    return place_fixed(_relabelled(lattice, positions, changed.ravel(), places), places)


def _mask(geometry: BlockGeometry, places: Mapping[int, tuple[float, float]]) -> BoolArray:
    """Return the fixed crystals as a mask (rows, cols)."""
    out = np.zeros(geometry.shape, bool)
    out.flat[list(places)] = True
    return out


def _contest_around(lattice: Lattice, counts: FloatArray) -> Contest:
    """Prepare the part of a map that a lattice covers; its pitch comes from the lattice."""
    grid = lattice.grid
    down, right = steps(grid)
    area = np.abs(down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0])
    pitch = float(np.sqrt(np.median(area))) or 1.0
    low = np.floor(grid.min(axis=(0, 1)) - BORDER * pitch).astype(int)
    high = np.ceil(grid.max(axis=(0, 1)) + BORDER * pitch).astype(int) + 1
    low, high = np.clip(low, 0, None), np.clip(high, None, counts.shape)
    cut = np.ascontiguousarray(counts[low[0] : high[0], low[1] : high[1]])
    clean = remove_comb(remove_hot_bins(cut))
    ready = PreparedMap(clean, np.ones(clean.shape, bool), low.astype(np.float64), pitch)
    return Contest(ready, lattice.geometry, MOST_CANDIDATES, np.empty((0, 2)))


def _candidates(lattice: Lattice, places: Mapping[int, tuple[float, float]]) -> list[FloatArray]:
    """Lattices that agree with the fixed crystals, likely ones first."""
    grid = lattice.grid
    shape = lattice.geometry.shape
    pinned = _mask(lattice.geometry, places)
    placed = grid.copy()
    placed.reshape(-1, 2)[list(places)] = list(places.values())
    doubtful = np.isin(lattice.status, (PeakStatus.INFERRED, PeakStatus.SUSPECT, PeakStatus.MISSING))
    free = doubtful.reshape(shape) & ~pinned
    out = [placed]
    if free.any() and (~free).sum() >= 0.3 * free.size:
        out.append(fill_holes(placed, free))
    if node_distance(placed, grid).max() > SHIFTED:
        others = [a.positions.reshape(*shape, 2) for a in lattice.alternatives]
        others += [shifted_grid(grid, axis, way) for axis in (0, 1) for way in (1, -1)]
        out += [g for g in others if node_distance(g, placed)[pinned].max() < SHIFTED]
    return out[:MOST_CANDIDATES]


def _relabelled(
    lattice: Lattice, positions: FloatArray, changed: BoolArray, places: Mapping[int, tuple[float, float]]
) -> Lattice:
    """Return the lattice at new positions; alternatives that contradict the fixed crystals are gone."""
    status, confidence, reasons = lattice.status.copy(), lattice.confidence.copy(), list(lattice.reasons)
    for k in np.flatnonzero(changed).tolist():
        if status[k] == PeakStatus.SUSPECT:
            status[k] = PeakStatus.INFERRED
        reasons[k] = "placed around a crystal that was fixed by hand"
    shape = lattice.geometry.shape
    pinned = _mask(lattice.geometry, places)
    target = positions.copy()
    target[list(places)] = list(places.values())
    grid = target.reshape(*shape, 2)
    kept = tuple(
        a
        for a in lattice.alternatives
        if node_distance(a.positions.reshape(*shape, 2), grid)[pinned].max() < SHIFTED
        and node_distance(a.positions.reshape(*shape, 2), grid).max() > SAME
    )
    gone = {a.description for a in lattice.alternatives} - {a.description for a in kept}
    doubts = tuple(d for d in lattice.doubts if not any(text in d for text in gone))
    return replace(
        lattice,
        positions=positions,
        status=status,
        confidence=confidence,
        reasons=tuple(reasons),
        doubts=doubts,
        alternatives=kept,
    )

"""Numbers from points alone: which point is which crystal, and what does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.grids import (
    BoolArray,
    folded_cells,
    grid_of_places,
    nearest_spacing,
    touching,
)
from napari_petlut.analysis.lattice.numbering.matching import GridMatch, best_match, regrown_match
from napari_petlut.analysis.lattice.numbering.place_matching import match_places
from napari_petlut.analysis.lattice.numbering.spreading import spread_spots
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.grids import fill_holes, spans
from napari_petlut.model import FloatArray, Lattice, PeakStatus

DUPLICATE_DISTANCE = 0.35
"""An unused point this close to a node, in local pitches, is the same crystal seen twice."""
POINT_CONFIDENCE = 0.97
"""Confidence of a point whose neighbours predict its place; points alone do not allow more."""
HOLE_CONFIDENCE = 0.5
"""Confidence of a place without a point."""
BENT = 0.3
"""Distance from the place that the neighbours predict, in local pitches, from which a point is doubted."""


def _bend(grid: FloatArray) -> FloatArray:
    """Distance of each inner node from the middle of its neighbours on its own lines, in local pitches."""
    rows, cols = grid.shape[:2]
    pitch = nearest_spacing(grid)
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
    if geometry.places is not None:
        return _numbered_places(points, geometry)
    match = best_match(points, geometry)
    if match is None:
        raise GeometryError(
            f"{len(points)} points do not form a grid of {geometry}; check the number of rows and columns"
        )
    return lattice_from_match(points, regrown_match(points, geometry, match), geometry)


def _numbered_places(points: FloatArray, geometry: BlockGeometry) -> Lattice:
    """Give points the places of an array that is no rectangle."""
    found = None
    if len(points) >= 4:
        evenly = spread_spots(points, np.ones(len(points)), geometry).places
        matches = list(match_places(evenly, geometry.present, grid_of_places(geometry.shape)))
        found = matches[0] if matches and spans(matches[0].owner >= 0) else None
    if found is None:
        raise GeometryError(f"{len(points)} points do not form {geometry}; check the array")
    known = found.owner >= 0
    grid = fill_holes(np.where(known[..., None], points[np.maximum(found.owner, 0)], 0.0), ~known)
    equal = any(match.held == found.held for match in matches[1:])
    shifts = ("all crystals by a period of the array",) if equal else ()
    lattice = lattice_from_match(points, GridMatch(found.owner, grid, found.outside, shifts), geometry)
    absent = ~geometry.present.ravel()
    missing = int((~known & geometry.present).sum())
    doubts = [doubt for doubt in lattice.doubts if not doubt.endswith("crystals have no peak")]
    return replace(
        lattice,
        status=np.where(absent, PeakStatus.ABSENT, lattice.status),
        confidence=np.where(absent, 1.0, lattice.confidence),
        reasons=tuple("" if gone else why for gone, why in zip(absent, lattice.reasons, strict=True)),
        doubts=(*doubts, *([f"{missing} crystals have no peak"] if missing else [])),
    )


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
        same = near < DUPLICATE_DISTANCE * nearest_spacing(match.grid).ravel()[node]
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

"""Hand edits: solve the rest of a lattice around peaks that a person placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.lattice.grids import fill_holes
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, Lattice, PeakStatus


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

    Parameters
    ----------
    lattice : Lattice
        As it was before the edit.
    counts : array_like of float, shape (n0, n1)
        Flood map.
    fixed : mapping of int to (float, float)
        Crystal ids and the positions that a person gave them, (axis 0, axis 1) in pixels.

    Returns
    -------
    Lattice
    """
    places = checked_fixed(fixed, lattice.geometry)
    free = np.isin(lattice.status, (PeakStatus.INFERRED, PeakStatus.SUSPECT, PeakStatus.MISSING))
    free[list(places)] = False
    moved = place_fixed(lattice, places)
    grid: FloatArray = moved.grid
    if free.any() and (~free).sum() >= 3:
        grid = fill_holes(grid, free.reshape(lattice.geometry.shape))
    return replace(moved, positions=grid.reshape(-1, 2))

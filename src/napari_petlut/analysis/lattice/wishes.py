"""What is wished of a lattice: crystals placed by hand, and the lattice of a block of the same design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

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


def checked_prior(prior: npt.NDArray[np.float64] | None, geometry: BlockGeometry) -> FloatArray | None:
    """Return the prior lattice as (rows, cols, 2), checked.

    Raises
    ------
    GeometryError
        If it has another shape or is not finite.
    """
    if prior is None:
        return None
    array = np.asarray(prior, dtype=np.float64)
    if array.size != 2 * len(geometry) or not np.isfinite(array).all():
        raise GeometryError(
            f"a prior lattice of {geometry} is an array of shape {(*geometry.shape, 2)}, not {array.shape}"
        )
    return array.reshape(*geometry.shape, 2)


def place_fixed(lattice: Lattice, fixed: Mapping[int, tuple[float, float]]) -> Lattice:
    """Return the lattice with fixed crystals at their places, marked manual."""
    positions, status = lattice.positions.copy(), lattice.status.copy()
    confidence, reasons = lattice.confidence.copy(), list(lattice.reasons)
    for crystal, place in fixed.items():
        positions[crystal] = place
        status[crystal], confidence[crystal], reasons[crystal] = PeakStatus.MANUAL, 1.0, ""
    return replace(lattice, positions=positions, status=status, confidence=confidence, reasons=tuple(reasons))

"""What is wished of a lattice: rows and columns, crystals placed by hand, the lattice of a similar block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.lattice.grids import NOTHING, BoolArray, whole_mask
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, Lattice, PeakStatus

NOWHERE = np.zeros((0, 0, 2))
"""Positions of no crystal."""


@dataclass(frozen=True, eq=False)
class Wishes:
    """What is wished of a lattice.

    Parameters
    ----------
    geometry : BlockGeometry
        Rows and columns.
    pinned : ndarray of bool, shape (rows, cols)
        Crystals that stay where `places` has them; none by default.
    places : ndarray of float64, shape (rows, cols, 2)
        Where a person placed the pinned ones.
    prior : ndarray of float64, shape (rows, cols, 2)
        Lattice of a block of the same design; empty, the default, where there is none.
    """

    geometry: BlockGeometry
    pinned: BoolArray = field(default_factory=lambda: NOTHING)
    places: FloatArray = field(default_factory=lambda: NOWHERE)
    prior: FloatArray = field(default_factory=lambda: NOWHERE)

    def __post_init__(self) -> None:
        shape = self.geometry.shape
        object.__setattr__(self, "pinned", whole_mask(self.pinned, shape))
        object.__setattr__(self, "places", self.places if self.places.size else np.zeros((*shape, 2)))

    @property
    def has_prior(self) -> bool:
        """Whether the lattice is expected near another one."""
        return bool(self.prior.size)

    @property
    def more_than_size(self) -> bool:
        """Whether anything but rows and columns is wished."""
        return self.has_prior or bool(self.pinned.any())

    def pinning(self, places: Mapping[int, tuple[float, float]]) -> Wishes:
        """Return the wishes with crystals, by id, pinned to places."""
        pinned, grid = self.pinned.copy(), self.places.copy()
        for crystal, place in places.items():
            pinned.flat[crystal] = True
            grid.reshape(-1, 2)[crystal] = place
        return replace(self, pinned=pinned, places=grid)

    def moved(self, convert: Callable[[FloatArray], FloatArray]) -> Wishes:
        """Return the wishes with all positions converted, as from pixels of one map to those of another."""
        prior = convert(self.prior) if self.has_prior else self.prior
        return replace(self, places=convert(self.places), prior=prior)


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
        if geometry.numbers[int(crystal)] < 0:
            raise GeometryError(f"the array {geometry} has no crystal at place {crystal}")
        point = np.asarray(place, dtype=np.float64)
        if point.shape != (2,) or not np.isfinite(point).all():
            raise GeometryError(f"the fixed position of crystal {crystal} must be two finite numbers")
        out[int(crystal)] = (float(point[0]), float(point[1]))
    return out


def checked_prior(prior: npt.NDArray[np.float64] | None, geometry: BlockGeometry) -> FloatArray:
    """Return the prior lattice as (rows, cols, 2), checked; empty where there is none.

    Raises
    ------
    GeometryError
        If it has another shape or is not finite.
    """
    if prior is None:
        return NOWHERE
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

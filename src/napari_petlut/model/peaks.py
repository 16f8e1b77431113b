"""Peaks, and the lattice that says which peak is which crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model.arrays import FloatArray, IntArray, StatusArray


class PeakStatus(StrEnum):
    """How a peak came to be, and whether to trust it."""

    FOUND = "found"
    """Seen in the map."""
    INFERRED = "inferred"
    """Not seen clearly; placed from its neighbours."""
    MANUAL = "manual"
    """Placed, moved or confirmed by a person."""
    SUSPECT = "suspect"
    """Placed, but to be looked at."""
    MISSING = "missing"
    """A crystal without events; its position is only the lattice's guess."""
    ABSENT = "absent"
    """No crystal: a place of the grid that the array leaves empty."""


def status_array(values: Sequence[str] | StatusArray | str, n: int) -> StatusArray:
    """Return `values` as an array of `n` status words, checked.

    Raises
    ------
    ParameterError
        If a word is no `PeakStatus`, or there are not `n` of them.
    """
    words = np.asarray(values, dtype="<U8")
    if words.shape not in ((), (n,)):
        raise ParameterError(f"peak status has shape {words.shape}, expected ({n},)")
    words = np.broadcast_to(words, (n,)).copy()
    unknown = set(np.unique(words).tolist()) - set(PeakStatus)
    if unknown:
        raise ParameterError(f"unknown peak status {sorted(unknown)}; known are {', '.join(PeakStatus)}")
    return words


@dataclass(frozen=True, eq=False)
class Peaks:
    """A table of peaks, one row each.

    Parameters
    ----------
    positions : ndarray of float64, shape (n, 2)
        (axis 0, axis 1) in flood-map pixels.
    crystal : ndarray of intp, shape (n,), optional
        Crystal id of each peak, -1 for "no crystal", which is also the default.
    status : array of str, shape (n,), optional
        `PeakStatus` words; "found" by default.
    confidence : ndarray of float64, shape (n,), optional
        Probability that position and id are right, 0 to 1; NaN where it is not known, the default.
    """

    positions: FloatArray
    crystal: IntArray = field(default_factory=lambda: np.empty(0, np.intp))
    status: StatusArray = field(default_factory=lambda: np.empty(0, "<U8"))
    confidence: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        positions = np.ascontiguousarray(self.positions, dtype=np.float64).reshape(-1, 2)
        n = len(positions)
        columns = {
            "crystal": np.asarray(self.crystal if len(self.crystal) else np.full(n, NO_CRYSTAL), np.intp),
            "confidence": np.asarray(
                self.confidence if len(self.confidence) else np.full(n, np.nan), np.float64
            ),
            "status": status_array(self.status if len(self.status) else PeakStatus.FOUND, n),
        }
        for name, column in columns.items():
            if column.shape != (n,):
                raise ParameterError(f"peaks: {name} has shape {column.shape}, expected ({n},)")
            object.__setattr__(self, name, column)
        object.__setattr__(self, "positions", positions)

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class LatticeAlternative:
    """Another lattice that explains the map almost as well.

    Parameters
    ----------
    positions : ndarray of float64, shape (rows * cols, 2)
        By crystal id, (axis 0, axis 1) in flood-map pixels.
    description : str
        How it differs, in words, for example "all columns shifted by one".
    plausibility : float
        Its probability against the chosen lattice, 0 to 1.
    """

    positions: FloatArray
    description: str
    plausibility: float


@dataclass(frozen=True, eq=False)
class Lattice:
    """Which peak is which crystal: one row per crystal of the block, by id; of absent places too.

    Parameters
    ----------
    geometry : BlockGeometry
    positions : ndarray of float64, shape (rows * cols, 2)
        (axis 0, axis 1) in flood-map pixels, finite for every crystal: a missing crystal has the place where
        it would be.
    status : array of str, shape (rows * cols,)
        `PeakStatus` words.
    confidence : ndarray of float64, shape (rows * cols,)
        Probability that the crystal's position and number are right.
    reasons : tuple of str, length rows * cols
        Why a crystal is doubted, in words; empty where it is not.
    doubts : tuple of str
        Doubts about the block as a whole, one line each.
    extra : ndarray of float64, shape (k, 2)
        Detected peaks that belong to no crystal.
    alternatives : tuple of LatticeAlternative
        Other lattices that explain the map almost as well, most plausible first.
    """

    geometry: BlockGeometry
    positions: FloatArray
    status: StatusArray
    confidence: FloatArray
    reasons: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    extra: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    alternatives: tuple[LatticeAlternative, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.geometry)
        positions = np.ascontiguousarray(self.positions, dtype=np.float64).reshape(-1, 2)
        if len(positions) != n or len(self.confidence) != n or len(self.reasons) != n:
            raise GeometryError(f"a lattice of {self.geometry} needs {n} entries in every column")
        if not np.isfinite(positions).all():
            raise GeometryError("a lattice has a finite position for every crystal, missing ones included")
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "status", status_array(self.status, n))
        object.__setattr__(self, "extra", np.asarray(self.extra, np.float64).reshape(-1, 2))

    @property
    def grid(self) -> FloatArray:
        """Positions in pixels, (axis 0, axis 1), shape (rows, cols, 2)."""
        return self.positions.reshape(*self.geometry.shape, 2)

    @property
    def doubtful(self) -> npt.NDArray[np.bool_]:
        """True for crystals marked suspect or missing, shape (rows * cols,)."""
        return np.isin(self.status, (PeakStatus.SUSPECT, PeakStatus.MISSING))

    def to_peaks(self) -> Peaks:
        """Return the table of peaks: every crystal in id order, then the extra peaks with id -1."""
        ids, k = np.flatnonzero(self.geometry.present), len(self.extra)
        return Peaks(
            positions=np.concatenate([self.positions[ids], self.extra]),
            crystal=np.concatenate([ids, np.full(k, NO_CRYSTAL)]).astype(np.intp),
            status=np.concatenate([self.status[ids], np.full(k, PeakStatus.SUSPECT, "<U8")]),
            confidence=np.concatenate([self.confidence[ids], np.zeros(k)]),
        )

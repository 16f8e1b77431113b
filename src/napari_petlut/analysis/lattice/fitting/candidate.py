"""A lattice that might explain a map: the one form in which all who propose hand theirs over."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from napari_petlut.analysis.lattice.grids import NOTHING, BoolArray, whole_mask
from napari_petlut.model import FloatArray


class Gate(Enum):
    """What a candidate has to pass to be judged."""

    HALFWAY = auto()
    """It is fitted; halfway it may be dropped as far behind, or as known."""
    PATCH = auto()
    """Its surroundings are fitted by themselves first; the whole only where they promise something."""
    NONE = auto()
    """It is fitted to the end in any case, even when all effort is spent."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A lattice that might explain a map.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        In pixels of the prepared map.
    origin : str
        Where it comes from, in words.
    dark : ndarray of bool, shape (rows, cols)
        Crystals that it takes for dead; none by default.
    gate : Gate
    known : ndarray of bool, shape (rows, cols)
        Crystals that the lattice it was made from has to take for dead as well, to be compared with it; none
        by default.
    """

    grid: FloatArray
    origin: str
    dark: BoolArray = field(default_factory=lambda: NOTHING)
    gate: Gate = Gate.HALFWAY
    known: BoolArray = field(default_factory=lambda: NOTHING)

    def __post_init__(self) -> None:
        for name in ("dark", "known"):
            object.__setattr__(self, name, whole_mask(getattr(self, name), self.grid.shape[:2]))

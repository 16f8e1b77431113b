"""Check a lattice as it stands: holes, doubles, crossings, extra peaks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.grids import folded_cells, local_pitch, touching
from napari_petlut.model import Lattice, PeakStatus

DOUBLE_DISTANCE = 0.25
"""Two crystals closer than this share of the median pitch sit on one spot."""


class ProblemKind(StrEnum):
    """What can be wrong with a lattice."""

    HOLE = "hole"
    """A crystal without a peak."""
    DUPLICATE = "duplicate"
    """Two crystals on one spot."""
    CROSSING = "crossing"
    """Rows or columns cross."""
    EXTRA = "extra"
    """A peak that belongs to no crystal."""
    SUSPECT = "suspect"
    """A crystal marked suspect."""
    BLOCK = "block"
    """A doubt about the whole block."""


@dataclass(frozen=True)
class LatticeProblem:
    """One thing to look at.

    Parameters
    ----------
    kind : ProblemKind
    crystal : int
        Crystal id, -1 where the problem belongs to none.
    position : tuple of float
        Where to look, (axis 0, axis 1) in flood-map pixels.
    text : str
        What is wrong, in words.
    """

    kind: ProblemKind
    crystal: int
    position: tuple[float, float]
    text: str


def check_lattice(lattice: Lattice) -> list[LatticeProblem]:
    """List everything about a lattice that a person should look at, crystal by crystal.

    Parameters
    ----------
    lattice : Lattice

    Returns
    -------
    list of LatticeProblem
        Block doubts first, then crystals by id, then extra peaks. Empty for a perfect lattice.
    """
    points, cols = lattice.positions, lattice.geometry.cols
    middle = (float(points[:, 0].mean()), float(points[:, 1].mean()))
    problems = [LatticeProblem(ProblemKind.BLOCK, -1, middle, text) for text in lattice.doubts]

    def add(kind: ProblemKind, crystal: int, text: str) -> None:
        place = (float(points[crystal, 0]), float(points[crystal, 1]))
        row, col = divmod(crystal, cols)
        problems.append(LatticeProblem(kind, crystal, place, f"crystal {crystal} ({row}, {col}): {text}"))

    crossing = np.zeros(len(points), bool)
    if min(lattice.geometry.shape) > 1:
        crossing = touching(folded_cells(lattice.grid)).ravel()
    double: dict[int, int] = {}
    for a, b in sorted(
        cKDTree(points).query_pairs(DOUBLE_DISTANCE * float(np.median(local_pitch(lattice.grid))))
    ):
        double[b] = a
    for k in range(len(points)):
        if lattice.status[k] in (PeakStatus.MISSING, PeakStatus.INFERRED):
            add(ProblemKind.HOLE, k, lattice.reasons[k] or "no peak of its own")
        elif lattice.status[k] == PeakStatus.SUSPECT:
            add(ProblemKind.SUSPECT, k, lattice.reasons[k] or "marked suspect")
        if crossing[k]:
            add(ProblemKind.CROSSING, k, "rows or columns cross here")
        if k in double:
            add(ProblemKind.DUPLICATE, k, f"on the same spot as crystal {double[k]}")
    for place in lattice.extra:
        problems.append(
            LatticeProblem(ProblemKind.EXTRA, -1, (float(place[0]), float(place[1])), "peak of no crystal")
        )
    return problems

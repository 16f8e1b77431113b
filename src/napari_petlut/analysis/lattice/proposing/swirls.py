"""Lattices turned in their middle while their outline stays: where lines swirl, a line is easily lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import smooth_grid
from napari_petlut.analysis.lattice.proposing.ridges import LOCK_WEIGHTS, MOVE_SMOOTHING, put_on_ridges
from napari_petlut.analysis.lattice.seeing.index_space import IndexSpace
from napari_petlut.model import FloatArray

SWIRLS = (-1.0, -0.5, 0.5, 1.0)
"""Turns of the middle against the edge, in pitches: where lines swirl, a line is easily continued by the next
one, and no move of single lines gets back."""


def swirl_moves(contest: Contest, start: Hypothesis) -> Iterator[Candidate]:
    """Yield `start` turned in its middle while its outline stays, put onto the ridges there."""
    grid = smooth_grid(start.grid, MOVE_SMOOTHING)
    for amount in SWIRLS:
        yield Candidate(put_on_ridges(contest, swirl(grid, amount), LOCK_WEIGHTS[1:]), "swirled")


def swirl(grid: FloatArray, amount: float) -> FloatArray:
    """Return a grid turned in its middle; crystals move along the edges and around the centre.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
    amount : float
        How far crystals in the middle of an edge move along it, in pitches.
    """
    rows, cols = grid.shape[:2]
    v, u = np.meshgrid(np.arange(rows, dtype=np.float64), np.arange(cols, dtype=np.float64), indexing="ij")
    down, right = np.pi * (v + 0.5) / rows, np.pi * (u + 0.5) / cols
    along0 = amount * np.sin(down) * np.cos(right)
    along1 = -amount * np.cos(down) * np.sin(right)
    return IndexSpace(grid).to_pixels(v + along0, u + along1)

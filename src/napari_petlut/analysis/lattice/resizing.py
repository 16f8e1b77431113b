"""Lattices with one row or column more or less than the one at hand."""

from __future__ import annotations

import numpy as np

from napari_petlut.analysis.lattice.hypotheses import LOCK_WEIGHTS, Contest, Hypothesis
from napari_petlut.analysis.lattice.numbering import best_match
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

FITS = 5
"""Mixtures that may be fitted for one lattice of another size."""
MOSTLY = 0.7
"""A grid with spots for this share of the crystals is a lattice worth fitting."""


def resized(contest: Contest, axis: int, change: int) -> Hypothesis | None:
    """Return the best lattice with more or fewer lines along an axis, None where none was found.

    Parameters
    ----------
    contest : Contest
        Its best lattice is where the lines are looked for; `FITS` more mixtures are fitted.
    axis : int
        0 changes the number of rows, 1 that of columns.
    change : int
        Lines more, negative for less.
    """
    shape = list(contest.geometry.shape)
    shape[axis] += change
    geometry = BlockGeometry(*shape)
    other = Contest(contest.ready, geometry, FITS, contest.spots, contest.cancelled, contest.strength)
    match = best_match(contest.spots, geometry) if len(contest.spots) >= 4 else None
    if match is not None and (match.owner >= 0).mean() >= MOSTLY:
        other.judge(match.grid, "spots joined to a grid of another size")
    other.grow(with_lines(contest.best.grid, axis, shape[axis]), "lines traced for another size", 1)
    if not other.pool:
        return None
    other.judge(other.lock(other.best.grid, LOCK_WEIGHTS[1:]), other.best.origin)
    return other.best


def with_lines(grid: FloatArray, axis: int, lines: int) -> FloatArray:
    """Return a lattice with so many lines along an axis that covers the same place evenly."""
    view = np.moveaxis(grid, axis, 0)
    at = np.linspace(0, len(view) - 1, lines)
    low = np.minimum(at.astype(np.intp), len(view) - 2)
    part = (at - low)[:, None, None]
    return np.ascontiguousarray(np.moveaxis(view[low] * (1 - part) + view[low + 1] * part, 0, axis))

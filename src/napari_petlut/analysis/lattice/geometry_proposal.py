"""How many rows and columns a flood map has, when nobody says or somebody is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.growing import grow_grid
from napari_petlut.analysis.lattice.numbering import SEEDS, _first_steps
from napari_petlut.analysis.lattice.prepare import prepare_map
from napari_petlut.analysis.lattice.spots import find_spots
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry

FIRST_GUESSES = (8, 16, 28)
"""Crystals per side that the spot search starts from; the best-connected grid decides."""
MAX_LINES = 64
"""Longest side that is looked for."""
FULL_LINE = 0.5
"""A line counts when this share of the longest line's nodes is there."""


@dataclass(frozen=True)
class GeometryProposal:
    """One possible size of the crystal array.

    Parameters
    ----------
    geometry : BlockGeometry
    confidence : float
        How sure it is, 0 to 1.
    reason : str
        What speaks for it, in words.
    """

    geometry: BlockGeometry
    confidence: float
    reason: str


def propose_geometry(counts: npt.ArrayLike) -> list[GeometryProposal]:
    """Propose the number of rows and columns of a flood map, most likely first.

    Parameters
    ----------
    counts : array_like of float, shape (n0, n1)

    Returns
    -------
    list of GeometryProposal
        Never empty.

    Raises
    ------
    GeometryError
        If no grid is seen in the map.
    """
    counts = np.asarray(counts, dtype=np.float64)
    best: tuple[int, BlockGeometry, int] | None = None
    for guess in FIRST_GUESSES:
        found = _grow(counts, guess)
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    if best is None:
        raise GeometryError("no grid of spots is seen in this map; give rows and cols")
    held, geometry, spots = best
    filled = held / len(geometry)
    used = held / max(spots, 1)
    reason = f"{held} of {spots} spots form a grid of {geometry}"
    return [GeometryProposal(geometry, float(np.clip(filled * used, 0, 1)), reason)]


def _grow(counts: npt.NDArray[np.float64], guess: int) -> tuple[int, BlockGeometry, int] | None:
    """Grid grown over the spots at one guess of the pitch: its points, its size, all spots."""
    ready = prepare_map(counts, BlockGeometry(guess, guess))
    points, _ = find_spots(ready.counts, ready.support, ready.pitch)
    if len(points) < 4:
        return None
    tree = cKDTree(points)
    pitch = float(np.median(np.asarray(tree.query(points, k=2)[0])[:, 1]))
    scaled = points / max(pitch, 1e-9)
    tree = cKDTree(scaled)
    order = np.argsort(((scaled - np.median(scaled, axis=0)) ** 2).sum(1), kind="stable")
    best: tuple[int, BlockGeometry, int] | None = None
    for seed in order[:SEEDS]:
        base = _first_steps(scaled, tree, int(seed))
        if base is None:
            continue
        owner, _ = grow_grid(scaled, int(seed), base, 2 * MAX_LINES + 1, 2 * MAX_LINES + 1)
        real = owner >= 0
        lines = []
        for axis in (0, 1):
            number = real.sum(axis=1 - axis)
            full = np.flatnonzero(number >= FULL_LINE * np.percentile(number[number > 0], 90))
            lines.append(int(full[-1] - full[0] + 1))
        if min(lines) < 1 or max(lines) < 2:
            continue
        held = int(real.sum())
        if best is None or held > best[0]:
            best = held, BlockGeometry(lines[0], lines[1]), len(points)
    return best

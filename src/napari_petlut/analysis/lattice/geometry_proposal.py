"""How many rows and columns a flood map has, when nobody says or somebody is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.growing import grow_grid
from napari_petlut.analysis.lattice.hypotheses import Contest
from napari_petlut.analysis.lattice.numbering import SEEDS, first_steps
from napari_petlut.analysis.lattice.prepare import PreparedMap, prepare_map
from napari_petlut.analysis.lattice.search import complete, rough_search, spot_grid
from napari_petlut.analysis.lattice.spots import find_spots
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

FIRST_GUESSES = (6, 11, 18, 28)
"""Crystals per side that the spot search starts from; the grid that holds most of its spots decides."""
MAX_LINES = 48
"""Longest side that is looked for."""
FULL_LINE = 0.4
"""A line counts when it has this share of the spots of a full line."""
MAX_STEPS = 6
"""Most times that the proposal is improved by a row or a column."""
SCALE = 0.05
"""Difference of the objective that makes one geometry e times as likely as another."""
WORTH_SAYING = 0.02
"""Proposals less likely than this are left out."""

GOOD_SHARE = 0.75
"""Of the grids that fit their spots this well, the one that holds most spots is taken: a smaller one has
overlooked merged lines."""
COMPLETE = 0.99
"""Confidence of a complete grid of clear spots."""
ROUGH_BUDGET = 40
"""Mixtures that may be fitted for one geometry."""

Shape = tuple[int, int]


@dataclass(frozen=True)
class _Grown:
    """A grid grown over spots: how well both fit each other, spots in it, size."""

    share: float
    held: int
    shape: Shape


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
    score : float
        Objective of the best lattice that was found for it, smaller is better; NaN where none was fitted.
    """

    geometry: BlockGeometry
    confidence: float
    reason: str
    score: float = float("nan")


def propose_geometry(counts: npt.ArrayLike) -> list[GeometryProposal]:
    """Propose the number of rows and columns of a flood map, most likely first.

    The spots are joined to a grid, which gives a first size; then lattices with a row or a column more or
    less are fitted, and the ones that explain the map best are proposed.

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
    size = seen_geometry(counts)
    if size is None:
        raise GeometryError("no grid of spots is seen in this map; give rows and cols")
    if is_complete(counts, size):
        return [GeometryProposal(size, COMPLETE, f"the spots form a complete grid of {size}")]
    contest = scene_of(counts, size)
    return compare_geometries(contest.ready, contest.spots, size)


def is_complete(counts: FloatArray, geometry: BlockGeometry) -> bool:
    """Say whether the clear spots of a map form a complete grid of this size."""
    contest = scene_of(counts, geometry)
    match = spot_grid(contest)
    return match is not None and complete(match, contest)


def seen_geometry(counts: FloatArray) -> BlockGeometry | None:
    """Return the size of the grid that the spots of a map seem to form; None without one."""
    grown = [g for g in (_grow(counts, guess) for guess in FIRST_GUESSES) if g is not None]
    if not grown:
        return None
    good = [g for g in grown if g.share >= GOOD_SHARE]
    first = max(good, key=lambda g: g.held) if good else max(grown, key=lambda g: g.share)
    return BlockGeometry(*first.shape)


def scene_of(counts: FloatArray, geometry: BlockGeometry, budget: int = ROUGH_BUDGET) -> Contest:
    """Prepare a map for one geometry."""
    ready = prepare_map(counts, geometry)
    spots, strength = find_spots(ready.counts, ready.support, ready.pitch)
    return Contest(ready, geometry, budget, spots, strength=strength)


def compare_geometries(
    ready: PreparedMap, spots: FloatArray, start: BlockGeometry, steps: int = MAX_STEPS
) -> list[GeometryProposal]:
    """Compare a geometry with those that have a row or a column more or less, and walk to the best.

    Parameters
    ----------
    ready : PreparedMap
    spots : ndarray of float64, shape (n, 2)
        In pixels of the prepared map.
    start : BlockGeometry
    steps : int
        Most moves to a better neighbour.

    Returns
    -------
    list of GeometryProposal
        Most likely first.
    """
    scores: dict[Shape, float] = {}

    def score(shape: Shape) -> float:
        if shape not in scores:
            scores[shape] = rough_search(Contest(ready, BlockGeometry(*shape), ROUGH_BUDGET, spots)).score
        return scores[shape]

    here = start.shape
    for _ in range(steps + 1):
        around = [(here[0] + d0, here[1] + d1) for d0, d1 in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))]
        possible = [s for s in around if min(s) >= 2 and max(s) <= MAX_LINES]
        if not possible:
            break
        best = min(possible, key=score)
        if best == here:
            break
        here = best
    order = sorted(scores, key=lambda s: scores[s])
    if not order or not np.isfinite(scores[order[0]]):
        raise GeometryError("no grid of spots is seen in this map; give rows and cols")
    weight = np.exp(-(np.array([scores[s] for s in order]) - scores[order[0]]) / SCALE)
    weight /= weight.sum()
    return [
        GeometryProposal(
            BlockGeometry(*s),
            float(w),
            f"a lattice of {s[0]} x {s[1]} explains the map "
            + (
                "best"
                if k == 0
                else f"worse by {scores[s] - scores[order[0]]:.2f} in the log of the deviance"
            ),
            scores[s],
        )
        for k, (s, w) in enumerate(zip(order, weight, strict=True))
        if w > WORTH_SAYING
    ]


def _grow(counts: FloatArray, guess: int) -> _Grown | None:
    """Grow a grid over the spots at one guess of the size."""
    ready = prepare_map(counts, BlockGeometry(guess, guess))
    points, _ = find_spots(ready.counts, ready.support, ready.pitch)
    if len(points) < 4:
        return None
    pitch = float(np.median(np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1]))
    scaled = points / max(pitch, 1e-9)
    tree = cKDTree(scaled)
    order = np.argsort(((scaled - np.median(scaled, axis=0)) ** 2).sum(1), kind="stable")
    best: _Grown | None = None
    for seed in order[:SEEDS]:
        base = first_steps(scaled, tree, int(seed))
        if base is None:
            continue
        owner, _ = grow_grid(scaled, int(seed), base, 2 * MAX_LINES + 1, 2 * MAX_LINES + 1)
        real = owner >= 0
        lines = []
        for axis in (0, 1):
            number = real.sum(axis=1 - axis)
            full = np.flatnonzero(number >= FULL_LINE * np.percentile(number[number > 0], 80))
            lines.append(int(full[-1] - full[0] + 1))
        size = max(lines[0], 2), max(lines[1], 2)
        held = int(real.sum())
        # Both must hold: the nodes have spots, and the spots have nodes.
        share = min(held / (size[0] * size[1]), 1.0) * held / len(points)
        if best is None or share > best.share:
            best = _Grown(share, held, size)
    return best

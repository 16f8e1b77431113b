"""The last local moves: doubtful places mended by chains, and dead crystals looked at again.

Only the surroundings of a change are fitted again, so that hundreds can be tried.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_petlut.analysis.lattice.chains import Chain, Signs, chains_through, moved, signs
from napari_petlut.analysis.lattice.grids import fill_holes
from napari_petlut.analysis.lattice.hypotheses import GAIN, Contest, Hypothesis
from napari_petlut.analysis.lattice.moves import doubt_map, regions
from napari_petlut.analysis.lattice.objective import TERMS, UNEVENNESS, WEIGHTS, terms
from napari_petlut.analysis.lattice.patches import BESIDE, Box, judge_patch, open_patch
from napari_petlut.model import FloatArray

LEVELS = (0.45, 0.8)
"""Doubts about a crystal's place (see `moves.doubt_map`) above which chains are tried through it."""
PLACES = 10
"""Doubtful regions per level, worst first."""
LARGEST = 0.4
"""Regions with more than this share of the crystals are no local matter."""
UNCHANGED = 0.25
"""Chains are not tried twice where no crystal has moved by about this, in working pitches."""
FITS, LARGEST_EFFORT = 300, 75_000
"""Patches that may be fitted, so that a block that is doubtful everywhere does not take long, and most of
them times the crystals of the block: judging one takes longer in large blocks."""
PASSES = 3
"""Most passes over the doubtful places; one without a gain is the last."""
RIVAL = 0.05
"""Chains that are worse by less than this are kept as competitors: they tell which crystals are doubtful."""
INWARDS = 0.4
"""Share of the way to its neighbours that a crystal taken for dead is moved before it is looked at again."""


def places(doubt: FloatArray) -> list[Box]:
    """Return the boxes of doubtful regions, and the places of their worst crystals, worst first."""
    found: dict[tuple[int, int, int, int], float] = {}
    for level in LEVELS:
        for region in regions(doubt > level, doubt, PLACES):
            at = np.argwhere(region)
            low, high = at.min(axis=0), at.max(axis=0) + 1
            peak = np.where(region, doubt, -1.0)
            worst = np.array(np.unravel_index(int(np.argmax(peak)), doubt.shape))
            for first, last in ((low, high), (worst, worst + 1)):
                if (last - first).prod() < LARGEST * doubt.size:
                    box = (int(first[0]), int(last[0]), int(first[1]), int(last[1]))
                    found[box] = float(peak.max())
    boxes = sorted(found, key=lambda box: -found[box])
    return [(slice(a, b), slice(c, d)) for a, b, c, d in boxes]


def mend(
    contest: Contest, start: Hypothesis, budget: int | None = None
) -> tuple[Hypothesis, list[Hypothesis]]:
    """Return the lattice after chains that make it better, and what nearly did.

    The scores of the latter are how far they are behind what they were made from.

    Raises
    ------
    Cancelled
        If the contest is cancelled.
    """
    if budget is None:
        budget = min(FITS, LARGEST_EFFORT // len(contest.geometry))
    rivals: list[Hypothesis] = []
    tried: set[tuple[str, bytes]] = set()
    for _ in range(PASSES):
        before = start
        told = signs(contest, start)
        for region in places(doubt_map(contest, start)):
            contest.stop_if_cancelled()
            for axis in (0, 1):
                if budget <= 0:
                    return start, rivals
                moves = list(chains_through(told, axis, region[1 - axis], region[axis]))
                if not moves:
                    continue
                box = _surroundings(region, moves, start.grid.shape[:2])
                here = np.round(start.grid[box] / (UNCHANGED * contest.ready.pitch)).tobytes()
                if (str(box), here) in tried:
                    continue
                tried.add((str(box), here))
                budget -= len(moves) + 1
                better = _best_chain(contest, start, told, box, moves, rivals)
                if better is not start:
                    start, told = better, signs(contest, better)
        if start.score > before.score - GAIN:
            break
    return start, rivals


def _surroundings(region: Box, moves: list[Chain], shape: tuple[int, ...]) -> Box:
    """Return the crystals that are fitted again with chains through a region."""
    axis = moves[0].axis
    ends = [m.out for m in moves] + [m.gap for m in moves]
    along = slice(max(0, min(ends) - BESIDE), min(shape[axis], max(ends) + BESIDE + 1))
    across = region[1 - axis]
    across = slice(max(0, across.start - BESIDE), min(shape[1 - axis], across.stop + BESIDE))
    return (along, across) if axis == 0 else (across, along)


def _best_chain(
    contest: Contest,
    start: Hypothesis,
    told: Signs,
    box: Box,
    moves: list[Chain],
    rivals: list[Hypothesis],
) -> Hypothesis:
    """Return the best lattice that chains make, `start` where none is better; add close ones to `rivals`."""
    patch = open_patch(contest, start, box)
    same = judge_patch(contest, patch, start.grid[box], start.origin, start.dark)
    if same is None:
        return start
    best = same
    for move in moves:
        grid, dark = moved(contest, start, move, told.level)
        tried = judge_patch(contest, patch, grid[box], "a chain of crystals moved by one", dark)
        if tried is None:
            continue
        behind = tried.score - same.score
        if -GAIN < behind < RIVAL:
            rivals.append(replace(tried, score=max(behind, 0.0)))
        if tried.score < best.score - GAIN:
            best = tried
    return best if best is not same else start


def even_objective(hypothesis: Hypothesis) -> float:
    """Return the objective of a fit without the unevenness of its counts and the price of dead crystals."""
    told = terms(hypothesis.fit, hypothesis.dark)
    return float(told @ WEIGHTS - UNEVENNESS * told[TERMS.index("unevenness")])


def revived(contest: Contest, start: Hypothesis) -> Hypothesis:
    """Return the lattice with light given back to crystals that explain the map better when they are lit.

    A crystal that was put beside the block looks dead; nearer to its neighbours it may not. Only what the
    map says decides: not that a dead one is spared the unevenness of its counts, nor the price that it pays
    for it. Lines that are dark as a whole are left as they are.
    """
    if start.dark is None:
        return start
    rows, cols = start.dark.all(axis=1), start.dark.all(axis=0)
    lines = np.logical_or.outer(rows, cols)
    for i, j in np.argwhere(start.dark & ~lines).tolist():
        start = _lit_or_dark(contest, start, i, j)
    return start


def _lit_or_dark(contest: Contest, start: Hypothesis, i: int, j: int) -> Hypothesis:
    """Return the lattice with crystal (i, j), which is dark in `start`, lit where that is better."""
    box = (slice(max(0, i - BESIDE), i + BESIDE + 1), slice(max(0, j - BESIDE), j + BESIDE + 1))
    patch = open_patch(contest, start, box)
    dead = judge_patch(contest, patch, start.grid[box], start.origin, start.dark)
    if dead is None or start.dark is None:
        return start
    here = np.zeros(start.dark.shape, bool)
    here[i, j] = True
    lit = start.dark & ~here
    best, best_score = start, even_objective(dead)
    for grid in (start.grid, fill_holes(start.grid, here), _pulled_in(start.grid, i, j)):
        tried = judge_patch(contest, patch, grid[box], start.origin, lit if lit.any() else None)
        if tried is not None and even_objective(tried) < best_score:
            best, best_score = tried, even_objective(tried)
    return best


def _pulled_in(grid: FloatArray, i: int, j: int) -> FloatArray:
    """Return the grid with crystal (i, j) moved towards its neighbours."""
    rows, cols = grid.shape[:2]
    near = [
        grid[a, b]
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
        if 0 <= a < rows and 0 <= b < cols
    ]
    out = grid.copy()
    out[i, j] = (1 - INWARDS) * grid[i, j] + INWARDS * np.mean(near, axis=0)
    return out

"""Doubtful places mended by chains of crystals that move by one.

Only the surroundings of a change are fitted again, so that hundreds can be tried.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import GAIN, Contest, Hypothesis
from napari_petlut.analysis.lattice.fitting.patches import BESIDE, Box, as_it_was, judge_patch, open_patch
from napari_petlut.analysis.lattice.grids import regions
from napari_petlut.analysis.lattice.proposing.chains import (
    Chain,
    Signs,
    chain_signs,
    chains_through,
    move_chain,
)
from napari_petlut.analysis.lattice.sureness.regularity import doubt_map
from napari_petlut.model import FloatArray

CHAIN_LEVELS = (0.45, 0.8)
"""Doubts about a crystal's place (see `regularity.doubt_map`) above which chains are tried through it. Not
measured; `benchmarks ablation` says what chains are worth."""
CHAIN_PLACES = 10
"""Doubtful regions per level, worst first."""
LARGEST_PLACE = 0.4
"""Regions with more than this share of the crystals are no local matter."""
SAME_PLACE = 0.25
"""Chains are not tried twice where no crystal has moved by about this, in working pitches."""
CHAIN_FITS, CHAIN_EFFORT = 300, 75_000
"""Patches that may be fitted, so that a block that is doubtful everywhere does not take long, and most of
them times the crystals of the block: judging one takes longer in large blocks."""
CHAIN_PASSES = 3
"""Most passes over the doubtful places; one without a gain is the last."""
CHAIN_RIVAL = 0.05
"""Chains that are worse by less than this are kept as competitors: they tell which crystals are doubtful."""


def mend_best(contest: Contest) -> None:
    """Let the best lattice compete with what chains make of it."""
    before = contest.best
    better, rivals = mend_chains(contest, before)
    if better is not before:
        contest.budget.raise_to(1)
        contest.judge(Candidate(better.grid, better.origin, better.dark, Gate.NONE))
    score = contest.best.score
    contest.pool += [replace(rival, score=score + rival.score) for rival in rivals]


def mend_chains(
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
        budget = min(CHAIN_FITS, CHAIN_EFFORT // len(contest.geometry))
    rivals: list[Hypothesis] = []
    tried: set[tuple[str, bytes]] = set()
    for _ in range(CHAIN_PASSES):
        before = start
        told = chain_signs(contest, start)
        for region in doubtful_boxes(doubt_map(contest, start)):
            contest.budget.stop_if_cancelled()
            for axis in (0, 1):
                if budget <= 0:
                    return start, rivals
                moves = list(chains_through(told, axis, region[1 - axis], region[axis]))
                if not moves:
                    continue
                box = _surroundings(region, moves, start.grid.shape[:2])
                here = np.round(start.grid[box] / (SAME_PLACE * contest.scene.ready.pitch)).tobytes()
                if (str(box), here) in tried:
                    continue
                tried.add((str(box), here))
                budget -= len(moves) + 1
                better = _best_chain(contest, start, told, box, moves, rivals)
                if better is not start:
                    start, told = better, chain_signs(contest, better)
        if start.score > before.score - GAIN:
            break
    return start, rivals


def doubtful_boxes(doubt: FloatArray) -> list[Box]:
    """Return the boxes of doubtful regions, and the places of their worst crystals, worst first."""
    found: dict[tuple[int, int, int, int], float] = {}
    for level in CHAIN_LEVELS:
        for region in regions(doubt > level, doubt, CHAIN_PLACES):
            at = np.argwhere(region)
            low, high = at.min(axis=0), at.max(axis=0) + 1
            peak = np.where(region, doubt, -1.0)
            worst = np.array(np.unravel_index(int(np.argmax(peak)), doubt.shape))
            for first, last in ((low, high), (worst, worst + 1)):
                if (last - first).prod() < LARGEST_PLACE * doubt.size:
                    box = (int(first[0]), int(last[0]), int(first[1]), int(last[1]))
                    found[box] = float(peak.max())
    boxes = sorted(found, key=lambda box: -found[box])
    return [(slice(a, b), slice(c, d)) for a, b, c, d in boxes]


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
    same = judge_patch(contest, patch, as_it_was(start))
    if same is None:
        return start
    best = same
    for move in moves:
        tried = judge_patch(contest, patch, move_chain(contest, start, move, told.level))
        if tried is None:
            continue
        behind = tried.score - same.score
        if -GAIN < behind < CHAIN_RIVAL:
            rivals.append(replace(tried, score=max(behind, 0.0)))
        if tried.score < best.score - GAIN:
            best = tried
    return best if best is not same else start

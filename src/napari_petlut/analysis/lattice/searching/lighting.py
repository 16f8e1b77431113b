"""Crystals without light: dead lines judged apart, dark groups put back, and those lit that are not dead."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np

from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import DEAD_CRYSTAL, Contest, Hypothesis, even_objective
from napari_petlut.analysis.lattice.fitting.patches import (
    BESIDE,
    as_it_was,
    judge_patch,
    open_patch,
    surroundings,
)
from napari_petlut.analysis.lattice.proposing.dead_groups import group_moves
from napari_petlut.analysis.lattice.proposing.dead_lines import dead_line_moves, edge_line_moves
from napari_petlut.maps.grids import fill_holes
from napari_petlut.model import FloatArray

DEAD_PRICE = 0.5
"""Share of `DEAD_CRYSTAL` that a dead crystal pays here. All of it stops most groups that should be put
back, for their places are better only by little; without any, live crystals are taken for dead where the
map does not mind."""
GROUP_GAIN = 0.0003
"""Gain of the objective that is none: the same patch fitted from other places."""
GROUP_ATTEMPTS = 40
"""Places that are tried for dark groups in one pass, so that a block with many does not take long."""
GROUP_PASSES = 3
"""Most groups, or parts of one, that are put back one after the other."""
INWARDS = 0.4
"""Share of the way to its neighbours that a crystal taken for dead is moved before it is looked at again."""
DEAD_LINE_FITS = 8
"""Mixtures for lattices with a dead line."""


def judge_dead_lines(contest: Contest) -> list[Hypothesis]:
    """Return lattices with a dead line, kept apart so that a wrong one does not lead the search astray."""
    track = contest.beside(DEAD_LINE_FITS)
    for candidate in dead_line_moves(contest):
        track.judge(candidate)
    return track.pool


def shift_for_dead_line(contest: Contest) -> None:
    """Let the best lattice compete with itself shifted by one where one of its outer lines gives no light.

    Tails make a line beside the block worth something, so that both are compared with a dead line.
    """
    best = contest.best
    for candidate in edge_line_moves(best):
        track = contest.beside(2)
        same = track.judge(Candidate(best.grid, best.origin, candidate.known, candidate.gate))
        other = track.judge(candidate)
        if same is not None and other is not None:
            behind = max(other.score - same.score, 0.0)
            contest.pool.append(replace(other, score=best.score + behind))


def put_groups_back(contest: Contest, start: Hypothesis) -> Hypothesis:
    """Return the lattice with its dark groups placed by the live lines around them, where that is better.

    Held against competitors it stays as good as `start`: what is known to be dark pays for it, but makes
    no other lattice likelier. `start` itself stays a competitor.

    Parameters
    ----------
    contest : Contest
    start : Hypothesis

    Raises
    ------
    Cancelled
        If the contest is cancelled.
    """
    best = start
    for _ in range(GROUP_PASSES):
        better = _best_attempt(contest, best)
        if better is None:
            break
        best = better
    return replace(best, score=min(best.score, start.score))


def _best_attempt(contest: Contest, start: Hypothesis) -> Hypothesis | None:
    """Return the best lattice with one group placed anew, None where none is better than `start`."""
    found: tuple[float, Hypothesis] | None = None
    for candidate in islice(group_moves(contest, start), GROUP_ATTEMPTS):
        contest.budget.stop_if_cancelled()
        patch = open_patch(contest, start, surroundings(candidate.placed))
        unchanged = as_it_was(start)
        same = [
            judge_patch(contest, patch, unchanged),
            judge_patch(contest, patch, replace(unchanged, dark=candidate.known)),
        ]
        tried = judge_patch(contest, patch, candidate)
        if tried is None:
            continue
        gain = min((dark_objective(h) for h in same if h is not None), default=-np.inf)
        gain -= dark_objective(tried)
        if gain > (GROUP_GAIN if found is None else found[0]):
            found = gain, tried
    return None if found is None else found[1]


def dark_objective(hypothesis: Hypothesis) -> float:
    """Return the objective that decides here: counts may be uneven, and dead crystals cost less."""
    return even_objective(hypothesis) + DEAD_PRICE * DEAD_CRYSTAL * float(hypothesis.dark.mean())


def revive_crystals(contest: Contest, start: Hypothesis) -> Hypothesis:
    """Return the lattice with light given back to crystals that explain the map better when they are lit.

    A crystal that was put beside the block looks dead; nearer to its neighbours it may not. Only what the
    map says decides: not that a dead one is spared the unevenness of its counts, nor the price that it pays
    for it. Lines that are dark as a whole are left as they are.
    """
    rows, cols = start.dark.all(axis=1), start.dark.all(axis=0)
    lines = np.logical_or.outer(rows, cols)
    for i, j in np.argwhere(start.dark & ~lines).tolist():
        start = _lit_or_dark(contest, start, i, j)
    return start


def _lit_or_dark(contest: Contest, start: Hypothesis, i: int, j: int) -> Hypothesis:
    """Return the lattice with crystal (i, j), which is dark in `start`, lit where that is better."""
    box = (slice(max(0, i - BESIDE), i + BESIDE + 1), slice(max(0, j - BESIDE), j + BESIDE + 1))
    patch = open_patch(contest, start, box)
    dead = judge_patch(contest, patch, as_it_was(start))
    if dead is None:
        return start
    here = np.zeros(start.dark.shape, bool)
    here[i, j] = True
    lit = start.dark & ~here
    best, best_score = start, even_objective(dead)
    for grid in (start.grid, fill_holes(start.grid, here), _pull_in(start.grid, i, j)):
        tried = judge_patch(contest, patch, Candidate(grid, start.origin, lit))
        if tried is not None and even_objective(tried) < best_score:
            best, best_score = tried, even_objective(tried)
    return best


def _pull_in(grid: FloatArray, i: int, j: int) -> FloatArray:
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

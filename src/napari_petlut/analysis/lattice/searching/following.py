"""The phases of the lines followed from the best lattices, until that helps no more."""

from __future__ import annotations

from dataclasses import replace

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import GAIN, SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.proposing.phases import phase_moves
from napari_petlut.analysis.lattice.proposing.ridges import LOCK_WEIGHTS, put_on_ridges

FOLLOWING_ROUNDS, FOLLOWED_AT_ONCE = 3, 1
"""Most rounds, and lattices whose phases are followed in each."""
PATIENCE = 1
"""Rounds without a gain after which it ends."""
BEHIND = 0.3
"""How far behind the best a lattice may be to be followed: lines that are one off are put right one after the
other, and the map is not explained better after each."""
NEARLY = 0.15
"""Lattices that are behind the best by less than this are fitted once more: where spots overlap, those that
start further away have not come to rest."""
UNLIKE = 0.003
"""Share of the crystals that differ from lattices that were followed before."""


def follow_phases(contest: Contest) -> None:
    """Move the lines of the best lattices to where their phases are, until that helps no more.

    Parameters
    ----------
    contest : Contest
    """
    done: list[Hypothesis] = []
    patience = PATIENCE
    for _ in range(FOLLOWING_ROUNDS):
        before = contest.best.score
        starts = unlike_lattices(contest.pool, done, before + BEHIND)
        if not starts or patience == 0 or contest.budget.spent:
            return
        done += starts
        for start in starts:
            _follow(contest, start)
        patience = PATIENCE if contest.best.score < before - GAIN else patience - 1


def _follow(contest: Contest, start: Hypothesis) -> None:
    """Judge what the phases make of a lattice, every other one put onto the ridges."""
    for number, found in enumerate(phase_moves(contest, start.grid)):
        if contest.budget.spent:
            return
        if number % 2:
            found = replace(found, grid=put_on_ridges(contest, found.grid, LOCK_WEIGHTS[1:]))
        new = contest.judge(found)
        if new is not None and new.score < contest.best.score + NEARLY:
            contest.judge(Candidate(new.grid, new.origin, gate=Gate.NONE))


def unlike_lattices(
    pool: list[Hypothesis], others: list[Hypothesis], limit: float, most: int = FOLLOWED_AT_ONCE
) -> list[Hypothesis]:
    """Return the best lattices up to a score, `most` of them, that are unlike others and each other."""
    out: list[Hypothesis] = []
    for h in sorted(pool, key=lambda h: h.score):
        if h.score > limit or len(out) == most:
            break
        if all((node_distance(h.grid, k.grid) > SAME).mean() > UNLIKE for k in others + out):
            out.append(h)
    return out

"""Lattices with a dead line, judged apart from all others or against them."""

from __future__ import annotations

from dataclasses import replace

from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.proposing.dead_lines import dead_line_moves, edge_line_moves

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

    Tails make a line beside the block worth something, so that both are compared with a dead line. No more
    crystals are right by it: it tells that a dead line may be at either edge, and marks what depends on it.
    """
    best = contest.best
    for candidate in edge_line_moves(best):
        track = contest.beside(2)
        same = track.judge(Candidate(best.grid, best.origin, candidate.known, candidate.gate))
        other = track.judge(candidate)
        if same is not None and other is not None:
            behind = max(other.score - same.score, 0.0)
            contest.pool.append(replace(other, score=best.score + behind))

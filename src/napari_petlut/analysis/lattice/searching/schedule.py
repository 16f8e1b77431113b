"""The search: from a prepared map to a ranked pool of lattices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

import numpy as np

from napari_petlut.analysis.lattice.fitting.contest import GAIN, SAME, Contest, Effort, Hypothesis
from napari_petlut.analysis.lattice.fitting.patches import Sieve
from napari_petlut.analysis.lattice.grids import BoolArray, dead_lines, folded_cells, node_distance
from napari_petlut.analysis.lattice.numbering.matching import MOSTLY, STRAY, WEAKEST, GridMatch, best_match
from napari_petlut.analysis.lattice.proposing.dead_lines import dead_line_moves, edge_line_moves
from napari_petlut.analysis.lattice.proposing.even_counts import spread_evenly
from napari_petlut.analysis.lattice.proposing.lines import line_moves, shift_moves
from napari_petlut.analysis.lattice.proposing.regions import fusion_moves, repair_moves, slip_moves
from napari_petlut.analysis.lattice.proposing.ridges import LOCK_WEIGHTS, put_on_ridges
from napari_petlut.analysis.lattice.proposing.swirls import swirl_moves
from napari_petlut.analysis.lattice.proposing.waves import WINDOW, put_on_waves
from napari_petlut.analysis.lattice.searching.following import follow_phases
from napari_petlut.analysis.lattice.searching.lighting import put_groups_back, revive_crystals
from napari_petlut.analysis.lattice.searching.mending import mend_chains
from napari_petlut.analysis.lattice.sureness.gates import DOUBTFUL, is_clear, mean_doubt
from napari_petlut.model import FloatArray

LARGEST_EFFORT = 60_000
"""Most lattices that are fitted to a map, times its crystals: the searches of a doubtful block of up to
32 x 32 end after about two seconds of a fast core, four of a slow one. Counted and not timed, so that the
same map always gives the same lattice. Joining spots to a grid is not counted; it takes longest in much
larger arrays. Mending has a bound of its own."""
LEAST_EFFORT = 20
"""Lattices that are fitted however large the array is: what the waves need."""
WINDOWS = (WINDOW, 3.5, 2.0)
"""Standard deviations, in pitches, of the windows through which waves are seen, one after the other until the
block is clear. Narrow ones see noise, wide ones miss swirls."""
ROUNDS = 2
"""Most rounds of moves; a round without a gain is the last."""
FUSIONS, REPAIRS = 8, 10
"""Regions of competitors and bad patches tried per round."""
AGAIN_FITS = 60
"""Most mixtures of the moves from a lattice that only the phases have found."""
DEAD_LINE_FITS, ROUND_FITS = 8, 25
"""Mixtures for lattices with a dead line, and for the round of moves from one that wins."""


def search(contest: Contest, progress: Callable[[float], None]) -> Hypothesis:
    """Search the best lattice of a map; the pool of the contest holds what it won against.

    Raises
    ------
    Cancelled
        If the contest is cancelled.
    """
    fits = contest.budget
    contest.effort = Effort(max(LEAST_EFFORT, LARGEST_EFFORT // len(contest.geometry)))
    if contest.expected is not None:
        contest.judge(contest.expected, "the prior lattice")
        contest.judge(put_on_ridges(contest, contest.expected), "the prior lattice, put onto the ridges")
    match = spot_grid(contest)
    if match is not None and complete(match, contest):
        contest.judge(match.grid, "spots joined to a grid")
        if contest.expected is None and contest.pinned is None:
            return contest.best
    elif match is not None and (match.owner >= 0).mean() >= MOSTLY:
        contest.judge(match.grid, "spots joined to a grid, its holes filled")
    if wave_search(contest):
        return contest.best
    progress(0.2)
    with_dead_line = dead_line_search(contest) if mean_doubt(contest) >= DOUBTFUL else []
    improve(contest, _part_of(progress, 0.3, 0.6))
    search_further(contest, fits, _part_of(progress, 0.6, 0.9))
    contest.pool += with_dead_line
    shift_for_dead_line(contest)
    if contest.best.dark is not None and dead_lines(contest.best.dark):
        contest.budget = max(contest.budget, ROUND_FITS)
        do_round(contest)
    mend_best(contest)
    return revive_crystals(contest, put_groups_back(contest, contest.best))


def mend_best(contest: Contest) -> None:
    """Let the best lattice compete with what chains make of it."""
    before = contest.best
    better, rivals = mend_chains(contest, before)
    if better is not before:
        contest.budget = max(contest.budget, 1)
        contest.judge(better.grid, better.origin, better.dark, to_the_end=True)
    score = contest.best.score
    contest.pool += [replace(rival, score=score + rival.score) for rival in rivals]


def wave_search(contest: Contest) -> bool:
    """Take the evenly spread counts to where the waves of the lines say; return whether that settles it.

    Where a second window shows nothing else than the first and the block is not doubtful, the third is not
    looked through.
    """
    start = spread_evenly(contest)
    seen: Hypothesis | None = None
    before: Hypothesis | None = None
    for window in WINDOWS:
        new = contest.judge(put_on_waves(contest, start, window), "lines put where their waves are")
        if new is not None:
            contest.judge(put_on_ridges(contest, new.grid, LOCK_WEIGHTS[1:]), new.origin)
        if contest.pool and contest.best is not before:
            _shift(contest)
            if is_clear(contest):
                return True
        nothing_else = new is None or (seen is not None and node_distance(new.grid, seen.grid).max() < SAME)
        if before is not None and nothing_else and mean_doubt(contest) < DOUBTFUL:
            break
        seen, before = new, contest.best if contest.pool else None
    if not contest.pool:
        contest.judge(start, "counts spread evenly", to_the_end=True)
    return False


def _part_of(progress: Callable[[float], None], start: float, end: float) -> Callable[[float], None]:
    """Return what reports a part of the work, done from 0 to 1, as going on from `start` to `end`."""
    return lambda done: progress(start + (end - start) * done)


def improve(contest: Contest, progress: Callable[[float], None]) -> None:
    """Do rounds of moves until none helps; report the share of them that is done."""
    for number in range(ROUNDS):
        if contest.spent or is_clear(contest):
            break
        before = contest.best
        do_round(contest)
        progress((number + 1) / ROUNDS)
        if contest.best.score > before.score - GAIN:
            break
        contest.judge(put_on_ridges(contest, contest.best.grid, LOCK_WEIGHTS[1:]), contest.best.origin)
        _shift(contest)
        _try(contest, swirl_moves(contest.best), lock=True)


def dead_line_search(contest: Contest) -> list[Hypothesis]:
    """Return lattices with a dead line, kept apart so that a wrong one does not lead the search astray."""
    track = replace(contest, pool=[], budget=DEAD_LINE_FITS)
    for grid, origin, dark in dead_line_moves(contest):
        track.judge(grid, origin, dark)
    return track.pool


def search_further(contest: Contest, fits: int, progress: Callable[[float], None]) -> None:
    """Follow the phases of the lines of a doubtful block.

    Parameters
    ----------
    contest : Contest
    fits : int
        Most mixtures that are fitted for it.
    progress : callable
        Called with the fraction done, 0 to 1.
    """
    contest.budget = max(contest.budget, fits)
    if contest.spent or mean_doubt(contest) < DOUBTFUL:
        return
    before = contest.best
    _try(contest, swirl_moves(contest.best), lock=True)
    follow_phases(contest)
    progress(0.4)
    if contest.best is not before:
        _shift(contest)
        contest.budget = max(contest.budget, min(fits, AGAIN_FITS))
        improve(contest, _part_of(progress, 0.4, 1.0))


def do_round(contest: Contest) -> None:
    """Do one round of moves from the best lattice: those that mend what is seen to be bad come first."""
    _try_as_patches(contest, ((grid, origin, None) for grid, origin in slip_moves(contest, contest.best)))
    _try_as_patches(contest, islice(repair_moves(contest, contest.best), REPAIRS))
    fused = islice(fusion_moves(contest.pool, contest.best), FUSIONS)
    _try_as_patches(contest, ((grid, origin, contest.best.dark) for grid, origin in fused))
    _try(contest, line_moves(contest, contest.best))


def _try(contest: Contest, moves: Iterable[tuple[FloatArray, str]], *, lock: bool = False) -> None:
    """Judge the lattices that moves make."""
    for grid, origin in moves:
        if contest.spent:
            return
        contest.judge(put_on_ridges(contest, grid, LOCK_WEIGHTS[1:]) if lock else grid, origin)


def _try_as_patches(contest: Contest, moves: Iterable[tuple[FloatArray, str, BoolArray | None]]) -> None:
    """Judge the lattices of moves that are worth it as patches."""
    sieve = Sieve(contest, contest.best)
    for grid, origin, dark in moves:
        if contest.spent:
            return
        if sieve.passes(grid, dark):
            contest.judge(
                grid if dark is not None else put_on_ridges(contest, grid, LOCK_WEIGHTS[1:]), origin, dark
            )


def _shift(contest: Contest) -> None:
    """Judge the best lattice with all its lines shifted by one.

    That is the most dangerous mistake, so that its evidence is always weighed to the end.
    """
    for grid, origin in shift_moves(contest, contest.best):
        contest.judge(grid, origin, to_the_end=True)


def shift_for_dead_line(contest: Contest) -> None:
    """Let the best lattice compete with itself shifted by one where one of its outer lines gives no light.

    Tails make a line beside the block worth something, so that both are compared with a dead line.
    """
    best = contest.best
    for here, grid, there, origin in edge_line_moves(best):
        track = replace(contest, pool=[], budget=2)
        same = track.judge(best.grid, best.origin, here, to_the_end=True)
        other = track.judge(grid, origin, there, to_the_end=True)
        if same is not None and other is not None:
            behind = max(other.score - same.score, 0.0)
            contest.pool.append(replace(other, score=best.score + behind))


def spot_grid(contest: Contest) -> GridMatch | None:
    """Join the spots to a grid."""
    return best_match(contest.spots, contest.geometry) if len(contest.spots) >= 4 else None


def complete(match: GridMatch, contest: Contest) -> bool:
    """Whether every crystal has its spot, hardly any spot is left over, and no lines cross."""
    n = len(contest.geometry)
    stray = len(contest.spots) - n
    if not (match.owner >= 0).all():
        return False
    if contest.strength is not None:
        used = contest.strength[match.owner.ravel()]
        if used.min() < WEAKEST * np.median(used):
            return False
    return bool(match.outside == 0 and stray <= STRAY * n and not folded_cells(match.grid).any())

"""The schedule of the search: stages with names, each with a gate and a budget, read from the top down.

A clear block is done once its spots are joined to a grid, or after the first window through which the waves
of its lines are seen. All further stages are for blocks that stay doubtful. Any step can be left out by its
name, to see what it is worth: ``search(contest, without={"phases"})``; `STEPS` holds the names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import GAIN, Contest, Effort, Hypothesis
from napari_petlut.analysis.lattice.fitting.patches import Sieve
from napari_petlut.analysis.lattice.proposing.lines import line_moves, shift_moves
from napari_petlut.analysis.lattice.proposing.regions import fusion_moves, repair_moves, slip_moves
from napari_petlut.analysis.lattice.proposing.ridges import LOCK_WEIGHTS, put_on_ridges
from napari_petlut.analysis.lattice.searching.following import follow_phases
from napari_petlut.analysis.lattice.searching.lighting import judge_dead_lines, shift_for_dead_line
from napari_petlut.analysis.lattice.searching.mending import mend_best
from napari_petlut.analysis.lattice.searching.starting import (
    follow_waves,
    judge_even_counts,
    judge_places,
    judge_prior,
    judge_spot_grid,
)
from napari_petlut.analysis.lattice.sureness.gates import DOUBTFUL, is_clear, mean_doubt
from napari_petlut.errors import ParameterError

LARGEST_EFFORT = 60_000
"""Most lattices that are fitted to a map, times its crystals: the searches of a doubtful block of up to
32 x 32 end after about two seconds of a fast core, four of a slow one. Counted and not timed, so that the
same map always gives the same lattice. Joining spots to a grid is not counted; it takes longest in much
larger arrays. Mending has a bound of its own. `benchmarks/lattice_sweep.py` tells the seconds."""
LEAST_EFFORT = 20
"""Lattices that are fitted however large the array is: what the waves need."""
ROUNDS = 2
"""Most rounds of moves; a round without a gain is the last. As good as more of them on development blocks."""
FUSIONS, REPAIRS = 8, 10
"""Regions of competitors and bad patches tried per round."""
AGAIN_FITS = 60
"""Most mixtures of the moves from a lattice that only the phases have found."""


@dataclass(eq=False)
class Search:
    """A search under way.

    Parameters
    ----------
    contest : Contest
    fits : int
        Mixtures that the first stages may fit together, and that those for doubtful blocks may fit again.
    without : frozenset of str
        Names of the steps that are left out.
    apart : list of Hypothesis
        Lattices with a dead line, which join the others late.
    over : bool
        Whether the best lattice is so sure that no further stage is run.
    """

    contest: Contest
    fits: int
    without: frozenset[str] = frozenset()
    apart: list[Hypothesis] = field(default_factory=list)
    over: bool = False

    def uses(self, step: str) -> bool:
        """Whether a step is not left out."""
        return step not in self.without

    @property
    def best(self) -> Hypothesis:
        """The best lattice of the contest."""
        return self.contest.best


@dataclass(frozen=True)
class Stage:
    """One stage of the search.

    Parameters
    ----------
    name : str
    run : callable
    gate : callable
        Whether the stage is run.
    budget : callable
        Mixtures that may be fitted from here on, at least.
    done : float
        Share of the whole search that is done after it.
    """

    name: str
    run: Callable[[Search], None]
    gate: Callable[[Search], bool]
    budget: Callable[[Search], int]
    done: float


def search(
    contest: Contest,
    progress: Callable[[float], None] = lambda _: None,
    *,
    without: Collection[str] = (),
) -> Hypothesis:
    """Search the best lattice of a map; the pool of the contest holds what it won against.

    Parameters
    ----------
    contest : Contest
    progress : callable, optional
        Called with the fraction done, 0 to 1.
    without : collection of str, optional
        Names of the steps to leave out, any of `STEPS`.

    Raises
    ------
    Cancelled
        If the contest is cancelled.
    ParameterError
        If there is no step of a name.
    """
    unknown = sorted(set(without) - set(STEPS))
    if unknown:
        raise ParameterError(f"the search has no step {unknown[0]!r}; it has {', '.join(STEPS)}")
    contest.budget.effort = Effort(max(LEAST_EFFORT, LARGEST_EFFORT // len(contest.geometry)))
    under_way = Search(contest, contest.budget.fits, frozenset(without))
    for stage in SCHEDULE:
        contest.budget.raise_to(stage.budget(under_way))
        if under_way.uses(stage.name) and stage.gate(under_way):
            stage.run(under_way)
            progress(stage.done)
        if under_way.over:
            break
    return under_way.best


def _always(_: Search) -> bool:
    return True


def _what_is_left(_: Search) -> int:
    return 0


def _all_again(search: Search) -> int:
    return search.fits


def _has_prior(search: Search) -> bool:
    return search.contest.wishes.has_prior


def _is_rectangle(search: Search) -> bool:
    return search.contest.geometry.places is None


def _has_places(search: Search) -> bool:
    return not _is_rectangle(search)


def _nothing_fits(search: Search) -> bool:
    return not search.contest.pool


def _doubtful(search: Search) -> bool:
    return mean_doubt(search.contest) >= DOUBTFUL


def _doubtful_rectangle(search: Search) -> bool:
    return _is_rectangle(search) and _doubtful(search)


def _doubtful_still(search: Search) -> bool:
    return not search.contest.budget.spent and _doubtful(search)


def start_from_prior(search: Search) -> None:
    """Judge the lattice of a block of the same design."""
    judge_prior(search.contest)


def start_from_spots(search: Search) -> None:
    """Join the spots to a grid; a complete one ends the search, where nobody wishes anything else."""
    complete = judge_spot_grid(search.contest)
    search.over = complete and not search.contest.wishes.more_than_size


def start_from_places(search: Search) -> None:
    """Join the spots to the places that hold a crystal; one clear way ends the search, as of a grid."""
    clear = judge_places(search.contest)
    search.over = clear and not search.contest.wishes.more_than_size and is_clear(search.contest)


def start_from_waves(search: Search) -> None:
    """Spread the counts evenly and take them to where the waves of the lines say, window by window.

    Where a second window shows nothing else than the first and the block is not doubtful, the third is not
    looked through. A clear block ends the search.
    """
    contest, before = search.contest, None
    for nothing_else in follow_waves(contest, further=search.uses("further windows")):
        if contest.pool and contest.best is not before:
            shift_by_one_line(search)
            if is_clear(contest):
                search.over = True
                return
        if before is not None and nothing_else and not _doubtful(search):
            return
        before = contest.best if contest.pool else None


def start_from_counts(search: Search) -> None:
    """Judge the evenly spread counts as they are: nothing else could be fitted."""
    judge_even_counts(search.contest)


def try_dead_lines(search: Search) -> None:
    """Judge lattices with a dead line apart, so that a wrong one does not lead the search astray."""
    search.apart = judge_dead_lines(search.contest)


def do_rounds(search: Search) -> None:
    """Do rounds of moves until none helps."""
    contest = search.contest
    for _ in range(ROUNDS):
        if contest.budget.spent or is_clear(contest):
            break
        before = contest.best
        do_round(search)
        if contest.best.score > before.score - GAIN:
            break
        put = put_on_ridges(contest, contest.best.grid, LOCK_WEIGHTS[1:])
        contest.judge(Candidate(put, contest.best.origin))
        shift_by_one_line(search)


def look_again(search: Search) -> None:
    """Follow the phases of the lines of a doubtful block, and do rounds from what they find."""
    contest = search.contest
    before = contest.best
    if search.uses("phases"):
        follow_phases(contest)
    if contest.best is not before:
        shift_by_one_line(search)
        contest.budget.raise_to(min(search.fits, AGAIN_FITS))
        do_rounds(search)


def let_dead_lines_join(search: Search) -> None:
    """Let the lattices with a dead line compete with the others."""
    search.contest.pool += search.apart


def shift_dead_line(search: Search) -> None:
    """Let the best lattice compete with itself shifted by one where an outer line gives no light."""
    shift_for_dead_line(search.contest)


def do_round(search: Search) -> None:
    """Do one round of moves from the best lattice: those that mend what is seen to be bad come first."""
    for name, propose, most in ROUND:
        if search.uses(name):
            contest = search.contest
            judge_all(contest, islice(propose(contest, contest.best), most))


def shift_by_one_line(search: Search) -> None:
    """Judge the best lattice with all its lines shifted by one."""
    if search.uses("shifts by one line") and _is_rectangle(search):
        judge_all(search.contest, shift_moves(search.contest, search.contest.best))


def mend_by_chains(search: Search) -> None:
    """Let the best lattice compete with what chains make of it."""
    mend_best(search.contest)


def judge_all(contest: Contest, candidates: Iterable[Candidate]) -> None:
    """Judge candidates made from the best lattice, each through its gate.

    Those that pass as patches are put onto the ridges where nothing in them is dark.
    """
    sieve = Sieve(contest, contest.best)
    for candidate in candidates:
        if candidate.gate is Gate.PATCH:
            if contest.budget.spent:
                return
            if not sieve.passes(candidate):
                continue
            if not candidate.dark.any():
                grid = put_on_ridges(contest, candidate.grid, LOCK_WEIGHTS[1:])
                candidate = replace(candidate, grid=grid)
        elif candidate.gate is Gate.HALFWAY and contest.budget.spent:
            return
        contest.judge(candidate)


ROUND: tuple[tuple[str, Callable[[Contest, Hypothesis], Iterable[Candidate]], int | None], ...] = (
    ("slips of regions", slip_moves, None),
    ("bad patches solved again", repair_moves, REPAIRS),
    ("regions of competitors", fusion_moves, FUSIONS),
    ("lines traced anew", line_moves, None),
)
"""The moves of a round: name, who makes them, and how many are tried."""

SCHEDULE = (
    Stage("prior", start_from_prior, _has_prior, _what_is_left, 0.1),
    Stage("spots joined to a grid", start_from_spots, _is_rectangle, _what_is_left, 0.1),
    Stage("spots joined to places", start_from_places, _has_places, _what_is_left, 0.2),
    Stage("waves", start_from_waves, _is_rectangle, _what_is_left, 0.2),
    Stage("counts spread evenly", start_from_counts, _nothing_fits, _what_is_left, 0.2),
    Stage("dead-line search", try_dead_lines, _doubtful_rectangle, _what_is_left, 0.3),
    Stage("rounds of moves", do_rounds, _always, _what_is_left, 0.6),
    Stage("another look", look_again, _doubtful_still, _all_again, 0.8),
    Stage("dead lines join", let_dead_lines_join, _always, _what_is_left, 0.8),
    Stage("shift for a dead line", shift_dead_line, _is_rectangle, _what_is_left, 0.85),
    Stage("chains", mend_by_chains, _is_rectangle, _what_is_left, 1.0),
)
"""The stages in their order."""

STEPS = (
    *(stage.name for stage in SCHEDULE),
    *(name for name, _, _ in ROUND),
    "further windows",
    "shifts by one line",
    "phases",
)
"""Names of all that can be left out of a search: the stages, and the steps within them."""

"""The order of the search: what ends it early, and what its parts share."""

from dataclasses import replace

import pytest

from contests import contest_of
from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Effort
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.searching import schedule, starting
from napari_petlut.analysis.lattice.searching.schedule import (
    SCHEDULE,
    STEPS,
    Search,
    judge_all,
    search,
    start_from_waves,
)
from napari_petlut.errors import ParameterError
from napari_petlut.simulation import BlockSimulation

CLEAR = BlockSimulation(rows=7, cols=7, resolution=3.0, seed=2)
SMALL = BlockSimulation(rows=6, cols=5, resolution=1.8, seed=3)


BLURRED = BlockSimulation(rows=8, cols=8, resolution=0.85, counts_per_crystal=3_000, seed=5)


def test_the_waves_settle_a_clear_block_through_one_window(monkeypatch):
    contest, truth = contest_of(CLEAR)
    widths = windows_of(monkeypatch)
    under_way = Search(contest, contest.budget.fits)
    start_from_waves(under_way)
    assert under_way.over
    assert len(widths) == 1
    assert node_distance(contest.best.grid, truth).max() < 0.4


@pytest.mark.parametrize(("doubt", "windows"), [(0.0, 2), (1.0, 3)])
def test_a_third_window_is_looked_through_where_the_block_is_doubtful(monkeypatch, doubt, windows):
    contest, _ = contest_of(CLEAR)
    monkeypatch.setattr(schedule, "is_clear", lambda _: False)
    monkeypatch.setattr(schedule, "mean_doubt", lambda _: doubt)
    widths = windows_of(monkeypatch)
    under_way = Search(contest, contest.budget.fits)
    start_from_waves(under_way)
    assert not under_way.over
    assert len(widths) == windows


def windows_of(monkeypatch):
    """Return the list to which the widths of the windows are added that waves are seen through."""
    widths: list[float] = []
    plain = starting.put_on_waves

    def noted(contest, grid, window):
        widths.append(window)
        return plain(contest, grid, window)

    monkeypatch.setattr(starting, "put_on_waves", noted)
    return widths


@pytest.mark.parametrize(("doubt", "more"), [(0.0, False), (1.0, True)])
def test_only_a_doubtful_block_is_searched_further(monkeypatch, doubt, more):
    contest, truth = contest_of(SMALL)
    contest.judge(Candidate(truth, "the truth"))
    monkeypatch.setattr(schedule, "mean_doubt", lambda _: doubt)
    gates = {stage.name: stage.gate for stage in SCHEDULE}
    assert gates["another look"](Search(contest, 40)) is more
    assert gates["dead-line search"](Search(contest, 40)) is more
    assert gates["chains"](Search(contest, 40))


def test_a_step_that_is_left_out_makes_no_lattice(monkeypatch):
    steps = {
        "slips of regions": "a region slipped by one line",
        "phases": "lines put where their phases are",
        "shifts by one line": "all rows shifted",
        "lines traced anew": "traced one by one",
        "bad patches solved again": "a bad patch solved again",
    }
    tried: list[str] = []
    plain = Contest.judge

    def noted(self, candidate):
        tried.append(candidate.origin)
        return plain(self, candidate)

    monkeypatch.setattr(Contest, "judge", noted)
    search(contest_of(BLURRED, 120)[0])
    assert all(any(words in origin for origin in tried) for words in steps.values())
    tried.clear()
    search(contest_of(BLURRED, 120)[0], without=steps)
    assert tried
    assert not any(words in origin for origin in tried for words in steps.values())


def test_a_stage_that_is_left_out_is_not_run():
    contest, _ = contest_of(CLEAR)
    assert search(contest).origin == "spots joined to a grid"
    contest, _ = contest_of(CLEAR)
    assert search(contest, without={"spots joined to a grid"}).origin == "lines put where their waves are"
    contest, _ = contest_of(CLEAR)
    search(contest, without={"spots joined to a grid", "waves"})
    assert contest.pool[0].origin == "counts spread evenly"


def test_a_step_that_does_not_exist_is_refused():
    with pytest.raises(ParameterError, match="no step 'swirl'"):
        search(contest_of(CLEAR)[0], without={"swirl"})


def test_every_step_has_a_name_of_its_own():
    assert len(set(STEPS)) == len(STEPS)


def test_all_searches_of_a_map_share_its_effort_and_keep_what_they_found():
    contest, truth = contest_of(SMALL)
    contest.budget.effort = Effort(5)
    other = contest.beside(5)
    for _ in range(4):
        other.judge(Candidate(truth, "the truth", gate=Gate.NONE))
    assert contest.budget.effort.left == 1
    assert contest.judge(Candidate(truth, "the truth")) is not None
    assert contest.budget.spent
    assert other.budget.spent
    assert contest.judge(Candidate(truth + 0.5, "too late")) is None
    assert contest.judge(Candidate(truth + 0.5, "to be known to the end", gate=Gate.NONE)) is not None


def test_a_contest_beside_another_has_the_same_wishes_and_no_lattices():
    contest, truth = contest_of(SMALL)
    contest = replace(contest, wishes=contest.wishes.pinning({7: tuple(truth[1, 2])}))
    contest.judge(Candidate(truth, "the truth"))
    beside = contest.beside(3)
    assert beside.wishes is contest.wishes
    assert beside.pool == []
    assert beside.budget.fits == 3


def test_a_candidate_of_a_patch_is_judged_only_where_its_surroundings_promise_something():
    contest, truth = contest_of(BlockSimulation(rows=9, cols=8, resolution=1.6, seed=4))
    contest.judge(Candidate(truth, "the truth", gate=Gate.NONE))
    grid = contest.best.grid
    off = grid.copy()
    off[4:6, 5:-1], off[4:6, -1] = grid[4:6, 6:], 2 * grid[4:6, -1] - grid[4:6, -2]
    judge_all(contest, [Candidate(off, "a stretch off", gate=Gate.PATCH)])
    assert len(contest.pool) == 1
    judge_all(contest, [Candidate(off, "a stretch off", gate=Gate.NONE)])
    assert len(contest.pool) == 2

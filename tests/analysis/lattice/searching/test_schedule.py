"""The order of the search: what ends it early, and what its parts share."""

from dataclasses import replace

import numpy as np
import pytest

from contests import contest_of
from napari_petlut.analysis.lattice.fitting.contest import Effort
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.searching import schedule
from napari_petlut.analysis.lattice.searching.schedule import search_further, wave_search
from napari_petlut.simulation import BlockSimulation

CLEAR = BlockSimulation(rows=7, cols=7, resolution=3.0, seed=2)
SMALL = BlockSimulation(rows=6, cols=5, resolution=1.8, seed=3)


def test_the_waves_settle_a_clear_block_through_one_window(monkeypatch):
    contest, truth = contest_of(CLEAR)
    widths = windows_of(monkeypatch)
    assert wave_search(contest)
    assert len(widths) == 1
    assert node_distance(contest.best.grid, truth).max() < 0.4


@pytest.mark.parametrize(("doubt", "windows"), [(0.0, 2), (1.0, 3)])
def test_a_third_window_is_looked_through_where_the_block_is_doubtful(monkeypatch, doubt, windows):
    contest, _ = contest_of(CLEAR)
    monkeypatch.setattr(schedule, "is_clear", lambda _: False)
    monkeypatch.setattr(schedule, "mean_doubt", lambda _: doubt)
    widths = windows_of(monkeypatch)
    assert not wave_search(contest)
    assert len(widths) == windows


def windows_of(monkeypatch):
    """Return the list to which the widths of the windows are added that waves are seen through."""
    widths: list[float] = []
    plain = schedule.put_on_waves

    def noted(contest, grid, window):
        widths.append(window)
        return plain(contest, grid, window)

    monkeypatch.setattr(schedule, "put_on_waves", noted)
    return widths


@pytest.mark.parametrize(("doubt", "more"), [(0.0, False), (1.0, True)])
def test_only_a_doubtful_block_is_searched_further(monkeypatch, doubt, more):
    contest, truth = contest_of(SMALL)
    contest.judge(truth, "the truth")
    monkeypatch.setattr(schedule, "mean_doubt", lambda _: doubt)
    followed: list[bool] = []
    monkeypatch.setattr(schedule, "follow_phases", lambda _: followed.append(True))
    search_further(contest, 40, lambda _: None)
    assert bool(followed) is more


def test_all_searches_of_a_map_share_its_effort_and_keep_what_they_found():
    contest, truth = contest_of(SMALL)
    contest.effort = Effort(5)
    other = replace(contest, pool=[], budget=5)
    for _ in range(4):
        other.judge(truth, "the truth", to_the_end=True)
    assert contest.effort.left == 1
    assert contest.judge(truth, "the truth") is not None
    assert contest.spent
    assert other.spent
    assert contest.judge(truth + 0.5, "too late") is None
    assert contest.judge(truth + 0.5, "to be known to the end", to_the_end=True) is not None


def test_a_copy_of_a_contest_knows_where_crystals_are_pinned():
    contest, truth = contest_of(SMALL)
    contest.fix({7: truth[1, 2]})
    np.testing.assert_array_equal(replace(contest, pool=[]).places[1, 2], truth[1, 2])

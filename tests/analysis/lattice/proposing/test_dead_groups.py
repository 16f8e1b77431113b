"""Groups of dead crystals put back where they belong."""

from dataclasses import replace

import numpy as np
import pytest

from contests import contest_of
from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.proposing.dead_groups import group_extents, group_moves
from napari_petlut.analysis.lattice.searching.lighting import put_groups_back
from napari_petlut.errors import Cancelled
from napari_petlut.simulation import BlockSimulation

SIDE = 10
CORNER = np.zeros((SIDE, SIDE), bool)
CORNER[-3:, :3] = True


def searched(dead: np.ndarray) -> tuple[Contest, np.ndarray]:
    """A contest about a block with dead crystals, and its true lattice in the contest's pixels."""
    places = tuple(np.flatnonzero(dead).tolist())
    return contest_of(BlockSimulation(rows=SIDE, cols=SIDE, resolution=1.6, dead=places, seed=8), 5)


def crowded_corner() -> tuple[Contest, np.ndarray, np.ndarray]:
    """The same with a dead corner, and a lattice whose first dead row lies on the last live one."""
    contest, truth = searched(CORNER)
    crowded = truth.copy()
    crowded[-3, :3] = truth[-4, :3] + 2.0
    return contest, truth, crowded


def judged(contest: Contest, grid: np.ndarray) -> Hypothesis:
    fitted = contest.judge(Candidate(grid, "made up"))
    assert fitted is not None
    return fitted


def test_a_dead_corner_whose_crystals_lie_on_live_ones_is_put_back():
    contest, truth, crowded = crowded_corner()
    start = judged(contest, crowded)
    assert node_distance(start.grid, truth)[CORNER].max() > 0.6
    back = put_groups_back(contest, start)
    off = node_distance(back.grid, truth)
    # Where nothing shines, only the live lines tell the place.
    assert off[CORNER].max() < 0.6
    assert off[~CORNER].max() < 0.25
    np.testing.assert_array_equal(back.dark, CORNER)
    assert back.score <= start.score


def test_a_block_of_live_crystals_stays_as_it_is():
    contest, truth = searched(np.zeros((SIDE, SIDE), bool))
    start = judged(contest, truth)
    assert put_groups_back(contest, start).fit is start.fit


def test_crystals_that_a_person_placed_are_not_put_back():
    contest, _, crowded = crowded_corner()
    places = {int(k): tuple(crowded.reshape(-1, 2)[k]) for k in np.flatnonzero(CORNER)}
    contest = replace(contest, wishes=contest.wishes.pinning(places))
    start = judged(contest, crowded)
    assert put_groups_back(contest, start).fit is start.fit


def test_putting_back_stops_when_cancelled():
    contest, _, crowded = crowded_corner()
    start = judged(contest, crowded)
    with pytest.raises(Cancelled):
        put_groups_back(replace(contest, budget=replace(contest.budget, cancelled=lambda: True)), start)


@pytest.mark.parametrize(("place", "number"), [((4, 4), 17), ((0, 0), 5)])
def test_a_group_may_reach_further_on_any_side(place, number):
    group = np.zeros((SIDE, SIDE), bool)
    group[place] = True
    found = list(group_extents(group))
    assert len(found) == number
    assert all(hole[place] for hole in found)
    assert np.array_equal(found[0], group)
    assert max(hole.sum() for hole in found) == (9 if place == (4, 4) else 4)


def test_a_single_dark_crystal_is_no_group():
    single = np.zeros((SIDE, SIDE), bool)
    single[4, 5] = True
    contest, truth = searched(single)
    beside = truth.copy()
    beside[4, 5] += 20.0
    assert list(group_moves(contest, judged(contest, beside))) == []

"""Turned blocks: everything turns together, and comes back."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contests import contest_of
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.hypotheses import Effort
from napari_petlut.analysis.lattice.search import TURN, rough_search, search_further, turned_search
from napari_petlut.analysis.lattice.turning import Turn, turned
from napari_petlut.simulation import BlockSimulation

turns = st.builds(Turn, st.tuples(st.booleans(), st.booleans()), st.booleans())


@given(turns, st.integers(2, 5), st.integers(2, 5), st.integers(5, 9), st.integers(5, 9))
def test_a_turned_lattice_sits_on_the_turned_map_and_comes_back(turn, rows, cols, height, width):
    rng = np.random.default_rng(rows * cols + height)
    grid = np.stack([rng.integers(0, height, (rows, cols)), rng.integers(0, width, (rows, cols))], -1) * 1.0
    counts = np.arange(height * width, dtype=np.float64).reshape(height, width)
    map_, lattice = turn.array(counts), turn.grid(grid, counts.shape)
    at = lattice.astype(int)
    here = grid.astype(int)
    np.testing.assert_array_equal(
        map_[at[..., 0], at[..., 1]], turn.array(counts[here[..., 0], here[..., 1]])
    )
    np.testing.assert_array_equal(turn.grid_back(lattice, counts.shape), grid)


@pytest.mark.parametrize("turn", [TURN, Turn((True, True), False)])
def test_a_turned_contest_judges_the_turned_lattice_alike(turn):
    contest, truth = contest_of(BlockSimulation(rows=6, cols=5, resolution=1.8, seed=3))
    contest.fix({7: truth[1, 2]})
    contest.expect(truth)
    other = turned(contest, turn, 5)
    shape = contest.ready.counts.shape
    straight = contest.judge(truth, "the truth")
    there = other.judge(turn.grid(truth, shape), "the truth")
    assert straight is not None
    assert there is not None
    back = turn.grid_back(there.grid, shape)
    assert node_distance(back, straight.grid).max() < 0.1
    np.testing.assert_allclose(back[1, 2], truth[1, 2])
    # Bins begin at another side of the map, hence the tolerance; a lattice that is one line off is 0.5 worse.
    assert there.score == pytest.approx(straight.score, abs=0.15)


def test_a_lattice_that_is_lost_is_found_from_another_side():
    contest, truth = contest_of(BlockSimulation(rows=9, cols=8, resolution=1.5, seed=6), budget=60)
    lost = truth + np.array([0.0, 1.0]) * (truth[:, 1:2] - truth[:, :1])
    assert contest.judge(lost, "a column off") is not None
    assert (node_distance(contest.best.grid, truth) > 0.4).mean() > 0.3
    turned_search(contest, None, 100)
    assert node_distance(contest.best.grid, truth).max() < 0.4


def test_a_clear_block_is_not_searched_further():
    contest, _ = contest_of(BlockSimulation(rows=7, cols=7, resolution=3.0, seed=2))
    rough_search(contest)
    kept = replace(contest, pool=list(contest.pool))
    search_further(kept, None, 100, lambda _: None)
    assert len(kept.pool) == len(contest.pool)


def test_all_searches_of_a_map_share_its_effort_and_keep_what_they_found():
    contest, truth = contest_of(BlockSimulation(rows=6, cols=5, resolution=1.8, seed=3))
    contest.effort = Effort(5)
    other = turned(contest, TURN, 5)
    shape = contest.ready.counts.shape
    for _ in range(4):
        other.judge(TURN.grid(truth, shape), "the truth", to_the_end=True)
    assert contest.effort.left == 1
    assert contest.judge(truth, "the truth") is not None
    assert contest.spent
    assert other.spent
    assert contest.judge(truth + 0.5, "too late") is None
    assert contest.judge(truth + 0.5, "to be known to the end", to_the_end=True) is not None


def test_a_copy_of_a_contest_knows_where_crystals_are_pinned():
    contest, truth = contest_of(BlockSimulation(rows=6, cols=5, resolution=1.8, seed=3))
    contest.fix({7: truth[1, 2]})
    np.testing.assert_array_equal(replace(contest, pool=[]).places[1, 2], truth[1, 2])

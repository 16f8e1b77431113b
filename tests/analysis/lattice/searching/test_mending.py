"""Local moves: a patch fitted again, chains of crystals moved by one, dead crystals looked at again."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contests import contest_of
from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.fitting.patches import Sieve, as_it_was, judge_patch, open_patch
from napari_petlut.analysis.lattice.grids import NOTHING, node_distance
from napari_petlut.analysis.lattice.proposing.chains import (
    Chain,
    chain_signs,
    chains_through,
    move_chain,
    spare_spots,
)
from napari_petlut.analysis.lattice.searching.lighting import revive_crystals
from napari_petlut.analysis.lattice.searching.mending import doubtful_boxes, mend_chains
from napari_petlut.errors import Cancelled
from napari_petlut.simulation import BlockSimulation

ROWS, COLS = 9, 8


@pytest.fixture(scope="module")
def simulated():
    return contest_of(BlockSimulation(rows=ROWS, cols=COLS, resolution=1.6, seed=4), 50)


@pytest.fixture(scope="module")
def contest(simulated) -> Contest:
    return simulated[0]


@pytest.fixture(scope="module")
def start(simulated, contest) -> Hypothesis:
    judged = contest.judge(Candidate(simulated[1], "the truth"))
    assert judged is not None
    return judged


def test_a_patch_that_is_not_changed_stays_about_as_good_and_everything_else_stays(contest, start):
    box = (slice(2, 7), slice(3, 8))
    patch = open_patch(contest, start, box)
    again = judge_patch(contest, patch, as_it_was(start))
    assert again is not None
    assert again.score == pytest.approx(start.score, abs=0.1)
    outside = np.ones((ROWS, COLS), bool)
    outside[box] = False
    assert np.array_equal(again.grid[outside], start.grid[outside])
    assert node_distance(again.grid, start.grid).max() < 0.1


def test_a_crystal_that_a_person_placed_stays_in_a_patch(contest, start):
    pinned = np.zeros((ROWS, COLS), bool)
    pinned[4, 5] = True
    box = (slice(2, 7), slice(3, 8))
    held = replace(contest, pool=[], wishes=replace(contest.wishes, pinned=pinned))
    grid = start.grid.copy()
    grid[4, 5] += 15.0
    again = judge_patch(held, open_patch(held, start, box), Candidate(grid, "moved"))
    assert again is not None
    np.testing.assert_allclose(again.grid[4, 5], start.grid[4, 5])


def test_the_ring_of_a_patch_stays_except_at_the_edge_of_the_block(contest, start):
    still = open_patch(contest, start, (slice(0, 4), slice(2, 6))).still
    assert still.tolist() == [[True, False, False, True]] * 3 + [[True] * 4]


def test_what_a_patch_leaves_and_its_own_spots_are_the_whole_model(contest, start):
    box = (slice(3, 6), slice(2, 5))
    patch = open_patch(contest, start, box)
    assert (patch.rest <= start.fit.model[patch.view] + 1e-9).all()
    own = (start.fit.model[patch.view] - patch.rest).sum()
    assert own == pytest.approx(start.fit.weight[box].sum(), rel=0.02)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1), st.integers(0, 8), st.integers(0, 9), st.integers(-1, 1))
def test_a_chain_keeps_every_crystal_beyond_its_ends(contest, start, axis, out, gap, double):
    lines = (ROWS, COLS)[axis]
    out, gap = min(out, lines - 1), min(gap, lines)
    if gap in (out, out + 1) or not 0 <= gap + min(double, 0) < lines:
        return
    move = Chain(axis, slice(2, 4), out, gap, double)
    grid = move_chain(contest, start, move, np.ones((ROWS, COLS))).grid
    line, old = np.moveaxis(grid, axis, 0), np.moveaxis(start.grid, axis, 0)
    low, high = min(out, gap), max(out, gap)
    assert np.array_equal(np.delete(line, (2, 3), axis=1), np.delete(old, (2, 3), axis=1))
    assert np.array_equal(line[:low], old[:low])
    assert np.array_equal(line[high + 1 :], old[high + 1 :])
    inner = range(out, gap - 1) if out < gap else range(gap + 1, out + 1)
    step = 1 if out < gap else -1
    assert all(np.array_equal(line[k, 2:4], old[k + step, 2:4]) for k in inner)


def test_a_chain_into_the_dark_marks_the_new_crystal_dark(contest, start):
    level = np.ones((ROWS, COLS)) * 1e9
    dark = move_chain(contest, start, Chain(0, slice(1, 2), 6, 2), level).dark
    assert np.argwhere(dark).tolist() == [[2, 1]]
    assert not move_chain(contest, start, Chain(0, slice(1, 2), 6, 0), level).dark.any()


def test_a_spot_beside_a_crystals_own_is_spare(start):
    spots = np.concatenate([start.grid.reshape(-1, 2), start.grid[4, 5][None] + 1.0])
    spare = spare_spots(start.grid, spots)
    assert spare[4, 5] == 1
    assert spare.sum() == 1
    assert (spare_spots(start.grid, np.empty((0, 2))) == 0).all()


def test_places_are_the_doubtful_ones_worst_first():
    doubt = np.zeros((ROWS, COLS))
    doubt[1, 2], doubt[6, 5] = 0.6, 1.2
    assert doubtful_boxes(doubt) == [(slice(6, 7), slice(5, 6)), (slice(1, 2), slice(2, 3))]
    assert doubtful_boxes(np.zeros((4, 4))) == []


@pytest.mark.parametrize(("out", "gap"), [(2, 6), (6, 2)])
def test_a_chain_that_was_moved_wrongly_is_moved_back(contest, start, out, gap):
    chain = move_chain(contest, start, Chain(0, slice(3, 4), out, gap), np.full((ROWS, COLS), 1e-9))
    box = (slice(0, ROWS), slice(1, 6))
    patch = open_patch(contest, start, box)
    wrong = judge_patch(contest, patch, replace(chain, dark=NOTHING))
    assert wrong is not None
    assert node_distance(wrong.grid, start.grid).max() > 0.5
    best, rivals = mend_chains(contest, wrong)
    assert best.score < wrong.score
    assert node_distance(best.grid, start.grid).max() < 0.2
    assert all(rival.score >= 0 for rival in rivals)


def test_chains_through_a_place_have_an_end_there(contest, start):
    told = chain_signs(contest, start)
    chains = list(chains_through(told, 1, slice(2, 3), slice(4, 5)))
    assert chains
    for c in chains:
        assert c.gap not in (c.out, c.out + 1)
        assert 3 <= c.out <= 5 or 3 <= c.gap <= 6


@pytest.mark.parametrize("corner", [(0, COLS - 1), (ROWS - 1, 0), (ROWS - 1, COLS - 1)])
def test_a_live_corner_that_was_put_outside_and_called_dead_is_revived(contest, start, corner):
    dark = np.zeros((ROWS, COLS), bool)
    dark[corner] = True
    inner = (abs(corner[0] - 1), abs(corner[1] - 1))
    grid = start.grid.copy()
    grid[corner] += 0.4 * (grid[corner] - grid[inner])
    wrong = replace(contest, pool=[]).judge(Candidate(grid, "a dead corner", dark))
    assert wrong is not None
    best = revive_crystals(contest, wrong)
    assert not best.dark.any()
    assert node_distance(best.grid, start.grid)[corner] < 0.3


def test_a_dead_crystal_stays_dead():
    params = BlockSimulation(rows=ROWS, cols=COLS, resolution=1.6, seed=4, dead=(3 * COLS + 4,))
    contest, truth = contest_of(params, 5)
    dark = np.zeros((ROWS, COLS), bool)
    dark[3, 4] = True
    dead = contest.judge(Candidate(truth, "the truth", dark))
    assert dead is not None
    assert revive_crystals(contest, dead) is dead
    assert not revive_crystals(contest, replace(dead, dark=NOTHING)).dark.any()


def test_mending_stops_when_it_is_cancelled(contest, start):
    chain = move_chain(contest, start, Chain(0, slice(3, 4), 2, 6), np.full((ROWS, COLS), 1e-9))
    box = (slice(0, ROWS), slice(1, 6))
    wrong = judge_patch(contest, open_patch(contest, start, box), replace(chain, dark=NOTHING))
    assert wrong is not None
    with pytest.raises(Cancelled):
        mend_chains(replace(contest, budget=replace(contest.budget, cancelled=lambda: True)), wrong)


def test_a_sieve_passes_what_helps_and_stops_what_does_not(contest, start):
    sieve = Sieve(contest, start)
    assert not sieve.passes(as_it_was(start))
    assert not sieve.passes(Candidate(shifted(start.grid, 5, slice(4, 6)), "a stretch off"))
    # The other way round: from a patch that is a column off back to the truth.
    wrong = contest.judge(Candidate(shifted(start.grid, 5, slice(4, 6)), "a stretch off", gate=Gate.NONE))
    assert wrong is not None
    assert wrong.score > start.score + 0.1
    assert Sieve(contest, wrong).passes(as_it_was(start))


def test_a_sieve_leaves_large_changes_to_the_fit(contest, start):
    assert Sieve(contest, start).passes(Candidate(start.grid + 0.5 * contest.scene.ready.pitch, "all"))


def shifted(grid, column, rows):
    """The columns from one on moved by one in a stretch of rows; the last is put beside the block."""
    out = grid.copy()
    out[rows, column:-1] = grid[rows, column + 1 :]
    out[rows, -1] = 2 * grid[rows, -1] - grid[rows, -2]
    return out

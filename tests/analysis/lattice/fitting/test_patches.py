"""A patch of a lattice fitted again, and the sieve of changes."""

from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.patches import Sieve, as_it_was, judge_patch, open_patch
from napari_petlut.analysis.lattice.grids import node_distance

ROWS, COLS = 9, 8


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

"""Chains of crystals that move by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_petlut.analysis.lattice.proposing.chains import (
    Chain,
    chain_signs,
    chains_through,
    move_chain,
    spare_spots,
)

ROWS, COLS = 9, 8


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


def test_chains_through_a_place_have_an_end_there(contest, start):
    told = chain_signs(contest, start)
    chains = list(chains_through(told, 1, slice(2, 3), slice(4, 5)))
    assert chains
    for c in chains:
        assert c.gap not in (c.out, c.out + 1)
        assert 3 <= c.out <= 5 or 3 <= c.gap <= 6

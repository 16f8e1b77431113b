"""Rows of spots that the frame of a map cuts are continued, and no others."""

import numpy as np
import pytest

from napari_petlut.analysis.lattice import find_lattice, propose_geometry
from napari_petlut.analysis.lattice.seeing.frame import NOWHERE_CUT, continued, cut_sides
from napari_petlut.geometry import BlockGeometry
from napari_petlut.simulation import random_block, simulate_block

PITCH, ROWS, COLS = 24, 6, 7


def within(low0, high0, low1, high1, sigma=3.0):
    """A noisy map of a straight array; the frame goes through the outer spots of the sides that are cut."""
    rows = []
    for n, low, high in ((ROWS, low0, high0), (COLS, low1, high1)):
        first, beyond = (0 if cut else PITCH // 2 for cut in (low, high))
        axis = np.arange(first + (n - 1) * PITCH + beyond + 1.0)
        rows.append(sum(np.exp(-((axis - first - k * PITCH) ** 2) / (2 * sigma**2)) for k in range(n)))
    return np.random.default_rng(0).poisson(60 * np.outer(*rows) + 0.2).astype(float)


@pytest.mark.parametrize("cut", [(1, 1, 1, 1), (1, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1)])
def test_every_crystal_of_a_map_that_cuts_the_outer_spots_is_found(cut):
    counts = within(*cut)
    sides = cut_sides(counts)
    assert [bool(pixels) for axis in sides for pixels in axis] == [bool(side) for side in cut]
    assert all(abs(pixels - PITCH / 2) <= 2 for axis in sides for pixels in axis if pixels)
    assert propose_geometry(counts)[0].geometry == BlockGeometry(ROWS, COLS)
    lattice = find_lattice(counts, None)
    first = np.array([0 if cut[0] else PITCH // 2, 0 if cut[2] else PITCH // 2])
    true = first + PITCH * np.argwhere(np.ones((ROWS, COLS)))
    assert np.abs(lattice.positions - true).max() < 1.5
    assert (lattice.positions >= 0).all() and (lattice.positions <= np.array(counts.shape) - 1).all()
    assert lattice.doubtful.sum() == 0


@pytest.mark.parametrize("level", ["easy", "typical", "hard", "beyond"])
def test_blocks_inside_their_frame_are_not_continued(level):
    for seed in range(3):
        counts = simulate_block(random_block(480_000 + seed, level).params).flood.counts
        assert cut_sides(counts) == NOWHERE_CUT


@pytest.mark.parametrize("counts", [np.ones((40, 40)), np.zeros((40, 50)), np.eye(30), np.ones((1, 9))])
def test_a_map_without_rows_is_not_continued(counts):
    assert cut_sides(counts) == NOWHERE_CUT
    assert continued(counts, NOWHERE_CUT) is counts


def test_a_row_that_was_cut_comes_to_hold_as_much_as_the_next_at_most():
    counts = within(1, 0, 0, 0)
    whole = continued(counts, ((PITCH // 2, 0), (0, 0)))
    assert whole[:PITCH].sum() == pytest.approx(whole[PITCH : 2 * PITCH].sum(), rel=0.05)
    np.testing.assert_array_equal(whole[PITCH // 2 + PITCH :], counts[PITCH:])


def test_peaks_that_a_person_fixed_stay_where_they_are():
    counts = within(1, 1, 1, 1)
    lattice = find_lattice(counts, BlockGeometry(ROWS, COLS), fixed={8: (25.0, 23.0)})
    assert lattice.positions[8].tolist() == [25.0, 23.0]

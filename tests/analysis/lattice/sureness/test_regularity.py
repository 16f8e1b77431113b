"""How regular a lattice is around each crystal."""

import numpy as np
import pytest

from napari_petlut.analysis.lattice.sureness.regularity import (
    inconsistencies,
    odd_lines,
    sharpest_bends,
    unevenness,
)


def even_grid(rows=4, cols=5):
    return np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"), -1) * 10.0


def test_an_even_lattice_is_regular():
    assert not sharpest_bends(even_grid()).any()
    assert np.abs(inconsistencies(even_grid())).max() < 1e-12
    assert not unevenness(np.zeros((4, 5))).any()


def test_a_crystal_off_its_lines_bends_them_at_its_neighbours_too():
    grid = even_grid()
    grid[1, 2] += [2.0, 0.0]
    bend = sharpest_bends(grid)
    assert bend[1, 2] == pytest.approx(0.4)
    assert bend[2, 2] == pytest.approx(0.2)
    # The outermost crystals bend as the next ones do.
    assert bend[3, 2] == bend[2, 2]
    assert bend[2, 1] == bend[3, 4] == 0.0


def test_a_pitch_unlike_that_of_the_next_line_is_inconsistent_at_its_corners():
    grid = even_grid()
    grid[0, 0, 0] -= 5.0
    off = inconsistencies(grid)
    expected = np.log(1.5 + 0.1) - np.log(1.1)
    np.testing.assert_allclose(off[:2, :2], expected)
    assert np.abs(off[2:]).max() < 1e-12
    assert np.abs(off[:, 2:]).max() < 1e-12


def test_counts_are_held_against_those_of_the_neighbours():
    weight = np.zeros((4, 5))
    weight[1, 1] = 0.5
    uneven = unevenness(weight)
    assert uneven[1, 1] == pytest.approx(4 * 0.5)
    assert uneven[2, 1] == uneven[1, 2] == pytest.approx(0.5)
    # At an edge the inner neighbour counts twice.
    assert uneven[0, 1] == pytest.approx(2 * 0.5)
    assert uneven[2, 2] == 0


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (2, 2)])
def test_small_blocks_have_values_too(shape):
    grid = even_grid(*shape)
    for values in (sharpest_bends(grid), inconsistencies(grid), unevenness(np.zeros(shape))):
        assert values.shape == shape
        assert np.isfinite(values).all()


def test_lines_with_few_and_with_many_counts_stand_out():
    weight = np.zeros((4, 5))
    assert odd_lines(weight) == (0.0, 0.0)
    weight[1] = -2.0
    weight[:, 3] = 0.7
    assert odd_lines(weight) == pytest.approx((2.0, 0.7))

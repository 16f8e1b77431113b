import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.maps import grids


def straight(rows: int, cols: int) -> np.ndarray:
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    return np.stack([10.0 + 8 * r + 1 * c, 5.0 - 2 * r + 12 * c], axis=-1)


def test_holes_of_a_straight_grid_are_filled_exactly():
    grid = straight(5, 6)
    hole = np.zeros((5, 6), bool)
    hole[2, 2:4] = hole[0, 0] = hole[4, :] = True
    broken = np.where(hole[..., None], 1e6, grid)
    np.testing.assert_allclose(grids.fill_holes(broken, hole), grid, atol=1e-4)


def test_filled_nodes_are_where_the_energy_of_bending_is_least():
    rng = np.random.default_rng(3)
    grid = straight(6, 5) + rng.normal(0, 1.0, (6, 5, 2))
    hole = rng.random((6, 5)) < 0.3

    def energy(g, axis):
        across, along = (np.diff(g[..., axis], 2, axis=a) for a in (1 - axis, axis))
        twist = np.diff(np.diff(g[..., axis], axis=0), axis=1)
        return (across**2).sum() + grids.ALONG * (along**2).sum() + (twist**2).sum()

    filled = grids.fill_holes(grid, hole)
    for axis in (0, 1):
        least = energy(filled, axis)
        for i, j in np.argwhere(hole):
            for off in (-0.1, 0.1):
                moved = filled.copy()
                moved[i, j, axis] += off
                assert energy(moved, axis) > least


def test_few_and_many_holes_are_filled_alike(monkeypatch):
    rng = np.random.default_rng(1)
    grid = straight(9, 8) + rng.normal(0, 1.0, (9, 8, 2))
    hole = rng.random((9, 8)) < 0.4
    dense = grids.fill_holes(grid, hole)
    monkeypatch.setattr(grids, "FEW_HOLES", 0)
    np.testing.assert_allclose(dense, grids.fill_holes(grid, hole), atol=1e-6)
    np.testing.assert_array_equal(dense[~hole], grid[~hole])


def test_a_grid_without_holes_is_returned_as_it_is():
    grid = straight(3, 4)
    np.testing.assert_array_equal(grids.fill_holes(grid, np.zeros((3, 4), bool)), grid)


@given(st.sets(st.integers(0, 19), max_size=12))
def test_a_straight_grid_is_completed_or_left_open_as_a_whole(holes):
    grid = straight(4, 5)
    known = ~np.isin(np.arange(20), list(holes)).reshape(4, 5)
    completed = grids.completed_grid(np.where(known[..., None], grid, np.nan))
    if grids.spans(known):
        np.testing.assert_allclose(completed, grid, atol=1e-4)
    else:
        np.testing.assert_array_equal(np.isfinite(completed[..., 0]), known)


def test_nodes_on_one_line_do_not_span_a_grid():
    known = np.zeros((3, 4), bool)
    known[1] = True
    assert not grids.spans(known)
    known[2, 0] = True
    assert grids.spans(known)
    assert grids.spans(np.array([[True, False, True]]))
    assert not grids.spans(np.array([[True, False, False]]))
    assert grids.spans(np.array([[True]]))


def test_lines_bend_by_twice_the_distance_from_the_middle_of_the_neighbours():
    grid = straight(4, 5)
    for axis, shape in ((0, (2, 5)), (1, (4, 3))):
        np.testing.assert_allclose(grids.bends(grid, axis), np.zeros(shape), atol=1e-12)
    grid[1, 2] += (3.0, 4.0)
    assert grids.bends(grid, 0)[0, 2] == pytest.approx(10)
    assert grids.bends(grid, 1)[1].tolist() == pytest.approx([5, 10, 5])
    assert grids.bends(straight(2, 4), 0).shape == (0, 4)
    assert grids.bends(straight(4, 2), 1).shape == (4, 0)


def test_the_typical_pitch_is_the_median_distance_of_known_neighbours():
    grid = np.stack(np.meshgrid(10.0 * np.arange(4), 6.0 * np.arange(5), indexing="ij"), axis=-1)
    assert grids.typical_pitch(grid[:, :1]) == 10
    assert grids.typical_pitch(grid) == pytest.approx(6)  # 15 steps of 10, 16 of 6
    grid[1] = np.nan
    assert grids.typical_pitch(grid[:2]) == 6
    assert np.isnan(grids.typical_pitch(grid[:1, :1]))

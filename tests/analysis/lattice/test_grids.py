import numpy as np
import pytest

from napari_petlut.analysis.lattice import grids


def straight(rows: int, cols: int) -> np.ndarray:
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    return np.stack([10.0 + 8 * r + 1 * c, 5.0 - 2 * r + 12 * c], axis=-1)


def test_steps_and_areas_equal_their_plain_twins():
    grid = straight(5, 6) + np.random.default_rng(2).normal(0, 1.0, (5, 6, 2))
    down, right = grids.steps(grid)
    np.testing.assert_allclose(down, np.gradient(grid, axis=0))
    np.testing.assert_allclose(right, np.gradient(grid, axis=1))
    area = np.abs(down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0])
    np.testing.assert_allclose(grids.cell_areas(grid), area)
    assert grids.median(area) == np.median(area)


@pytest.mark.parametrize(("axis", "step"), [(0, (8.0, -2.0)), (1, (1.0, 12.0))])
def test_node_distance_counts_local_steps(axis, step):
    grid = straight(5, 5)
    np.testing.assert_allclose(grids.node_distance(grid + 0.5 * np.array(step), grid), 0.5, atol=1e-9)


def test_node_distance_equals_its_plain_twin_on_bent_grids():
    rng = np.random.default_rng(4)
    for rows, cols in ((5, 6), (2, 7), (1, 4)):
        other = straight(rows, cols) + rng.normal(0, 1.5, (rows, cols, 2))
        grid = other + rng.normal(0, 4.0, other.shape)
        down, right = grids.steps(other)
        det = down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0]
        floor = 1e-6 + 1e-3 * np.median(np.abs(det))
        det = np.where(np.abs(det) < floor, floor, det)
        off = grid - other
        u = (off[..., 0] * right[..., 1] - off[..., 1] * right[..., 0]) / det
        v = (down[..., 0] * off[..., 1] - down[..., 1] * off[..., 0]) / det
        expected = np.maximum(np.abs(u), np.abs(v))
        np.testing.assert_allclose(grids.node_distance(grid, other), expected, rtol=1e-9)


def test_shifting_a_grid_by_one_line_moves_every_crystal_by_one_but_the_outer_one():
    grid = straight(4, 5)
    distance = grids.node_distance(grids.shifted_grid(grid, 1, 1), grid)
    np.testing.assert_allclose(distance[:, :-1], 1.0)
    np.testing.assert_allclose(distance[:, -1], 0.8)
    np.testing.assert_allclose(grids.shifted_grid(grid, 0, -1)[1:], grid[:-1])


def test_only_cells_turned_inside_out_are_folded():
    grid = straight(4, 4)
    assert not grids.folded_cells(grid).any()
    grid[1, 1], grid[1, 2] = grid[1, 2].copy(), grid[1, 1].copy()
    folded = grids.folded_cells(grid)
    assert folded[:2].any()
    assert not folded[2].any()
    assert grids.touching(folded)[1, 1]
    assert not grids.touching(folded)[3, 3]


def test_smoothing_keeps_straight_lines_and_an_uneven_pitch():
    grid = straight(6, 6)
    grid[..., 0] = np.array([0.0, 3, 12, 21, 24, 40])[:, None]
    smooth = grids.smooth_grid(grid, 2.0)
    np.testing.assert_allclose(smooth[..., 1], grid[..., 1], atol=1e-9)
    assert np.abs(smooth[..., 0] - grid[..., 0]).max() < 2.0


def test_local_pitch_is_the_distance_to_the_nearest_neighbour():
    grid = straight(3, 3)
    np.testing.assert_allclose(grids.nearest_spacing(grid), np.hypot(8, 2))

import numpy as np

from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin.editing.numbering import kinks, number_points, numbering_of

from .conftest import grid_points

BLOCK = BlockGeometry(4, 5)
IDS = np.arange(20)
NONE = np.full(20, -1)


def test_points_without_numbers_are_numbered_whatever_their_order(points):
    order = np.random.default_rng(1).permutation(20)
    result = number_points(points[order], BLOCK, NONE)
    assert result.crystal.tolist() == order.tolist()
    np.testing.assert_allclose(result.places, points)


def test_a_deleted_point_leaves_a_hole_with_its_expected_place(points):
    result = number_points(np.delete(points, 7, 0), BLOCK, np.delete(IDS, 7))
    assert result.crystal.tolist() == np.delete(IDS, 7).tolist()
    assert np.flatnonzero(~result.occupied).tolist() == [7]
    np.testing.assert_allclose(result.places[7], points[7], atol=1e-6)


def test_a_new_point_takes_the_vacant_number_next_to_it(points):
    moved = np.vstack([np.delete(points, 7, 0), points[7] + 3])
    result = number_points(moved, BLOCK, np.append(np.delete(IDS, 7), -1))
    assert result.crystal[-1] == 7
    assert result.occupied.all()


def test_a_point_too_many_belongs_to_no_crystal(points):
    result = number_points(np.vstack([points, points[7] + 3]), BLOCK, np.append(IDS, -1))
    assert result.crystal.tolist() == [*range(20), -1]


def test_of_two_points_with_one_number_the_second_loses_it(points):
    result = number_points(np.vstack([points, points[7]]), BLOCK, np.append(IDS, 7))
    assert result.crystal.tolist() == [*range(20), -1]


def test_points_dragged_past_each_other_swap_their_numbers(points):
    swapped = points.copy()
    swapped[[6, 7]] = points[[7, 6]]
    assert number_points(swapped, BLOCK, IDS).crystal[[6, 7]].tolist() == [7, 6]


def test_deleting_a_surplus_column_renumbers_the_whole_block():
    wide = grid_points(4, 6)
    without_first = wide.reshape(4, 6, 2)[:, 1:].reshape(-1, 2)
    previous = np.arange(24).reshape(4, 6)[:, :5]  # numbered with the surplus column as column 0
    shifted = np.where(np.arange(6) < 5, np.pad(previous, ((0, 0), (0, 1)), constant_values=-1), -1)
    kept = shifted[:, 1:].ravel()
    kept = np.where(kept >= 20, -1, kept)
    assert number_points(without_first, BLOCK, kept).crystal.tolist() == list(range(20))


def test_too_few_points_stay_without_numbers():
    result = number_points(np.array([[1.0, 2.0]]), BLOCK, np.array([-1]))
    assert result.crystal.tolist() == [-1]
    assert np.isnan(result.places).all()


def test_a_point_off_the_middle_of_its_neighbours_is_a_kink(points):
    grid = points.reshape(4, 5, 2).copy()
    assert not kinks(grid).any()
    grid[1, 2] += (0, 7)
    assert kinks(grid)[1, 2]


def test_ids_of_another_geometry_count_as_none(points):
    result = numbering_of(np.arange(20) + 5, points, BLOCK)
    assert result.crystal[-5:].tolist() == [-1] * 5
    assert result.occupied.sum() == 15

import numpy as np

from napari_petlut.maps.neighbours import local_pitch, nearest_distances, nearest_neighbours

POINTS = np.array([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0], [4.0, 3.0]])


def test_neighbours_come_nearest_first_and_without_the_point_itself():
    distance, index = nearest_neighbours(POINTS, 3)
    np.testing.assert_allclose(distance, [[3, 4, 5]] * 4)
    assert index[0].tolist() == [1, 2, 3]
    distance, index = nearest_neighbours(np.zeros((3, 2)), 2)
    assert not distance.any()
    assert all(k not in others for k, others in enumerate(index.tolist()))


def test_more_neighbours_than_there_are_points_are_not_made_up():
    assert nearest_neighbours(POINTS, 9)[0].shape == (4, 3)
    assert nearest_neighbours(POINTS[:1], 2)[1].shape == (1, 0)


def test_the_nearest_distance_is_that_to_another_point():
    assert nearest_distances(POINTS).tolist() == [3, 3, 3, 3]
    assert nearest_distances(POINTS[[0, 0, 2]]).tolist() == [0, 0, 4]
    assert nearest_distances(POINTS[:1]).tolist() == [np.inf]


def test_the_local_pitch_is_the_mean_distance_of_the_two_nearest():
    points = np.vstack([POINTS, [np.nan, 0.0]])
    np.testing.assert_allclose(local_pitch(points), [3.5, 3.5, 3.5, 3.5, np.nan])
    assert local_pitch(POINTS[:1]).tolist() == [np.inf]
    assert local_pitch(np.zeros((3, 2))).tolist() == [2.0, 2.0, 2.0]  # doubled peaks are no lattice

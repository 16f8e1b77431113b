import numpy as np

from napari_petlut.plugin.editing.snapping import free_of_others, snap_to_maximum

from .conftest import flood_of


def test_a_point_jumps_to_the_summit_near_it_to_a_fraction_of_a_pixel():
    summit = np.array([[20.3, 30.6], [40.0, 10.0]])
    snapped = snap_to_maximum(flood_of(summit), np.array([[22.3, 28.6], [37.0, 10.0]]))
    np.testing.assert_allclose(snapped, summit, atol=0.05)


def test_a_point_too_far_from_a_summit_does_not_reach_it():
    summit = np.array([[20.0, 30.0]])
    snapped = snap_to_maximum(flood_of(summit), np.array([[20.0, 40.0]]), radius=4)
    assert np.linalg.norm(snapped - [[20.0, 40.0]]) <= 4.75
    assert np.linalg.norm(snapped - summit) > 5


def test_points_outside_or_at_the_corner_of_the_map_do_no_harm():
    counts = flood_of(np.array([[3.0, 3.0]]))
    snapped = snap_to_maximum(counts, np.array([[-5.0, 3.0], [1.0, 1.0]]))
    assert snapped[0].tolist() == [-5.0, 3.0]
    np.testing.assert_allclose(snapped[1], [3, 3], atol=0.2)


def test_a_summit_that_another_peak_holds_is_not_free():
    snapped = np.array([[5.0, 5.0], [9.0, 9.0]])
    assert free_of_others(snapped, np.array([[5.5, 5.5]])).tolist() == [False, True]
    assert free_of_others(snapped, np.empty((0, 2))).tolist() == [True, True]

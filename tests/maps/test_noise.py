"""What one event is worth, and how much counts scatter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.maps.noise import event_value, index_of_dispersion


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=30),
    st.sampled_from([0.5, 1.0, 0.37, 1 / 3, 7.0, 100.0, 1e-4]),
)
def test_an_event_is_what_all_counts_are_multiples_of(events, value):
    counts = np.array([0, *events]) * value
    assert event_value(counts) == pytest.approx(np.gcd.reduce(events) * value, rel=1e-4)


def test_an_event_is_one_in_maps_of_no_multiples_and_without_counts():
    assert event_value(np.exp(np.linspace(0, 3, 50))) == 1.0
    assert event_value(np.zeros(4)) == 1.0


def test_the_index_of_dispersion_is_the_counts_of_one_event():
    counts = np.random.default_rng(0).poisson(40, (200, 200)).astype(float)
    assert index_of_dispersion(counts) == pytest.approx(1, abs=0.1)
    assert index_of_dispersion(counts * 7) == pytest.approx(7 * index_of_dispersion(counts))
    assert index_of_dispersion(np.full((5, 5), 3.0)) == 0
    assert index_of_dispersion(np.zeros((5, 5))) == 0


def test_hot_pixels_do_not_count_and_smoothed_maps_scatter_less():
    counts = np.random.default_rng(1).poisson(40, (200, 200)).astype(float)
    hot = counts.copy()
    hot[50, 60] = hot[120, 30] = 1e5
    assert index_of_dispersion(hot) == pytest.approx(index_of_dispersion(counts), rel=0.02)
    smooth = sum(np.roll(counts, shift, axis=1) for shift in (0, 1, 2)) / 3
    assert index_of_dispersion(smooth) < 0.2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_petlut.maps.binning import bin_map, spread_bins, to_bins, to_pixels

MAPS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 1000).map(float))
)


@given(MAPS, st.integers(1, 4), st.integers(1, 4))
def test_bins_are_the_sums_of_their_pixels(counts, f0, f1):
    binned = bin_map(counts, (f0, f1))
    assert binned.shape == (-(-counts.shape[0] // f0), -(-counts.shape[1] // f1))
    for i, j in np.ndindex(binned.shape):
        assert binned[i, j] == counts[i * f0 : (i + 1) * f0, j * f1 : (j + 1) * f1].sum()


def test_one_factor_is_for_both_axes():
    counts = np.arange(35.0).reshape(5, 7)
    np.testing.assert_array_equal(bin_map(counts, 3), bin_map(counts, (3, 3)))
    np.testing.assert_array_equal(bin_map(counts, 1), counts)


@given(MAPS, st.integers(1, 4))
def test_spread_bins_give_every_pixel_the_value_of_its_bin(counts, factor):
    spread = spread_bins(bin_map(counts, factor), factor, counts.shape)
    assert spread.shape == counts.shape
    i, j = np.indices(counts.shape)
    np.testing.assert_array_equal(spread, bin_map(counts, factor)[i // factor, j // factor])


@pytest.mark.parametrize("factor", [1, 3, (2, 5)])
def test_positions_in_bins_are_where_the_counts_are(factor):
    counts = np.zeros((30, 30))
    counts[6:12, 10:20] = 1.0
    middle = np.array([8.5, 14.5])
    binned = bin_map(counts, factor)
    centre = (np.indices(binned.shape) * binned).sum(axis=(1, 2)) / binned.sum()
    np.testing.assert_allclose(to_bins(middle, factor), centre)
    np.testing.assert_allclose(to_pixels(to_bins(middle, factor), factor), middle)

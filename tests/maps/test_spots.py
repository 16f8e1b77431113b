"""The compiled loops over spots against plain NumPy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.maps.spots import (
    add_spots,
    kept_mass,
    spot_heights,
    spot_moments,
    spot_windows,
    strongest_spot,
)


def plain_spots(shape, means, precision, amplitude, window):
    """Every spot as an array of the whole map, in plain numpy."""
    i, j = np.indices(shape)
    for mean, (p00, p01, p11), height, (a0, b0, a1, b1) in zip(
        means, precision, amplitude, window, strict=True
    ):
        d0, d1 = i - mean[0], j - mean[1]
        inside = (i >= a0) & (i < b0) & (j >= a1) & (j < b1)
        value = height * np.exp(-0.5 * (p00 * d0**2 + 2 * p01 * d0 * d1 + p11 * d1**2))
        yield np.where(inside, value, 0.0), d0, d1


@given(st.integers(0, 2**32 - 1))
def test_compiled_loops_equal_plain_numpy(seed):
    rng = np.random.default_rng(seed)
    shape, n = (31, 47), 6
    means = rng.uniform([-5, -5], [36, 52], (n, 2))
    sigma, correlation = rng.uniform(0.6, 9, (n, 2)), rng.uniform(-0.8, 0.8, n)
    determinant = (sigma**2).prod(1) * (1 - correlation**2)
    precision = (
        np.stack([sigma[:, 1] ** 2, -correlation * sigma.prod(1), sigma[:, 0] ** 2], 1) / determinant[:, None]
    )
    amplitude = rng.uniform(0.1, 100, n)
    window = spot_windows(shape, means, 4 * sigma)
    ratio = rng.uniform(0, 3, shape)
    plain = list(plain_spots(shape, means, precision, amplitude, window))

    total = np.ones(shape)
    add_spots(total, means, precision, amplitude, window)
    assert np.allclose(total, 1 + sum(value for value, _, _ in plain), rtol=1e-9)

    expected = [
        [(value * ratio * part).sum() for part in (1, d0, d1, d0 * d0, d0 * d1, d1 * d1)]
        for value, d0, d1 in plain
    ]
    moments = spot_moments(ratio, means, precision, amplitude, window)
    assert np.allclose(moments, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())

    labels, best = np.full(shape, -1, np.int32), np.zeros(shape)
    strongest_spot(labels, best, means, precision, amplitude, window)
    stack = np.stack([value for value, _, _ in plain])
    assert np.allclose(best, stack.max(axis=0), rtol=1e-9)
    # Where two spots are equal to rounding either may win.
    chosen = np.take_along_axis(stack, np.maximum(labels, 0)[None].astype(np.intp), 0)[0]
    assert np.allclose(chosen, best, rtol=1e-9)

    ids = np.arange(n, dtype=np.int32)
    own, whole = kept_mass(labels, ids, means, precision, window)
    unit = [value / height for (value, _, _), height in zip(plain, amplitude, strict=True)]
    assert np.allclose(whole, [value.sum() for value in unit], rtol=1e-9)
    expected_own = [value[labels == k].sum() for k, value in enumerate(unit)]
    assert np.allclose(own, expected_own, rtol=1e-9, atol=1e-12)


def test_heights_are_those_of_a_gaussian_of_its_counts():
    covariance = np.array([[4.0, 1.0, 9.0], [2.0, -0.5, 1.0]])
    precision, amplitude = spot_heights(covariance, np.array([700.0, 30.0]))
    full = np.array([[[a, b], [b, c]] for a, b, c in covariance])
    assert np.allclose(precision[:, [0, 1, 1, 2]].reshape(-1, 2, 2) @ full, np.eye(2))
    assert np.allclose(amplitude, [700, 30] / (2 * np.pi * np.sqrt(np.linalg.det(full))))


def test_windows_are_cut_at_the_map():
    window = spot_windows((10, 12), np.array([[1.0, 6.5], [20.0, 5.0]]), np.array([[3.0, 2.0], [3.0, 2.0]]))
    assert window[0].tolist() == [0, 5, 4, 10]
    assert window[1, 0] >= window[1, 1]  # beside the map: nothing to do

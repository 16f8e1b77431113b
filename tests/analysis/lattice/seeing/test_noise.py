"""The deviance that noise alone makes."""

import numpy as np
import pytest
from scipy.stats import poisson

from napari_petlut.analysis.lattice.seeing.noise import (
    DEVIANCE_TABLE_END,
    expected_half_deviance,
    half_deviance,
    noise_deviance,
)
from napari_petlut.analysis.lattice.seeing.preparing import prepare_map
from napari_petlut.simulation import BlockSimulation, simulate_block


@pytest.mark.parametrize(
    "mean", [0.01, 0.3, 1.0, 4.0, 25.0, DEVIANCE_TABLE_END - 0.1, DEVIANCE_TABLE_END + 0.1, 3e2]
)
def test_the_expected_deviance_is_the_mean_over_all_counts(mean):
    k = np.arange(1, 3000)
    deviance = k * np.log(k / mean) - k + mean
    wanted = (poisson.pmf(k, mean) * deviance).sum() + np.exp(-mean) * mean
    assert expected_half_deviance(np.array([mean]))[0] == pytest.approx(wanted, rel=3e-3)


@pytest.mark.parametrize("mean", [0.5, 3.0, 60.0])
def test_the_noise_of_a_flat_map_is_its_deviance(mean):
    counts = np.random.default_rng(1).poisson(mean, (120, 120)).astype(np.float64)
    k = np.maximum(counts, 1)
    deviance = (np.where(counts > 0, counts * np.log(k / mean), 0) - counts + mean).sum() / counts.sum()
    assert noise_deviance(counts, np.full(counts.shape, mean)) == pytest.approx(deviance, rel=0.05)


def test_smoothed_and_rounded_maps_have_less_noise():
    counts = np.random.default_rng(2).poisson(20.0, (120, 120)).astype(np.float64)
    smooth = np.full(counts.shape, 20.0)
    whole = noise_deviance(counts, smooth)
    # Half of a Poisson count has a quarter of its variance at half its mean, and rounding adds 1/8.
    halved = noise_deviance(np.round(0.5 * counts), 0.5 * smooth)
    assert halved == pytest.approx(whole, rel=0.1)
    mean = sum(np.roll(counts, (i, j), (0, 1)) for i in (0, 1, 2) for j in (0, 1, 2)) / 9
    assert noise_deviance(mean, smooth) < 0.1 * whole
    assert noise_deviance(smooth, smooth) == 0.0


@pytest.mark.parametrize("scale", [0.5, 100.0])
def test_a_scaled_map_is_prepared_like_the_map(scale):
    block = simulate_block(BlockSimulation(rows=6, cols=6, counts_per_crystal=400, seed=1))
    geometry = block.params.geometry
    straight, scaled = (prepare_map(block.flood.counts * f, geometry) for f in (1.0, scale))
    np.testing.assert_array_equal(scaled.counts, straight.counts)
    np.testing.assert_array_equal(scaled.support, straight.support)


def test_half_deviance_equals_its_formula():
    counts, model = np.array([[0.0, 3.0], [5.0, 1.0]]), np.array([[0.5, 2.0], [6.0, 1.0]])
    logs = 3 * np.log(3 / 2) + 5 * np.log(5 / 6)
    assert half_deviance(counts, model) == pytest.approx((model.sum() - counts.sum() + logs) / 9)
    assert half_deviance(np.zeros((2, 2)), model) == 0.0

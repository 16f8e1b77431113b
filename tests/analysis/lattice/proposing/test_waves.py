"""The waves of lines: their vectors, how they agree, and the lattices they lead to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contests import contest_of, swirl
from napari_petlut.analysis.lattice.fitting.contest import SAME
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.proposing.even_counts import spread_evenly
from napari_petlut.analysis.lattice.proposing.phases import PER_PITCH, PHASE_MARGIN
from napari_petlut.analysis.lattice.proposing.waves import (
    COARSE,
    CROSS,
    LARGEST_COST,
    MAIN,
    STEP_REACH,
    UNLIKE_COST,
    WINDOW,
    put_on_waves,
    sum_costs,
    sum_steps,
    wave_energy,
    wave_offsets,
    wave_vectors,
    window_places,
)
from napari_petlut.analysis.lattice.seeing.index_space import RectifiedMap, sample_places
from napari_petlut.simulation import BlockSimulation


def noisy_wave(lines, across, main, cross, seed=0):
    """A wave seen every `COARSE` samples of a rectified map, with noise."""
    v, u = np.meshgrid(sample_places(lines)[::COARSE], sample_places(across)[::COARSE], indexing="ij")
    noise = np.random.default_rng(seed).normal(0, 0.3, v.shape)
    return (np.cos(2 * np.pi * (main * v + cross * u)) + noise).astype(np.float32)


@given(st.floats(0.75, 1.3), st.floats(-0.5, 0.5))
@settings(max_examples=20, deadline=None)
def test_the_vector_of_a_wave_is_found_everywhere(main, cross):
    energy = wave_energy(noisy_wave(14, 11, main, cross), 14, 11, 2.5)
    found_main, found_cross, weight = wave_vectors(energy)
    assert found_main.shape == (len(window_places(14)), len(window_places(11)))
    np.testing.assert_allclose(found_main, main, atol=0.04)
    np.testing.assert_allclose(found_cross, cross, atol=0.04)
    assert weight.min() > 1


def test_a_window_that_sees_nothing_agrees_with_its_neighbours():
    wave = noisy_wave(16, 16, 1.1, 0.3)
    middle = np.abs(sample_places(16)[::COARSE] - 7.5) < 4
    wave[np.ix_(middle, middle)] = np.random.default_rng(5).normal(0, 0.3, (middle.sum(), middle.sum()))
    main, cross, _ = wave_vectors(wave_energy(wave, 16, 16, 1.5))
    np.testing.assert_allclose(main, 1.1, atol=0.15)
    np.testing.assert_allclose(cross, 0.3, atol=0.15)


def test_summing_costs_equals_its_plain_twin():
    rng = np.random.default_rng(8)
    cost = rng.normal(0, 3, (4, 5, len(MAIN), len(CROSS))).astype(np.float32)
    found = np.zeros_like(cost)
    sum_costs(cost, found)
    main = np.abs(np.subtract.outer(np.arange(len(MAIN)), np.arange(len(MAIN))))[:, None, :, None]
    cross = np.abs(np.subtract.outer(np.arange(len(CROSS)), np.arange(len(CROSS))))[None, :, None, :]
    apart = np.where(np.maximum(main, cross) <= STEP_REACH, UNLIKE_COST * (main**2 + cross**2), np.inf)
    wanted = np.zeros(cost.shape)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if down or right:
                wanted += paths(cost.astype(float), down, right, apart)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def paths(cost, down, right, apart):
    """Cheapest costs along paths in one direction, by the definition."""
    high, wide = cost.shape[:2]
    out = cost.copy()
    for i in range(high) if down >= 0 else range(high - 1, -1, -1):
        for j in range(wide) if right >= 0 else range(wide - 1, -1, -1):
            a, b = i - down, j - right
            if 0 <= a < high and 0 <= b < wide:
                came = out[a, b] - out[a, b].min()
                cheapest = (came[None, None] + apart).min(axis=(2, 3))
                out[i, j] += np.minimum(cheapest, LARGEST_COST)
    return out


@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 99))
def test_a_field_is_summed_from_its_exact_slopes(n0, n1, seed):
    slope0, slope1 = np.random.default_rng(seed).normal(size=2)
    i, j = np.indices((n0, n1), dtype=float)
    field = slope0 * i + slope1 * j
    weight = np.random.default_rng(seed).uniform(0.1, 10, (n0, n1))
    found = sum_steps(np.full((n0, n1), slope0), np.full((n0, n1), slope1), weight)
    np.testing.assert_allclose(found, field - field.mean(), atol=1e-5)


def test_offsets_of_bent_lines_are_found_over_several_pitches():
    rows, cols = 16, 14
    v, u = np.meshgrid(sample_places(rows), sample_places(cols), indexing="ij")
    bend = 1.5 * np.sin(np.pi * (u + 0.5) / cols - np.pi / 2)
    wave = np.cos(2 * np.pi * (v - bend)) + np.cos(2 * np.pi * u)
    down, right = wave_offsets(RectifiedMap(1 + wave, wave), 2.0)
    at = np.arange(cols * PER_PITCH + 1) / PER_PITCH - PHASE_MARGIN
    wanted = 1.5 * np.sin(np.pi * (at + 0.5) / cols - np.pi / 2)
    assert down.shape == (rows * PER_PITCH + 1, cols * PER_PITCH + 1)
    off = down - wanted
    assert np.abs(off - np.median(off))[:, 2:-2].max() < 0.35
    assert np.abs(right).max() < 0.1


@pytest.mark.parametrize("amount", [-1.5, 1.5])
def test_a_rough_lattice_of_swirled_lines_becomes_right(amount):
    params = BlockSimulation(
        rows=18, cols=16, resolution=1.4, counts_per_crystal=2000, distortion=0.1, seed=3
    )
    contest, truth = contest_of(params)
    start = swirl(truth, amount)
    assert (node_distance(start, truth) > SAME).mean() > 0.3
    assert (node_distance(put_on_waves(contest, start, WINDOW), truth) > SAME).mean() < 0.03


def test_evenly_spread_counts_become_a_lattice_that_is_about_right():
    contest, truth = contest_of(BlockSimulation(rows=20, cols=20, resolution=1.3, distortion=0.2, seed=12))
    start = spread_evenly(contest)
    before = (node_distance(start, truth) > SAME).mean()
    after = (node_distance(put_on_waves(contest, start, WINDOW), truth) > SAME).mean()
    assert before > 0.3
    assert after < 0.1


def test_an_array_of_two_lines_has_waves_too():
    contest, truth = contest_of(BlockSimulation(rows=2, cols=5, resolution=2.5, seed=1))
    found = put_on_waves(contest, truth, WINDOW)
    assert np.isfinite(found).all()
    assert found.shape == truth.shape

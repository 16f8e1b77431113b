"""The terms of the objective against their plain twin, and what they are made to tell apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_petlut.analysis.lattice.fitting.mixture import MixtureFit
from napari_petlut.analysis.lattice.fitting.objective import (
    ASYMMETRY_CAP,
    CAP,
    COUNT_CAP,
    EDGE_LINES,
    LEAST_MISFIT,
    NOISE_SHARE,
    PITCH_CAP,
    grid_terms,
    misfit,
)
from napari_petlut.analysis.lattice.grids import log_gaps, steps
from napari_petlut.model import FloatArray

BoolArray = npt.NDArray[np.bool_]


def plain_asymmetry(log_gap: FloatArray, axis: int) -> float:
    profile = np.median(log_gap, axis=1 - axis) if log_gap.size else np.zeros(0)
    lines = min(EDGE_LINES, len(profile) // 2)
    return float(np.abs(profile[:lines] - profile[::-1][:lines]).mean()) if lines else 0.0


def plain_terms(grid: FloatArray, weight: FloatArray, dark: BoolArray) -> FloatArray:
    irregularity, inconsistency, unevenness, asymmetry = 0.0, 0.0, 0.0, 0.0
    gaps = log_gaps(grid)
    for axis in (0, 1):
        asymmetry += min(plain_asymmetry(gaps[axis], axis), ASYMMETRY_CAP)
        pitch = np.abs(steps(grid)[axis][..., axis])
        pitch = 0.5 * (pitch + max(float(np.median(pitch)), 1e-9))
        if grid.shape[axis] > 2:
            bend = np.diff(grid[..., axis], 2, axis=axis)
            inner = (slice(1, -1), slice(None)) if axis == 0 else (slice(None), slice(1, -1))
            irregularity += float(np.minimum((bend / pitch[inner]) ** 2, CAP).mean())
        step = np.diff(gaps[axis], axis=1 - axis)
        if step.size:
            inconsistency += float(np.minimum(step**2, PITCH_CAP).mean())
        jump = np.minimum(np.abs(np.diff(weight, axis=axis)), COUNT_CAP)
        unlit = np.moveaxis(dark, axis, 0)
        jump = jump[~np.moveaxis(unlit[1:] | unlit[:-1], 0, axis)]
        if jump.size:
            unevenness += 0.5 * float(jump.mean())
    return np.array([irregularity, inconsistency, unevenness, asymmetry])


def bent_grid(rows: int, cols: int, seed: int, bend: float) -> FloatArray:
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"), -1) * 10.0
    return grid + rng.normal(0, bend, grid.shape)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**20), st.sampled_from([0.0, 1.0, 8.0]))
def test_compiled_terms_equal_the_plain_ones(rows: int, cols: int, seed: int, bend: float) -> None:
    rng = np.random.default_rng(seed)
    grid = bent_grid(rows, cols, seed, bend)
    weight = rng.normal(0, 0.2, (rows, cols))
    dark = rng.random((rows, cols)) < 0.2
    out = np.zeros(4)
    grid_terms(grid, weight, dark, out)
    np.testing.assert_allclose(out, plain_terms(grid, weight, dark), rtol=1e-9, atol=1e-12)


def test_an_even_lattice_costs_nothing() -> None:
    out = np.ones(4)
    grid_terms(bent_grid(6, 7, 0, 0.0), np.zeros((6, 7)), np.zeros((6, 7), bool), out)
    assert out == pytest.approx(np.zeros(4))


def test_one_crowded_edge_is_asymmetric_and_two_are_not() -> None:
    one, two = np.zeros(4), np.zeros(4)
    place = np.arange(8.0) * 10
    for out, last in ((one, 0.0), (two, -4.0)):
        along = place + np.where(place == 0, 4.0, 0.0) + np.where(place == 70, last, 0.0)
        grid = np.stack(np.meshgrid(along, place, indexing="ij"), -1)
        grid_terms(np.ascontiguousarray(grid), np.zeros((8, 8)), np.zeros((8, 8), bool), out)
    assert one[3] > 0.1
    assert two[3] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("deviance", "noise", "wanted"),
    [(0.5, 0.0, 0.5), (0.5, 0.2, 0.5 - 0.2 * NOISE_SHARE), (0.1, 0.2, 0.2 * LEAST_MISFIT), (0.0, 0.0, 1e-12)],
)
def test_the_misfit_is_what_noise_does_not_make(deviance, noise, wanted):
    one = np.ones((2, 2))
    fit = MixtureFit(np.zeros((2, 2, 2)), np.ones((2, 2, 3)), one, 0.1, one, deviance, 1, np.ones(2), noise)
    assert misfit(fit) == pytest.approx(wanted)

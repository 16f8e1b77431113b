from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.feature import peak_local_max

from napari_petlut.analysis.detection import (
    FilterParameters,
    PeakParameters,
    estimate_pitch,
    filter_map,
    find_peaks,
    refine_peaks,
    suggest_parameters,
)
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry


def spots(shape, centres, sigma, height):
    """Gaussian spots on an empty map."""
    i, j = np.indices(shape)
    return sum(
        height * np.exp(-((i - p) ** 2 + (j - q) ** 2) / (2 * sigma**2)) for p, q in np.atleast_2d(centres)
    )


def block(rows, cols, pitch, counts, seed=0):
    """A flat lattice of Poisson spots, its centres off the pixel grid."""
    centres = np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"), -1).reshape(-1, 2)
    centres = (centres + 1.3) * pitch
    shape = (round((rows + 2) * pitch), round((cols + 2) * pitch))
    sigma = 0.3 * pitch
    expected = spots(shape, centres, sigma, counts / (2 * np.pi * sigma**2))
    return np.random.default_rng(seed).poisson(expected).astype(float), centres


def nearest_distance(found, truth):
    return np.hypot(*(truth[:, None] - found[None]).transpose(2, 0, 1)).min(axis=1)


@pytest.mark.parametrize(("threshold", "min_distance", "cap"), [(200, 5, 256), (200, 20, 256), (3, 1, 40)])
def test_peaks_are_those_of_the_notebook(threshold, min_distance, cap):
    noise = np.random.default_rng(1).gamma(2.0, 60.0, (120, 90))
    expected = peak_local_max(
        noise,
        threshold_abs=threshold,
        num_peaks=cap,
        min_distance=min_distance,
        p_norm=np.inf,
        exclude_border=True,
    )
    params = PeakParameters(threshold, min_distance, cap, refine=False)
    assert np.array_equal(find_peaks(noise, params).positions, expected)


def test_a_plateau_is_one_peak_at_its_middle():
    counts = np.zeros((30, 40))
    counts[5:8, 10:21] = 50
    counts[20, 30] = counts[20, 31] = 70
    assert find_peaks(counts, PeakParameters(10, 2, refine=False)).positions.tolist() == [[20, 30], [6, 15]]


@pytest.mark.parametrize("counts", [np.zeros((20, 20)), np.full((20, 20), 7.0)])
def test_a_map_without_structure_has_no_peaks(counts):
    assert len(find_peaks(counts)) == 0
    _, peak_params = suggest_parameters(counts, BlockGeometry(3, 3))
    assert len(find_peaks(counts, peak_params)) == 0


def test_max_peaks_keeps_the_highest():
    counts = np.zeros((20, 20))
    counts[5, 5], counts[5, 12], counts[13, 8] = 30, 50, 40
    found = find_peaks(counts, PeakParameters(1, 2, max_peaks=2, refine=False)).positions
    assert found.tolist() == [[5, 12], [13, 8]]


def test_refinement_finds_the_vertex_of_a_parabola_exactly():
    i, j = np.indices((15, 15))
    counts = 500 - (i - 7.3) ** 2 - 2 * (j - 6.6) ** 2 + 0.5 * (i - 7.3) * (j - 6.6)
    assert np.allclose(refine_peaks(counts, [[7, 7]], radius=3), [[7.3, 6.6]], atol=1e-9)


def test_refinement_leaves_a_peak_without_maximum():
    i, j = np.indices((15, 15))
    assert refine_peaks(i * 3.0 + j, [[7.25, 7]]).tolist() == [[7.25, 7]]
    assert refine_peaks((i - 7.0) ** 2, [[7, 7]]).tolist() == [[7, 7]]
    assert refine_peaks(np.ones((5, 5)), np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("counts_per_crystal", [400, 20_000, 1_000_000])
@pytest.mark.parametrize(("rows", "cols", "pitch"), [(4, 7, 30.0), (16, 16, 14.0), (20, 12, 9.0)])
@pytest.mark.parametrize("know_geometry", [True, False])
def test_automatic_choices_find_every_crystal(rows, cols, pitch, counts_per_crystal, know_geometry):
    counts, truth = block(rows, cols, pitch, counts_per_crystal)
    geometry = BlockGeometry(rows, cols) if know_geometry else None
    filter_params, peak_params = suggest_parameters(counts, geometry)
    found = find_peaks(filter_map(counts, filter_params), peak_params, geometry=geometry).positions
    assert len(found) == len(truth)
    assert nearest_distance(found, truth).max() < 0.25 * pitch


def test_left_out_fields_are_chosen_and_given_ones_kept():
    counts, _ = block(6, 6, 20.0, 5000)
    _, chosen = suggest_parameters(counts, BlockGeometry(6, 6))
    assert chosen.threshold > 0 and chosen.min_distance >= 1 and chosen.max_peaks == 3 * 36
    assert len(find_peaks(counts, replace(chosen, max_peaks=5))) == 5


def test_pitch_does_not_depend_on_counts_or_canvas():
    counts, _ = block(10, 10, 16.0, 20_000)
    assert estimate_pitch(counts, BlockGeometry(10, 10)) == pytest.approx(16, rel=0.1)
    assert estimate_pitch(counts * 50) == pytest.approx(estimate_pitch(counts))
    assert estimate_pitch(np.pad(counts, ((0, 300), (0, 300)))) == pytest.approx(16, rel=0.15)


def test_filter_is_scipys_and_sigma_zero_is_none():
    counts, _ = block(3, 3, 10.0, 500)
    assert np.array_equal(filter_map(counts, FilterParameters(sigma=0)), counts)
    assert filter_map(counts).sum() <= counts.sum()


@given(st.integers(0, 2**32 - 1))
def test_no_two_peaks_are_closer_than_the_minimum_distance(seed):
    counts = np.random.default_rng(seed).integers(0, 5, (40, 40)).astype(float)
    found = find_peaks(counts, PeakParameters(0, 3, refine=False)).positions
    apart = np.abs(found[:, None] - found[None]).max(-1) + 1e9 * np.eye(len(found))
    assert len(found) and apart.min() >= 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: FilterParameters(sigma=-1),
        lambda: FilterParameters(sigma=float("inf")),
        lambda: FilterParameters(mode="odd"),
        lambda: PeakParameters(threshold=-1),
        lambda: PeakParameters(min_distance=0),
        lambda: PeakParameters(max_peaks=0),
        lambda: find_peaks(np.zeros(3)),
        lambda: find_peaks(np.full((4, 4), np.nan)),
        lambda: refine_peaks(np.zeros((4, 4)), [[1, 1]], radius=0),
    ],
)
def test_values_that_cannot_be_are_refused(make):
    with pytest.raises(ParameterError):
        make()

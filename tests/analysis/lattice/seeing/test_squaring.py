"""Maps whose pitches differ much along the two axes."""

import numpy as np
import pytest

from napari_petlut.analysis.lattice import find_lattice
from napari_petlut.analysis.lattice.seeing.squaring import squaring_factors
from napari_petlut.geometry import BlockGeometry
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.workflow.scoring import score_lattice


def lines(number: int, pitch: float, length: int) -> np.ndarray:
    place = np.arange(length)[:, None]
    return np.exp(-((place - (pitch / 2 + 8 + np.arange(number) * pitch)) ** 2) / 8).sum(axis=1)


@pytest.mark.parametrize(
    ("rows", "cols", "expected"), [(16, 8, (1, 2)), (6, 18, (3, 1)), (10, 10, (1, 1)), (12, 9, (1, 1))]
)
def test_the_longer_pitch_is_binned_until_both_are_alike(rows, cols, expected):
    counts = 100 * np.outer(lines(rows, 240 / rows, 256), lines(cols, 240 / cols, 256))
    assert squaring_factors(counts, BlockGeometry(rows, cols)) == expected


def test_a_long_block_on_a_long_map_has_square_pitches_already():
    counts = 100 * np.outer(lines(16, 15.0, 256), lines(8, 15.0, 136))
    assert squaring_factors(counts, BlockGeometry(16, 8)) == (1, 1)


def test_an_elongated_block_is_right_and_in_pixels_of_its_own_map():
    params = BlockSimulation(rows=16, cols=7, resolution=1.6, counts_per_crystal=20_000, dead=(40,), seed=51)
    truth = simulate_block(params)
    assert squaring_factors(truth.flood.counts, params.geometry) == (1, 2)
    lattice = find_lattice(truth.flood.counts, params.geometry)
    score = score_lattice(lattice, truth.centres, truth.live)
    assert score.perfect
    assert np.median(score.distance[truth.live]) < 1.5


def test_a_fixed_crystal_and_a_prior_keep_their_place_on_an_elongated_block():
    params = BlockSimulation(rows=16, cols=7, resolution=1.6, counts_per_crystal=20_000, seed=52)
    truth = simulate_block(params)
    place = tuple(truth.centres[30] + 1.0)
    prior = truth.centres.reshape(16, 7, 2)
    lattice = find_lattice(truth.flood.counts, params.geometry, fixed={30: place}, prior=prior)
    np.testing.assert_allclose(lattice.positions[30], place)
    assert score_lattice(lattice, truth.centres, truth.live).perfect

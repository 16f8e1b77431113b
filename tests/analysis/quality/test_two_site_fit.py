import numpy as np
import pytest

from napari_petlut.analysis.quality import block_quality
from napari_petlut.analysis.quality.crosstalk import crosstalk
from napari_petlut.analysis.quality.two_site_fit import fit_two_site
from napari_petlut.analysis.segmentation import MixtureParameters, fit_mixture
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.spots import mass_by_cell, spot_heights, spot_windows
from napari_petlut.model import Lattice
from napari_petlut.simulation import BlockSimulation, simulate_block

PARAMETERS = MixtureParameters(tolerance=0.001, stiffness=0.005, width_sharing=0.03)


def block_with(two_site, resolution=2.5):
    return simulate_block(
        BlockSimulation(
            rows=6,
            cols=6,
            counts_per_crystal=5000,
            resolution=resolution,
            scatter=0.0,
            two_site=two_site,
            background=0.04,
            seed=11,
        )
    )


def widths(covariances):
    return np.sqrt(np.trace(covariances, axis1=1, axis2=2))


@pytest.mark.parametrize("two_site", [0.0, 0.5])
def test_widths_are_those_of_the_cores_with_scatter_and_without(two_site):
    block = block_with(two_site)
    mixture, light = fit_two_site(block.flood.counts, block.centres, block.params.geometry, PARAMETERS)
    assert np.median(widths(mixture.covariances) / widths(block.covariances)) == pytest.approx(1, abs=0.03)
    assert light.near + light.far == pytest.approx(two_site, abs=0.08)
    if two_site:
        plain = fit_mixture(block.flood.counts, block.centres, PARAMETERS)
        assert np.median(widths(plain.covariances) / widths(block.covariances)) > 1.1


def test_misidentification_is_that_of_the_first_interaction():
    block = block_with(0.5)
    n = len(block.live)
    lattice = Lattice(block.params.geometry, block.centres, np.full(n, "found"), np.ones(n), ("",) * n)
    quality = block_quality(block.flood.counts, lattice, block.ideal_lut)
    wrong = 1 - block.correct
    assert quality.crystals.misidentified.mean() == pytest.approx(wrong.mean(), abs=0.03)
    assert np.corrcoef(quality.crystals.misidentified, wrong)[0, 1] > 0.8
    assert quality.crystals.misassigned.mean() < 0.05
    assert np.allclose(1 - np.diagonal(quality.crosstalk), quality.crystals.misidentified)
    assert (quality.crosstalk.sum(axis=1) <= 1 + 1e-9).all()
    table = quality.crosstalk_table()
    assert table["share"].min() >= 0.001
    assert np.array_equal(quality.crosstalk[table["crystal"], table["cell"]], table["share"])


def test_without_light_crosstalk_is_the_mass_of_the_cores():
    block = block_with(0.0, resolution=1.5)
    mixture = fit_mixture(block.flood.counts, block.centres, PARAMETERS)
    labels = block.ideal_lut.ids
    matrix = crosstalk(mixture, None, labels, block.params.geometry)
    offset = np.indices(labels.shape).transpose(1, 2, 0) - mixture.means[7]
    density = np.exp(
        -0.5 * np.einsum("ijk,kl,ijl->ij", offset, np.linalg.inv(mixture.covariances[7]), offset)
    )
    expected = [density[labels == cell].sum() / density.sum() for cell in range(36)]
    assert np.allclose(matrix[7], expected, atol=0.01)


def test_mass_by_cell_equals_a_plain_sum():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (20, 24)).astype(np.int32)
    means, covariance = rng.uniform(6, 14, (3, 2)), np.array([[4.0, 1.0, 6.0]] * 3)
    precision, amplitude = spot_heights(covariance, np.array([1.0, 2.0, 3.0]))
    window = spot_windows(labels.shape, means, np.full((3, 2), 5.0))
    total = np.zeros((2, 4))
    mass_by_cell(labels, 2, np.array([0, 1, 0]), means, precision, amplitude, window, total)
    plain = np.zeros((2, 4))
    for k, row in enumerate((0, 1, 0)):
        for i in range(window[k, 0], window[k, 1], 2):
            for j in range(window[k, 2], window[k, 3], 2):
                d = np.array([i, j]) - means[k]
                p = np.array([[precision[k, 0], precision[k, 1]], [precision[k, 1], precision[k, 2]]])
                plain[row, labels[i, j]] += amplitude[k] * np.exp(-0.5 * d @ p @ d)
    assert np.allclose(total, plain)


def test_missing_crystals_take_no_part():
    block = block_with(0.5)
    positions = block.centres.copy()
    positions[5] = np.nan
    mixture, light = fit_two_site(block.flood.counts, positions, BlockGeometry(6, 6), PARAMETERS)
    assert np.isnan(mixture.means[5]).all()
    assert mixture.weights[5] == 0
    matrix = crosstalk(mixture, light, block.ideal_lut.ids, BlockGeometry(6, 6))
    assert np.isnan(matrix[5]).all()

"""Expected counts, the best crystal of each pixel, and the comb, against plain evaluations."""

import numpy as np
import pytest

from napari_petlut.model import EnergyWindow
from napari_petlut.simulation import spectrum
from napari_petlut.simulation.density import Spots, expect

CENTRES = np.array([[14.0, 15.5], [26.0, 20.0], [20.0, 34.0]])
CORE = Spots(
    CENTRES,
    np.array([[[9.0, 2.0], [2.0, 6.0]], [[5.0, 0.0], [0.0, 8.0]], [[7.0, -1.0], [-1.0, 7.0]]]),
    np.array([100.0, 50.0, 0.0]),
)
HALO = Spots(CENTRES, CORE.covariances * 4, np.array([20.0, 10.0, 0.0]))
BACKGROUND = Spots(CENTRES, CORE.covariances * 6, np.array([5.0, 5.0, 5.0]))


def plain(spots: Spots) -> np.ndarray:
    """Gaussian densities with the variance of a pixel added, shape (n, 48, 48)."""
    at = np.stack(np.mgrid[:48, :48], axis=-1)
    out = []
    for centre, covariance, weight in zip(spots.centres, spots.covariances, spots.weights, strict=True):
        c = covariance + np.eye(2) / 12
        square = np.einsum("ija,ab,ijb->ij", at - centre, np.linalg.inv(c), at - centre)
        out.append(weight * np.exp(-0.5 * square) / (2 * np.pi * np.sqrt(np.linalg.det(c))))
    return np.array(out)


def test_expectation_equals_the_plain_sum() -> None:
    found = expect(CORE, HALO, BACKGROUND, 48)
    crystals = plain(CORE) + plain(HALO)
    # Spots are drawn out to 4.5 sigma.
    np.testing.assert_allclose(found.crystals, crystals.sum(axis=0), atol=1e-4)
    np.testing.assert_allclose(found.background, plain(BACKGROUND).sum(axis=0), atol=1e-4)
    clear = found.crystals > 1e-3
    np.testing.assert_array_equal(found.best[clear], crystals.argmax(axis=0)[clear])
    assert found.best[47, 47] == -1
    for i in (0, 1):
        right = crystals[i][crystals.argmax(axis=0) == i].sum() / (CORE.weights[i] + HALO.weights[i])
        assert found.correct[i] == pytest.approx(right, abs=1e-3)
    assert np.isnan(found.correct[2])


def test_all_events_are_somewhere() -> None:
    found = expect(CORE, HALO, BACKGROUND, 64)
    assert found.crystals.sum() == pytest.approx(180, rel=1e-3)
    assert found.background.sum() == pytest.approx(15, rel=1e-2)


def test_comb_equals_counting_whole_number_pairs() -> None:
    window = EnergyWindow(498, 503)
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    expected = np.zeros((512, 512))
    for energy, weight in zip(range(499, 503), weights, strict=True):
        hits = np.zeros(512)
        for ratio in range(1, energy + 1):
            hits[int((1 - ratio / energy) * 512)] += 512 / energy
        expected += weight * np.outer(hits, hits)
    np.testing.assert_allclose(spectrum.comb(weights, window), expected)


def test_comb_keeps_the_counts() -> None:
    window = EnergyWindow(400, 800)
    energies = spectrum.window_energies(window)
    assert (energies[0], energies[-1]) == (401, 799)
    assert spectrum.comb(np.full(399, 1 / 399), window).mean() == pytest.approx(1, abs=1e-6)


def test_share_in_a_window_of_a_spectrum() -> None:
    shape = spectrum.full_energy(0.14)
    assert shape.sum() == pytest.approx(1)
    assert spectrum.window_share(shape, 520.0, EnergyWindow(0, 4000)) == pytest.approx(1)
    # Half the photopeak lies above its middle.
    assert spectrum.window_share(shape, 520.5, EnergyWindow(520, 4000)) == pytest.approx(0.5, abs=1e-3)


def test_spots_are_wider_at_lower_energies() -> None:
    photopeak = np.array([520.0])
    low, high = (
        spectrum.inverse_energy(spectrum.full_energy(0.14), photopeak, w)[0]
        for w in (EnergyWindow(400, 500), EnergyWindow(560, 700))
    )
    assert high < 1 < low

import numpy as np
import pytest

from napari_petlut.analysis.photopeak import fit_photopeaks
from napari_petlut.simulation.spectrum import RELATIVE_ENERGY, background_energy, full_energy, partial_energy


def spectra(number, events, *, resolution=0.14, photopeak=520.0, channels=4096, seed=0):
    """Counts per channel of a crystal's spectrum, shape (number, channels)."""
    shape = 0.58 * full_energy(resolution) + 0.36 * partial_energy(resolution) + 0.06 * background_energy()
    edges = (np.arange(channels + 1) - 0.5) / photopeak
    cumulative = np.concatenate([[0.0], np.cumsum(shape)])
    expected = np.diff(np.interp(edges, np.arange(len(cumulative)) * 0.002, cumulative))
    assert RELATIVE_ENERGY[1] - RELATIVE_ENERGY[0] == pytest.approx(0.002)
    return np.random.default_rng(seed).poisson(events * expected, (number, channels))


@pytest.mark.parametrize("threshold", [0.92, 0.97, 1.0, 1.02])
def test_a_peak_that_a_threshold_cuts_into_is_not_found(threshold):
    cut = spectra(8, 20_000)
    cut[:, : int(threshold * 520)] = 0
    for near in (None, 520.0):
        assert not fit_photopeaks(cut, near=near).found.any()


def test_a_peak_at_the_end_of_the_adcs_range_is_not_found():
    for end in (490, 520, 545):
        assert not fit_photopeaks(spectra(4, 20_000, channels=4096)[:, :end], near=520.0).found.any()


@pytest.mark.parametrize("second", [0.72, 1.4])
def test_two_peaks_in_one_cell_are_not_one(second):
    both = spectra(8, 20_000) + spectra(8, 20_000, photopeak=520 * second, seed=1)
    peaks = fit_photopeaks(both, near=520.0)
    wide = peaks.resolution > 1.3 * 0.14
    assert not (peaks.found & wide).any()


@pytest.mark.parametrize("events", [1000, 10_000, 100_000])
def test_errors_are_those_that_are_made(events):
    peaks = fit_photopeaks(spectra(150, events), near=520.0)
    assert peaks.found.mean() > 0.95
    found = peaks.found
    assert np.median(peaks.misfit[found]) < 1.5
    position = ((peaks.position - 520) / peaks.position_error)[found]
    width = ((peaks.resolution - 0.14) / peaks.resolution_error)[found]
    assert 0.6 < np.sqrt((position**2).mean()) < 1.35
    assert 0.6 < np.sqrt((width**2).mean()) < 1.35

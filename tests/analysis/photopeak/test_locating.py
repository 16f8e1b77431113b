import numpy as np
import pytest

from napari_petlut.analysis.photopeak import PhotopeakStatus, locate_photopeak
from napari_petlut.errors import ParameterError
from spectra import simulated_spectrum


@pytest.mark.parametrize(
    ("n", "shape", "tolerance"),
    [
        (100_000, {}, 0.005),
        (100_000, {"resolution": 0.25, "photo": 0.2}, 0.01),
        (100_000, {"peak": 150.0}, 0.005),
        (100_000, {"peak": 3000.0}, 0.005),
        (100_000, {"photo": 0.05}, 0.01),
        (2000, {}, 0.02),
        (200, {}, 0.05),
    ],
)
def test_a_photopeak_is_found_wherever_the_gain_puts_it(n, shape, tolerance):
    peak = locate_photopeak(simulated_spectrum(np.random.default_rng(0), n, **shape))
    assert peak.found
    assert peak.position == pytest.approx(shape.get("peak", 600.0), rel=tolerance)
    assert peak.fwhm == pytest.approx(shape.get("resolution", 0.14) * peak.position, rel=0.4)


@pytest.mark.parametrize("line", [2.0, 1274.5 / 511])
def test_a_weak_line_at_about_twice_the_energy_is_not_the_photopeak(line):
    rng = np.random.default_rng(1)
    spectrum = simulated_spectrum(rng, 100_000) + simulated_spectrum(rng, 10_000, peak=600 * line)
    assert locate_photopeak(spectrum).position == pytest.approx(600, rel=0.01)


@pytest.mark.parametrize("n", [0, 50, 5000, 1_000_000])
def test_background_alone_has_no_photopeak(n):
    peak = locate_photopeak(simulated_spectrum(np.random.default_rng(2), n, photo=0.0, background=1.0))
    assert peak.status == PhotopeakStatus.MISSING
    assert np.isnan(peak.position)
    assert peak.reason


@pytest.mark.parametrize("resolution", [0.1, 0.14, 0.2])
def test_a_bare_compton_edge_is_doubted(resolution):
    spectrum = simulated_spectrum(np.random.default_rng(3), 100_000, photo=0.0, resolution=resolution)
    peak = locate_photopeak(spectrum)
    assert peak.status == PhotopeakStatus.UNCERTAIN
    assert "Compton edge" in peak.reason


def test_overflow_in_the_last_channel_is_no_photopeak():
    spectrum = np.zeros(4096)
    spectrum[-1] = 1e6
    assert locate_photopeak(spectrum).status == PhotopeakStatus.MISSING


@pytest.mark.parametrize(
    "wrong", [np.zeros(10), np.zeros((64, 64)), np.full(100, -1.0), np.full(100, np.nan)]
)
def test_what_is_no_spectrum_is_refused(wrong):
    with pytest.raises(ParameterError):
        locate_photopeak(wrong)

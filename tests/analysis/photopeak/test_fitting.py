import numpy as np
import pytest

from napari_petlut.analysis.photopeak import fit_photopeaks
from napari_petlut.errors import ParameterError
from spectra import simulated_spectrum


@pytest.mark.parametrize(
    ("n", "shape", "position_bias", "width_bias"),
    [
        (500, {}, 0.004, 0.06),
        (2000, {}, 0.003, 0.03),
        (20_000, {}, 0.002, 0.02),
        (20_000, {"peak": 150.0}, 0.002, 0.03),
        (20_000, {"photo": 0.1}, 0.005, 0.04),
        (20_000, {"resolution": 0.25}, 0.006, 0.03),
    ],
)
def test_many_spectra_give_the_truth_without_much_bias(n, shape, position_bias, width_bias):
    rng = np.random.default_rng(0)
    peaks = fit_photopeaks(np.stack([simulated_spectrum(rng, n, **shape) for _ in range(40)]))
    good = peaks.found
    truth = shape.get("peak", 600.0) - 0.5  # channels are rounded down in this simulation
    width = shape.get("resolution", 0.14) * truth
    assert good.mean() > 0.9
    assert peaks.position[good].mean() == pytest.approx(truth, rel=position_bias)
    assert peaks.fwhm[good].mean() == pytest.approx(width, rel=width_bias)
    # The errors it states are those it makes.
    pulls = (peaks.position[good] - peaks.position[good].mean()) / peaks.position_error[good]
    assert 0.6 < pulls.std() < 1.5


def test_the_counts_of_a_peak_are_its_own():
    rng = np.random.default_rng(1)
    peaks = fit_photopeaks(simulated_spectrum(rng, 100_000, photo=0.4))
    assert peaks.counts[0] == pytest.approx(40_000, rel=0.03)
    assert peaks.resolution[0] == pytest.approx(0.14, rel=0.02)
    assert peaks.resolution_error[0] < 0.01


def test_the_curve_follows_the_spectrum():
    spectrum = simulated_spectrum(np.random.default_rng(2), 200_000)
    peaks = fit_photopeaks(spectrum)
    around = np.arange(560, 680)
    curve = peaks.curve(0, around)
    assert np.mean((spectrum[around] - curve) ** 2 / curve) == pytest.approx(1, abs=0.4)


def test_few_counts_are_flagged_and_none_invented():
    rng = np.random.default_rng(3)
    few = fit_photopeaks(np.stack([simulated_spectrum(rng, 60) for _ in range(20)]))
    assert not few.found.all()
    assert all(bool(reason) != found for reason, found in zip(few.reasons, few.found, strict=True))
    missing = fit_photopeaks(simulated_spectrum(rng, 5000, photo=0.0, background=1.0))
    assert missing.status.tolist() == ["missing"]
    for column in (missing.position, missing.fwhm, missing.position_error, missing.resolution):
        assert np.isnan(column).all()
    assert missing.counts[0] == 0
    assert not missing.curve(0, np.arange(100)).any()


def test_nonsense_spectra_give_finite_or_missing_figures():
    rng = np.random.default_rng(4)
    spectra = np.zeros((7, 1024))
    spectra[0, 500] = 1000
    spectra[1, 500:510] = 1e9
    spectra[2] = 7
    spectra[3, ::2] = 5
    spectra[4, -3:] = 1e6
    spectra[5] = rng.poisson(0.02, 1024)
    peaks = fit_photopeaks(spectra)
    seen = peaks.status != "missing"
    assert np.isfinite(peaks.position[seen]).all()
    assert np.isfinite(peaks.fwhm[seen]).all()
    assert np.isnan(peaks.position[~seen]).all()
    assert peaks.status[6] == "missing"


def test_a_neighbours_stronger_share_does_not_carry_the_fit_away():
    rng = np.random.default_rng(5)
    own = simulated_spectrum(rng, 20_000, peak=480.0)
    mixed = own + simulated_spectrum(rng, 6000, peak=720.0)
    peaks = fit_photopeaks(mixed, near=560.0)
    assert peaks.position[0] == pytest.approx(480, rel=0.01)
    # Without knowing where to look, the peak whose energies explain the most is taken.
    assert fit_photopeaks(mixed).position[0] == pytest.approx(480, rel=0.01)


@pytest.mark.parametrize("wrong", [np.zeros((2, 2, 100)), np.zeros((2, 10)), np.full((2, 100), np.nan)])
def test_what_are_no_spectra_is_refused(wrong):
    with pytest.raises(ParameterError):
        fit_photopeaks(wrong)
    with pytest.raises(ParameterError):
        fit_photopeaks(np.ones(100), near=-5.0)

import numpy as np
import pytest

from napari_petlut.analysis.flood import suggest_window
from napari_petlut.analysis.photopeak import locate_photopeak
from napari_petlut.analysis.photopeak.known_lines import beside_line, explain
from napari_petlut.analysis.photopeak.nuclear import beta_spectrum, compton_edge, compton_spectrum
from napari_petlut.simulation.random_spectra import random_spectrum


def test_beta_particles_and_compton_electrons_end_where_physics_says():
    keV = np.arange(0.5, 700.0)
    beta, compton = beta_spectrum(keV), compton_spectrum(keV)
    assert keV[beta > 0].max() == pytest.approx(593, abs=1)
    assert keV[compton > 0].max() == pytest.approx(511 * 2 / 3, abs=1)
    assert compton_edge(661.7) == pytest.approx(477.3, abs=0.5)
    # Klein and Nishina: at 511 keV a scatter leaves a third of the energy on the average.
    assert np.average(keV, weights=compton) == pytest.approx(511 * 0.336, rel=0.03)


@pytest.mark.parametrize("seed", [3, 9, 51, 59, 93])
def test_the_sum_of_lutetiums_gammas_is_not_taken_for_the_photopeak(seed):
    spectrum = random_spectrum(seed)
    assert spectrum.lutetium > 0.1
    suggestion = suggest_window(spectrum.counts)
    assert suggestion.status == "found"
    assert suggestion.photopeak == pytest.approx(spectrum.photopeak, rel=0.05)
    assert suggestion.window.high < 1.5 * spectrum.photopeak


@pytest.mark.parametrize("seed", [35, 57, 323])
def test_an_uncertain_window_holds_the_photopeak_whichever_peak_it_is(seed):
    spectrum = random_spectrum(seed)
    suggestion = suggest_window(spectrum.counts)
    assert suggestion.status == "uncertain"
    assert suggestion.reason
    assert suggestion.window.low < 0.85 * spectrum.photopeak
    assert suggestion.window.high > 1.15 * spectrum.photopeak


def test_the_right_line_explains_a_spectrum_best_and_the_rest_lies_beside_it():
    spectrum = random_spectrum(12)
    counts = spectrum.counts.astype(float)
    right, wrong = explain(counts, np.array([spectrum.photopeak, 2.5 * spectrum.photopeak]))
    assert right.misfit < 0.1 * wrong.misfit
    assert right.line == 511
    net = counts - beside_line(counts, right)
    at = slice(int(0.9 * spectrum.photopeak), int(1.1 * spectrum.photopeak))
    assert net[at].sum() == pytest.approx(spectrum.full_energy[at].sum(), rel=0.1)


def test_the_same_seed_gives_the_same_spectrum():
    assert np.array_equal(random_spectrum(7).counts, random_spectrum(7).counts)
    assert random_spectrum(7, lutetium=0.0).lutetium == 0
    assert locate_photopeak(random_spectrum(7, lutetium=0.0).counts).found

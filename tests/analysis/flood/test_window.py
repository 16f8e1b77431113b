import numpy as np
import pytest

from napari_petlut.analysis.flood import suggest_window
from spectra import simulated_spectrum


def test_the_window_surrounds_the_photopeak_and_leaves_the_compton_edge_out():
    suggestion = suggest_window(simulated_spectrum(np.random.default_rng(0), 200_000))
    assert suggestion.status == "found"
    assert suggestion.photopeak == pytest.approx(600, rel=0.01)
    assert 600 * 2 / 3 < suggestion.window.low < 520
    assert 680 < suggestion.window.high < 800
    assert suggestion.window.low == int(suggestion.window.low)


def test_crystals_of_differing_light_yield_get_a_wider_window():
    rng = np.random.default_rng(0)
    block = sum(simulated_spectrum(rng, 2000, peak=600 * light) for light in rng.uniform(0.8, 1.2, 200))
    suggestion = suggest_window(block)
    assert suggestion.window.low < 0.8 * 600
    assert suggestion.window.high > 1.2 * 600


def test_without_a_photopeak_no_window_is_invented():
    suggestion = suggest_window(
        simulated_spectrum(np.random.default_rng(2), 50_000, photo=0.0, background=1.0)
    )
    assert suggestion.status == "missing"
    assert suggestion.window is None
    assert suggestion.reason
    assert suggest_window(np.zeros(4096)).window is None

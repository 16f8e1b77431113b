import numpy as np

from napari_petlut.analysis.events import event_positions
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.formats.events import pack_words
from napari_petlut.model import EnergyWindow, EventFormat


def test_positions_fall_into_the_pixels_of_the_flood_map():
    rng = np.random.default_rng(4)
    words = pack_words(rng.integers(0, 4096, 5000), rng.integers(0, 1024, 5000), rng.integers(0, 1024, 5000))
    window = EnergyWindow(300, 2000)
    positions, kept = event_positions(words, EventFormat(), window, bins=64)
    assert kept.sum() == len(positions) > 1000
    pixels = np.minimum(np.floor(positions + 0.5).astype(int), 63)  # Ex = 0 lies on the inclusive last edge
    counts = np.zeros((64, 64))
    np.add.at(counts, tuple(pixels.T), 1)
    np.testing.assert_array_equal(
        counts, flood_from_words([words], parameters=FloodParameters(window, 64)).counts
    )


def test_energy_zero_has_no_position():
    positions, kept = event_positions(np.zeros(3, np.uint32), EventFormat())
    assert len(positions) == 0
    assert not kept.any()

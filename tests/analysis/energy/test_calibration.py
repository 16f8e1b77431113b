"""The rounds of windows, map and LUT on a simulated block of known light yields."""

import numpy as np
import pytest

from napari_petlut.analysis.energy import (
    CrystalWindowParameters,
    calibrate_energy,
    crystal_windows,
    energy_lut,
    fit_photopeaks,
)
from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.errors import Cancelled, GeometryError, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EnergyWindow
from spectra import simulated_energies

GEOMETRY = BlockGeometry(3, 3)
PHOTOPEAKS = 600 * np.linspace(0.8, 1.2, 9)


@pytest.fixture(scope="module")
def words():
    """Events of 3 x 3 crystals in cells of equal size, their spots small enough to stay inside."""
    rng = np.random.default_rng(0)
    parts = []
    for crystal, peak in enumerate(PHOTOPEAKS):
        energy = np.rint(simulated_energies(rng, 20_000, peak=peak)).astype(np.int64).clip(0, 4095)
        place = (np.array(np.divmod(crystal, 3))[:, None] + rng.normal(0.5, 0.08, (2, len(energy)))) / 3
        ex, ey = (energy * (1 - place)).astype(np.int64).clip(0, 1023)
        parts.append((energy << 20) | (ey << 10) | ex)
    return rng.permutation(np.concatenate(parts)).astype(np.uint32)


def cells(flood):
    places = np.arange(flood.shape[0]) * 3 // flood.shape[0]
    return CrystalLUT(places[:, None] * 3 + places, GEOMETRY)


def test_every_crystal_gets_its_photopeak_and_window(words):
    told = []
    calibration = calibrate_energy(
        lambda: np.array_split(words, 3),
        cells,
        flood_parameters=FloodParameters(bins=96),
        events=len(words),
        progress=told.append,
    )
    assert calibration.photopeaks.found.all()
    np.testing.assert_allclose(calibration.photopeaks.position, PHOTOPEAKS, rtol=0.005)
    np.testing.assert_allclose(calibration.photopeaks.resolution, 0.14, atol=0.012)
    np.testing.assert_allclose(calibration.windows[:, 0], 0.75 * PHOTOPEAKS, rtol=0.01)
    np.testing.assert_allclose(calibration.energy_lut.gains, 511 / PHOTOPEAKS, rtol=0.005)
    assert calibration.converged
    assert calibration.changed == (0.0,)
    kept = calibration.spectra.counts_in(calibration.windows)
    assert calibration.flood.total == pytest.approx(kept.sum(), rel=1e-3)
    # As the photopeaks are alike in their own windows, so are the counts kept.
    assert kept.std() / kept.mean() < 0.02
    assert told == sorted(told)
    assert told[-1] == 1


def test_rounds_end_without_agreement_when_the_lut_never_settles(words):
    flips = iter(range(100))

    def restless(flood):
        return CrystalLUT(np.roll(cells(flood).ids, next(flips) % 2 * 20, axis=0), GEOMETRY)

    calibration = calibrate_energy(
        lambda: [words],
        restless,
        flood_parameters=FloodParameters(EnergyWindow(350, 850), bins=96),
        parameters=CrystalWindowParameters(max_rounds=2),
    )
    assert not calibration.converged
    assert len(calibration.changed) == 2


def test_a_crystal_without_photopeak_keeps_the_blocks_window():
    channels = np.arange(1024)
    clear = 1000 * np.exp(-0.5 * ((channels - 499.9) / 30) ** 2)
    peaks = fit_photopeaks(np.stack([clear, np.zeros(1024)]))
    windows = crystal_windows(peaks, CrystalWindowParameters(low=0.8, high=1.2), otherwise=(401, 799))
    assert windows.tolist() == [[400, 599], [401, 799]]
    lut = energy_lut(peaks, BlockGeometry(1, 2))
    assert lut.photopeaks[0] == pytest.approx(499.9, abs=0.1)
    assert np.isnan(lut.photopeaks[1])
    with pytest.raises(GeometryError):
        energy_lut(peaks, BlockGeometry(2, 2))


def test_without_a_photopeak_in_the_block_a_window_is_asked_for():
    rng = np.random.default_rng(1)
    noise = np.rint(simulated_energies(rng, 5000, photo=0.0, background=1.0)).astype(np.uint32) << 20
    with pytest.raises(ParameterError, match="give one"):
        calibrate_energy(lambda: [noise], cells)


def test_it_can_be_cancelled(words):
    with pytest.raises(Cancelled):
        calibrate_energy(lambda: [words], cells, cancelled=lambda: True)


@pytest.mark.parametrize(
    "wrong",
    [{"low": 1.1}, {"high": 0.9}, {"high": np.inf}, {"core": 0}, {"max_rounds": 0}, {"tolerance": 1}],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError):
        CrystalWindowParameters(**wrong)

"""A LUT applied to events: the compiled loops against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.analysis.energy import (
    apply_lut,
    core_pixels,
    crystal_spectra,
    flood_of_windows,
    iter_crystals,
)
from napari_petlut.analysis.events import pixels
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import BitField, CrystalLUT, EnergyWindow, EventFormat

LAB = EventFormat()
GEOMETRY = BlockGeometry(3, 4)
WIDE = EventFormat("wide", "<u8", BitField(40, 20), BitField(0, 18), BitField(18, 18), full_scale=100.0)


def random_words(seed, n=20_000):
    return np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32)


def random_lut(seed, bins=64):
    return CrystalLUT(np.random.default_rng(seed).integers(-1, 12, (bins, bins)), GEOMETRY)


def plain_crystals(words, lut, fmt=LAB):
    """Energy, pixel (-1 off the map) and crystal of each event, in NumPy."""
    energy, ex, ey = (
        (words.astype(np.uint64) >> np.uint64(field.shift)) & np.uint64(field.mask)
        for field in (fmt.energy, fmt.x, fmt.y)
    )
    bins = lut.shape[0]
    edges = np.linspace(0, fmt.full_scale, bins + 1)
    axes = []
    for value in (ex, ey):
        position = (1 - value / np.maximum(energy, 1)) * fmt.full_scale
        place = np.searchsorted(edges, position, side="right") - 1
        place[position == edges[-1]] = bins - 1
        place[(energy == 0) | (position > edges[-1])] = -1
        axes.append(place)
    on_map = (axes[0] >= 0) & (axes[1] >= 0)
    crystal = np.where(on_map, lut.ids[axes[0], axes[1]], -1)
    return energy.astype(np.int64), np.where(on_map, axes[0] * bins + axes[1], -1), crystal


@pytest.mark.parametrize("cuts", [[], [1, 700, 15_000]])
@pytest.mark.parametrize("threads", [1, 3])
def test_spectra_equal_plain_numpy(cuts, threads, monkeypatch):
    monkeypatch.setattr("napari_petlut.analysis.events.counting._BLOCK_WORDS", 3000)
    words, lut = random_words(0), random_lut(1)
    energy, _, crystal = plain_crystals(words, lut)
    expected = np.zeros((13, 4096), np.int64)
    np.add.at(expected, (crystal, energy), 1)
    spectra = crystal_spectra(np.split(words, cuts), lut, threads=threads)
    np.testing.assert_array_equal(spectra.counts, expected[:12])
    np.testing.assert_array_equal(spectra.core, expected[:12])
    np.testing.assert_array_equal(spectra.unassigned, expected[12])
    assert spectra.total.sum() == len(words)


@given(seed=st.integers(0, 1000), bins=st.integers(2, 40))
def test_other_layouts_without_a_table(seed, bins):
    words = np.random.default_rng(seed).integers(0, 2**60, 300, dtype=np.uint64)
    lut = random_lut(seed, bins)
    assert pixels.pixel_rule(WIDE, bins).table.shape[0] == 0
    energy, _, crystal = plain_crystals(words, lut, WIDE)
    np.testing.assert_array_equal(np.concatenate(list(iter_crystals([words], lut, fmt=WIDE))), crystal)
    expected = np.bincount(np.minimum(energy[crystal == 3], 65535), minlength=65536)
    np.testing.assert_array_equal(crystal_spectra([words], lut, WIDE).counts[3], expected)


def test_cores_are_counted_apart():
    words, lut = random_words(2), random_lut(3)
    core = np.random.default_rng(4).random(lut.shape) < 0.3
    energy, pixel, crystal = plain_crystals(words, lut)
    inside = (crystal >= 0) & core.ravel()[pixel]
    spectra = crystal_spectra([words], lut, core=core)
    np.testing.assert_array_equal(spectra.counts, crystal_spectra([words], lut).counts)
    np.testing.assert_array_equal(spectra.core.sum(axis=0), np.bincount(energy[inside], minlength=4096))
    np.testing.assert_array_equal(spectra.core.sum(axis=1), np.bincount(crystal[inside], minlength=12))


def test_counts_in_a_window_and_in_windows_of_their_own():
    words, lut = random_words(5), random_lut(6)
    energy, _, crystal = plain_crystals(words, lut)
    spectra = crystal_spectra([words], lut)
    kept = (energy > 1000) & (energy < 3000)
    np.testing.assert_array_equal(
        spectra.counts_in(EnergyWindow(1000, 3000)), np.bincount(crystal[kept & (crystal >= 0)], minlength=12)
    )
    windows = np.column_stack([np.arange(12) * 300, np.arange(12) * 300 + 500])
    windows[0] = 9, 8
    mine = (crystal >= 0) & (energy >= windows[crystal, 0]) & (energy <= windows[crystal, 1])
    np.testing.assert_array_equal(spectra.counts_in(windows), np.bincount(crystal[mine], minlength=12))


@pytest.mark.parametrize("threads", [1, 2])
def test_every_event_gets_its_crystal(threads):
    words, lut = random_words(7, 300_000), random_lut(8)
    energy, _, crystal = plain_crystals(words, lut)
    parts = list(iter_crystals(np.split(words, [100_000]), lut, threads=threads))
    assert [len(part) for part in parts] == [100_000, 200_000]
    np.testing.assert_array_equal(np.concatenate(parts), crystal)
    kept = np.concatenate(list(iter_crystals([words], lut, EnergyWindow(500, 900), threads=threads)))
    np.testing.assert_array_equal(kept, np.where((energy > 500) & (energy < 900), crystal, -1))


def test_events_are_counted_and_handed_on():
    words, lut = random_words(7), random_lut(8)
    energy, _, crystal = plain_crystals(words, lut)
    crystal = np.where((energy > 500) & (energy < 2000), crystal, -1)
    parts, told = [], []
    applied = apply_lut(
        np.split(words, 4),
        lut,
        EnergyWindow(500, 2000),
        sink=parts.append,
        events=len(words),
        progress=told.append,
    )
    np.testing.assert_array_equal(np.concatenate(parts), crystal)
    np.testing.assert_array_equal(applied.counts, np.bincount(crystal[crystal >= 0], minlength=12))
    assert applied.counts.sum() + applied.unassigned == len(words)
    assert told == [0.25, 0.5, 0.75, 1.0, 1.0]
    with pytest.raises(Cancelled):
        apply_lut([words], lut, cancelled=lambda: True)


def test_the_map_of_one_window_for_all_is_the_flood_map():
    words, lut = random_words(9), random_lut(10)
    window = EnergyWindow(400, 2000)
    for dither in (False, True):
        parameters = FloodParameters(window, 64, dither)
        flood = flood_of_windows([words], lut, np.tile([401, 1999], (12, 1)), parameters=parameters)
        expected = flood_from_words([words], parameters=parameters)
        np.testing.assert_array_equal(flood.counts, expected.counts)
        np.testing.assert_array_equal(flood.spectrum, expected.spectrum)


def test_the_map_of_own_windows_equals_plain_numpy():
    words, lut = random_words(11), random_lut(12)
    energy, pixel, crystal = plain_crystals(words, lut)
    windows = np.column_stack([np.arange(12) * 300, np.arange(12) * 300 + 500])
    # The last row is for pixels of no crystal: the block's window.
    limits = np.vstack([windows, [1001, 1499]])
    kept = (pixel >= 0) & (energy >= limits[crystal, 0]) & (energy <= limits[crystal, 1]) & (energy > 0)
    flood = flood_of_windows(
        [words], lut, windows, parameters=FloodParameters(EnergyWindow(1000, 1500), bins=64)
    )
    np.testing.assert_array_equal(flood.counts.ravel(), np.bincount(pixel[kept], minlength=64 * 64))
    assert flood.window is None


def test_cores_are_the_middle_of_each_cell():
    rows, cols = np.indices((60, 80))
    lut = CrystalLUT((rows // 20) * 4 + cols // 20, GEOMETRY)
    core = core_pixels(lut, np.ones(lut.shape), 0.25, at_least=0)
    assert core.sum() == 12 * 100
    distance = np.hypot(rows % 20 - 9.5, cols % 20 - 9.5)
    assert distance[core].max() < distance[~core].min() + 1
    assert core_pixels(lut, np.ones(lut.shape), 0.25, at_least=1000).all()
    weights = np.where(lut.ids == 5, 100.0, 1.0)
    assert core_pixels(lut, weights, 0.25, at_least=300)[lut.ids == 5].sum() == 100


def test_what_does_not_fit_is_refused():
    words, lut = random_words(0, 10), random_lut(0)
    oblong = CrystalLUT(np.zeros((4, 5), np.int32), GEOMETRY)
    with pytest.raises(ParameterError, match="square"):
        crystal_spectra([words], oblong)
    with pytest.raises(ParameterError, match="12 crystals"):
        iter_crystals([words], lut, np.zeros((3, 2)))
    with pytest.raises(ParameterError, match="resampled"):
        flood_of_windows([words], lut, np.zeros((12, 2)), parameters=FloodParameters(bins=32))
    with pytest.raises(ParameterError, match="share"):
        core_pixels(lut, np.ones(lut.shape), 0)
    with pytest.raises(ParameterError, match="shape"):
        core_pixels(lut, np.ones((3, 3)))
    with pytest.raises(Cancelled):
        crystal_spectra([words], lut, cancelled=lambda: True)

import numpy as np
import pytest

from napari_petlut.analysis.flood import FloodParameters, comb_strength, flood_from_words, remove_comb
from napari_petlut.errors import ParameterError
from napari_petlut.model import EnergyWindow

HALF = [255, 256]
INTERIOR = slice(40, 470)
WINDOW = EnergyWindow(400, 800)


@pytest.fixture(scope="module")
def words():
    """Events of E in 401..799 whose true positions are uniform: floor(E q) alone makes the comb."""
    rng = np.random.default_rng(0)
    n = 3_000_000
    energy = rng.integers(401, 800, n)
    ey, ex = (np.floor(energy * rng.uniform(0.02, 0.98, n)).astype(np.int64) for _ in range(2))
    return ((energy << 20) | (ey << 10) | ex).astype(np.uint32)


def relative_rms(counts, axis):
    """RMS of interior line sums against the median of their neighbours, and its Poisson limit."""
    sums = counts.sum(axis=1 - axis)[INTERIOR]
    neighbours = np.stack([np.roll(sums, shift) for shift in (-4, -3, -2, 2, 3, 4)])
    deviation = (sums / np.median(neighbours, axis=0) - 1)[4:-4]
    # The variance of the median of six is about 1.29 / 6 of one line's.
    return np.sqrt(np.mean(deviation**2)), np.sqrt((1 + 1.29 / 6) / sums.mean())


@pytest.mark.parametrize("axis", [0, 1])
def test_dither_brings_the_comb_down_to_the_poisson_limit(words, axis):
    plain, dithered = (
        flood_from_words([words], parameters=FloodParameters(WINDOW, dither=dither)).counts
        for dither in (False, True)
    )
    rms, limit = relative_rms(plain, axis)
    assert rms > 1.7 * limit
    rms, limit = relative_rms(dithered, axis)
    assert rms == pytest.approx(limit, rel=0.1)


def test_dither_keeps_the_events_and_moves_them_by_less_than_a_channel(words):
    plain, dithered = (
        flood_from_words([words], parameters=FloodParameters(WINDOW, dither=dither))
        for dither in (False, True)
    )
    assert dithered.total == plain.total
    rows = np.arange(512)
    shift = np.average(rows, weights=dithered.counts.sum(axis=1)) - np.average(
        rows, weights=plain.counts.sum(axis=1)
    )
    # Half a channel on average: -0.5 * 512 * mean(1 / E).
    assert shift == pytest.approx(-0.5 * 512 * np.mean(1 / np.arange(401, 800)), rel=0.05)


def test_the_comb_is_found_measured_and_removed_without_events(words):
    counts = flood_from_words([words], parameters=FloodParameters(WINDOW)).counts
    before = comb_strength(counts)
    for profile in before:
        assert {127, 128, 255, 256, 383, 384} <= set(profile.lines.tolist())
        assert profile.deviation[HALF] == pytest.approx([-0.25, 0.2], abs=0.05)
    cleaned = remove_comb(counts)
    assert cleaned.sum() == pytest.approx(counts.sum(), rel=1e-3)
    for profile, old in zip(comb_strength(cleaned), before, strict=True):
        assert not set(profile.lines) & set(old.lines)
        assert np.abs(profile.deviation[HALF]).max() < 0.02


def test_a_dithered_or_crystal_map_without_comb_is_left_alone(words):
    dithered = flood_from_words([words], parameters=FloodParameters(WINDOW, dither=True)).counts
    np.testing.assert_array_equal(remove_comb(dithered), dithered)
    places = np.arange(512)
    spots = np.exp(-((places[:, None] - np.arange(50, 470, 25)) ** 2) / (2 * 4.0**2)).sum(axis=1)
    crystals = np.random.default_rng(1).poisson(400 * np.outer(spots, spots)).astype(float)
    np.testing.assert_array_equal(remove_comb(crystals), crystals)


def test_empty_and_tiny_maps_have_no_comb():
    for shape in ((2, 2), (3, 7), (64, 64)):
        counts = np.zeros(shape)
        rows, columns = comb_strength(counts)
        assert rows.lines.size == columns.lines.size == 0
        assert rows.deviation.shape == shape[:1]
        np.testing.assert_array_equal(remove_comb(counts), counts)


def test_wrong_arguments_are_refused():
    with pytest.raises(ParameterError):
        comb_strength(np.zeros(5))
    with pytest.raises(ParameterError):
        remove_comb(np.zeros((5, 5)), threshold=0)

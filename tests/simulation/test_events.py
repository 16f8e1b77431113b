"""Single events: whole numbers, truth, and a map that agrees with the map-only simulation."""

from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.errors import ParameterError
from napari_petlut.model import EventFormat
from napari_petlut.simulation import (
    BlockSimulation,
    SimulatedEvents,
    iter_events,
    simulate_block,
    simulate_events,
)

PARAMS = BlockSimulation(
    rows=6,
    cols=5,
    seed=1,
    dead=(7,),
    gains=(1.0, 1.3, 0.9, 1.0),
    scatter=0.2,
    background=0.2,
    yield_spread=0.1,
)


def fields(events: SimulatedEvents) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    layout = EventFormat()
    word = events.words.astype(np.int64)
    e, x, y = ((word >> f.shift) & f.mask for f in (layout.energy, layout.x, layout.y))
    return e, x, y


def window_map(events: SimulatedEvents) -> tuple[np.ndarray, np.ndarray]:
    e, ex, ey = fields(events)
    inside = (e > 400) & (e < 800)
    x, y = ((1 - ratio[inside] / e[inside]) * 512 for ratio in (ex, ey))
    return np.histogram2d(x, y, bins=512, range=[[0, 512], [0, 512]])[0], events.crystal[inside]


@pytest.fixture(scope="module")
def sample() -> SimulatedEvents:
    return simulate_events(PARAMS, 1_500_000)


def test_first_events_do_not_depend_on_how_many_are_asked_for() -> None:
    few, many = simulate_events(PARAMS, 1000), simulate_events(PARAMS, 300_000)
    np.testing.assert_array_equal(few.words, many.words[:1000])
    np.testing.assert_array_equal(few.crystal, many.crystal[:1000])
    assert [len(part) for part in iter_events(PARAMS, 300_000)] == [262_144, 37_856]


def test_map_of_events_has_the_statistics_of_the_simulated_map(sample: SimulatedEvents) -> None:
    counts, _ = window_map(sample)
    block = simulate_block(replace(PARAMS, counts_per_crystal=counts.sum() / 29))
    seen = block.expected > 3
    deviation = (counts - block.expected)[seen] / np.sqrt(block.expected[seen])
    # Sampling error of the mean square of n deviations is sqrt(2 / n), here 0.005.
    assert np.mean(deviation**2) == pytest.approx(1, abs=0.05)
    for axis in (0, 1):
        lines = counts.sum(axis) / np.maximum(block.expected.sum(axis), 1)
        filled = block.expected.sum(axis) > 1000
        assert np.std(lines[filled]) < 0.03


def test_truth_of_events_agrees_with_the_truth_of_the_block(sample: SimulatedEvents) -> None:
    block = simulate_block(PARAMS)
    e, ex, ey = fields(sample)
    inside = (e > 400) & (e < 800)
    crystal = sample.crystal[inside]
    position = np.stack([(1 - r[inside] / e[inside]) * 512 - 0.5 for r in (ex, ey)], axis=-1)
    assert np.mean(crystal == -1) == pytest.approx(PARAMS.background, abs=0.01)
    assert not (crystal == 7).any()
    for i in np.flatnonzero(block.live):
        assert np.median(position[crystal == i], axis=0) == pytest.approx(block.centres[i], abs=1.0)
    known = crystal >= 0
    pixel = np.floor(position[known] + 0.5).astype(int)
    on_map = ((pixel >= 0) & (pixel < 512)).all(axis=1)
    right = block.ideal_lut.ids[tuple(np.where(on_map[:, None], pixel, 0).T)] == crystal[known]
    right &= on_map
    assert right.mean() == pytest.approx(block.bayes_accuracy, abs=0.003)


def test_spots_have_the_covariance_that_is_said(sample: SimulatedEvents) -> None:
    sharp = replace(PARAMS, scatter=0.0, background=0.0)
    events, block = simulate_events(sharp, 400_000), simulate_block(sharp)
    e, ex, ey = fields(events)
    mine = (e > 400) & (e < 800) & (events.crystal == 12)
    position = np.stack([(1 - r[mine] / e[mine]) * 512 for r in (ex, ey)])
    np.testing.assert_allclose(np.cov(position), block.covariances[12], rtol=0.05, atol=25)


def test_comb_is_that_of_whole_numbers(sample: SimulatedEvents) -> None:
    counts = simulate_block(BlockSimulation(seed=5)).expected
    plain = simulate_block(BlockSimulation(seed=5, comb=False)).expected
    change = counts.sum(axis=1) / np.maximum(plain.sum(axis=1), 1e-9) - 1
    # A measured block: -24 and -26 % at 255, +24 and +19 % at 256, about 10 % at 127 / 128 and 383 / 384.
    assert change[255] == pytest.approx(-0.25, abs=0.05)
    assert change[256] == pytest.approx(0.25, abs=0.05)
    assert change[127] < -0.08 < 0.08 < change[128]


def test_hot_pixels_and_lines_are_in_events_and_map() -> None:
    params = replace(PARAMS, hot_bins=3, hot_level=20.0, lines=4, line_level=0.8, counts_per_crystal=20_000.0)
    counts, _ = window_map(simulate_events(params, 1_000_000))
    block = simulate_block(replace(params, counts_per_crystal=counts.sum() / 29))
    assert block.hot.shape == (3, 2)
    np.testing.assert_allclose(counts[tuple(block.hot.T)], block.expected[tuple(block.hot.T)], rtol=0.2)
    plain = simulate_block(replace(block.params, lines=0)).expected.sum(axis=1)
    wrong = block.expected.sum(axis=1) / plain
    strongest = np.nanargmax(np.abs(wrong - 1) * (plain > 1000))
    assert counts.sum(axis=1)[strongest] / plain[strongest] == pytest.approx(wrong[strongest], abs=0.1)


def test_number_of_events_must_be_positive() -> None:
    with pytest.raises(ParameterError, match="positive"):
        iter_events(PARAMS, 0)

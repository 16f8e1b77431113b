import numpy as np
import pytest

from napari_petlut.analysis.two_site import flights, landings, neighbour_ids
from napari_petlut.errors import ParameterError
from napari_petlut.simulation import BlockSimulation, simulate_block, simulate_events

TWO_SITE = BlockSimulation(
    rows=6, cols=6, counts_per_crystal=4000, scatter=0.0, two_site=0.5, background=0.0, comb=False
)


def test_the_energy_is_split_as_klein_and_nishina_have_it():
    samples = flights(3.0)
    # One scatter leaves at most two thirds of 511 keV, a third on the average of all angles.
    assert samples.first_share.min() > 0
    assert samples.first_share.max() < 2 / 3
    assert np.all((samples.rows != 0) | (samples.cols != 0))


def test_a_shorter_attenuation_length_keeps_gammas_nearer():
    near, far = (np.hypot(flights(length).rows, flights(length).cols).mean() for length in (1.0, 6.0))
    assert near < 0.85 * far


def test_the_table_of_landings_is_the_samples():
    table, samples = landings(3.0), flights(3.0)
    assert table.probability.sum() == pytest.approx(1)
    assert table.probability @ table.first_share == pytest.approx(samples.first_share.mean())
    assert table.probability @ np.abs(table.rows) == pytest.approx(np.abs(samples.rows).mean())
    # Rows and columns are alike, and so are both directions.
    assert table.probability @ table.rows == pytest.approx(0, abs=0.02)
    assert table.probability @ np.abs(table.rows) == pytest.approx(
        table.probability @ np.abs(table.cols), rel=0.02
    )


def test_neighbours_outside_the_block_are_none():
    ids = neighbour_ids((2, 3), np.array([0, 1, -1]), np.array([1, 0, -1]))
    assert ids.tolist() == [[1, 3, -1], [2, 4, -1], [-1, 5, -1], [4, -1, -1], [5, -1, 0], [-1, -1, 1]]


def test_single_events_have_the_statistics_of_the_map():
    block, sample = simulate_block(TWO_SITE), simulate_events(TWO_SITE, 300_000)
    energy, ex, ey = (sample.words >> shift & mask for shift, mask in ((20, 0xFFF), (0, 0x3FF), (10, 0x3FF)))
    inside = (energy > TWO_SITE.window.low) & (energy < TWO_SITE.window.high) & (sample.crystal >= 0)
    pixel = ((1 - np.stack([ex, ey])[:, inside] / energy[inside]) * 512).astype(int).clip(0, 511)
    right = block.ideal_lut.ids[tuple(pixel)] == sample.crystal[inside]
    assert right.mean() == pytest.approx(block.bayes_accuracy, abs=0.01)
    seen = np.zeros((512, 512))
    np.add.at(seen, tuple(pixel), 1)
    coarse, expected = (m.reshape(16, 32, 16, 32).sum(axis=(1, 3)) for m in (seen, block.expected))
    expected *= coarse.sum() / expected.sum()
    used = expected > 50
    assert ((coarse - expected) ** 2 / expected)[used].mean() < 3


def test_two_sites_lie_between_the_crystals_and_outer_crystals_lose_more():
    block = simulate_block(TWO_SITE)
    alone = simulate_block(BlockSimulation(**{**vars(TWO_SITE), "two_site": 0.0}))
    assert block.bayes_accuracy < alone.bayes_accuracy - 0.15
    assert block.flood.total == pytest.approx(36 * 4000, rel=0.02)


def test_shares_that_leave_no_one_site_event_are_refused():
    with pytest.raises(ParameterError, match="together"):
        BlockSimulation(scatter=0.5, two_site=0.5)
    with pytest.raises(ParameterError, match="attenuation_length"):
        BlockSimulation(attenuation_length=0.0)

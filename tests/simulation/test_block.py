"""The map-only simulation and its truth."""

import numpy as np
import pytest

from napari_petlut.errors import ParameterError
from napari_petlut.simulation import PRESETS, BlockSimulation, simulate_block

SMALL = BlockSimulation(rows=5, cols=7, counts_per_crystal=2000, seed=3)


def test_same_seed_gives_the_same_map_and_another_seed_another() -> None:
    first, again = simulate_block(SMALL), simulate_block(SMALL)
    np.testing.assert_array_equal(first.flood.counts, again.flood.counts)
    np.testing.assert_array_equal(first.centres, again.centres)
    assert (simulate_block(BlockSimulation(rows=5, cols=7, seed=4)).centres != first.centres).any()


def test_counts_are_those_asked_for() -> None:
    block = simulate_block(SMALL)
    assert block.flood.total == pytest.approx(35 * 2000, rel=0.03)


def test_dead_crystals_have_no_counts_and_no_pixels() -> None:
    block = simulate_block(BlockSimulation(rows=5, cols=7, dead=(3, 17)))
    assert np.flatnonzero(~block.live).tolist() == [3, 17]
    assert not np.isin(block.ideal_lut.ids, [3, 17]).any()
    assert np.isnan(block.correct[[3, 17]]).all()


def test_presets_can_be_simulated() -> None:
    for params in PRESETS.values():
        block = simulate_block(params)
        assert block.flood.shape == (512, 512)
        assert 0.3 < block.bayes_accuracy < 1


@pytest.mark.parametrize("wrong", [{"rows": 1}, {"background": 0.95}, {"dead": (99,)}, {"gains": (1, 2)}])
def test_values_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        BlockSimulation(**({"rows": 5, "cols": 5} | wrong))

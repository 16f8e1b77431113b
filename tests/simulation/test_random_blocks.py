"""Random blocks for sweeps."""

import numpy as np
import pytest

from napari_petlut.errors import ParameterError
from napari_petlut.simulation import FACTORS, Level, random_block
from napari_petlut.simulation.faults import choose_faults


@pytest.mark.parametrize("level", list(Level))
def test_same_seed_gives_the_same_block_and_all_can_be_built(level: Level) -> None:
    blocks = [random_block(seed, level) for seed in range(150)]
    assert blocks == [random_block(seed, level) for seed in range(150)]
    assert len({block.params for block in blocks}) == 150
    for block in blocks:
        faults = choose_faults(block.params)
        assert not (faults.dead & faults.dim).any()


@pytest.mark.parametrize(("level", "most"), [("easy", 0), ("typical", 0), ("hard", 3), ("beyond", 2)])
def test_levels_have_as_many_factors_as_they_say(level: str, most: int) -> None:
    numbers = {len(random_block(seed, level).factors) for seed in range(60)}
    assert numbers == (set(range(1, most + 1)) if most else {0})


@pytest.mark.parametrize(("level", "name"), [(level, name) for level in FACTORS for name in FACTORS[level]])
def test_every_factor_can_be_asked_for_and_changes_the_block(level: Level, name: str) -> None:
    with_factor, without = random_block(4, level, factors=[name]), random_block(4, level, factors=[])
    assert with_factor.factors == (name,)
    assert with_factor.params != without.params


def test_naming_the_factors_that_are_drawn_anyway_changes_nothing() -> None:
    for seed in range(20):
        block = random_block(seed, "hard")
        assert random_block(seed, "hard", factors=block.factors[::-1]) == block


def test_hard_sweeps_cover_the_ranges() -> None:
    params = [random_block(seed, "hard").params for seed in range(400)]
    counts = np.array([p.counts_per_crystal for p in params])
    assert counts.min() < 500
    assert counts.max() > 250_000
    assert max(abs(p.turn) for p in params) > 6
    assert max(p.rows for p in params) > 28
    assert any(p.rows != p.cols for p in params)


def test_unknown_levels_and_factors_are_refused() -> None:
    with pytest.raises(ParameterError, match="level"):
        random_block(1, "gruesome")
    with pytest.raises(ParameterError, match="factor"):
        random_block(1, "hard", factors=["weather"])
    with pytest.raises(ParameterError, match="none"):
        random_block(1, "easy", factors=["turn"])

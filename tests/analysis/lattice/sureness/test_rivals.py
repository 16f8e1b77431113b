"""How competing lattices contradict the best one."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_petlut.analysis.lattice.sureness.rivals import (
    GAP_SCALE,
    LARGEST_GAP,
    SHARP_SCALE,
    SPREAD_SCALE,
    Contradiction,
)

GRID = np.stack(np.meshgrid(np.arange(3), np.arange(4), indexing="ij"), -1) * 10.0
BEST = SimpleNamespace(grid=GRID, score=-3.0)


def lattice(score, offset, *crystals):
    """Return a lattice that has some crystals, all by default, elsewhere."""
    grid = GRID.copy()
    for place in crystals or np.ndindex(3, 4):
        grid[place] += offset
    return SimpleNamespace(grid=grid, score=score)


RIVAL = lattice(-2.98, [0.0, 4.5], (1, 2))
SHIFTED = lattice(-2.9, [10.0, 0.0])
HOPELESS = lattice(-1.0, [5.0, 5.0])


def test_competitors_scatter_a_crystal_the_more_the_better_they_are():
    scattered, furthest, whole = Contradiction.of([BEST, RIVAL, HOPELESS], BEST).scatter()
    weight = np.exp(-0.02 / SPREAD_SCALE)
    assert scattered[1, 2] == pytest.approx(np.sqrt(weight * 0.45**2 / (1 + weight)))
    assert furthest[1, 2] == pytest.approx(0.45 * np.exp(-0.02 / SHARP_SCALE))
    assert scattered.sum() == pytest.approx(scattered[1, 2])
    assert not whole.any()
    whole = Contradiction.of([BEST, SHIFTED], BEST).scatter()[2]
    np.testing.assert_allclose(whole, np.exp(-0.1 / SPREAD_SCALE))


def test_the_strongest_competitor_of_a_crystal_is_its_rival():
    crystal, block = Contradiction.of([BEST, RIVAL, SHIFTED], BEST).rivalry()
    assert crystal[0, 0] == pytest.approx(np.exp(-0.1 / GAP_SCALE))
    # One crystal of twelve is enough to question the block.
    assert crystal[1, 2] == block == pytest.approx(np.exp(-0.02 / GAP_SCALE))


def test_competitors_within_a_gap_are_counted_crystal_by_crystal():
    rivals = Contradiction.of([BEST, RIVAL, SHIFTED], BEST)
    assert rivals.disagreement(0.05)[1, 2] == 0.5
    assert rivals.disagreement(0.05)[0, 0] == 0.0
    assert rivals.disagreement(0.2)[1, 2] == pytest.approx(2 / 3)
    assert rivals.disagreement(0.2)[0, 0] == pytest.approx(1 / 3)


def test_the_closest_competitor_that_moves_a_crystal_or_the_block_is_found():
    rivals = Contradiction.of([BEST, RIVAL, SHIFTED], BEST)
    assert rivals.closest()[1, 2] == pytest.approx(0.02)
    assert rivals.closest()[0, 0] == rivals.closest_of_block(0.3) == pytest.approx(0.1)


@pytest.mark.parametrize("pool", [[], [BEST], [BEST, HOPELESS]])
def test_nothing_contradicts_a_lattice_without_near_competitors(pool):
    rivals = Contradiction.of(pool, BEST)
    crystal, block = rivals.rivalry()
    assert not crystal.any()
    assert block == 0
    assert not any(values.any() for values in rivals.scatter())
    assert not rivals.disagreement(0.5).any()
    assert (rivals.closest() == LARGEST_GAP).all()
    assert rivals.closest_of_block(0.3) == LARGEST_GAP

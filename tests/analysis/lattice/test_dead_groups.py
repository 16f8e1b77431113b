"""Groups of dead crystals put back where they belong."""

import numpy as np
import pytest

from napari_petlut.analysis.lattice.dead_groups import attempts, extents, put_back
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.hypotheses import Contest, Hypothesis
from napari_petlut.analysis.lattice.prepare import prepare_map
from napari_petlut.analysis.lattice.spots import find_spots
from napari_petlut.simulation import BlockSimulation, SimulatedBlock, simulate_block

SIDE = 10
CORNER = np.zeros((SIDE, SIDE), bool)
CORNER[-3:, :3] = True


def searched(dead: np.ndarray) -> tuple[SimulatedBlock, Contest, np.ndarray]:
    """A block with dead crystals, a contest about it, and its true lattice in the contest's pixels."""
    block = simulate_block(
        BlockSimulation(
            rows=SIDE, cols=SIDE, resolution=1.6, dead=tuple(np.flatnonzero(dead).tolist()), seed=8
        )
    )
    ready = prepare_map(block.flood.counts, block.params.geometry)
    spots, strength = find_spots(ready.counts, ready.support, ready.pitch)
    contest = Contest(ready, block.params.geometry, 5, spots, None, strength)
    return block, contest, block.centres.reshape(SIDE, SIDE, 2) - ready.origin


def judged(contest: Contest, grid: np.ndarray) -> Hypothesis:
    fitted = contest.judge(grid, "made up")
    assert fitted is not None
    return fitted


def test_a_dead_corner_whose_crystals_lie_on_live_ones_is_put_back():
    _, contest, truth = searched(CORNER)
    crowded = truth.copy()
    # The first dead row lies on the last live one.
    crowded[-3, :3] = truth[-4, :3] + 2.0
    start = judged(contest, crowded)
    assert node_distance(start.grid, truth)[CORNER].max() > 0.6
    back = put_back(contest, start)
    off = node_distance(back.grid, truth)
    # Where nothing shines, only the live lines tell the place.
    assert off[CORNER].max() < 0.6
    assert off[~CORNER].max() < 0.25
    assert back.dark is not None
    np.testing.assert_array_equal(back.dark, CORNER)
    assert back.score <= start.score


def test_a_block_of_live_crystals_stays_as_it_is():
    _, contest, truth = searched(np.zeros((SIDE, SIDE), bool))
    start = judged(contest, truth)
    assert put_back(contest, start).fit is start.fit


def test_a_crystal_that_a_person_placed_is_not_put_back():
    _, contest, truth = searched(CORNER)
    start = judged(contest, truth)
    contest.fix({int(k): truth.reshape(-1, 2)[k] + 9.0 for k in np.flatnonzero(CORNER)})
    assert put_back(contest, start).fit is start.fit


@pytest.mark.parametrize(("place", "number"), [((4, 4), 17), ((0, 0), 5)])
def test_a_group_may_reach_further_on_any_side(place, number):
    group = np.zeros((SIDE, SIDE), bool)
    group[place] = True
    found = list(extents(group))
    assert len(found) == number
    assert all(hole[place] for hole in found)
    assert np.array_equal(found[0], group)
    assert max(hole.sum() for hole in found) == (9 if place == (4, 4) else 4)


def test_a_single_dark_crystal_is_no_group():
    single = np.zeros((SIDE, SIDE), bool)
    single[4, 5] = True
    _, contest, truth = searched(single)
    beside = truth.copy()
    beside[4, 5] += 20.0
    assert list(attempts(contest, judged(contest, beside))) == []

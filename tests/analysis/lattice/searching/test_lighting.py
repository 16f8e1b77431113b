"""Dark crystals looked at again."""

from dataclasses import replace

import numpy as np
import pytest

from contests import contest_of
from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.grids import NOTHING, node_distance
from napari_petlut.analysis.lattice.searching.lighting import revive_crystals
from napari_petlut.simulation import BlockSimulation

ROWS, COLS = 9, 8


@pytest.mark.parametrize("corner", [(0, COLS - 1), (ROWS - 1, 0), (ROWS - 1, COLS - 1)])
def test_a_live_corner_that_was_put_outside_and_called_dead_is_revived(contest, start, corner):
    dark = np.zeros((ROWS, COLS), bool)
    dark[corner] = True
    inner = (abs(corner[0] - 1), abs(corner[1] - 1))
    grid = start.grid.copy()
    grid[corner] += 0.4 * (grid[corner] - grid[inner])
    wrong = replace(contest, pool=[]).judge(Candidate(grid, "a dead corner", dark))
    assert wrong is not None
    best = revive_crystals(contest, wrong)
    assert not best.dark.any()
    assert node_distance(best.grid, start.grid)[corner] < 0.3


def test_a_dead_crystal_stays_dead():
    params = BlockSimulation(rows=ROWS, cols=COLS, resolution=1.6, seed=4, dead=(3 * COLS + 4,))
    contest, truth = contest_of(params, 5)
    dark = np.zeros((ROWS, COLS), bool)
    dark[3, 4] = True
    dead = contest.judge(Candidate(truth, "the truth", dark))
    assert dead is not None
    assert revive_crystals(contest, dead) is dead
    assert not revive_crystals(contest, replace(dead, dark=NOTHING)).dark.any()

"""Doubtful places mended by chains."""

from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.analysis.lattice.fitting.patches import judge_patch, open_patch
from napari_petlut.analysis.lattice.grids import NOTHING, node_distance
from napari_petlut.analysis.lattice.proposing.chains import (
    Chain,
    move_chain,
)
from napari_petlut.analysis.lattice.searching.mending import doubtful_boxes, mend_chains
from napari_petlut.errors import Cancelled

ROWS, COLS = 9, 8


def test_places_are_the_doubtful_ones_worst_first():
    doubt = np.zeros((ROWS, COLS))
    doubt[1, 2], doubt[6, 5] = 0.6, 1.2
    assert doubtful_boxes(doubt) == [(slice(6, 7), slice(5, 6)), (slice(1, 2), slice(2, 3))]
    assert doubtful_boxes(np.zeros((4, 4))) == []


@pytest.mark.parametrize(("out", "gap"), [(2, 6), (6, 2)])
def test_a_chain_that_was_moved_wrongly_is_moved_back(contest, start, out, gap):
    chain = move_chain(contest, start, Chain(0, slice(3, 4), out, gap), np.full((ROWS, COLS), 1e-9))
    box = (slice(0, ROWS), slice(1, 6))
    patch = open_patch(contest, start, box)
    wrong = judge_patch(contest, patch, replace(chain, dark=NOTHING))
    assert wrong is not None
    assert node_distance(wrong.grid, start.grid).max() > 0.5
    best, rivals = mend_chains(contest, wrong)
    assert best.score < wrong.score
    assert node_distance(best.grid, start.grid).max() < 0.2
    assert all(rival.score >= 0 for rival in rivals)


def test_mending_stops_when_it_is_cancelled(contest, start):
    chain = move_chain(contest, start, Chain(0, slice(3, 4), 2, 6), np.full((ROWS, COLS), 1e-9))
    box = (slice(0, ROWS), slice(1, 6))
    wrong = judge_patch(contest, open_patch(contest, start, box), replace(chain, dark=NOTHING))
    assert wrong is not None
    with pytest.raises(Cancelled):
        mend_chains(replace(contest, budget=replace(contest.budget, cancelled=lambda: True)), wrong)

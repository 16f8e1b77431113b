"""Lattices turned in their middle."""

from dataclasses import replace

import numpy as np
import pytest

from contests import contest_of
from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.proposing.swirls import SWIRLS, swirl, swirl_moves
from napari_petlut.simulation import BlockSimulation

PITCH = 20.0


def even(rows: int, cols: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"), axis=-1) * PITCH + 30.0


def test_a_swirl_moves_crystals_along_the_edges_and_leaves_centre_and_corners():
    grid = even(13, 11)
    off = (swirl(grid, 1.0) - grid) / PITCH
    assert off[0, 5, 1] == pytest.approx(-1.0, abs=0.02)
    assert off[12, 5, 1] == pytest.approx(1.0, abs=0.02)
    assert off[6, 0, 0] == pytest.approx(1.0, abs=0.02)
    assert off[6, 10, 0] == pytest.approx(-1.0, abs=0.02)
    np.testing.assert_allclose(off[6, 5], 0.0, atol=1e-9)
    for corner in ((0, 0), (0, 10), (12, 0), (12, 10)):
        assert np.abs(off[corner]).max() < 0.2


def test_no_swirl_changes_nothing():
    np.testing.assert_allclose(swirl(even(5, 8), 0.0), even(5, 8), atol=1e-9)


def test_the_swirl_of_a_swirled_lattice_of_either_hand_is_undone_by_a_move():
    contest, truth = contest_of(BlockSimulation(rows=10, cols=9, resolution=1.8, seed=3), 50)
    for amount in (-1.0, 1.0):
        contest = replace(contest, pool=[])
        start = contest.judge(Candidate(swirl(truth, amount), "swirled"))
        assert start is not None
        assert (node_distance(start.grid, truth) > 0.4).mean() > 0.3
        tried = [contest.judge(swirl) for swirl in swirl_moves(contest, start)]
        assert len(tried) == len(SWIRLS)
        best = min((h for h in tried if h is not None), key=lambda h: h.score)
        assert (node_distance(best.grid, truth) > 0.4).mean() < 0.1

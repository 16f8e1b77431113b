"""What speaks against the number of rows and columns."""

from dataclasses import replace

import numpy as np

from contests import contest_of
from napari_petlut.analysis.lattice.concluding.sizes_doubted import unexplained
from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.simulation import BlockSimulation


def test_a_spot_is_unexplained_only_where_the_lattice_left_a_crystal_out():
    contest, truth = contest_of(BlockSimulation(rows=6, cols=6, resolution=2.2, seed=1), 5)
    spots = truth.reshape(-1, 2)
    contest = replace(contest, scene=replace(contest.scene, spots=spots, strength=np.ones(len(spots))))
    right = contest.judge(Candidate(truth, "the truth"))
    assert right is not None
    assert not unexplained(contest, right).any()
    dark = np.zeros((6, 6), bool)
    dark[2, 3] = True
    without = replace(contest, pool=[]).judge(Candidate(truth, "a crystal left out", dark))
    assert without is not None
    assert np.flatnonzero(unexplained(contest, without)).tolist() == [2 * 6 + 3]

"""A contest that several rooms test their moves on."""

import numpy as np
import pytest

from contests import contest_of
from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.simulation import BlockSimulation

ROWS, COLS = 9, 8


@pytest.fixture(scope="module")
def simulated() -> tuple[Contest, np.ndarray]:
    """A contest about a block of 9 x 8 crystals, and the true lattice."""
    return contest_of(BlockSimulation(rows=ROWS, cols=COLS, resolution=1.6, seed=4), 50)


@pytest.fixture(scope="module")
def contest(simulated) -> Contest:
    return simulated[0]


@pytest.fixture(scope="module")
def start(simulated, contest) -> Hypothesis:
    """The fitted truth."""
    judged = contest.judge(Candidate(simulated[1], "the truth"))
    assert judged is not None
    return judged

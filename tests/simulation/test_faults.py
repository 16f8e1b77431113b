"""Which crystals are faulty, and runs of them."""

import numpy as np
import pytest

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.simulation import BlockSimulation, crystal_run
from napari_petlut.simulation.faults import choose_faults

BLOCK = BlockGeometry(6, 9)


def test_numbers_choose_at_random_and_ids_choose_these() -> None:
    faults = choose_faults(BlockSimulation(rows=6, cols=9, dead=(3, 4), dim=5, merged=3))
    assert np.flatnonzero(faults.dead).tolist() == [3, 4]
    assert faults.dim.sum() == 5
    assert not (faults.dim & faults.dead).any()
    crystals = [i for pair in faults.merged for i in pair]
    assert len(set(crystals)) == 6
    assert not faults.dead[crystals].any()
    assert all(b - a in (1, 9) for a, b in faults.merged)


def test_another_fault_leaves_the_others_where_they_are() -> None:
    some = choose_faults(BlockSimulation(rows=6, cols=9, dead=2))
    more = choose_faults(BlockSimulation(rows=6, cols=9, dead=2, dim=3))
    np.testing.assert_array_equal(some.dead, more.dead)


def test_impossible_faults_are_refused() -> None:
    with pytest.raises(ParameterError, match="neighbours"):
        choose_faults(BlockSimulation(rows=6, cols=9, merged=((0, 2),)))
    with pytest.raises(ParameterError, match="room"):
        choose_faults(BlockSimulation(rows=2, cols=2, merged=3))
    with pytest.raises(ParameterError, match="live"):
        choose_faults(BlockSimulation(rows=2, cols=2, dead=(0, 1, 2, 3)))
    with pytest.raises(ParameterError, match="left"):
        choose_faults(BlockSimulation(rows=2, cols=2, dead=2, dim=3))


@pytest.mark.parametrize("seed", range(8))
def test_runs_lie_where_their_name_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.arange(54).reshape(6, 9)
    assert crystal_run(BLOCK, "row", rng) in [tuple(row) for row in ids[1:-1].tolist()]
    assert crystal_run(BLOCK, "col", rng) in [tuple(col) for col in ids.T[1:-1].tolist()]
    edges = [ids[0], ids[-1], ids[:, 0], ids[:, -1]]
    assert crystal_run(BLOCK, "edge", rng) in [tuple(edge.tolist()) for edge in edges]
    corners = [ids[:2, :2], ids[:2, -2:], ids[-2:, :2], ids[-2:, -2:]]
    assert crystal_run(BLOCK, "corner", rng, size=2) in [tuple(c.ravel().tolist()) for c in corners]
    run = crystal_run(BLOCK, "run", rng, size=3)
    assert len(run) == 3
    assert set(np.diff(run).tolist()) in ({1}, {9})

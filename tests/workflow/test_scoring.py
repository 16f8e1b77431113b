import numpy as np
import pytest

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Lattice
from napari_petlut.workflow.scoring import score_lattice, symmetric_ids, true_spacing


def grid(rows, cols, pitch=20.0):
    return np.stack(np.meshgrid(np.arange(rows) * pitch, np.arange(cols) * pitch, indexing="ij"), -1).reshape(
        -1, 2
    )


def lattice(geometry, positions, status="found"):
    n = len(geometry)
    return Lattice(geometry, positions, status, np.ones(n), ("",) * n)


@pytest.mark.parametrize("shape", [(3, 3), (3, 4)])
def test_every_symmetry_of_the_grid_is_right(shape):
    block, truth = BlockGeometry(*shape), grid(*shape)
    for ids in symmetric_ids(block):
        assert score_lattice(lattice(block, truth[ids]), truth).perfect


def test_a_transposed_numbering_is_right_only_on_square_arrays():
    assert len(symmetric_ids(BlockGeometry(3, 3))) == 8
    assert len(symmetric_ids(BlockGeometry(3, 4))) == 4


def test_a_lattice_shifted_by_one_column_is_wrong_everywhere():
    block, truth = BlockGeometry(4, 5), grid(4, 5)
    score = score_lattice(lattice(block, truth + np.array([0, 20.0])), truth)
    assert score.right.sum() == 0
    assert score.wrong.all()


def test_half_the_spacing_decides_and_dead_crystals_do_not_count():
    block, truth = BlockGeometry(2, 3), grid(2, 3)
    moved = truth.copy()
    moved[1, 1] += 9.9
    moved[4, 1] += 10.1
    status = np.array(["found"] * 6, "<U8")
    status[4] = "suspect"
    live = np.ones(6, bool)
    live[5] = False
    moved[5] += 50
    score = score_lattice(lattice(block, moved, status), truth, live)
    assert score.wrong.tolist() == [False, False, False, False, True, False]
    assert score.marked[score.wrong].all()


def test_spacing_is_to_the_nearest_neighbour():
    centres = np.array([[0.0, 0], [0, 5], [0, 12]])
    assert true_spacing(centres, BlockGeometry(1, 3)).tolist() == [5, 5, 7]


def test_merged_neighbours_do_not_make_the_tolerance_smaller():
    block = BlockGeometry(2, 2)
    centres = np.array([[10.0, 10.0], [10.0, 11.0], [40.0, 10.0], [40.0, 40.0]])
    assert true_spacing(centres, block).tolist() == [1, 1, 30, 30]
    assert true_spacing(centres, block, [(1, 0)]).tolist() == [30, np.hypot(30, 29), 30, 30]
    found = lattice(block, centres + np.array([5.0, 0.0]))
    assert score_lattice(found, centres).right.tolist() == [False, False, True, True]
    assert score_lattice(found, centres, merged=[(0, 1)]).perfect

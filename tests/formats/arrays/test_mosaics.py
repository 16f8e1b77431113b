"""Several blocks in one array are noticed, and one block is never taken for several."""

from functools import cache

import numpy as np
import pytest

from napari_petlut.errors import FormatError
from napari_petlut.formats.arrays.mosaics import blocks_side_by_side
from napari_petlut.formats.identification import Hints, identify
from napari_petlut.formats.map_kinds import map_reading
from napari_petlut.formats.map_layout import MapLayout
from napari_petlut.simulation import BlockSimulation, random_block, simulate_block


@cache
def block(seed, rows=8, cols=7, **choices):
    params = BlockSimulation(rows=rows, cols=cols, resolution=2.0, seed=seed, **choices)
    return simulate_block(params).flood.counts[::2, ::2]


def mosaic(rows, cols, fainter=1.0):
    tiles = [block(seed) for seed in range(rows * cols)]
    tiles[-1] = np.floor(tiles[-1] * fainter)
    return np.block([tiles[row * cols : (row + 1) * cols] for row in range(rows)])


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (2, 2), (4, 4), (1, 5), (3, 2)])
def test_blocks_side_by_side_are_counted(shape):
    assert blocks_side_by_side(mosaic(*shape)) == shape


def test_a_faint_block_among_bright_ones_is_one_too():
    assert blocks_side_by_side(mosaic(2, 2, fainter=0.05)) == (2, 2)


@pytest.mark.parametrize("level", ["easy", "typical", "hard", "beyond"])
def test_one_block_is_one(level):
    for seed in range(2):
        counts = simulate_block(random_block(470_000 + seed, level).params).flood.counts
        assert blocks_side_by_side(counts) == (1, 1)


def test_a_dead_row_in_the_middle_is_no_border_between_blocks():
    dead = tuple(range(4 * 7, 5 * 7))
    assert blocks_side_by_side(block(3, rows=9, cols=7, dead=dead)) == (1, 1)


@pytest.mark.parametrize("counts", [np.ones((40, 40)), np.zeros((40, 40)), np.eye(64), np.ones((1, 200))])
def test_what_is_no_block_is_not_several(counts):
    assert blocks_side_by_side(counts) == (1, 1)


def test_a_file_of_several_blocks_asks_which_and_can_be_told_that_it_is_one(tmp_path):
    counts = mosaic(2, 3)
    np.save(tmp_path / "m.npy", counts)
    with pytest.raises(FormatError, match=r"looks like 2 x 3 blocks .* --tiles 2 3 --block 0,0 to 1,2"):
        map_reading(identify(tmp_path / "m.npy"))

    def read(**choices):
        return map_reading(identify(tmp_path / "m.npy", Hints(map_layout=MapLayout(**choices)))).flood.counts

    np.testing.assert_array_equal(read(tiles=(1, 1)), counts)
    np.testing.assert_array_equal(read(tiles=(2, 3), block=(1, 0)), counts[256:, :256])
    np.testing.assert_array_equal(read(crop=(0, 256, 256, 512)), counts[:256, 256:512])


def test_a_stack_that_is_read_as_one_long_map_is_noticed(tmp_path):
    np.concatenate([block(seed) for seed in range(4)]).astype("<u4").tofile(tmp_path / "s.raw")
    with pytest.raises(FormatError, match="looks like 4 x 1 blocks"):
        map_reading(identify(tmp_path / "s.raw", Hints(map_layout=MapLayout(dtype="<u4", shape=(1024, 256)))))

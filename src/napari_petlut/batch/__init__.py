"""Many blocks in one run: which they are, calibrating each on a cluster of workers, and the result of all."""

from napari_petlut.batch.blocks import BatchBlock, find_blocks, read_block_table
from napari_petlut.batch.running import BatchResult, calibrate_many
from napari_petlut.batch.splitting import SplitScanner, split_scanner

__all__ = [
    "BatchBlock",
    "BatchResult",
    "SplitScanner",
    "calibrate_many",
    "find_blocks",
    "read_block_table",
    "split_scanner",
]

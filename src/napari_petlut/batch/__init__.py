"""Many blocks in one run: which they are, calibrating each on a cluster of workers, and the result of all."""

from napari_petlut.batch.blocks import BatchBlock, find_blocks, read_block_table
from napari_petlut.batch.running import BatchResult, calibrate_many

__all__ = ["BatchBlock", "BatchResult", "calibrate_many", "find_blocks", "read_block_table"]

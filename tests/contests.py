"""Contests about simulated blocks, for tests of single moves of the search."""

import numpy as np

from napari_petlut.analysis.lattice.fitting.contest import Contest
from napari_petlut.analysis.lattice.seeing.preparing import prepare_map
from napari_petlut.analysis.lattice.seeing.spots import find_spots
from napari_petlut.simulation import BlockSimulation, simulate_block


def contest_of(params: BlockSimulation, budget: int = 40) -> tuple[Contest, np.ndarray]:
    """Return a contest about a simulated map, and the true lattice in pixels of its prepared map."""
    block = simulate_block(params)
    ready = prepare_map(block.flood.counts, params.geometry)
    spots, strength = find_spots(ready.counts, ready.support, ready.pitch)
    truth = block.centres.reshape(*params.geometry.shape, 2) - ready.origin
    return Contest(ready, params.geometry, budget, spots, None, strength), truth

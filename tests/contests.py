"""Contests about simulated blocks, for tests of single moves of the search."""

import numpy as np

from napari_petlut.analysis.lattice.fitting.contest import Budget, Contest
from napari_petlut.analysis.lattice.seeing.scene import look_at
from napari_petlut.analysis.lattice.wishes import Wishes
from napari_petlut.simulation import BlockSimulation, simulate_block


def contest_of(params: BlockSimulation, fits: int = 40) -> tuple[Contest, np.ndarray]:
    """Return a contest about a simulated map, and the true lattice in pixels of its prepared map."""
    block = simulate_block(params)
    scene = look_at(block.flood.counts, params.geometry)
    truth = scene.to_scene(block.centres).reshape(*params.geometry.shape, 2)
    return Contest(scene, Wishes(params.geometry), Budget(fits)), truth

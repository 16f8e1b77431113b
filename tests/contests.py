"""Contests about simulated blocks, for tests of single moves of the search."""

import numpy as np

from napari_petlut.analysis.lattice.fitting.contest import Budget, Contest
from napari_petlut.analysis.lattice.seeing.index_space import IndexSpace
from napari_petlut.analysis.lattice.seeing.scene import look_at
from napari_petlut.analysis.lattice.wishes import Wishes
from napari_petlut.model import FloatArray
from napari_petlut.simulation import BlockSimulation, simulate_block


def contest_of(params: BlockSimulation, fits: int = 40) -> tuple[Contest, np.ndarray]:
    """Return a contest about a simulated map, and the true lattice in pixels of its prepared map."""
    block = simulate_block(params)
    scene = look_at(block.flood.counts, params.geometry)
    truth = scene.to_scene(block.centres).reshape(*params.geometry.shape, 2)
    return Contest(scene, Wishes(params.geometry), Budget(fits)), truth


def swirl(grid: FloatArray, amount: float) -> FloatArray:
    """Return a grid turned in its middle; crystals move along the edges and around the centre.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
    amount : float
        How far crystals in the middle of an edge move along it, in pitches.
    """
    rows, cols = grid.shape[:2]
    v, u = np.meshgrid(np.arange(rows, dtype=np.float64), np.arange(cols, dtype=np.float64), indexing="ij")
    down, right = np.pi * (v + 0.5) / rows, np.pi * (u + 0.5) / cols
    along0 = amount * np.sin(down) * np.cos(right)
    along1 = -amount * np.cos(down) * np.sin(right)
    return IndexSpace(grid).to_pixels(v + along0, u + along1)

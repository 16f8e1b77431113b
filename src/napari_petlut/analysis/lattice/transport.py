"""A first lattice by optimal transport: the spots of the block are spread evenly over a square.

Sinkhorn's algorithm with separable Gaussian kernels (Cuturi 2013; Solomon et al. 2015) carries the density of
spots to a uniform density. The mass is the blurred density of spots, not the counts: a sensitivity gradient
would shift an equal-count map by about a pitch.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

CELLS = 48
"""Cells per side; a pitch is 1.5 cells for 32 crystals, finer maps show nothing that survives the blur."""
BLUR = 0.5
"""Blur of the spot density in pitches: single spots become an even density."""
BLUR_START = 0.02
"""First regularisation, in squared block sides; it is lowered geometrically to the final one."""
REGULARISATION = 0.35
"""Final regularisation in pitches: smaller ones follow single spots."""
STAGES, ROUNDS = 6, 12
"""Regularisations, and Sinkhorn rounds at each."""
TINY = 1e-40
"""Kernel values below this are zero: denormal numbers would make it a hundred times slower."""


def spread_spots(spots: FloatArray, weights: FloatArray, geometry: BlockGeometry) -> FloatArray:
    """Return the lattice that optimal transport of the spot density to an even density gives.

    Parameters
    ----------
    spots : ndarray of float64, shape (n, 2)
        Positions in pixels.
    weights : ndarray of float64, shape (n,)
        Mass of each spot.
    geometry : BlockGeometry

    Returns
    -------
    ndarray of float64, shape (rows, cols, 2)
        In pixels. Good to about a pitch.
    """
    shape = np.array(geometry.shape)
    low, high = spots.min(axis=0), spots.max(axis=0)
    side = np.maximum(high - low, 1.0) * (shape + 0.6) / np.maximum(shape - 1 + 0.6, 1)
    corner = (low + high - side) / 2
    mass, _, _ = np.histogram2d(
        *((spots - corner) / side).T, bins=CELLS, range=[[0, 1], [0, 1]], weights=weights
    )
    blur = BLUR * CELLS / shape
    mass = ndimage.gaussian_filter(mass, blur, mode="constant")
    mass = np.maximum(mass / mass.sum(), 1e-12)
    place0, place1 = _sinkhorn(mass, REGULARISATION / float(shape.max()))
    at = [(np.arange(n) + 0.5) / n * CELLS - 0.5 for n in geometry.shape]
    where = np.meshgrid(*at, indexing="ij")
    unit = [ndimage.map_coordinates(p, where, order=1, mode="nearest") for p in (place0, place1)]
    return corner + np.stack(unit, axis=-1) * side


def _sinkhorn(mass: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Where each cell of the even square comes from: both coordinates, (CELLS, CELLS) each, in unit sides."""
    centre = (np.arange(CELLS) + 0.5) / CELLS
    distance = (centre[:, None] - centre[None]) ** 2
    even = np.full((CELLS, CELLS), 1.0 / CELLS**2)
    final = 2 * width**2
    source, target = np.zeros_like(even), np.zeros_like(even)
    kernel = left = right = even
    for amount in np.geomspace(max(BLUR_START, final), final, STAGES):
        kernel = np.exp(-distance / amount)
        kernel[kernel < TINY] = 0
        left, right = np.exp(source / amount), np.exp(target / amount)
        for _ in range(ROUNDS):
            right = even / np.maximum(kernel @ left @ kernel, 1e-290)
            left = mass / np.maximum(kernel @ right @ kernel, 1e-290)
        source = amount * np.log(np.maximum(left, 1e-290))
        target = amount * np.log(np.maximum(right, 1e-290))
    norm = np.maximum(kernel @ left @ kernel, 1e-290)
    place0 = kernel @ (left * centre[:, None]) @ kernel / norm
    place1 = kernel @ (left * centre[None, :]) @ kernel / norm
    return np.asarray(place0), np.asarray(place1)

"""A first lattice by optimal transport: the spots of the block are spread evenly over a square.

Sinkhorn's algorithm with separable Gaussian kernels (Cuturi 2013; Solomon et al. 2015) carries a density to a
uniform one. The spots' density is even whatever their counts: a sensitivity gradient shifts a lattice that
spreads the counts by about a pitch. Where many spots are not seen, the counts are nearer to the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

RIM = 0.6
"""The outer spots lie this much less than half a pitch inside the square, in pitches: edges crowd."""
CELLS = 64
"""Cells per side; a pitch is 2 cells for 32 crystals, finer maps show nothing that survives the blur."""
BLUR = 0.3
"""Blur of the spot density in pitches: single spots become an even density."""
EVEN_BLUR = 0.8
"""The same of an array with absent places, in places: what lies between those of a layer is even as well."""
BLUR_START = 0.02
"""First regularisation, in squared block sides; it is lowered geometrically to the final one."""
REGULARISATION = 0.35
"""Final regularisation in pitches: smaller ones follow single spots."""
SINKHORN_STAGES, SINKHORN_ROUNDS = 6, 12
"""Regularisations, and Sinkhorn rounds at each."""
TINY = 1e-40
"""Kernel values below this are zero: denormal numbers would make it a hundred times slower."""
LARGEST_EXPONENT = 600.0
"""Scalings beyond exp of this would overflow; the rounds that follow put them right."""


@dataclass(frozen=True, eq=False)
class Spreading:
    """Both directions of a transport between spots and an even square.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        Where the crystals of the even square come from, in pixels; good to about a pitch.
    places : ndarray of float64, shape (n, 2)
        Where the spots go, in index space: crystal (r, c) of the even square is (r, c).
    """

    grid: FloatArray
    places: FloatArray


def spread_spots(spots: FloatArray, weights: FloatArray, geometry: BlockGeometry) -> Spreading:
    """Spread spots evenly over the crystals' square by optimal transport.

    Parameters
    ----------
    spots : ndarray of float64, shape (n, 2)
        Positions in pixels.
    weights : ndarray of float64, shape (n,)
        Mass of each spot.
    geometry : BlockGeometry

    Returns
    -------
    Spreading
    """
    shape = np.array(geometry.shape)
    low, high = spots.min(axis=0), spots.max(axis=0)
    side = np.maximum(high - low, 1.0) * (shape + RIM) / np.maximum(shape - 1 + RIM, 1)
    corner = (low + high - side) / 2
    unit = (spots - corner) / side
    edges = np.linspace(0.0, 1.0, CELLS + 1)
    mass = np.histogram2d(unit[:, 0], unit[:, 1], bins=(edges, edges), weights=weights)[0]
    mass = ndimage.gaussian_filter(mass, BLUR * CELLS / shape, mode="constant")
    mass = np.maximum(mass / mass.sum(), 1e-12)
    back, forth = _sinkhorn(mass, _even_mass(geometry), REGULARISATION / float(shape.max()))
    crystals = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij"))
    return Spreading(
        corner + np.moveaxis(_read(back, crystals), 0, -1) * side,
        _read(forth, unit.T).T * shape - 0.5,
    )


def _read(field: FloatArray, places: FloatArray) -> FloatArray:
    """Both coordinates of a field on the cells at places of the unit square, (2, ...)."""
    at = places * CELLS - 0.5
    return np.stack([ndimage.map_coordinates(f, at, order=1, mode="nearest") for f in field])


def _even_mass(geometry: BlockGeometry) -> FloatArray:
    """Return what counts are spread to: the same everywhere, or as dense as places with a crystal."""
    if geometry.places is None:
        return np.full((CELLS, CELLS), 1.0 / CELLS**2)
    shape = np.array(geometry.shape)
    at = (np.argwhere(geometry.present) + 0.5) / shape
    edges = np.linspace(0.0, 1.0, CELLS + 1)
    mass = np.histogram2d(at[:, 0], at[:, 1], bins=(edges, edges))[0]
    mass = ndimage.gaussian_filter(mass, EVEN_BLUR * CELLS / shape, mode="reflect")
    return np.asarray(np.maximum(mass / mass.sum(), 1e-12))


def _sinkhorn(mass: FloatArray, even: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Where each even cell comes from and where each cell of `mass` goes, (2, CELLS, CELLS) each."""
    centre = (np.arange(CELLS) + 0.5) / CELLS
    distance = (centre[:, None] - centre[None]) ** 2
    final = 2 * width**2
    source, target = np.zeros_like(even), np.zeros_like(even)
    kernel = left = right = even
    for amount in np.geomspace(max(BLUR_START, final), final, SINKHORN_STAGES):
        kernel = np.exp(-distance / amount)
        kernel[kernel < TINY] = 0
        left = np.exp(np.minimum(source / amount, LARGEST_EXPONENT))
        right = np.exp(np.minimum(target / amount, LARGEST_EXPONENT))
        for _ in range(SINKHORN_ROUNDS):
            right = even / np.maximum(kernel @ left @ kernel, 1e-290)
            left = mass / np.maximum(kernel @ right @ kernel, 1e-290)
        source = amount * np.log(np.maximum(left, 1e-290))
        target = amount * np.log(np.maximum(right, 1e-290))
    return _barycentres(kernel, left, centre), _barycentres(kernel, right, centre)


def _barycentres(kernel: FloatArray, scaling: FloatArray, centre: FloatArray) -> FloatArray:
    """Mean place of the partners of every cell, (2, CELLS, CELLS)."""
    norm = np.maximum(kernel @ scaling @ kernel, 1e-290)
    return np.stack(
        [
            kernel @ (scaling * centre[:, None]) @ kernel / norm,
            kernel @ (scaling * centre[None, :]) @ kernel / norm,
        ]
    )

"""Blocks whose crystals are much longer one way than the other: the map binned until the pitches are alike.

Everything in the search counts in one pitch. With 35 x 12 crystals on a square map the rows are three times
as close as the columns; binned by three along axis 1 they are equally far apart, and nothing is lost, because
the coarse axis has pixels to spare.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_petlut.analysis.lattice.seeing.preparing import find_support
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import to_pixels
from napari_petlut.model import FloatArray, Lattice

ELONGATED = 1.6
"""Ratio of the pitches from which the map is binned along the longer one: of 8,940 crystals in elongated
typical blocks 123 were wrong instead of 260."""
Factors = tuple[int, int]


def squaring_factors(counts: FloatArray, geometry: BlockGeometry) -> Factors:
    """Return by how many pixels to bin along each axis so that both pitches are about the same.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
    geometry : BlockGeometry

    Returns
    -------
    tuple of int
        At least one of them is 1.
    """
    shape = np.array(geometry.shape)
    if geometry.places is not None:
        return 1, 1  # places are closer than crystals, and not by the same along both axes
    if max(shape) < ELONGATED * min(shape) and max(counts.shape) < ELONGATED * min(counts.shape):
        return 1, 1
    support, _ = find_support(counts, geometry)
    extent = np.array([np.ptp(np.flatnonzero(support.any(axis=1 - axis))) + 1.0 for axis in (0, 1)])
    pitch = extent / shape
    ratio = float(pitch.max() / pitch.min())
    if ratio < ELONGATED:
        return 1, 1
    factor = round(ratio)
    return (factor, 1) if pitch[0] > pitch[1] else (1, factor)


def stretched_lattice(lattice: Lattice, factors: Factors) -> Lattice:
    """Return a lattice of the binned map in pixels of the map as it was."""
    return replace(
        lattice,
        positions=to_pixels(lattice.positions, factors),
        extra=to_pixels(lattice.extra, factors),
        alternatives=tuple(
            replace(a, positions=to_pixels(a.positions, factors)) for a in lattice.alternatives
        ),
    )

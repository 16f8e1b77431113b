"""Crystals without light of their own: dead, or merged with a neighbour that holds the counts of two."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.grids import BoolArray
from napari_petlut.model import FloatArray, IntArray

DOUBLE = 1.7
"""A neighbour with this many times the counts around it holds the counts of two crystals: at 1.5 half of the
crystals that are put onto a neighbour's spot have one of their own, in blocks of uneven yield."""
ALONE = -1
"""Partner of a crystal that is not merged."""


def relative_weight(weight: FloatArray) -> FloatArray:
    """Return the counts of each crystal against the median of the 5 x 5 crystals around it."""
    return np.asarray(weight / surrounding_weight(weight))


def surrounding_weight(weight: FloatArray) -> FloatArray:
    """Return the median of the 5 x 5 crystals around each, at least half of that of the block."""
    level = ndimage.median_filter(weight, size=5, mode="nearest")
    return np.asarray(np.maximum(level, max(0.5 * float(np.median(weight)), 1e-9)))


def merged_partners(weight: FloatArray, dark: BoolArray) -> IntArray:
    """Return for each dark crystal the neighbour whose spot it shares, `ALONE` where there is none.

    Parameters
    ----------
    weight : ndarray of float64, shape (rows, cols)
        Counts of each crystal.
    dark : ndarray of bool, shape (rows, cols)
        Crystals that give no light where they should be.

    Returns
    -------
    ndarray of intp, shape (rows, cols)
        Crystal ids. A neighbour is nobody's partner twice.
    """
    rows, cols = weight.shape
    bright = relative_weight(weight)
    partner = np.full(weight.shape, ALONE, np.intp)
    taken: set[int] = set()
    for i, j in np.argwhere(dark).tolist():
        near = [
            (float(bright[a, b]), a * cols + b)
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
            if 0 <= a < rows and 0 <= b < cols and not dark[a, b] and a * cols + b not in taken
        ]
        if near and max(near)[0] > DOUBLE:
            partner[i, j] = max(near)[1]
            taken.add(int(partner[i, j]))
    return partner

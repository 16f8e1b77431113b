"""Crystals without light of their own: dead, or merged with a neighbour that holds the counts of two."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.grids import BoolArray
from napari_petlut.model import FloatArray, IntArray

CANDIDATE, BRIGHT = 0.8, 1.15
"""Counts against those around it below which a crystal may share a neighbour's spot, and which that
neighbour must have at least."""
FEATURES = ("log counts", "log neighbour's counts", "log of both", "own spot", "dark", "unevenness")
INTERCEPT = -5.799
COEFFICIENTS = np.array([-1.109, 2.997, 2.17, -1.886, 1.391, -0.99])
"""Logistic regression on `FEATURES`, fitted on simulated blocks by `benchmarks/fit_lattice_confidence.py`: a
crystal without light beside one that holds the counts of two is merged with it, a dim one is not, the less so
in a block whose crystals are uneven anyway."""
FAINTEST = 0.03
"""Least counts, so that they alone do not decide."""
ALONE = -1
"""Partner of a crystal that is not merged."""


def relative_weight(weight: FloatArray) -> FloatArray:
    """Return the counts of each crystal against the median of the 5 x 5 crystals around it."""
    return np.asarray(weight / surrounding_weight(weight))


def surrounding_weight(weight: FloatArray) -> FloatArray:
    """Return the median of the 5 x 5 crystals around each, at least half of that of the block."""
    level = ndimage.median_filter(weight, size=5, mode="nearest")
    return np.asarray(np.maximum(level, max(0.5 * float(np.median(weight)), 1e-9)))


def sharing_features(
    weight: FloatArray, own: BoolArray, dark: BoolArray | None = None
) -> tuple[FloatArray, IntArray]:
    """Return what tells whether each crystal shares the spot of its brightest neighbour, and who that is.

    Parameters
    ----------
    weight : ndarray of float64, shape (rows, cols)
        Counts of each crystal.
    own : ndarray of bool, shape (rows, cols)
        Crystals with a spot of their own.
    dark : ndarray of bool, shape (rows, cols), optional
        Crystals that the lattice takes for dead: the map is explained better without their light.

    Returns
    -------
    features : ndarray of float64, shape (rows, cols, len(FEATURES))
    neighbour : ndarray of intp, shape (rows, cols)
        Crystal ids, `ALONE` where sharing is out of the question.
    """
    rows, cols = weight.shape
    held = relative_weight(weight)
    ids = np.arange(rows * cols).reshape(rows, cols)
    around, whose = np.zeros((4, rows, cols)), np.full((4, rows, cols), ALONE, np.intp)
    for k, (axis, way) in enumerate(((0, 1), (0, -1), (1, 1), (1, -1))):
        here, there = [slice(None)] * 2, [slice(None)] * 2
        here[axis], there[axis] = (slice(1, None), slice(None, -1))[::way]
        around[k][tuple(here)], whose[k][tuple(here)] = held[tuple(there)], ids[tuple(there)]
    best = around.argmax(axis=0)[None]
    most = np.take_along_axis(around, best, 0)[0]
    neighbour = np.take_along_axis(whose, best, 0)[0]
    neighbour[(held >= CANDIDATE) | (most < BRIGHT)] = ALONE
    light = np.log(np.maximum(held, FAINTEST))
    unevenness = float(np.median(np.abs(light - np.median(light))))
    features = np.stack(
        [
            light,
            np.log(np.maximum(most, FAINTEST)),
            np.log(np.maximum(held + most, FAINTEST)),
            own * 1.0,
            np.zeros((rows, cols)) if dark is None else dark * 1.0,
            np.full((rows, cols), unevenness),
        ],
        axis=-1,
    )
    return features, neighbour


def merged_partners(weight: FloatArray, own: BoolArray, dark: BoolArray | None = None) -> IntArray:
    """Return for each crystal the neighbour whose spot it shares, `ALONE` where there is none.

    A neighbour is nobody's partner twice: the likelier one has it. Parameters as in `sharing_features`.

    Returns
    -------
    ndarray of intp, shape (rows, cols)
        Crystal ids.
    """
    features, neighbour = sharing_features(weight, own, dark)
    likely = features @ COEFFICIENTS + INTERCEPT
    partner = np.full(weight.shape, ALONE, np.intp)
    merged = np.flatnonzero((likely > 0) & (neighbour != ALONE))
    taken: set[int] = set()
    for k in merged[np.argsort(-likely.flat[merged], kind="stable")].tolist():
        other = int(neighbour.flat[k])
        if other not in taken and k not in taken:
            partner.flat[k] = other
            taken |= {k, other}
    return partner

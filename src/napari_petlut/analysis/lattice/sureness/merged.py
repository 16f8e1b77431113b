"""Crystals without light of their own: dead, or merged with a neighbour that holds the counts of two."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.special import expit

from napari_petlut.analysis.lattice.fitted import fitted_numbers
from napari_petlut.analysis.lattice.grids import BoolArray
from napari_petlut.model import FloatArray, IntArray

SHARING_BELOW, SHARED_ABOVE = 0.8, 1.15
"""Counts against those around it below which a crystal may share a neighbour's spot, and which that
neighbour must have at least."""
SHARING_FEATURES = (
    "log counts",
    "log neighbour's counts",
    "log of both",
    "own spot",
    "unevenness",
    "distance",
    "neighbour's shift",
)
SHARING_INTERCEPT, *_SHARING = fitted_numbers("sharing", ("intercept", *SHARING_FEATURES))
SHARING_COEFFICIENTS = np.array(_SHARING)
"""Logistic regression on `SHARING_FEATURES`, fitted on simulated blocks by
`benchmarks/fit_lattice_darkness.py`: a crystal with few counts is merged with a neighbour that holds the
counts of two, the likelier the nearer it has come to it, and the less so in a block whose crystals are uneven
anyway."""
AROUND = 5
"""Crystals along each axis that a crystal is held against."""
LARGEST_SHIFT = 0.7
"""Shifts of a neighbour, in pitches, beyond which all are as large."""
FAINTEST_SHARED = 0.03
"""Least counts, so that they alone do not decide."""
ALONE = -1
"""Partner of a crystal that is not merged."""


def relative_weight(weight: FloatArray) -> FloatArray:
    """Return the counts of each crystal against the median of the 5 x 5 crystals around it."""
    return np.asarray(weight / surrounding_weight(weight))


def surrounding_weight(weight: FloatArray) -> FloatArray:
    """Return the median of the 5 x 5 crystals around each, at least half of that of the block."""
    level = ndimage.median_filter(weight, size=AROUND, mode="nearest")
    return np.asarray(np.maximum(level, max(0.5 * float(np.median(weight)), 1e-9)))


def sharing_features(weight: FloatArray, grid: FloatArray, own: BoolArray) -> tuple[FloatArray, IntArray]:
    """Return what tells whether each crystal shares the spot of its brightest neighbour, and who that is.

    Parameters
    ----------
    weight : ndarray of float64, shape (rows, cols)
        Counts of each crystal.
    grid : ndarray of float64, shape (rows, cols, 2)
        Their places.
    own : ndarray of bool, shape (rows, cols)
        Crystals with a spot of their own.

    Returns
    -------
    features : ndarray of float64, shape (rows, cols, len(FEATURES))
    neighbour : ndarray of intp, shape (rows, cols)
        Crystal ids, `ALONE` where sharing is out of the question.
    """
    rows, cols = weight.shape
    held = relative_weight(weight)
    ids = np.arange(rows * cols).reshape(rows, cols)
    around, far = np.zeros((4, rows, cols)), np.ones((4, rows, cols))
    shift = np.zeros((4, rows, cols))
    whose = np.full((4, rows, cols), ALONE, np.intp)
    relative = [relative_steps(grid, axis) for axis in (0, 1)]
    moved = [shifts(grid, axis) for axis in (0, 1)]
    for k, (axis, way) in enumerate(((0, 1), (0, -1), (1, 1), (1, -1))):
        here, there = [slice(None)] * 2, [slice(None)] * 2
        here[axis], there[axis] = (slice(1, None), slice(None, -1))[::way]
        around[k][tuple(here)], whose[k][tuple(here)] = held[tuple(there)], ids[tuple(there)]
        far[k][tuple(here)] = relative[axis]
        shift[k][tuple(here)] = way * moved[axis][tuple(there)]
    best = around.argmax(axis=0)[None]
    most, distance, neighbour, towards = (
        np.take_along_axis(values, best, 0)[0] for values in (around, far, whose, shift)
    )
    neighbour[(held >= SHARING_BELOW) | (most < SHARED_ABOVE)] = ALONE
    light = np.log(np.maximum(held, FAINTEST_SHARED))
    unevenness = float(np.median(np.abs(light - np.median(light))))
    features = np.stack(
        [
            light,
            np.log(np.maximum(most, FAINTEST_SHARED)),
            np.log(np.maximum(held + most, FAINTEST_SHARED)),
            own * 1.0,
            np.full((rows, cols), unevenness),
            distance,
            np.clip(towards, -LARGEST_SHIFT, LARGEST_SHIFT),
        ],
        axis=-1,
    )
    return features, neighbour


def relative_steps(grid: FloatArray, axis: int) -> FloatArray:
    """Return the distances of neighbours along an axis against the median of those around."""
    length = np.linalg.norm(np.diff(grid, axis=axis), axis=-1)
    around = ndimage.median_filter(length, size=AROUND, mode="nearest")
    return np.asarray(length / np.maximum(around, 1e-9))


def shifts(grid: FloatArray, axis: int) -> FloatArray:
    """Return how far each crystal is shifted along an axis against its neighbours across, in pitches.

    Two crystals that share a spot have it between them, so that the one that holds their counts is shifted
    towards the other.
    """
    across = np.moveaxis(grid, 1 - axis, 0)
    if len(across) < 3:
        return np.zeros(grid.shape[:2])
    beside = np.empty_like(across)
    beside[1:-1] = 0.5 * (across[:-2] + across[2:])
    beside[0], beside[-1] = 2 * across[1] - across[2], 2 * across[-2] - across[-3]
    place = np.moveaxis(beside, 0, 1 - axis)
    step = np.gradient(place, axis=axis)
    length = np.maximum((step**2).sum(axis=-1), 1e-9)
    return np.asarray(((grid - place) * step).sum(axis=-1) / length)


def merged_partners(weight: FloatArray, grid: FloatArray, own: BoolArray) -> tuple[IntArray, FloatArray]:
    """Return for each crystal the neighbour whose spot it shares, `ALONE` where there is none.

    A neighbour is nobody's partner twice: the likelier one has it. Parameters as in `sharing_features`.

    Returns
    -------
    partner : ndarray of intp, shape (rows, cols)
        Crystal ids.
    likely : ndarray of float64, shape (rows, cols)
        How likely each crystal shares its brightest neighbour's spot, 0 to 1.
    """
    features, neighbour = sharing_features(weight, grid, own)
    likely = np.where(neighbour != ALONE, expit(features @ SHARING_COEFFICIENTS + SHARING_INTERCEPT), 0.0)
    partner = np.full(weight.shape, ALONE, np.intp)
    merged = np.flatnonzero(likely > 0.5)
    taken: set[int] = set()
    for k in merged[np.argsort(-likely.flat[merged], kind="stable")].tolist():
        other = int(neighbour.flat[k])
        if other not in taken and k not in taken:
            partner.flat[k] = other
            taken |= {k, other}
    return partner, likely

"""How well a lattice explains a map: the number by which hypotheses are ranked."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.tied_mixture import MixtureFit
from napari_petlut.model import FloatArray

DIM = 0.02
"""Counts below this share of the median all count as equally dark."""
CAP = 1.0
"""Largest contribution of one node to a roughness: a few faults must not decide."""
IRREGULARITY, INCONSISTENCY, UNEVENNESS = 5.0, 60.0, 30.0
"""Weights of pitch irregularity, of pitch inconsistency between adjacent lines and of local variance of the
log-weights against the log of the deviance: true lattices are regular, consistent and even."""

TERMS = ("log deviance", "irregularity", "inconsistency", "unevenness")


def log_weight(fit: MixtureFit) -> FloatArray:
    """Return the log of the counts of each crystal, dark ones levelled."""
    median = float(np.median(fit.weight))
    return np.asarray(np.log(np.maximum(fit.weight, max(DIM * median, 1e-9))))


def log_gaps(grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log of the pitch along rows index and column index, in median pitches, folds levelled."""
    gap0, gap1 = np.diff(grid[..., 0], axis=0), np.diff(grid[..., 1], axis=1)
    out = []
    for gap in (gap0, gap1):
        middle = float(np.median(gap)) if gap.size else 1.0
        out.append(np.log(np.maximum(gap / max(middle, 1e-9), 0) + 0.1))
    return out[0], out[1]


def terms(fit: MixtureFit) -> FloatArray:
    """Return the terms of the objective, in the order of `TERMS`."""
    grid, weight = fit.grid, log_weight(fit)
    irregularity, inconsistency = 0.0, 0.0
    gaps = log_gaps(grid)
    for axis in (0, 1):
        pitch = np.abs(np.gradient(grid[..., axis], axis=axis)) if grid.shape[axis] > 1 else np.ones(grid.shape[:2])
        pitch = 0.5 * (pitch + max(float(np.median(pitch)), 1e-9))
        if grid.shape[axis] > 2:
            bend = np.diff(grid[..., axis], 2, axis=axis)
            inner = (slice(1, -1), slice(None)) if axis == 0 else (slice(None), slice(1, -1))
            irregularity += float(np.minimum((bend / pitch[inner]) ** 2, CAP).mean())
        step = np.diff(gaps[axis], axis=1 - axis)
        if step.size:
            inconsistency += float(np.minimum(step**2, 2 * CAP).mean())
    uneven = weight - ndimage.gaussian_filter(weight, 2.0, mode="nearest")
    unevenness = float(np.minimum(uneven**2, CAP).mean())
    return np.array([np.log(max(fit.deviance, 1e-12)), irregularity, inconsistency, unevenness])


WEIGHTS = np.array([1.0, IRREGULARITY, INCONSISTENCY, UNEVENNESS])


def objective(fit: MixtureFit) -> float:
    """Return the objective of a fitted lattice; smaller is better."""
    return float(terms(fit) @ WEIGHTS)

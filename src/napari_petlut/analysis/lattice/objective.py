"""How well a lattice explains a map: the number by which hypotheses are ranked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.grids import BoolArray, local_pitch, steps
from napari_petlut.analysis.lattice.tied_mixture import MixtureFit
from napari_petlut.model import FloatArray

DIM = 0.02
"""Counts below this share of the median all count as equally dark."""
CAP = 1.0
"""Largest contribution of one node to the irregularity: a few faults must not decide."""
PITCH_CAP, COUNT_CAP = 0.3, 0.3
"""The same for the inconsistency of the pitch and for the unevenness of the counts: dead, dim and merged
crystals are uneven by nature, one more than the cap says nothing."""
IRREGULARITY, INCONSISTENCY, UNEVENNESS = 1.5, 14.0, 9.0
"""Weights of pitch irregularity, of pitch inconsistency between adjacent lines and of the difference of
neighbours' log-counts against the log of the deviance: true lattices are regular, consistent and even.
Of several sets the one that picks, from what the search tried and the truth, lattices with fewest wrong
crystals on simulated blocks; `benchmarks/fit_lattice_ranking.py` compares others with it in pairs."""
EDGE_LINES, ASYMMETRY_CAP, ASYMMETRY = 2, 0.6, 0.18
"""Outermost pitches that are held against those of the opposite edge, largest contribution of an axis, and
weight: light is lost alike at both edges of a block, so that they crowd alike, and a lattice that is one line
off shows in one crowded and one wide edge. A faulty edge (walls, gains) must not outweigh the map, so the
weight is small: a shift by one line costs about 0.07, as much as a plain misfit."""
OWN_SPOT = 0.4
"""A spot this close to a crystal, in local pitches, is its own."""

TERMS = ("log deviance", "irregularity", "inconsistency", "unevenness", "asymmetry")
WEIGHTS = np.array([1.0, IRREGULARITY, INCONSISTENCY, UNEVENNESS, ASYMMETRY])


def own_spots(grid: FloatArray, spots: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return how far each crystal is from its nearest spot, and whether that is its own.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
    spots : ndarray of float64, shape (n, 2)

    Returns
    -------
    distance : ndarray of float64, shape (rows, cols)
        In local pitches; 9 where no spot is nearest to the crystal.
    own : ndarray of bool, shape (rows, cols)
    """
    distance = np.full(grid.shape[:2], 9.0)
    if len(spots):
        pitch = np.maximum(local_pitch(grid), 1e-9).ravel()
        far, node = cKDTree(grid.reshape(-1, 2)).query(spots)
        np.minimum.at(distance.ravel(), node, far / pitch[node])
    return distance, distance < OWN_SPOT


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


def edge_asymmetry(log_gap: FloatArray, axis: int) -> float:
    """Return how differently the two edges along an axis crowd: the mean difference of their log-pitches."""
    profile = np.median(log_gap, axis=1 - axis) if log_gap.size else np.zeros(0)
    lines = min(EDGE_LINES, len(profile) // 2)
    return float(np.abs(profile[:lines] - profile[::-1][:lines]).mean()) if lines else 0.0


def terms(fit: MixtureFit, dark: BoolArray | None = None) -> FloatArray:
    """Return the terms of the objective, in the order of `TERMS`; dark crystals have no counts to compare."""
    grid, weight = fit.grid, log_weight(fit)
    irregularity, inconsistency, unevenness = 0.0, 0.0, 0.0
    gaps = log_gaps(grid)
    asymmetry = 0.0
    for axis in (0, 1):
        asymmetry += min(edge_asymmetry(gaps[axis], axis), ASYMMETRY_CAP)
        pitch = np.abs(steps(grid)[axis][..., axis])
        pitch = 0.5 * (pitch + max(float(np.median(pitch)), 1e-9))
        if grid.shape[axis] > 2:
            bend = np.diff(grid[..., axis], 2, axis=axis)
            inner = (slice(1, -1), slice(None)) if axis == 0 else (slice(None), slice(1, -1))
            irregularity += float(np.minimum((bend / pitch[inner]) ** 2, CAP).mean())
        step = np.diff(gaps[axis], axis=1 - axis)
        if step.size:
            inconsistency += float(np.minimum(step**2, PITCH_CAP).mean())
        jump = np.minimum(np.abs(np.diff(weight, axis=axis)), COUNT_CAP)
        if dark is not None:
            unlit = np.moveaxis(dark, axis, 0)
            jump = jump[~np.moveaxis(unlit[1:] | unlit[:-1], 0, axis)]
        if jump.size:
            unevenness += 0.5 * float(jump.mean())
    return np.array([np.log(max(fit.deviance, 1e-12)), irregularity, inconsistency, unevenness, asymmetry])


def objective(fit: MixtureFit, dark: BoolArray | None = None) -> float:
    """Return the objective of a fitted lattice; smaller is better."""
    return float(terms(fit, dark) @ WEIGHTS)

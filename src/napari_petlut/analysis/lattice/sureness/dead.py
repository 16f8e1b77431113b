"""Which crystals are dead, told from those that are only dim.

The place of a dead crystal is lit by the tails of its neighbours and by the background, up to half as much
as theirs at poor resolution; a dim crystal may be as dark. What tells them apart is the shape of the light: a
dim crystal has a bump of its own on top of what the others throw there, a dead one has none. How large a bump
still means nothing depends on how much light the others throw there, and on the block: where crystals are
uneven anyway, one with hardly any counts is the faintest of many rather than dead.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import expit

from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.fitting.mixture import MixtureFit
from napari_petlut.analysis.lattice.grids import BoolArray, cell_areas, nearest_spacing
from napari_petlut.analysis.lattice.seeing.binned import BinnedMap
from napari_petlut.analysis.lattice.seeing.scene import BRIGHTNESS_BLUR
from napari_petlut.analysis.lattice.seeing.spots import own_spots
from napari_petlut.analysis.lattice.sureness.completing import as_if_complete, completed
from napari_petlut.analysis.lattice.sureness.merged import (
    merged_partners,
    relative_weight,
    surrounding_weight,
)
from napari_petlut.analysis.lattice.sureness.trees import fitted_trees
from napari_petlut.model import FloatArray

NOT_LOOKED_AT = 0.8
"""Places brighter than this share of their surroundings are not looked at: no dead crystal is that bright."""
LIGHT_REACH, LEAST_REACH, FEWEST_BINS = 0.6, 1.6, 4
"""Radius of the place that is looked at, in local pitches, the least one in bins, and the least number of
bins in it: with fewer nothing is told apart."""
FAINTEST_COUNTED = 0.02
"""Least counts, against those around, that unevenness is measured with."""
DIM_LIGHT = (0.15, 0.6)
"""Counts against those around of a crystal that is neither dead nor as bright as others."""
LIT = 0.5
"""Counts against those around from which a crystal counts as lit when the spread of the lit ones is taken."""
FAINT_PERCENTILE = 5
"""Percentile of the counts against those around that says how faint the faintest live crystals are."""
DEAD_TREES = "darkness_trees.npz"
"""Boosted trees on `DEAD_FEATURES`, fitted on simulated blocks by `benchmarks/fit_lattice_darkness.py`."""
DEAD_FEATURES = (
    "brightness",
    "counts",
    "bump",
    "bump over noise",
    "excess",
    "rest",
    "brightest neighbour",
    "median neighbour",
    "cell",
    "merged",
    "faintest",
    "differences",
    "dim crystals",
    "spread of the lit",
)
"""Of the crystal: its brightness and its counts against those around, the counts of its bump and those over
their standard error, what the map holds at its centre beyond what others throw there, and what they throw, in
peaks of a crystal as bright as those around, how bright its neighbours are, its cell's area against the
median, and how likely it shares a neighbour's spot. Of the block: how uneven its crystals are."""


def own_light(scene: BinnedMap, fit: MixtureFit, which: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the counts of single crystals that have the shape of a spot, and their standard errors.

    Everything else that the fit explains is taken off the map; what is left around the crystal is its spot
    and something flat, by weighted least squares. Tails that the fit misses are nearly flat there.

    Parameters
    ----------
    scene : BinnedMap
    fit : MixtureFit
    which : ndarray of bool, shape (rows, cols)
        Crystals to look at.

    Returns
    -------
    counts : ndarray of float64, shape (rows, cols)
        Negative where there is a hollow; 0 for crystals that were not asked for.
    error : ndarray of float64, shape (rows, cols)
        From the Poisson noise of the map; 1 for crystals that were not asked for.
    """
    counts, error = np.zeros(which.shape), np.ones(which.shape)
    centres, pitch = scene.to_bins(fit.grid), nearest_spacing(scene.to_bins(fit.grid))
    for i, j in np.argwhere(which):
        radius = max(LEAST_REACH, LIGHT_REACH * pitch[i, j])
        low = np.maximum(np.ceil(centres[i, j] - radius), 0).astype(int)
        high = np.minimum(np.floor(centres[i, j] + radius) + 1, scene.counts.shape).astype(int)
        box = (slice(low[0], high[0]), slice(low[1], high[1]))
        off = np.indices(np.maximum(high - low, 0)) + (low - centres[i, j])[:, None, None]
        near = (off**2).sum(axis=0) <= radius**2
        if near.sum() < FEWEST_BINS:
            continue
        shape = _spot(off, fit.covariance[i, j])
        rest = scene.counts[box] - (fit.model[box] - fit.weight[i, j] * shape)
        scale = 1 / np.sqrt(np.maximum(fit.model[box][near], 1e-9))
        parts = np.stack([shape[near] * scale, scale], axis=-1)
        counts[i, j] = np.linalg.lstsq(parts, rest[near] * scale, rcond=None)[0][0]
        error[i, j] = np.sqrt(max(float(np.linalg.pinv(parts.T @ parts)[0, 0]), 1e-12))
    return counts, error


def _spot(off: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return the density of a spot of one count at offsets from its centre, (2, ...), in bins."""
    v0, v01, v1 = covariance
    det = v0 * v1 - v01**2
    squared = (v1 * off[0] ** 2 - 2 * v01 * off[0] * off[1] + v0 * off[1] ** 2) / det
    return np.asarray(np.exp(-0.5 * squared) / (2 * np.pi * np.sqrt(det)))


def centre_light(contest: Contest, fit: MixtureFit, level: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what the blurred map holds at each centre beyond what others throw there, and what they throw.

    Parameters
    ----------
    contest : Contest
    fit : MixtureFit
    level : ndarray of float64, shape (rows, cols)
        Counts of a crystal as bright as those around.

    Returns
    -------
    excess, rest : ndarray of float64, shape (rows, cols)
        In heights of the peak that such a crystal would have.
    """
    scene = contest.scene.binned
    blur = BRIGHTNESS_BLUR * scene.pitch
    at = np.moveaxis(scene.to_bins(fit.grid), -1, 0)
    seen, model = (
        map_coordinates(counts, at, order=1, mode="nearest")
        for counts in (contest.scene.blurred, gaussian_filter(fit.model, blur))
    )
    v0, v01, v1 = np.moveaxis(fit.covariance, -1, 0)
    # A Gaussian that is blurred by another has the sum of both variances.
    peak = 1 / (2 * np.pi * np.sqrt((v0 + blur**2) * (v1 + blur**2) - v01**2))
    rest = np.maximum(model - fit.weight * peak, 0.0)
    return (seen - rest) / (level * peak), rest / (level * peak)


def neighbour_light(bright: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the largest and the median of each crystal's two to four neighbours, shape (rows, cols)."""
    wide = np.pad(bright, 1, constant_values=np.nan)
    around = np.stack([wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]])
    return np.nanmax(around, axis=0), np.nanmedian(around, axis=0)


def block_unevenness(counts: FloatArray) -> tuple[float, float, float, float]:
    """Return how uneven the crystals of a block are.

    Parameters
    ----------
    counts : ndarray of float64, shape (rows, cols)
        Counts of each crystal against those around.

    Returns
    -------
    faintest : float
        The 5th percentile.
    differences : float
        Median difference of the logs of neighbours.
    dim : float
        Share of crystals that are neither dead nor as bright as others.
    spread : float
        Standard deviation of the logs of those that are lit.
    """
    light = np.log(np.maximum(counts, FAINTEST_COUNTED))
    apart = np.concatenate([np.abs(np.diff(light, axis=axis)).ravel() for axis in (0, 1)])
    lit = light[counts > LIT]
    return (
        float(np.percentile(counts, FAINT_PERCENTILE)),
        float(np.median(apart)),
        float(((counts > DIM_LIGHT[0]) & (counts < DIM_LIGHT[1])).mean()),
        float(lit.std()) if len(lit) else 0.0,
    )


def dead_features(contest: Contest, best: Hypothesis) -> tuple[FloatArray, BoolArray]:
    """Return the features of every crystal, shape (rows, cols, len(FEATURES)), and which are looked at."""
    contest, best = as_if_complete(contest, best)
    fit = best.fit
    bright = relative_weight(completed(contest.scene.brightness(best.grid), contest.geometry))
    looked_at = bright < NOT_LOOKED_AT
    level = surrounding_weight(fit.weight)
    bump, error = own_light(contest.scene.binned, fit, looked_at)
    counts = fit.weight / level
    block = block_unevenness(counts)
    # They were given no counts in the fit, which is no evidence.
    counts = np.where(best.dark, np.maximum(bump, 0.0) / level, counts)
    cell = cell_areas(best.grid)
    _, own = own_spots(best.grid, contest.scene.spots)
    _, merged = merged_partners(fit.weight, best.grid, own)
    columns = [bright, counts, bump / level, bump / error, *centre_light(contest, fit, level)]
    columns += [*neighbour_light(bright), cell / max(float(np.median(cell)), 1e-9), merged]
    columns += [np.full(bright.shape, value) for value in block]
    return np.stack(columns, axis=-1), looked_at


def dead_probability(contest: Contest, best: Hypothesis) -> FloatArray:
    """Return how likely each crystal of a lattice gives no light, shape (rows, cols), 0 to 1."""
    features, looked_at = dead_features(contest, best)
    return np.where(looked_at, expit(fitted_trees(DEAD_TREES, DEAD_FEATURES).log_odds(features)), 0.0)

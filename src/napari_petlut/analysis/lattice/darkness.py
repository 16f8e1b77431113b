"""Which crystals are dead, told from those that are only dim.

The place of a dead crystal is lit by the tails of its neighbours and by the background, up to half as much
as theirs at poor resolution; a dim crystal may be as dark. What tells them apart is the shape of the light: a
dim crystal has a bump of its own on top of what the others throw there, a dead one has none.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from napari_petlut.analysis.lattice.grids import BoolArray, local_pitch
from napari_petlut.analysis.lattice.hypotheses import Contest, Hypothesis
from napari_petlut.analysis.lattice.merging import relative_weight, surrounding_weight
from napari_petlut.analysis.lattice.objective import own_spots
from napari_petlut.analysis.lattice.tied_mixture import MixtureFit, MixtureMap
from napari_petlut.model import FloatArray

CANDIDATE = 0.7
"""Places brighter than this share of their surroundings are not looked at: no dead crystal is that bright."""
REACH, LEAST_REACH = 0.6, 1.6
"""Radius of the place that is looked at, in local pitches, and the least one in bins."""
DARKEST, LIGHTEST, FLATTEST = 0.02, 0.05, 0.03
"""Least brightness, counts and bump, so that no single one decides."""

FEATURES = ("log brightness", "log counts", "log bump", "own spot")
INTERCEPT = -6.606
COEFFICIENTS = np.array([-0.207, -2.224, -0.402, -0.966])
"""Logistic regression on `FEATURES`, fitted on simulated blocks by `benchmarks/fit_lattice_confidence.py`."""


def own_light(scene: MixtureMap, fit: MixtureFit, which: BoolArray) -> FloatArray:
    """Return the counts of single crystals that have the shape of a spot.

    Everything else that the fit explains is taken off the map; what is left around the crystal is its spot
    and something flat, by weighted least squares. Tails that the fit misses are nearly flat there.

    Parameters
    ----------
    scene : MixtureMap
    fit : MixtureFit
    which : ndarray of bool, shape (rows, cols)
        Crystals to look at.

    Returns
    -------
    ndarray of float64, shape (rows, cols)
        Counts, negative where there is a hollow; 0 for crystals that were not asked for.
    """
    out = np.zeros(which.shape)
    centres, pitch = scene.to_bins(fit.grid), local_pitch(scene.to_bins(fit.grid))
    for i, j in np.argwhere(which):
        radius = max(LEAST_REACH, REACH * pitch[i, j])
        low = np.maximum(np.ceil(centres[i, j] - radius), 0).astype(int)
        high = np.minimum(np.floor(centres[i, j] + radius) + 1, scene.counts.shape).astype(int)
        box = (slice(low[0], high[0]), slice(low[1], high[1]))
        off = np.indices(np.maximum(high - low, 0)) + (low - centres[i, j])[:, None, None]
        near = (off**2).sum(axis=0) <= radius**2
        if near.sum() < 4:
            continue
        v0, v01, v1 = fit.covariance[i, j]
        det = v0 * v1 - v01**2
        shape = np.exp(-0.5 * (v1 * off[0] ** 2 - 2 * v01 * off[0] * off[1] + v0 * off[1] ** 2) / det)
        shape /= 2 * np.pi * np.sqrt(det)
        rest = scene.counts[box] - (fit.model[box] - fit.weight[i, j] * shape)
        scale = 1 / np.sqrt(np.maximum(fit.model[box][near], 1e-9))
        parts = np.stack([shape[near] * scale, scale], axis=-1)
        out[i, j] = np.linalg.lstsq(parts, rest[near] * scale, rcond=None)[0][0]
    return out


def darkness_features(contest: Contest, best: Hypothesis) -> tuple[FloatArray, BoolArray]:
    """Return the features of every crystal, shape (rows, cols, 4), and which of them are looked at."""
    fit = best.fit
    bright = relative_weight(contest.brightness(best.grid))
    looked_at = bright < CANDIDATE
    level = surrounding_weight(fit.weight)
    bump = own_light(contest.scene, fit, looked_at) / level
    counts = fit.weight / level
    if best.dark is not None:
        # They were given no counts in the fit, which is no evidence.
        counts = np.where(best.dark, np.maximum(bump, 0.0), counts)
    _, own = own_spots(best.grid, contest.spots)
    features = np.stack(
        [
            np.log(np.maximum(bright, DARKEST)),
            np.log(np.maximum(counts, LIGHTEST)),
            np.log(np.maximum(bump, FLATTEST)),
            own * 1.0,
        ],
        axis=-1,
    )
    return features, looked_at


def dead_probability(contest: Contest, best: Hypothesis) -> FloatArray:
    """Return how likely each crystal of a lattice gives no light, shape (rows, cols), 0 to 1."""
    features, looked_at = darkness_features(contest, best)
    return np.where(looked_at, expit(features @ COEFFICIENTS + INTERCEPT), 0.0)

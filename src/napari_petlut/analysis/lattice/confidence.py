"""How sure each crystal is: a logistic regression on what the map and the competing lattices say.

The coefficients are fitted on simulated blocks by `benchmarks/fit_lattice_confidence.py`.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.hypotheses import SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.moves import badness
from napari_petlut.analysis.lattice.objective import log_weight, own_spots
from napari_petlut.analysis.lattice.tied_mixture import MixtureFit
from napari_petlut.model import FloatArray

GAP_SCALE = 0.1
"""A competitor whose objective is worse by this much counts 1 / e of an equal one."""
FWHM = 2.3548
"""Full width at half maximum of a Gaussian of standard deviation 1."""
GLOBAL_SHARE = 0.03
"""A competitor that moves more than this share of the crystals questions the whole block."""

FEATURES = (
    "rival",
    "rival nearby",
    "rival of the block",
    "resolution",
    "second resolution",
    "badness",
    "badness nearby",
    "dim",
    "bright",
    "spot distance",
    "no spot",
    "no spots nearby",
    "residual",
    "edge",
    "objective",
    "median resolution",
    "counts",
)
"""Names of the features, in the order of the coefficients."""


def resolutions(fit: MixtureFit) -> tuple[FloatArray, FloatArray]:
    """Return the smallest and second smallest k = distance / FWHM of each crystal to its neighbours."""
    mean = fit.grid
    rows, cols = mean.shape[:2]
    scale = fit.bin_pixels
    all_k = np.full((rows, cols, 4), 9.0)
    for axis in (0, 1):
        step = np.diff(mean, axis=axis)
        length = np.maximum(np.linalg.norm(step, axis=-1), 1e-9)
        unit = step / length[..., None]
        width = np.zeros_like(length)
        for side in (0, 1):
            where = [slice(None), slice(None)]
            where[axis] = slice(None, -1) if side == 0 else slice(1, None)
            cov = fit.covariance[tuple(where)]
            variance = (
                cov[..., 0] * unit[..., 0] ** 2
                + 2 * cov[..., 1] * unit[..., 0] * unit[..., 1]
                + cov[..., 2] * unit[..., 1] ** 2
            )
            width += np.sqrt(np.maximum(variance, 1e-6))
        k = length / (0.5 * FWHM * width * scale)
        k = np.where(unit[..., axis] > 0, k, 0.0)
        first = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        last = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        all_k[(*first, 2 * axis)] = k
        all_k[(*last, 2 * axis + 1)] = k
    ordered = np.sort(all_k, axis=-1)
    return ordered[..., 0], ordered[..., 1]


def rivalry(pool: list[Hypothesis], best: Hypothesis) -> tuple[FloatArray, float]:
    """Return how strongly competitors contradict each crystal, and how strongly one contradicts the block."""
    crystal = np.zeros(best.grid.shape[:2])
    block = 0.0
    for h in pool:
        gap = h.score - best.score
        if gap > 8 * GAP_SCALE:
            continue
        moved = node_distance(h.grid, best.grid) > SAME
        weight = float(np.exp(-max(gap, 0.0) / GAP_SCALE))
        crystal = np.maximum(crystal, weight * moved)
        if moved.mean() > GLOBAL_SHARE:
            block = max(block, weight)
    return crystal, block


def residuals(contest: Contest, fit: MixtureFit) -> FloatArray:
    """Return the largest relative misfit beyond noise in the cell of each crystal."""
    scene = contest.scene
    width = 0.35 * scene.pitch
    off = ndimage.gaussian_filter(scene.counts - fit.model, width)
    level = np.maximum(ndimage.gaussian_filter(fit.model, width), 1e-9)
    noise = level / (4 * np.pi * width**2)
    misfit = np.maximum(off**2 - noise, 0) / level**2
    wide = ndimage.maximum_filter(misfit, int(scene.pitch) | 1)
    at = np.moveaxis(scene.to_bins(fit.grid), -1, 0)
    return np.asarray(np.sqrt(ndimage.map_coordinates(wide, at, order=1, mode="nearest")))


def crystal_features(contest: Contest, best: Hypothesis) -> FloatArray:
    """Return the features of every crystal, shape (rows, cols, len(FEATURES))."""
    fit = best.fit
    rows, cols = best.grid.shape[:2]
    rival, block = rivalry(contest.pool, best)
    first, second = resolutions(fit)
    bad = np.minimum(badness(fit), 2.0)
    weight = log_weight(fit)
    uneven = weight - ndimage.gaussian_filter(weight, 2.0, mode="nearest")
    distance, own = own_spots(fit.grid, contest.spots)
    edge = np.zeros((rows, cols))
    edge[[0, -1]] = 1
    edge[:, [0, -1]] = 1
    whole = np.ones((rows, cols))
    return np.stack(
        [
            np.sqrt(rival),
            ndimage.maximum_filter(rival, 3),
            block * whole,
            np.minimum(first, 1.5),
            np.minimum(second, 2.0),
            bad,
            ndimage.gaussian_filter(bad, 1.0),
            np.minimum(uneven, 0.0),
            np.maximum(uneven, 0.0),
            np.minimum(distance, 0.6),
            ~own * 1.0,
            ndimage.gaussian_filter(~own * 1.0, 1.0),
            residuals(contest, fit),
            edge,
            np.clip(best.score, -5, 3) * whole,
            float(np.median(np.minimum(first, 2.0))) * whole,
            np.log10(np.maximum(fit.weight, 10.0)),
        ],
        axis=-1,
    )


INTERCEPT = 10.032
COEFFICIENTS = np.array(
    [
        -5.457,
        -3.334,
        -2.764,
        0.0,
        0.0,
        0.0,
        0.0,
        1.147,
        0.0,
        0.0,
        -0.144,
        -0.138,
        -4.131,
        0.0,
        -0.172,
        0.0,
        0.0,
    ]
)
"""Logistic regression on `FEATURES`, each coefficient bound to the sign that makes sense; 0 where the data
want the other sign."""


def confidence(features: FloatArray) -> FloatArray:
    """Return the probability that each crystal is right, shape (rows, cols)."""
    return np.asarray(1.0 / (1.0 + np.exp(-(features @ COEFFICIENTS + INTERCEPT))))

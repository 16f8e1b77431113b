"""How sure each crystal is: what the map and the competing lattices say about it, weighed by boosted trees.

The trees are fitted on simulated blocks by `benchmarks/fit_lattice_confidence.py`. Each may only go the way
that makes sense in a feature: a competitor that moves a crystal never makes it surer.

Wrong crystals come in clusters and in whole blocks. That is told by features of the neighbourhood and of the
block; a second look of more trees at what the first say of the crystals around each told nothing more.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.special import expit

from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.fitting.mixture import MixtureFit
from napari_petlut.analysis.lattice.fitting.objective import TERMS, log_weight, terms
from napari_petlut.analysis.lattice.grids import BoolArray, dead_lines, nearest_spacing
from napari_petlut.analysis.lattice.seeing.spots import nobodys_spots, own_spots
from napari_petlut.analysis.lattice.sureness.completing import as_if_complete
from napari_petlut.analysis.lattice.sureness.regularity import (
    badness,
    inconsistencies,
    odd_lines,
    sharpest_bends,
    unevenness,
)
from napari_petlut.analysis.lattice.sureness.rivals import WHOLE_BLOCK, Contradiction
from napari_petlut.analysis.lattice.sureness.trees import fitted_trees
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import FloatArray

FWHM = round(FWHM_PER_SIGMA, 4)
"""Full width at half maximum of a Gaussian of standard deviation 1, to the digits that the trees know."""
CONFIDENCE_TREES = "confidence_trees.npz"
"""The fitted trees, beside this file."""
NOT_FAR, FAR = 0.15, 0.4
"""Gaps in the objective within which the competitors that have a crystal elsewhere are counted."""
MOST_STRAY = 2.0
"""Most that the spots of nobody beside one crystal count."""
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
    "scatter",
    "furthest",
    "rival of all",
    "spots nearby",
    "spacing",
    "median spot distance",
    "own spots",
    "log deviance",
    "deviance over noise",
    "elsewhere in others",
    "elsewhere in far ones",
    "elsewhere in the block",
    "closest rival",
    "closest rivals nearby",
    "closest rivals of the block",
    "closest rival of all",
    "lines in",
    "merged nearby",
    "worst resolution",
    "bend",
    "bends nearby",
    "inconsistency",
    "inconsistency nearby",
    "unevenness",
    "unevenness nearby",
    "stray spots",
    "stray spots nearby",
    "stray spots of the block",
    "beyond noise",
    "irregularity of the block",
    "unevenness of the block",
    "dead lines",
    "weakest line",
    "strongest line",
)
"""Names of the features, in the order of the columns."""
Features = dict[str, FloatArray]


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


def resolutions_of_places(fit: MixtureFit, present: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return what `resolutions` does where neighbours may be absent; absent places are as good as any.

    Neighbours are those no more than two places away along both axes.
    """
    rows, cols = present.shape
    held = [np.full((rows, cols), 9.0)] * 2
    ways = [(a, b) for a in range(-2, 3) for b in range(-2, 3) if a or b]
    for a, b in ways:
        here = (slice(max(0, -a), rows - max(0, a)), slice(max(0, -b), cols - max(0, b)))
        there = (slice(max(0, a), rows + min(0, a)), slice(max(0, b), cols + min(0, b)))
        step = fit.grid[there] - fit.grid[here]
        length = np.maximum(np.linalg.norm(step, axis=-1), 1e-9)
        unit = step / length[..., None]
        width = np.zeros_like(length)
        for side in (here, there):
            v0, v01, v1 = np.moveaxis(fit.covariance[side], -1, 0)
            along = v0 * unit[..., 0] ** 2 + 2 * v01 * unit[..., 0] * unit[..., 1] + v1 * unit[..., 1] ** 2
            width += np.sqrt(np.maximum(along, 1e-6))
        k = np.full((rows, cols), 9.0)
        k[here] = np.where(present[there], length / (0.5 * FWHM * width * fit.bin_pixels), 9.0)
        first = np.minimum(held[0], k)
        held = [first, np.minimum(held[1], np.maximum(held[0], k))]
    # An absent place must not lower what is told of the block as a whole.
    usual = [float(np.median(values[present])) for values in held]
    return np.where(present, held[0], usual[0]), np.where(present, held[1], usual[1])


def residuals(contest: Contest, fit: MixtureFit) -> FloatArray:
    """Return the largest relative misfit beyond noise in the cell of each crystal."""
    scene = contest.scene.binned
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
    contest, best = as_if_complete(contest, best)
    shape = best.grid.shape[:2]
    values = (
        rival_features(Contradiction.of(contest.pool, best))
        | resolution_features(best.fit, contest.geometry)
        | regularity_features(best)
        | spot_features(contest, best.grid)
        | fit_features(contest, best)
    )
    return np.stack([np.broadcast_to(values[name], shape) for name in FEATURES], axis=-1)


def rival_features(rivals: Contradiction) -> Features:
    """Return what the competitors say; gaps are negative, so that more of them speaks against a crystal."""
    rival, block = rivals.rivalry()
    scattered, furthest, of_all = rivals.scatter()
    closest = -rivals.closest()
    others = rivals.disagreement(NOT_FAR)
    return {
        "rival": np.sqrt(rival),
        "rival nearby": ndimage.maximum_filter(rival, 3),
        "rival of the block": np.asarray(block),
        "scatter": scattered,
        "furthest": furthest,
        "rival of all": of_all,
        "elsewhere in others": others,
        "elsewhere in far ones": rivals.disagreement(FAR),
        "elsewhere in the block": np.asarray(others.mean()),
        "closest rival": closest,
        "closest rivals nearby": around(closest),
        "closest rivals of the block": np.asarray(closest.mean()),
        "closest rival of all": np.asarray(-rivals.closest_of_block(WHOLE_BLOCK)),
    }


def resolution_features(fit: MixtureFit, geometry: BlockGeometry) -> Features:
    """Return how well spots are resolved."""
    whole = geometry.places is None
    first, second = resolutions(fit) if whole else resolutions_of_places(fit, geometry.present)
    levelled = np.minimum(first, 2.0)
    return {
        "resolution": np.minimum(first, 1.5),
        "second resolution": np.minimum(second, 2.0),
        "median resolution": np.asarray(np.median(levelled)),
        "merged nearby": -around(np.minimum(first, 1.5)),
        "worst resolution": np.asarray(-np.percentile(np.minimum(first, 1.5), 10)),
    }


def regularity_features(best: Hypothesis) -> Features:
    """Return how regular the lattice and the counts of its crystals are."""
    grid, weight = best.grid, log_weight(best.fit)
    rows, cols = grid.shape[:2]
    bad = np.minimum(badness(best.fit), 2.0)
    uneven = weight - ndimage.gaussian_filter(weight, 2.0, mode="nearest")
    row, col = np.arange(rows)[:, None], np.arange(cols)
    lines_in = np.minimum(np.minimum(row, row[::-1]), np.minimum(col, col[::-1]))
    spacing, bend = nearest_spacing(grid), sharpest_bends(grid)
    inconsistency, rough = inconsistencies(grid), unevenness(weight)
    weakest, strongest = odd_lines(weight)
    dead = len(dead_lines(best.dark))
    judged = dict(zip(TERMS, terms(best.fit, best.dark), strict=True))
    return {
        "badness": bad,
        "badness nearby": ndimage.gaussian_filter(bad, 1.0),
        "dim": np.minimum(uneven, 0.0),
        "bright": np.maximum(uneven, 0.0),
        "edge": (lines_in == 0) * 1.0,
        "lines in": -np.minimum(lines_in, 4.0),
        "spacing": spacing / max(float(np.median(spacing)), 1e-9),
        "bend": bend,
        "bends nearby": around(bend),
        "inconsistency": inconsistency,
        "inconsistency nearby": around(inconsistency),
        "unevenness": rough,
        "unevenness nearby": around(rough),
        "irregularity of the block": judged["irregularity"],
        "unevenness of the block": judged["unevenness"],
        "dead lines": np.asarray(float(dead)),
        "weakest line": np.asarray(weakest),
        "strongest line": np.asarray(strongest),
    }


def spot_features(contest: Contest, grid: FloatArray) -> Features:
    """Return what the spots say: crystals without one, spots without a crystal."""
    distance, own = own_spots(grid, contest.scene.spots)
    stray = stray_spots(contest, grid)
    no_spot = ~own * 1.0
    return {
        "spot distance": np.minimum(distance, 0.6),
        "no spot": no_spot,
        "no spots nearby": ndimage.gaussian_filter(no_spot, 1.0),
        "spots nearby": around(np.minimum(distance, 1.0)),
        "median spot distance": np.asarray(np.median(np.minimum(distance, 1.0))),
        "own spots": np.asarray(own.mean()),
        "stray spots": stray,
        "stray spots nearby": ndimage.maximum_filter(stray, 3),
        "stray spots of the block": np.asarray(stray.mean()),
    }


def fit_features(contest: Contest, best: Hypothesis) -> Features:
    """Return how well the lattice explains the map."""
    fit, counts = best.fit, contest.scene.binned.counts
    noise = 0.5 * counts.size / max(float(counts.sum()), 1.0)
    log_deviance = np.log(max(fit.deviance, 1e-9))
    return {
        "residual": residuals(contest, fit),
        "objective": np.clip(best.score, -5, 3),
        "counts": np.log10(np.maximum(fit.weight, 10.0)),
        "log deviance": log_deviance,
        "deviance over noise": log_deviance - np.log(noise),
        "beyond noise": np.asarray((fit.deviance - fit.noise) / max(fit.noise, 1e-6)),
    }


def around(values: FloatArray) -> FloatArray:
    """Return the mean of the 5 x 5 crystals around each."""
    return np.asarray(ndimage.uniform_filter(values, 5, mode="nearest"))


def stray_spots(contest: Contest, grid: FloatArray) -> FloatArray:
    """Return how strong the spots of nobody are beside each crystal, shape (rows, cols).

    Strengths are shares of that of strong spots, each one at most.
    """
    flat = np.zeros(grid.shape[0] * grid.shape[1])
    nearest, far = nobodys_spots(grid, contest.scene.spots)
    if len(nearest):
        strength = contest.scene.strength
        share = np.minimum(strength / max(float(np.percentile(strength, 90)), 1e-9), 1.0)
        np.add.at(flat, nearest[far], share[far])  # several may be beside one crystal
    return np.minimum(flat, MOST_STRAY).reshape(grid.shape[:2])


def confidence(features: FloatArray) -> FloatArray:
    """Return the probability that each crystal is right, shape (rows, cols).

    Parameters
    ----------
    features : ndarray of float64, shape (rows, cols, len(FEATURES))
    """
    return np.asarray(expit(-fitted_trees(CONFIDENCE_TREES, FEATURES).log_odds(features)))

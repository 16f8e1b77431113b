"""How sure each crystal is: what the map and the competing lattices say about it, weighed by boosted trees.

The trees are fitted on simulated blocks by `benchmarks/fit_lattice_confidence.py`. Each may only go the way
that makes sense in a feature: a competitor that moves a crystal never makes it surer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import ndimage
from scipy.special import expit

from napari_petlut.analysis.lattice.grids import local_pitch, node_distance
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
WHOLE_BLOCK = 0.3
"""A competitor that moves more than this share of the crystals is a doubt about all of them."""
SPREAD_SCALE, SHARP_SCALE, FURTHEST_GAP = 0.05, 0.03, 0.3
"""The same scale for how far competitors scatter a crystal and how far one moves it, and the gap from which
competitors are too much worse to count."""
TREES = "confidence_trees.npz"
"""The trees, beside this file."""

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
)
"""Names of the features, in the order of the columns."""


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


def scatter(pool: list[Hypothesis], best: Hypothesis) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return how far competitors scatter each crystal, move it, and whether one of the whole block moves it.

    Distances are in spacings to the nearest neighbour, one at most; near competitors count more.

    Returns
    -------
    scattered, furthest, whole : ndarray of float64, shape (rows, cols)
        From 0 to 1.
    """
    spacing = np.maximum(local_pitch(best.grid), 1e-9)
    squares, furthest, whole = np.zeros(spacing.shape), np.zeros(spacing.shape), np.zeros(spacing.shape)
    total = 0.0
    for h in pool:
        gap = max(h.score - best.score, 0.0)
        if gap > FURTHEST_GAP:
            continue
        distance = np.minimum(np.linalg.norm(h.grid - best.grid, axis=-1) / spacing, 1.0)
        weight = float(np.exp(-gap / SPREAD_SCALE))
        squares += weight * distance**2
        total += weight
        furthest = np.maximum(furthest, np.exp(-gap / SHARP_SCALE) * distance)
        moved = node_distance(h.grid, best.grid) > SAME
        if moved.mean() > WHOLE_BLOCK:
            whole = np.maximum(whole, weight * moved)
    return np.sqrt(squares / max(total, 1e-9)), furthest, whole


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
    scattered, furthest, rival_of_all = scatter(contest.pool, best)
    spacing = local_pitch(best.grid)
    noise = 0.5 * contest.scene.counts.size / max(float(contest.scene.counts.sum()), 1.0)
    log_deviance = float(np.log(max(fit.deviance, 1e-9)))
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
            scattered,
            furthest,
            rival_of_all,
            ndimage.uniform_filter(np.minimum(distance, 1.0), 5, mode="nearest"),
            spacing / max(float(np.median(spacing)), 1e-9),
            float(np.median(np.minimum(distance, 1.0))) * whole,
            float(own.mean()) * whole,
            log_deviance * whole,
            (log_deviance - float(np.log(noise))) * whole,
        ],
        axis=-1,
    )


@njit(cache=True)
def sum_of_trees(
    features: FloatArray,
    roots: npt.NDArray[np.int64],
    column: npt.NDArray[np.int64],
    threshold: FloatArray,
    children: npt.NDArray[np.int64],
    value: FloatArray,
) -> FloatArray:
    """Return the sum of the values of the leaves that each row of features falls into.

    Parameters
    ----------
    features : ndarray of float64, shape (n, number of features)
    roots : ndarray of int64, shape (trees,)
        First node of each tree.
    column, threshold : ndarray, shape (nodes,)
        A row goes to the first child where its feature is not above the threshold.
    children : ndarray of int64, shape (nodes, 2)
        -1 for leaves.
    value : ndarray of float64, shape (nodes,)
    """
    out = np.zeros(len(features))
    for n in range(len(features)):
        for root in roots:
            node = root
            while children[node, 0] >= 0:
                above = features[n, column[node]] > threshold[node]
                node = children[node, 1 if above else 0]
            out[n] += value[node]
    return out


@dataclass(frozen=True, eq=False)
class Trees:
    """Boosted trees as plain arrays, see `sum_of_trees`; `start` is the sum before the first."""

    start: float
    roots: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    threshold: FloatArray
    children: npt.NDArray[np.int64]
    value: FloatArray


@cache
def trees(name: str = TREES) -> Trees:
    """Return fitted trees from a file beside this one."""
    with as_file(files("napari_petlut.analysis.lattice") / name) as path:
        kept = np.load(path, allow_pickle=False)
        return Trees(
            float(kept["start"]),
            kept["roots"],
            kept["column"],
            kept["threshold"],
            kept["children"],
            kept["value"],
        )


def confidence(features: FloatArray) -> FloatArray:
    """Return the probability that each crystal is right, shape (rows, cols).

    Parameters
    ----------
    features : ndarray of float64, shape (rows, cols, len(FEATURES))
    """
    return np.asarray(expit(-log_odds(features, TREES)))


def log_odds(features: FloatArray, name: str) -> FloatArray:
    """Return the log-odds that fitted trees give to features, shape (..., number of features)."""
    fitted = trees(name)
    flat = np.ascontiguousarray(features.reshape(-1, features.shape[-1]))
    total = fitted.start + sum_of_trees(
        flat, fitted.roots, fitted.column, fitted.threshold, fitted.children, fitted.value
    )
    return np.asarray(total).reshape(features.shape[:-1])

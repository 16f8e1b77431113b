"""What speaks for one size of the crystal array: a quick lattice of that size, and what is odd about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from napari_petlut.analysis.lattice.fitted import fitted_numbers
from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Budget, Contest, Hypothesis
from napari_petlut.analysis.lattice.fitting.mixture import MixtureFit, MixtureSchedule
from napari_petlut.analysis.lattice.fitting.objective import TERMS, terms
from napari_petlut.analysis.lattice.numbering.matching import MOSTLY, best_match
from napari_petlut.analysis.lattice.proposing.even_counts import spread_counts
from napari_petlut.analysis.lattice.proposing.ridges import put_on_ridges
from napari_petlut.analysis.lattice.proposing.waves import WINDOW, put_on_waves
from napari_petlut.analysis.lattice.seeing.preparing import PITCH_FACTOR, PreparedMap
from napari_petlut.analysis.lattice.seeing.scene import Scene
from napari_petlut.analysis.lattice.seeing.spots import find_significant_spots, own_spots
from napari_petlut.analysis.lattice.sizes.layers import SIGNIFICANCE, Layer
from napari_petlut.analysis.lattice.wishes import Wishes
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.grids import fill_holes
from napari_petlut.model import FloatArray

SIZE_FITS = 3
"""Mixtures fitted for one size besides those from hints."""
SIZE_SCHEDULE = MixtureSchedule(iterations=12, stiffness_start=0.15, stiffness_end=0.02, halos=False)
"""Many sizes are tried: each is fitted in few iterations, that leave a wrong size little time to bend."""
MATCHED = 150
"""In arrays with at most so many crystals the spots are also joined to a grid; in larger ones it takes long
and the spread counts are as good a start."""
LINE_FLOOR = 0.05
"""A median line with a smaller share of the fullest one's counts counts as this empty."""
WIDEST_RATIO = float(np.log(3))
"""Gaps beyond this ratio all count as equally wide."""
WIDE_GAP = float(np.log(1.4))
"""From this ratio on a gap may hold a line without light: halfway, in the logarithm, to a gap of two."""
SUGGESTION_BIAS = (0.2, 0.02)
"""What the suggestions are too small by, as a constant and per line: crowded outer lines hold less light."""
SUGGESTION_WIDTH = (0.3, 0.015)
"""Scatter of the suggested lines about the true ones, as a constant and per line."""
UNSUGGESTED = 0.005
"""Weight of sizes that no layer suggests, against 1 for all layers together."""
SIZE_FEATURES = (
    "log deviance",
    "irregularity",
    "unevenness",
    "spots without a crystal",
    "fullest line",
    "widest gap",
    "suggested",
    "complete",
    "crystals",
)
"""Names of the features, in the order of the coefficients."""
SIGNS = (-1, -1, -1, -1, -1, -1, 1, 1, 0)
"""Which way each feature may speak for a size, 0 for either."""
COEFFICIENTS = fitted_numbers("size", SIZE_FEATURES)
"""Conditional logistic regression of the true size against others of the same map: how much more plausible a
size is, per unit of each feature. Fitted on simulated blocks by `benchmarks/fit_geometry.py`."""
SURENESS = (
    "share",
    "spots without a crystal",
    "widest gap",
    "suggested",
    "complete",
)
"""What the confidence depends on: the log-odds of the share, and features of the likeliest size."""
LEAST_SHARE = 1e-3
"""Shares closer to 0 or 1 than this count as this close."""
SURENESS_SIGNS = (1, -1, -1, 1, 1)
"""Which way each of them may speak."""
SURENESS_COEFFICIENTS = fitted_numbers("sureness of the size", ("intercept", *SURENESS))
"""Logistic regression of whether the likeliest size is right: intercept, then one coefficient for each of
`SURENESS`."""


def quick_lattice(
    scene: Scene,
    geometry: BlockGeometry,
    hints: Sequence[FloatArray],
    spots: FloatArray,
    *,
    waves: bool = False,
) -> Hypothesis | None:
    """Return the best lattice of one size that two or three fits find; None where none can be fitted.

    Parameters
    ----------
    scene : Scene
        The same one for all sizes that are compared.
    geometry : BlockGeometry
    hints : sequence of ndarray of float64, shape (rows, cols, 2)
        Lattices of this size to start from as well.
    spots : ndarray of float64, shape (n, 2)
        See `own_scale_spots`.
    waves : bool
        Whether lattices of larger arrays follow the waves of their lines: right more often, and slower.
    """
    contest = Contest(scene, Wishes(geometry), Budget(SIZE_FITS + len(hints)), SIZE_SCHEDULE)
    for grid in hints:
        contest.judge(Candidate(grid, "a hint"))
    if len(geometry) <= MATCHED and len(spots) >= 4:
        match = best_match(spots, geometry)
        if match is not None and (match.owner >= 0).mean() >= MOSTLY:
            contest.judge(Candidate(match.grid, "spots joined to a grid"))
    start = spread_counts(scene.ready, geometry, scene.ready.pitch).grid
    if waves and len(geometry) > MATCHED:
        contest.judge(Candidate(put_on_waves(contest, start, WINDOW), "lines put where their waves are"))
    else:
        contest.judge(Candidate(put_on_ridges(contest, start), "counts spread evenly"))
    if contest.pool:
        contest.judge(Candidate(put_on_ridges(contest, contest.best.grid), "put onto the ridges"))
    return contest.best if contest.pool else None


def layer_grid(layer: Layer, geometry: BlockGeometry) -> FloatArray | None:
    """Return a layer's grid cut to a size, its holes filled; None if it is smaller or has too many holes."""
    owner = layer.owner
    for axis, length in enumerate(geometry.shape):
        lines = np.moveaxis(owner, axis, 0)
        while len(lines) > length:
            lines = lines[1:] if (lines[0] >= 0).sum() < (lines[-1] >= 0).sum() else lines[:-1]
        owner = np.moveaxis(lines, 0, axis)
    known = owner >= 0
    if owner.shape != geometry.shape or known.mean() < MOSTLY:
        return None
    if min(known.any(axis=0).sum(), known.any(axis=1).sum()) < 2:
        return None
    return fill_holes(np.where(known[..., None], layer.spots[np.maximum(owner, 0)], 0.0), ~known)


def own_scale_spots(ready: PreparedMap, geometry: BlockGeometry) -> FloatArray:
    """Return the significant spots at the pitch that an array of this size would have."""
    pitch = PITCH_FACTOR * float(np.sqrt(max(ready.support.sum(), 1) / len(geometry)))
    return find_significant_spots(ready.counts, ready.support, pitch, SIGNIFICANCE)[0]


def size_features(
    layers: Sequence[Layer], complete: BlockGeometry | None, lattice: Hypothesis, spots: FloatArray
) -> FloatArray:
    """Return the features of one size of the array.

    Parameters
    ----------
    layers : sequence of Layer
    complete : BlockGeometry or None
        Size of which the spots of a layer form a complete grid.
    lattice : Hypothesis
        Best lattice of this size.
    spots : ndarray of float64, shape (n, 2)
        See `own_scale_spots`.
    """
    fit = lattice.fit
    geometry = BlockGeometry(*fit.weight.shape)
    own = own_spots(fit.grid, spots)[1]
    told = dict(zip(TERMS, terms(fit), strict=True))
    values = (
        float(np.log(max(fit.deviance, 1e-12))),
        told["irregularity"],
        told["unevenness"],
        0.0 if geometry == complete else 1 - own.sum() / max(len(spots), 1),
        fullest_line(fit),
        widest_gap(fit.grid),
        np.log(UNSUGGESTED + suggestion(layers, geometry)),
        float(geometry == complete),
        np.log(len(geometry)),
    )
    return np.array(values)


def fullest_line(fit: MixtureFit) -> float:
    """Return the log of the counts of the fullest line against the median one: two in one hold twice."""
    fullest = 0.0
    for axis in (0, 1):
        held = np.median(fit.weight, axis=1 - axis)
        ratio = held.max() / max(float(np.median(held)), LINE_FLOOR * float(held.max()), 1e-9)
        fullest = max(fullest, float(np.log(max(ratio, 1.0))))
    return fullest


def line_gaps(grid: FloatArray, axis: int) -> FloatArray:
    """Return the log of each gap between lines against the wider of the gaps beside it."""
    gap = np.median(np.diff(grid[..., axis], axis=axis), axis=1 - axis)
    if len(gap) < 2:
        return np.zeros(len(gap))
    beside = np.maximum(np.append(gap[1:], 0.0), np.append(0.0, gap[:-1]))
    ratio = np.log(np.maximum(gap, 1e-9) / np.maximum(beside, 1e-9))
    return np.asarray(np.clip(ratio, -WIDEST_RATIO, WIDEST_RATIO))


def widest_gap(grid: FloatArray) -> float:
    """Return the log of the widest gap between lines against the wider of the gaps beside it, at least 0.

    A dead line that was left out leaves a gap of two; crowded edges widen the gaps only little by little.
    """
    return max(0.0, *(float(line_gaps(grid, axis).max()) for axis in (0, 1)))


def fill_widest_gap(grid: FloatArray, axis: int) -> FloatArray | None:
    """Return the lattice with a line put into the widest gap between lines; None where none is wide."""
    gaps = line_gaps(grid, axis)
    k = int(gaps.argmax())
    if gaps[k] < WIDE_GAP:
        return None
    lines = np.moveaxis(grid, axis, 0)
    inserted = np.insert(lines, k + 1, (lines[k] + lines[k + 1]) / 2, axis=0)
    return np.asarray(np.moveaxis(inserted, 0, axis))


def suggestion(layers: Sequence[Layer], geometry: BlockGeometry) -> float:
    """Return how much weight of the layers lies at a size, 1 if all suggest just this one."""
    total = sum(layer.weight for layer in layers)
    near, lines = 0.0, np.array(geometry.shape, dtype=np.float64)
    for layer in layers:
        off = lines - SUGGESTION_BIAS[0] - SUGGESTION_BIAS[1] * lines - np.array(layer.suggested)
        width = SUGGESTION_WIDTH[0] + SUGGESTION_WIDTH[1] * lines
        near += layer.weight * float(np.exp(-0.5 * ((off / width) ** 2).sum()))
    return near / total if total else 0.0


def log_plausibility(values: FloatArray) -> float:
    """Return the logarithm of how plausible a size is against others of the same map."""
    return float(values @ COEFFICIENTS)


def shares(plausibilities: FloatArray) -> tuple[int, FloatArray]:
    """Return the likeliest of some sizes and the share of each in their plausibility."""
    weight = np.exp(plausibilities - plausibilities.max())
    return int(plausibilities.argmax()), weight / weight.sum()


def sureness_features(values: FloatArray, share: float) -> FloatArray:
    """Return what the confidence of the likeliest size depends on, from its features and its share."""
    share = min(max(share, LEAST_SHARE), 1 - LEAST_SHARE)
    told = [float(values[SIZE_FEATURES.index(name)]) for name in SURENESS[1:]]
    return np.array([np.log(share / (1 - share)), *told])


def size_confidence(values: FloatArray, share: float) -> float:
    """Return the probability that the likeliest size is right."""
    return float(expit(np.append(1.0, sureness_features(values, share)) @ SURENESS_COEFFICIENTS))

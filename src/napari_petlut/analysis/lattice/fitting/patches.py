"""Part of a fitted lattice fitted again while the rest stays, so that many small changes can be tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.fitting.iterating import END_SQUARED, run_mixture, window_size
from napari_petlut.analysis.lattice.fitting.loops import expected_counts
from napari_petlut.analysis.lattice.fitting.mixture import MixtureFit, MixtureSchedule
from napari_petlut.analysis.lattice.grids import BoolArray, median, node_distance
from napari_petlut.analysis.lattice.seeing.noise import half_deviance
from napari_petlut.model import FloatArray

PATCH_MARGIN = 2.0
"""Reach of the map around the centres of a patch that is looked at, in working pitches: the spots' tails."""
PATCH_SCHEDULE = MixtureSchedule(iterations=8, stiffness_start=0.06, stiffness_end=0.02)
"""A patch starts from a fitted lattice; it ends a little stiffer than that one, for it has few iterations."""
LIT_START = 0.3
"""Crystals with less than this share of the median counts start with the median: from almost nothing they
would not get their light back from their neighbours within a few iterations."""
UNMOVED = 0.1
"""Crystals that move less than this, in local pitches, are not looked at by a sieve."""
BESIDE = 2
"""Crystals around a change that are fitted again with it."""
LARGEST_PATCH = 0.5
"""Changes whose surroundings are more than this share of the crystals are always fitted as a whole."""
NEARLY_AS_GOOD = 0.1
"""A change that is worse than this as a patch is not worth a fit of the whole: a patch is fitted shortly."""
Box = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Patch:
    """Some crystals of a fitted lattice, to be fitted again.

    Parameters
    ----------
    start : Hypothesis
        The lattice that they belong to.
    box : tuple of slice
        Their rows and columns.
    view : tuple of slice
        Part of the binned map that is looked at.
    counts : ndarray of float64
        Binned counts there.
    rest : ndarray of float64
        Counts in `view` that everything else is expected to throw there.
    still : ndarray of bool
        Crystals of the box that must stay: its outer ring, where others follow, and what a person placed.
    level : float
        Median counts of the crystals of the whole lattice.
    share : float
        Share of the map's counts that lies in `view`.
    """

    start: Hypothesis
    box: Box
    view: Box
    counts: FloatArray
    rest: FloatArray
    still: BoolArray
    level: float
    share: float

    @cached_property
    def deviance(self) -> float:
        """Half the deviance per count in `view` before anything is changed."""
        return half_deviance(self.counts, self.start.fit.model[self.view])


def open_patch(contest: Contest, start: Hypothesis, box: Box) -> Patch:
    """Take the crystals of a box out of a fitted lattice."""
    fit, scene = start.fit, contest.scene.binned
    mean = scene.to_bins(fit.grid[box])
    reach = PATCH_MARGIN * scene.pitch
    low = np.maximum(np.floor(mean.min(axis=(0, 1)) - reach), 0).astype(int)
    high = np.minimum(np.ceil(mean.max(axis=(0, 1)) + reach) + 1, scene.counts.shape).astype(int)
    view = (slice(low[0], max(high[0], low[0] + 1)), slice(low[1], max(high[1], low[1] + 1)))
    own = spots_of(mean - low, fit, box, fit.model[view].shape)
    still = np.zeros(mean.shape[:2], bool)
    for axis in (0, 1):
        edge = np.moveaxis(still, axis, 0)
        if box[axis].start > 0:
            edge[0] = True
        if box[axis].stop < fit.grid.shape[axis]:
            edge[-1] = True
    still |= contest.wishes.pinned[box]
    counts = np.ascontiguousarray(scene.counts[view])
    share = float(counts.sum()) / max(float(scene.counts.sum()), 1e-9)
    rest = np.maximum(fit.model[view] - own, 1e-9)
    return Patch(start, box, view, counts, rest, still, median(fit.weight), share)


def as_it_was(start: Hypothesis) -> Candidate:
    """Return a lattice as a candidate, to see what its patches are worth unchanged."""
    return Candidate(start.grid, start.origin, start.dark)


def spots_of(mean: FloatArray, fit: MixtureFit, box: Box, shape: tuple[int, ...]) -> FloatArray:
    """Return the counts that the crystals of a box throw on a map, centres given in its bins."""
    weight = fit.weight[box].ravel()
    out = np.zeros(shape, np.float32)
    expected_counts(
        np.ascontiguousarray(mean).reshape(-1, 2),
        np.ascontiguousarray(fit.covariance[box]).reshape(-1, 3),
        weight,
        np.empty((weight.size, window_size(fit.limit[0], fit.limit[1], END_SQUARED)), np.float32),
        np.zeros((weight.size, 4), np.int64),
        out,
        END_SQUARED,
    )
    return out.astype(np.float64)


def surroundings(marked: BoolArray) -> Box:
    """Return the bounding box of marked crystals and a few around them."""
    at = np.argwhere(marked)
    low = np.maximum(at.min(axis=0) - BESIDE, 0)
    high = np.minimum(at.max(axis=0) + BESIDE + 1, marked.shape)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def judge_patch(contest: Contest, patch: Patch, changed: Candidate) -> Hypothesis | None:
    """Fit a changed patch and judge the whole lattice with it; None when it left the map.

    Parameters
    ----------
    contest : Contest
    patch : Patch
    changed : Candidate
        The whole lattice; nothing outside of the patch is taken from it but which crystals are dark.
    """
    base, scene, box = patch.start.fit, contest.scene.binned, patch.box
    grid = np.where(contest.wishes.pinned[box][..., None], base.grid[box], changed.grid[box])
    corner = np.array([s.start for s in patch.view], dtype=np.float64)
    size = np.array(scene.counts.shape) - 1.0
    mean = np.ascontiguousarray(np.clip(scene.to_bins(grid), 0.0, size) - corner)
    cov, weight = base.covariance[box].copy(), base.weight[box].copy()
    weight = np.where(weight < LIT_START * patch.level, patch.level, weight)
    unlit = np.ascontiguousarray(changed.dark[box])
    _, model = run_mixture(
        patch.counts,
        patch.rest,
        mean,
        cov,
        weight,
        PATCH_SCHEDULE.stiffnesses,
        base.limit,
        patch.still,
        unlit,
        (1.0, 1.0, 1.0),
        patch.level,
        False,
        0,
        PATCH_SCHEDULE.power,
        PATCH_SCHEDULE.core,
    )
    if not np.isfinite(mean).all():
        return None
    fit = _put_in(patch, scene.to_pixels(mean + corner), cov, weight, model)
    return Hypothesis(fit, contest.score(fit, changed.dark), changed.origin, changed.dark)


def _put_in(
    patch: Patch, grid: FloatArray, cov: FloatArray, weight: FloatArray, model: FloatArray
) -> MixtureFit:
    """Return the fit of the whole lattice with that of a patch put in."""
    base = patch.start.fit
    grids, covariances, weights = base.grid.copy(), base.covariance.copy(), base.weight.copy()
    grids[patch.box], covariances[patch.box], weights[patch.box] = grid, cov, weight
    models = base.model.copy()
    models[patch.view] = model
    deviance = base.deviance + (half_deviance(patch.counts, model) - patch.deviance) * patch.share
    return replace(base, grid=grids, covariance=covariances, weight=weights, model=models, deviance=deviance)


@dataclass(eq=False)
class Sieve:
    """Says which changes of a lattice are worth a fit of the whole, by fitting their surroundings.

    Parameters
    ----------
    contest : Contest
    start : Hypothesis
        The lattice that is changed.
    """

    contest: Contest
    start: Hypothesis

    def __post_init__(self) -> None:
        self._opened: dict[tuple[int, ...], tuple[Patch, float]] = {}

    def passes(self, changed: Candidate) -> bool:
        """Say whether a changed lattice is nearly as good as the start, or changed too much to say."""
        moved = node_distance(changed.grid, self.start.grid) > UNMOVED
        moved |= changed.dark != self.start.dark
        if not moved.any():
            return False
        box = surroundings(moved)
        if (box[0].stop - box[0].start) * (box[1].stop - box[1].start) > LARGEST_PATCH * moved.size:
            return True
        key = (box[0].start, box[0].stop, box[1].start, box[1].stop)
        if key not in self._opened:
            patch = open_patch(self.contest, self.start, box)
            same = judge_patch(self.contest, patch, as_it_was(self.start))
            self._opened[key] = patch, np.inf if same is None else same.score
        patch, before = self._opened[key]
        tried = judge_patch(self.contest, patch, changed)
        return tried is not None and tried.score < before + NEARLY_AS_GOOD

"""A mixture of one Gaussian per crystal whose centres are tied to each other by the lattice.

Maximum a posteriori expectation-maximisation on binned counts. Three things keep weak and merged crystals in
place: the lines of the lattice resist bending (second differences), covariances lean on their 3 x 3
neighbourhood, and a crystal with few counts hangs on its neighbours. The background is made of a wide halo
around every crystal, as scattered events leave it, and of a little of the map itself, blurred. Without the
halos a spot's width and place would have to explain the tails, which at crowded edges pulls it off its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from napari_petlut.analysis.lattice.fitting.iterating import CORE_SQUARED, run_mixture
from napari_petlut.analysis.lattice.fitting.loops import SPREAD_MIN
from napari_petlut.analysis.lattice.grids import NOTHING, BoolArray, median, steps, whole_mask
from napari_petlut.analysis.lattice.seeing.binned import BinnedMap
from napari_petlut.analysis.lattice.seeing.blurring import blur
from napari_petlut.analysis.lattice.seeing.noise import half_deviance
from napari_petlut.model import FloatArray

BACKGROUND_START, BACKGROUND_MIN, BACKGROUND_MAX = 0.25, 0.02, 0.75
"""Share of the blurred map that is background: first guess and bounds."""
SPREAD_START = 0.33
"""First guess of a spot's standard deviation, in local pitches."""
SPREAD_MAX = 0.55
"""Largest standard deviation of a spot, in median pitches."""
STEP_BLUR = 0.7
"""Width of the blur, in crystals, over which the steps of a lattice are levelled for that first guess."""
HALFWAY = 8
"""Iterations after which a fit shows where it is going."""


@dataclass(frozen=True)
class MixtureSchedule:
    """How a mixture is fitted.

    Parameters
    ----------
    iterations : int
    stiffness_start, stiffness_end : float
        Weight of the second differences against a fully lit crystal's data, lowered geometrically.
        Starting near 1 pulls correct lattices straight that are really bent. Far fewer iterations than the
        default leave correct lattices of stretched corners worse explained than wrong ones that are even.
    power : float
        Weight of a crystal's own data in its place: its counts against the median to this power. Likelihood
        says 1; what the tails of bright neighbours are not quite like pulls faint crystals off their place.
    core : float
        Squared Mahalanobis distance at which spots end while they are fitted.
    halos : bool
        Whether the background is made of the crystals' halos rather than of the blurred map. Halos explain a
        smooth map with any number of crystals, so that different numbers are compared without.
    """

    iterations: int = 20
    stiffness_start: float = 0.05
    stiffness_end: float = 0.01
    power: float = 1.0
    core: float = CORE_SQUARED
    halos: bool = True

    @property
    def stiffnesses(self) -> FloatArray:
        """The stiffness in each iteration."""
        return np.array(_geometric(self.stiffness_start, self.stiffness_end, self.iterations))


@lru_cache(maxsize=32)
def _geometric(start: float, end: float, number: int) -> tuple[float, ...]:
    """Return numbers that fall geometrically."""
    return tuple(np.geomspace(start, end, number).tolist())


@dataclass(frozen=True, eq=False)
class MixtureFit:
    """A fitted mixture.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        Centres in pixels of the prepared map.
    covariance : ndarray of float64, shape (rows, cols, 3)
        Variance along axis 0, covariance, variance along axis 1, in squared bins.
    weight : ndarray of float64, shape (rows, cols)
        Counts of each crystal.
    background : float
        Scale of the background's shape.
    model : ndarray of float64, shape (m0, m1)
        Expected counts per bin.
    deviance : float
        Half the Poisson deviance per count.
    bin_pixels : int
        Pixels per bin.
    limit : ndarray of float64, shape (2,)
        Largest variance of a spot along each axis, in squared bins.
    noise : float
        Part of the deviance that noise alone makes.
    """

    grid: FloatArray
    covariance: FloatArray
    weight: FloatArray
    background: float
    model: FloatArray
    deviance: float
    bin_pixels: int
    limit: FloatArray
    noise: float


def fit_mixture(
    grid: FloatArray,
    scene: BinnedMap,
    schedule: MixtureSchedule = MixtureSchedule(),
    pinned: BoolArray = NOTHING,
    dark: BoolArray = NOTHING,
    *,
    halfway: Callable[[MixtureFit], None] | None = None,
) -> MixtureFit:
    """Fit the tied mixture to a map, starting from a lattice.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        Starting centres in pixels of the prepared map.
    scene : BinnedMap
    schedule : MixtureSchedule
    pinned : ndarray of bool, shape (rows, cols), optional
        Centres that must stay where they are; none by default.
    dark : ndarray of bool, shape (rows, cols), optional
        Crystals that are taken to give no counts; their neighbours alone place them. None by default.
    halfway : callable, optional
        Called with what the fit has come to after `HALFWAY` iterations; what it raises ends the fit.

    Returns
    -------
    MixtureFit
    """
    mean, cov, limit = _first_guess(grid, scene)
    rows, cols = mean.shape[:2]
    stiffness = schedule.stiffnesses
    fixed, unlit = (np.ascontiguousarray(whole_mask(mask, (rows, cols))) for mask in (pinned, dark))
    weight = np.full((rows, cols), scene.counts.sum() * (1 - BACKGROUND_START) / (rows * cols))
    scale, done = BACKGROUND_START, 0

    def go_on(part: FloatArray) -> MixtureFit:
        nonlocal scale, done
        bounds = (scale, BACKGROUND_MIN, BACKGROUND_MAX)
        scale, model = run_mixture(
            scene.counts,
            scene.background,
            mean,
            cov,
            weight,
            part,
            limit,
            fixed,
            unlit,
            bounds,
            0.0,
            schedule.halos,
            done,
            schedule.power,
            schedule.core,
        )
        done += len(part)
        deviance = half_deviance(scene.counts, model)
        return MixtureFit(
            scene.to_pixels(mean),
            cov,
            weight,
            float(scale),
            model,
            deviance,
            scene.factor,
            limit,
            scene.noise,
        )

    if halfway is not None:
        halfway(go_on(stiffness[:HALFWAY]))
        stiffness = stiffness[HALFWAY:]
    return go_on(stiffness)


def _first_guess(grid: FloatArray, scene: BinnedMap) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the centres in bins, covariances, and the largest variances from which a fit starts."""
    rows, cols = grid.shape[:2]
    mean = np.ascontiguousarray(scene.to_bins(grid))
    down, right = steps(mean)
    length0, length1 = (blur(np.hypot(step[..., 0], step[..., 1]), STEP_BLUR) for step in (down, right))
    middle0, middle1 = median(length0) or scene.pitch, median(length1) or scene.pitch
    cov = np.zeros((rows, cols, 3))
    cov[..., 0] = np.maximum((SPREAD_START * np.minimum(length0, 1.2 * middle0)) ** 2, 1.6 * SPREAD_MIN)
    cov[..., 2] = np.maximum((SPREAD_START * np.minimum(length1, 1.2 * middle1)) ** 2, 1.6 * SPREAD_MIN)
    limit = np.maximum((SPREAD_MAX * np.array([middle0, middle1])) ** 2, 2 * SPREAD_MIN)
    return mean, cov, limit

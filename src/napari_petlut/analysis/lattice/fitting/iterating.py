"""The iterations of the tied mixture: expectation, maximisation, lines that resist bending.

Everything per bin is in the compiled loops; what is per crystal here costs a few microseconds an iteration.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.lattice.fitting.loops import (
    LANES,
    SPREAD_MIN,
    expected_counts,
    explain,
    moments,
    solve_lines,
    take_shares,
    total,
    update_spread,
)
from napari_petlut.analysis.lattice.grids import median
from napari_petlut.model import FloatArray, SingleArray

END_SQUARED = 12.0
"""Squared Mahalanobis distance at which a spot ends."""
CORE_SQUARED = 6.0
"""The same while a mixture is fitted: tails are less sure to be a crystal's own, and cost time."""
HALO_STEPS = (0, 4, 12)
"""Iterations before which the halos are laid anew."""
HALO_SPREAD = 0.3
"""Variance of a crystal's halo of scattered events, in squared steps to its neighbours along both axes:
about that of an event shared with a neighbour. Simulated and measured maps are both explained best at 0.2
to 0.35."""
HALO_MAX = 4.0
"""Largest variance of a halo against the largest one of a spot."""
HALO_TILT = 0.9
"""Largest correlation of a halo's two coordinates."""
FLAT = 0.05
"""Share of the background that does not come from halos."""
ALONG = 0.03
"""Stiffness along a coordinate against that across: the pitch pattern of a block is not smooth."""


def core_moments(core: float) -> tuple[float, float]:
    """Return the share of a Gaussian's counts within a squared Mahalanobis distance, and their variance.

    In two dimensions that distance is exponentially distributed, with mean 2.
    """
    share = 1 - exp(-core / 2)
    return share, 1 - core / 2 * exp(-core / 2) / share


def window_size(variance0: float, variance1: float, end: float) -> int:
    """Return how many bins the box around a spot of these variances holds at most."""
    high = int(2 * np.sqrt(end * variance0)) + 2
    wide = int(2 * np.sqrt(end * variance1)) + 2
    return high * (wide + LANES - 1)


def lay_halos(
    mean: FloatArray,
    weight: FloatArray,
    limit: FloatArray,
    flat: SingleArray,
    window: SingleArray,
    box: npt.NDArray[np.int64],
    out: SingleArray,
) -> None:
    """Fill `out` with all crystals' halos and a share of `flat`, together as many counts as `flat` holds."""
    cov = _halo_spreads(mean, limit).reshape(-1, 3)
    out[:] = 0.0
    expected_counts(mean.reshape(-1, 2), cov, weight.reshape(-1), window, box, out, CORE_SQUARED)
    out *= np.float32((1 - FLAT) * total(flat) / max(total(out), 1e-9))
    out += np.float32(FLAT) * flat


def _halo_spreads(mean: FloatArray, limit: FloatArray) -> FloatArray:
    """Return the covariances of the halos, (rows, cols, 3): as wide as the steps to the neighbours."""
    cov = np.zeros((*mean.shape[:2], 3))
    cov[..., 0] = cov[..., 2] = SPREAD_MIN
    for axis in (0, 1):
        line = np.arange(mean.shape[axis])
        before, after = np.maximum(line - 1, 0), np.minimum(line + 1, len(line) - 1)
        step = mean.take(after, axis) - mean.take(before, axis)
        part = HALO_SPREAD / np.maximum(after - before, 1) ** 2
        across = part[:, None] if axis == 0 else part[None, :]
        cov[..., 0] += across * step[..., 0] * step[..., 0]
        cov[..., 1] += across * step[..., 0] * step[..., 1]
        cov[..., 2] += across * step[..., 1] * step[..., 1]
    widest = np.minimum(HALO_MAX * limit[0] / cov[..., 0], HALO_MAX * limit[1] / cov[..., 2])
    shrink = np.minimum(1.0, widest)
    tilt = HALO_TILT * np.sqrt(cov[..., 0] * cov[..., 2])
    cov[..., 1] = np.minimum(np.maximum(cov[..., 1], -tilt), tilt)
    return np.asarray(cov * shrink[..., None])


@lru_cache(maxsize=64)
def bend_bands(n: int) -> FloatArray:
    """Return D'D of n places, D the second difference: its diagonal and the two below, shape (n, 3)."""
    out = np.zeros((n, 3))
    for start in range(n - 2):
        out[start : start + 3, 0] += 1.0, 4.0, 1.0
        out[start + 1 : start + 3, 1] -= 2.0
        out[start + 2, 2] += 1.0
    return out


def bend_forces(places: FloatArray, bands: FloatArray) -> FloatArray:
    """Return D'D times every row of `places` (rows, n)."""
    out = np.asarray(bands[:, 0] * places)
    for below in (1, 2):
        out[:, below:] += bands[below:, below] * places[:, :-below]
    for above in (1, 2):
        out[:, :-above] += bands[above:, above] * places[:, above:]
    return out


def tie_centres(wanted: FloatArray, old: FloatArray, evidence: FloatArray, stiffness: float) -> FloatArray:
    """Return centres (rows, cols, 2) moved towards `wanted`, held by the stiffness of their lines.

    Across a coordinate the lines are solved exactly; the weak stiffness along it enters from `old`, which
    converges with the iterations around it.
    """
    # M step with a prior (the elastic net of Durbin and Willshaw, Nature 326 (1987) 689, has both pulls):
    # each centre between where its counts want it and where its lines would be straight. 6 is the diagonal of
    # D'D, with which the step along the coordinate is damped, so that taking it from `old` converges.
    extra = 6.0 * ALONG * stiffness
    out = np.empty_like(wanted)
    for axis in (0, 1):
        # The lines run down the first axis of these: a row of crystals is a line of the first coordinate.
        lit, place, goal = evidence, old[..., axis], wanted[..., axis]
        if axis == 0:
            lit, place, goal = lit.T, place.T, goal.T
        right = lit * goal + extra * place
        right -= ALONG * stiffness * bend_forces(place, bend_bands(place.shape[1]))
        length, lines = place.shape
        solved = np.empty((length, lines))
        solve_lines(
            np.ascontiguousarray(lit + extra),
            stiffness,
            bend_bands(length),
            np.ascontiguousarray(right),
            solved,
            np.empty((length, lines)),
            np.empty((length, 2, lines)),
        )
        out[..., axis] = solved.T if axis == 0 else solved
    return out


def run_mixture(
    counts: FloatArray,
    flat: FloatArray,
    mean: FloatArray,
    cov: FloatArray,
    weight: FloatArray,
    stiffness: FloatArray,
    limit: FloatArray,
    pinned: npt.NDArray[np.bool_],
    dark: npt.NDArray[np.bool_],
    scale: tuple[float, float, float],
    typical: float,
    halos: bool,
    done: int,
    power: float,
    core: float,
) -> tuple[float, FloatArray]:
    """Iterate; `mean`, `cov` and `weight` (rows, cols, ...) are changed in place.

    `scale` is the first guess of the scale of the background, its smallest and its largest value; `typical`
    the counts of a fully lit crystal, 0 for the median of those that are fitted. With `halos` those make most
    of the background, otherwise `flat` is all there is behind the spots. `done` iterations were done before.
    `power` says how much less crystals with few counts decide their own place, and `core` where their spots
    end while they are fitted, see `MixtureSchedule`.
    """
    weight[dark] = 0.0
    free = ~pinned
    largest = max(END_SQUARED, HALO_MAX * CORE_SQUARED if halos else 0.0)
    size = window_size(max(limit[0], cov[..., 0].max()), max(limit[1], cov[..., 2].max()), largest)
    place, spread, light = mean.reshape(-1, 2), cov.reshape(-1, 3), weight.reshape(-1)
    window, box = np.empty((len(place), size), np.float32), np.zeros((len(place), 4), np.int64)
    seen, even = counts.astype(np.float32), flat.astype(np.float32)
    shape = even.copy()
    stats, ratio, model = np.zeros((len(place), 6)), np.zeros_like(seen), np.zeros_like(seen)
    wanted, own, evidence = np.zeros_like(mean), np.zeros_like(cov), np.zeros_like(weight)
    background, all_shape = scale[0], total(shape)
    core_share, core_variance = core_moments(core)
    for step in range(len(stiffness) + 1):
        if halos and (step == 0 or step + done in HALO_STEPS):
            lay_halos(mean, weight, limit, even, window, box, shape)
            all_shape = total(shape)
        last = step == len(stiffness)
        model[:] = 0.0
        expected_counts(place, spread, light, window, box, model, END_SQUARED if last else core)
        share = explain(seen, shape, background, model, ratio)
        if last:
            break
        moments(place, window, box, ratio, stats)
        background = min(scale[2], max(scale[1], share / all_shape))
        lit = typical if typical > 0 else median(stats[:, 0])
        take_shares(
            stats, mean, cov, dark, lit, power, core_share, core_variance, wanted, own, evidence, weight
        )
        tied = tie_centres(wanted, mean, evidence, stiffness[step])
        mean[free] = tied[free]
        update_spread(own, evidence, limit, cov)
    return background, model.astype(np.float64)

"""The compiled loop of the tied mixture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_petlut.analysis.lattice.spot_loops import (
    CORE_SQUARED,
    END_SQUARED,
    HALO_MAX,
    core_moments,
    expected_counts,
    explain,
    lay_halos,
    moments,
    total,
    window_size,
)
from napari_petlut.analysis.lattice.tying_loops import tie_centres, update_spread
from napari_petlut.model import FloatArray

LOOPS = "927d098139d1f739"
"""Begins the SHA-256 of the two files whose loops are compiled into `run_mixture`: Numba builds it anew only
where this file changes, so that it has to change with them."""
HALO_STEPS = (0, 4, 12)
"""Iterations before which the halos are laid anew."""
MIN_EVIDENCE = 0.02
"""Least weight of a crystal's own data in its position, so that a dead one hangs on its neighbours."""
DARK_EVIDENCE = 1e-3
"""Weight of its last place in the position of a crystal that is taken for dead."""


@njit(cache=True, error_model="numpy")
def take_shares(
    stats: FloatArray,
    mean: FloatArray,
    cov: FloatArray,
    dark: npt.NDArray[np.bool_],
    typical: float,
    power: float,
    core: float,
    wanted: FloatArray,
    own: FloatArray,
    evidence: FloatArray,
    weight: FloatArray,
) -> None:
    """Fill in where each crystal wants to be, its own covariance, its evidence and its counts.

    `stats` (rows * cols, 6) are the moments of its share of the counts. Dark ones stay as they are, without
    counts. `typical`, `power` and `core` as in `run_mixture`.
    """
    rows, cols = weight.shape
    core_share, core_variance = core_moments(core)
    for i in range(rows):
        for j in range(cols):
            if dark[i, j]:
                weight[i, j], evidence[i, j] = 0.0, DARK_EVIDENCE
                wanted[i, j, 0], wanted[i, j, 1] = mean[i, j, 0], mean[i, j, 1]
                own[i, j, 0], own[i, j, 1], own[i, j, 2] = cov[i, j, 0], cov[i, j, 1], cov[i, j, 2]
                continue
            share = stats[i * cols + j]
            s = max(share[0], 1e-6)
            d0, d1 = share[1] / s, share[2] / s
            wanted[i, j, 0], wanted[i, j, 1] = mean[i, j, 0] + d0, mean[i, j, 1] + d1
            own[i, j, 0] = (share[3] / s - d0 * d0) / core_variance
            own[i, j, 1] = (share[4] / s - d0 * d1) / core_variance
            own[i, j, 2] = (share[5] / s - d1 * d1) / core_variance
            lit = min(1.0, s / max(typical, 1e-6))
            evidence[i, j] = max(MIN_EVIDENCE, lit if power == 1.0 else lit**power)
            weight[i, j] = s / core_share


@njit(cache=True, error_model="numpy")
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
    rows, cols = mean.shape[:2]
    n = rows * cols
    for i in range(rows):
        for j in range(cols):
            if dark[i, j]:
                weight[i, j] = 0.0
    largest = max(END_SQUARED, HALO_MAX * CORE_SQUARED if halos else 0.0)
    size = window_size(max(limit[0], cov[..., 0].max()), max(limit[1], cov[..., 2].max()), largest)
    window = np.empty((n, size), np.float32)
    seen, even = counts.astype(np.float32), flat.astype(np.float32)
    shape = even.copy()
    box = np.zeros((n, 4), np.int64)
    stats = np.zeros((n, 6))
    ratio, model = np.zeros_like(seen), np.zeros_like(seen)
    wanted, own = np.zeros((rows, cols, 2)), np.zeros((rows, cols, 3))
    evidence, tied = np.zeros((rows, cols)), np.zeros((rows, cols, 2))
    background, all_shape = scale[0], total(shape)
    place = mean.reshape(n, 2)
    last = len(stiffness)
    for step in range(last + 1):
        if halos and (step == 0 or step + done in HALO_STEPS):
            lay_halos(mean, weight, limit, even, window, box, shape)
            all_shape = total(shape)
        model[:] = 0.0
        expected_counts(
            place,
            cov.reshape(n, 3),
            weight.ravel(),
            window,
            box,
            model,
            END_SQUARED if step == last else core,
        )
        share = explain(seen, shape, background, model, ratio)
        if step == last:
            break
        moments(place, window, box, ratio, stats)
        background = min(scale[2], max(scale[1], share / all_shape))
        median = typical if typical > 0 else np.median(stats[:, 0])
        take_shares(stats, mean, cov, dark, median, power, core, wanted, own, evidence, weight)
        tie_centres(wanted, mean, evidence, stiffness[step], tied)
        for i in range(rows):
            for j in range(cols):
                if not pinned[i, j]:
                    mean[i, j, 0], mean[i, j, 1] = tied[i, j, 0], tied[i, j, 1]
        update_spread(own, evidence, limit, cov)
    return background, model.astype(np.float64)

"""How much of a map is noise: what one count is worth, and the deviance that noise alone makes.

Maps come scaled (rates, normalised counts), summed or averaged. One event is then not 1, and all that is said
about Poisson noise has to be said in events.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage
from scipy.special import gammaln, xlogy

from napari_petlut.model import FloatArray

SOME, TRIES = 500, 20
"""Counts whose common divisor is taken first, and how often one that is no multiple of it is added."""
WHOLE, ROUNDING = 1e-2, 1e-5
"""A number of events this close to a whole one is whole; a smaller share of a count than the second is no
rest."""
LEAST = 1e-9
"""No bin of a map holds more events than one over this."""
DEVIANCE_TABLE_END, DEVIANCE_TABLE_STEPS = 40.0, 300
"""Largest mean for which the expected deviance is summed exactly, and points of the table."""
CORNER = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
"""Mask that is blind to everything smooth. J. Immerkaer, Fast noise variance estimation, Computer Vision and
Image Understanding 64 (1996) 300."""


def half_deviance(counts: FloatArray, model: FloatArray) -> float:
    """Return half the Poisson deviance of a map per count: the mean of ``log(k / m) - 1 + m / k``.

    Parameters
    ----------
    counts, model : ndarray of float64, shape (m0, m1)
        Counts, and those expected, which are positive.

    Returns
    -------
    float
        0 for a map without counts.
    """
    number = float(counts.sum())
    if number <= 0:
        return 0.0
    logs = np.log(np.maximum(counts, np.finfo(np.float64).tiny) / model)
    return (float(model.sum()) - number + float((counts * logs).sum())) / number


def expected_half_deviance(mean: FloatArray) -> FloatArray:
    """Return half the deviance that a Poisson count with this mean has on average.

    The sum over all counts ``k`` of their probability times ``k log(k / mean) - k + mean``; beyond
    `DEVIANCE_TABLE_END` its expansion ``1/2 + 1 / (12 mean)``.

    Parameters
    ----------
    mean : ndarray of float64
        In events, of any shape.

    Returns
    -------
    ndarray of float64, the same shape
    """
    places, values = _deviance_table()
    near = np.interp(np.log(np.clip(mean, 1e-4, DEVIANCE_TABLE_END)), places, values)
    return np.where(mean < DEVIANCE_TABLE_END, near, 0.5 + 1 / (12 * np.maximum(mean, DEVIANCE_TABLE_END)))


@cache
def _deviance_table() -> tuple[FloatArray, FloatArray]:
    """Return logs of means and the expected half-deviances there."""
    mean = np.geomspace(1e-4, DEVIANCE_TABLE_END, DEVIANCE_TABLE_STEPS)[:, None]
    k = np.arange(DEVIANCE_TABLE_END + 10 * np.sqrt(DEVIANCE_TABLE_END))
    chance = np.exp(xlogy(k, mean) - mean - gammaln(k + 1))
    return np.log(mean[:, 0]), (chance * (xlogy(k, k / mean) - k + mean)).sum(axis=1)


def noise_deviance(counts: FloatArray, smooth: FloatArray) -> float:
    """Return the half-deviance per count that a map has from noise alone.

    Parameters
    ----------
    counts : ndarray of float64, shape (m0, m1)
        In events, so that its noise is Poisson noise, or less where it was smoothed or rounded.
    smooth : ndarray of float64, shape (m0, m1)
        About what is expected, in events.

    Returns
    -------
    float
        0 where there is no noise.
    """
    total = float(counts.sum())
    rough = ndimage.correlate(counts, CORNER)[1:-1, 1:-1]
    # Sharp spots are rough too, so that only noise that is below Poisson noise is believed.
    below = float((rough**2).sum() / max((CORNER**2).sum() * counts[1:-1, 1:-1].sum(), 1e-9))
    variance = min(1.0, below)
    if variance <= 0 or total <= 0:
        return 0.0
    return float(variance * expected_half_deviance(smooth / variance).sum() / total)

"""What one event adds to a map, and how much its counts scatter.

Maps come scaled (rates, normalised counts), summed or averaged. One event is then not 1, and all that is said
about Poisson noise has to be said in events. Two questions, two answers: `event_value` is exact and knows
only maps whose counts are whole events, scaled; `index_of_dispersion` is an estimate that holds for smoothed
and interpolated maps too, which have less noise than their counts say.
"""

from __future__ import annotations

import numpy as np

from napari_petlut.model import FloatArray

SOME, TRIES = 500, 20
"""Counts whose common divisor is taken first, and how often one that is no multiple of it is added."""
WHOLE, ROUNDING = 1e-2, 1e-5
"""A number of events this close to a whole one is whole; a smaller share of a count than the second is no
rest."""
LEAST = 1e-9
"""No bin of a map holds more events than one over this."""
HOT_PERCENTILE = 99
"""Differences beyond this percentile are of hot pixels and are left out."""


def event_value(counts: FloatArray) -> float:
    """Return what one event adds to a map: the largest number that all of its counts are multiples of.

    Parameters
    ----------
    counts : ndarray of float64

    Returns
    -------
    float
        1 where the counts are no multiples of anything, as after an interpolation.

    Examples
    --------
    >>> event_value(np.array([0.0, 1.5, 2.0, 4.5]))
    0.5
    """
    seen = counts[counts > 0]
    if not len(seen):
        return 1.0
    value = 0.0
    for count in seen[:: max(1, len(seen) // SOME)].tolist():
        value = _common_divisor(value, count, ROUNDING * count)
    for _ in range(TRIES):
        if value < LEAST * seen.max():
            break
        events = seen / value
        off = np.abs(events - np.rint(events)) > WHOLE
        if not off.any():
            return value
        odd = float(seen[off][0])
        value = _common_divisor(value, odd, ROUNDING * odd)
    return 1.0


def _common_divisor(first: float, second: float, rest: float) -> float:
    """Return the greatest common divisor of two numbers by Euclid's algorithm, up to a rest."""
    while second > rest:
        first, second = second, first % second
        if first - second <= rest:
            second = 0.0
    return first


def index_of_dispersion(counts: FloatArray) -> float:
    """Return the variance of a map's noise over its mean: 1 for events, and the value of one in a scaled map.

    The variance is taken from second differences along axis 1, ``a - 2 b + c``, which a smooth map does not
    have: for independent counts their mean square is ``1 + 4 + 1 = 6`` times the variance.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
        At least three pixels along axis 1.

    Returns
    -------
    float
        0 for a map without counts or without noise.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(40.0, (200, 200)).astype(float)
    >>> round(index_of_dispersion(counts * 7), 1)
    6.6
    """
    level = counts[:, 1:-1]
    lit = level > 0
    if not lit.any():
        return 0.0
    squared, level = (np.diff(counts, 2, axis=1) ** 2)[lit], level[lit]
    kept = squared <= np.percentile(squared, HOT_PERCENTILE)
    return float(squared[kept].mean() / (6 * level[kept].mean()))

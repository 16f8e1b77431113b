"""Maps that were enlarged by repeating pixels: taken back to what was measured.

Repeated, the same counts look as if there were several times as many, with less noise between neighbours than
counts have; sizes were proposed from that.
"""

from __future__ import annotations

import math

import numpy as np

from napari_petlut.model import FloatArray


def repeated_pixels(counts: FloatArray) -> tuple[int, int]:
    """Return how often each pixel of a map is repeated along each axis; (1, 1) for a map as it was measured.

    A map along which nothing changes at all is taken as it is.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)

    Examples
    --------
    >>> small = np.arange(6.0).reshape(2, 3)
    >>> repeated_pixels(small), repeated_pixels(np.repeat(np.repeat(small, 4, axis=0), 2, axis=1))
    ((1, 1), (4, 2))
    """
    return _repeats(counts), _repeats(counts.T)


def _repeats(counts: FloatArray) -> int:
    changes = np.flatnonzero((counts[1:] != counts[:-1]).any(axis=1)) + 1
    return math.gcd(len(counts), *changes.tolist()) if len(changes) else 1

"""How bright a flood map is shown."""

from __future__ import annotations

import numpy as np

from napari_petlut.model import FloatArray

BRIGHTEST_PERCENTILE = 99.7
"""Counts above this percentile of the filled pixels share the brightest colour: hot pixels darken nothing."""


def brightest(counts: FloatArray) -> float:
    """Return the counts at which the colours of a flood map shall end; 1 for an empty map.

    Examples
    --------
    >>> brightest(np.append(np.ones(999), 1e6))
    1.0
    """
    filled = counts[counts > 0]
    return float(np.percentile(filled, BRIGHTEST_PERCENTILE)) if filled.size else 1.0

"""Compiled loops that read the map and the model along lines."""

from __future__ import annotations

import numpy as np

from napari_petlut.compiling import compiled, inlined
from napari_petlut.model import FloatArray


@inlined
def _bilinear(values: FloatArray, x0: float, x1: float) -> float:
    """Return the map between its pixel centres, NaN outside."""
    if not (0 <= x0 <= values.shape[0] - 1 and 0 <= x1 <= values.shape[1] - 1):
        return np.nan
    i, j = min(int(x0), values.shape[0] - 2), min(int(x1), values.shape[1] - 2)
    f0, f1 = x0 - i, x1 - j
    low = values[i, j] * (1 - f1) + values[i, j + 1] * f1
    high = values[i + 1, j] * (1 - f1) + values[i + 1, j + 1] * f1
    return float(low * (1 - f0) + high * f0)


@compiled()
def sample_profiles(
    values: FloatArray, start: FloatArray, stop: FloatArray, places: FloatArray, across: FloatArray
) -> FloatArray:
    """Return the map along lines, each sample the mean over a strip across the line.

    Parameters
    ----------
    values : ndarray, shape (n0, n1)
    start, stop : ndarray, shape (n, 2)
        Ends of the lines in pixels.
    places : ndarray, shape (m,)
        Samples along a line as shares of its length, 0 at `start`.
    across : ndarray, shape (s,)
        Offsets across a line as shares of its length.

    Returns
    -------
    profiles : ndarray, shape (n, m)
        NaN where a sample lies outside the map.
    """
    profiles = np.empty((len(start), len(places)))
    for k in range(len(start)):
        d0, d1 = stop[k, 0] - start[k, 0], stop[k, 1] - start[k, 1]
        for m in range(len(places)):
            total = 0.0
            for s in range(len(across)):
                x0 = start[k, 0] + places[m] * d0 - across[s] * d1
                x1 = start[k, 1] + places[m] * d1 + across[s] * d0
                total += _bilinear(values, x0, x1)
            profiles[k, m] = total / len(across)
    return profiles

"""Gaussian blurs of rectified maps, compiled: what a search does most often after fitting."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from napari_petlut.compiling import compiled
from napari_petlut.model import FloatArray, SingleArray

TRUNCATE = 3.0
"""Standard deviations at which a Gaussian is cut."""
CONTRACTED = {"contract"}
"""A product and a sum may be rounded once."""


def blur(values: FloatArray, width: float) -> FloatArray:
    """Return values blurred along both axes, reflected at the edges.

    The same as ``scipy.ndimage.gaussian_filter(values, width, truncate=TRUNCATE)``, in single precision and
    faster on small maps.

    Parameters
    ----------
    values : ndarray of float64, shape (n0, n1)
        Both sides longer than `TRUNCATE` widths.
    width : float
        Standard deviation in places.

    Returns
    -------
    ndarray of float64, shape (n0, n1)

    Examples
    --------
    >>> blur(np.ones((9, 9)), 1.0).round(5).max()
    np.float64(1.0)
    """
    out = np.empty(values.shape)
    half = _half_kernel(width)
    along = values.shape[1]
    down = np.empty(along + 2 * (len(half) - 1), np.float32)
    _blur(values.astype(np.float32), half, down, np.empty(along, np.float32), out)
    return out


@lru_cache(maxsize=64)
def _half_kernel(width: float) -> SingleArray:
    """Return the weights of a place and of those to one side of it."""
    reach = int(TRUNCATE * width + 0.5)
    weight = np.exp(-0.5 * (np.arange(reach + 1) / width) ** 2)
    return np.asarray(weight / (2 * weight.sum() - weight[0]), np.float32)


@compiled(fastmath=CONTRACTED)
def _blur(
    single: SingleArray, half: SingleArray, down: SingleArray, along: SingleArray, out: FloatArray
) -> None:
    """Fill `out` with values blurred along both axes; `down` and `along` are room for one line."""
    height, width = single.shape
    reach = len(half) - 1
    middle = down[reach : reach + width]
    for i in range(height):
        here = single[i]
        for j in range(width):
            middle[j] = half[0] * here[j]
        for k in range(1, reach + 1):
            above = single[i - k if i >= k else k - 1 - i]
            below = single[i + k if i + k < height else 2 * height - 1 - i - k]
            weight = half[k]
            for j in range(width):
                middle[j] += weight * (above[j] + below[j])
        for k in range(reach):
            down[reach - 1 - k], down[reach + width + k] = middle[k], middle[width - 1 - k]
        for j in range(width):
            along[j] = half[0] * middle[j]
        for k in range(1, reach + 1):
            left, right = down[reach - k : reach - k + width], down[reach + k : reach + k + width]
            weight = half[k]
            for j in range(width):
                along[j] += weight * (left[j] + right[j])
        for j in range(width):
            out[i, j] = along[j]

"""Moving a point to the local maximum of the flood map near it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from napari_petlut.maps.parabola import tops_of_maxima
from napari_petlut.model import FloatArray

SNAP_RADIUS = 4
"""How far a point may jump, in pixels."""
_SMOOTHING = 1.0
"""Gaussian sigma in pixels: without it a point would stick to single noisy pixels."""
_TAKEN = 1.5
"""A maximum this close to another peak, in pixels, is that peak's."""


def snap_to_maximum(
    counts: npt.NDArray[np.float64], positions: FloatArray, *, radius: int = SNAP_RADIUS
) -> FloatArray:
    """Return positions moved to the maximum of the smoothed map within `radius`, to a fraction of a pixel.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
        Flood map.
    positions : ndarray of float64, shape (n, 2)
        (axis 0, axis 1) in pixels; those outside the map stay where they are.
    radius : int
        In pixels.
    """
    snapped = np.array(positions, np.float64).reshape(-1, 2)
    for index, position in enumerate(snapped):
        centre = np.rint(position).astype(int)
        if (centre >= 0).all() and (centre < counts.shape).all():
            snapped[index] = _climb(counts, centre, radius)
    return snapped


def free_of_others(snapped: FloatArray, others: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which snapped positions do not coincide with another peak, shape (n,)."""
    if len(others) == 0:
        return np.ones(len(snapped), bool)
    distance = np.linalg.norm(snapped[:, None] - others[None], axis=2)
    return np.asarray(distance.min(axis=1) > _TAKEN)


def _climb(counts: npt.NDArray[np.float64], centre: npt.NDArray[np.int_], radius: int) -> FloatArray:
    margin = radius + int(4 * _SMOOTHING)
    low = np.maximum(centre - margin, 0)
    crop = counts[low[0] : centre[0] + margin + 1, low[1] : centre[1] + margin + 1]
    smooth = gaussian_filter(crop.astype(np.float64), _SMOOTHING, mode="nearest")
    axis_0, axis_1 = np.ogrid[: smooth.shape[0], : smooth.shape[1]]
    reach = (axis_0 + low[0] - centre[0]) ** 2 + (axis_1 + low[1] - centre[1]) ** 2 <= radius**2
    top = np.unravel_index(np.argmax(np.where(reach, smooth, -np.inf)), smooth.shape)
    pixel = np.array(top)[None]
    return (pixel + tops_of_maxima(smooth, pixel))[0] + low

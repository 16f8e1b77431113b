"""Spots of a flood map: local maxima of the Laplacian of a Gaussian, placed between pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.grids import BoolArray, nearest_spacing
from napari_petlut.maps.binning import bin_map, to_pixels
from napari_petlut.maps.parabola import tops_of_maxima
from napari_petlut.model import FloatArray, IntArray

PIXELS_PER_PITCH = 9.0
"""Maps are binned to about this many pixels per pitch first: finer ones show no more spots."""
SCALE = 0.15
"""Width of the Laplacian of a Gaussian in pitches: narrow enough to part crowded edge spots."""
NOISE_LEVEL = 13.0
"""A strong spot is at least this many times the Poisson noise: strength 0.3 is four times the noise."""
LEVEL = 0.12
"""Weakest spot that counts, as a share of the strong ones (98th percentile)."""


@dataclass(frozen=True, eq=False)
class _Maxima:
    """Local maxima of the response, strongest first."""

    place: FloatArray
    response: FloatArray
    level: float
    """Response of the strong spots: its 98th percentile."""
    noise: float
    """Standard deviation of the response from Poisson noise alone."""


def find_spots(
    counts: FloatArray, support: BoolArray, pitch: float, scale: float = SCALE
) -> tuple[FloatArray, FloatArray]:
    """Find the spots of a flood map.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
    support : ndarray of bool, shape (n0, n1)
        Spots elsewhere are not looked for.
    pitch : float
        Mean distance of neighbouring spots in pixels.
    scale : float
        Width of the Laplacian of a Gaussian in pitches.

    Returns
    -------
    positions : ndarray of float64, shape (n, 2)
        (axis 0, axis 1) in pixels, strongest first.
    strength : ndarray of float64, shape (n,)
        Response, 1 for the strong spots of the map.
    """
    found = _maxima(counts, support, pitch, scale)
    return found.place, found.response / max(found.level, NOISE_LEVEL * found.noise)


def find_significant_spots(
    counts: FloatArray, support: BoolArray, pitch: float, least: float
) -> tuple[FloatArray, FloatArray]:
    """Find the spots that Poisson noise alone would not make; like `find_spots`, but weighed differently.

    Parameters
    ----------
    counts, support, pitch
        As for `find_spots`.
    least : float
        Least response in standard deviations of its Poisson noise.

    Returns
    -------
    positions : ndarray of float64, shape (n, 2)
        (axis 0, axis 1) in pixels, strongest first.
    significance : ndarray of float64, shape (n,)
        Response in standard deviations of its Poisson noise.
    """
    found = _maxima(counts, support, pitch, SCALE)
    significance = found.response / found.noise
    clear = significance > least
    return found.place[clear], significance[clear]


def _maxima(counts: FloatArray, support: BoolArray, pitch: float, scale: float) -> _Maxima:
    """Find the local maxima of the response inside the support."""
    factor = max(1, int(pitch / PIXELS_PER_PITCH))
    # Continued to whole bins: a part of a bin would be a dark edge, and what is left of it a spot.
    rest = [(0, -n % factor) for n in counts.shape]
    small = bin_map(np.pad(counts, rest, mode="edge") if factor > 1 else counts, factor)
    inside = bin_map(support.astype(np.float64), factor) > 0
    sigma = scale * pitch / factor
    # The square root of counts + 3/8 has equal Poisson noise everywhere (Anscombe 1948).
    response = -ndimage.gaussian_laplace(np.sqrt(small + 0.375), sigma, mode="nearest") * sigma**2
    # Square-rooted counts have the standard deviation 1/2, and the squared Laplacian of a Gaussian
    # integrates to 1 / (2 pi sigma^6).
    noise = 0.5 / (np.sqrt(2 * np.pi) * sigma)
    size = 2 * max(1, round(1.2 * sigma)) + 1
    top = (ndimage.maximum_filter(response, size=size, mode="nearest") == response) & inside
    # On a plateau every pixel is its neighbourhood's maximum, but none is a spot.
    top &= ndimage.minimum_filter(response, size=3, mode="nearest") < response
    level = float(np.percentile(response[inside], 98)) if inside.any() else 0.0
    top &= response > LEVEL * max(level, 1e-12)
    top[[0, -1]] = False
    top[:, [0, -1]] = False
    peak = np.argwhere(top)
    if not len(peak):
        return _Maxima(np.empty((0, 2)), np.empty(0), level, noise)
    strength = response[tuple(peak.T)]
    order = np.argsort(-strength, kind="stable")
    peak, strength = peak[order], strength[order]
    place = to_pixels(peak + tops_of_maxima(response, peak), factor)
    return _Maxima(place, strength, level, noise)


OWN_SPOT = 0.4
"""A spot this close to a crystal, in local pitches, is its own."""
NOBODYS = 0.6
"""A spot further than this from every crystal, in local pitches, is nobody's."""


def own_spots(grid: FloatArray, spots: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return how far each crystal is from its nearest spot, and whether that is its own.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
    spots : ndarray of float64, shape (n, 2)

    Returns
    -------
    distance : ndarray of float64, shape (rows, cols)
        In local pitches; 9 where no spot is nearest to the crystal.
    own : ndarray of bool, shape (rows, cols)
    """
    distance = np.full(grid.shape[:2], 9.0)
    if len(spots):
        pitch = np.maximum(nearest_spacing(grid), 1e-9).ravel()
        far, node = cKDTree(grid.reshape(-1, 2)).query(spots)
        np.minimum.at(distance.ravel(), node, far / pitch[node])
    return distance, distance < OWN_SPOT


def nobodys_spots(grid: FloatArray, spots: FloatArray) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Return the crystal nearest to each spot, and which spots are too far from it to be its own.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
    spots : ndarray of float64, shape (n, 2)

    Returns
    -------
    nearest : ndarray of intp, shape (n,)
        Crystal ids.
    far : ndarray of bool, shape (n,)
    """
    if not len(spots):
        return np.zeros(0, np.intp), np.zeros(0, bool)
    distance, nearest = cKDTree(grid.reshape(-1, 2)).query(spots)
    return np.asarray(nearest), np.asarray(distance > NOBODYS * nearest_spacing(grid).ravel()[nearest])

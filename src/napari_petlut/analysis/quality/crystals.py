"""Figures of single crystals: counts, spot widths, misassignment, place in the lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_petlut.analysis.segmentation import Mixture
from napari_petlut.maps.spots import kept_mass, spot_windows
from napari_petlut.model import FloatArray, LabelArray, StatusArray

# A crystal's place is predicted from its neighbours up to this many rows and columns away.
_REACH = 2
# The model's tails count out to so many standard deviations: 4e-6 of a spot lie beyond.
_REACH_SIGMAS = 5.0


@dataclass(frozen=True, eq=False)
class CrystalQuality:
    """Figures of every crystal, one row each by id, NaN where a crystal is missing or has no spot.

    Parameters
    ----------
    counts : ndarray of float64, shape (n,)
        Events in the crystal's cell of the LUT.
    relative_counts : ndarray of float64, shape (n,)
        The same over the mean of all crystals that have a cell ("uniformity").
    fwhm : ndarray of float64, shape (n, 2)
        Full width at half maximum of the spot along axis 0 and axis 1 in pixels, ``2 sqrt(2 ln 2) sigma`` of
        the fitted Gaussian. All spots and the background are fitted together, so that the neighbours' share
        of the events is not in it.
    misassigned : ndarray of float64, shape (n,)
        Core misassignment: expected share of the crystal's one-site events that the LUT gives to others,
        ``M = 1 - sum(g over its cell) / sum(g)`` with its fitted Gaussian g.
    residual : ndarray of float64, shape (n,)
        Distance of the peak from where its neighbours would have it, in local pitches: from a
        quadratic surface in row and column through the neighbours up to 2 away, without the crystal itself.
    drift : ndarray of float64, shape (n,)
        Distance of the fitted spot centre from the peak in pixels.
    confidence : ndarray of float64, shape (n,)
        Probability that position and number are right, as the lattice says it.
    status : array of str, shape (n,)
        The lattice's status words.
    misidentified : ndarray of float64, shape (n,)
        Crystal misidentification: expected share of all the crystal's events, by the crystal that the gamma
        hit first, that the LUT gives to others; 1 less the diagonal of the crosstalk matrix. Two-site events
        are in it.
    """

    counts: FloatArray
    relative_counts: FloatArray
    fwhm: FloatArray
    misassigned: FloatArray
    residual: FloatArray
    drift: FloatArray
    confidence: FloatArray
    status: StatusArray
    misidentified: FloatArray


def misassignment(mixture: Mixture, labels: LabelArray) -> FloatArray:
    """Return the expected share of each crystal's events outside its cell, shape (n,); NaN without a spot."""
    ids = np.flatnonzero(mixture.weights > 0)
    covariances = mixture.covariances[ids]
    inverse = np.linalg.inv(covariances)
    precision = np.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], axis=1)
    half = _REACH_SIGMAS * np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    means = np.ascontiguousarray(mixture.means[ids])
    window = spot_windows((labels.shape[0], labels.shape[1]), means, half)
    own, whole = kept_mass(
        np.ascontiguousarray(labels, np.int32), ids.astype(np.int32), means, precision, window
    )
    share = np.full(len(mixture.weights), np.nan)
    share[ids] = np.where(whole > 0, 1 - own / np.where(whole > 0, whole, 1), 1.0)
    return share


def lattice_residual(grid: FloatArray) -> FloatArray:
    """Return how far each peak lies from where its neighbours would have it, in local pitches.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        Peaks, NaN where a crystal takes no part.

    Returns
    -------
    residual : ndarray of float64, shape (rows * cols,)
        NaN for crystals that take no part or have too few neighbours.
    """
    rows, cols = grid.shape[:2]
    residual = np.full((rows, cols), np.nan)
    present = np.asarray(np.isfinite(grid).all(axis=2))
    for row, col in np.argwhere(present).tolist():
        window = (_around(row, rows), _around(col, cols))
        near = present[window].copy()
        near[row - window[0].start, col - window[1].start] = False
        first = np.array([window[0].start - row, window[1].start - col], np.float64)
        residual[row, col] = _off_surface(grid[row, col], np.argwhere(near) + first, grid[window][near])
    return residual.ravel()


def _off_surface(peak: FloatArray, steps: FloatArray, neighbours: FloatArray) -> float:
    """Return the distance of a peak from the surface through its neighbours, in pitches of that surface."""
    d_row, d_col = steps.T
    terms = np.stack([np.ones_like(d_row), d_row, d_col, d_row**2, d_row * d_col, d_col**2], axis=1)
    # In an array of one or two lines along an axis some terms mean nothing.
    varied = [np.unique(d_row).size, np.unique(d_col).size]
    useful = [True, varied[0] > 1, varied[1] > 1, varied[0] > 2, min(varied) > 1, varied[1] > 2]
    terms = terms[:, useful]
    if len(terms) <= terms.shape[1]:
        return float("nan")
    surface, _, rank, _ = np.linalg.lstsq(terms, neighbours, rcond=None)
    slopes = np.hypot(*surface[1 : 1 + useful[1] + useful[2]].T)
    if rank < terms.shape[1] or not slopes.all():
        return float("nan")
    return float(np.hypot(*(peak - surface[0])) / np.exp(np.log(slopes).mean()))


def _around(place: int, size: int) -> slice:
    """Return the places up to the reach away, shifted inwards at the edge so that their number stays."""
    width = min(2 * _REACH + 1, size)
    start = min(max(place - _REACH, 0), size - width)
    return slice(start, start + width)

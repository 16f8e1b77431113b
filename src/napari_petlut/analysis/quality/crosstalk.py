"""Which cells a crystal's events land in: the crosstalk matrix, scattered events included."""

from __future__ import annotations

import numpy as np

from napari_petlut.analysis.quality.two_site_fit import TwoSiteLight, halo_covariance
from napari_petlut.analysis.segmentation import Mixture
from napari_petlut.analysis.two_site import neighbour_ids
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.neighbours import local_pitch
from napari_petlut.maps.spots import mass_by_cell, spot_heights, spot_windows
from napari_petlut.model import FloatArray, IntArray, LabelArray

_SIGMAS = 3.2
_PIXELS_PER_SIGMA = 2.0
# Second crystals that so few of the events go to are left out: half of the list for 2 % of the light.
_LEAST_SHARE = 5e-4


def crosstalk(
    mixture: Mixture, light: TwoSiteLight | None, labels: LabelArray, geometry: BlockGeometry
) -> FloatArray:
    """Return the share of each crystal's events in every cell, by the crystal that the gamma hit first.

    One-site events lie in the crystal's core; two-site events where physics and the fitted shares put them:
    at the centroid by energy of both crystals. Those of light that is a halo lie around the core.

    Parameters
    ----------
    mixture : Mixture
        The fitted cores.
    light : TwoSiteLight or None
        The light between them; None if there is none.
    labels : ndarray of int32, shape (n0, n1)
        Crystal of each pixel, -1 for none.
    geometry : BlockGeometry

    Returns
    -------
    ndarray of float64, shape (n, n)
        Rows sum to 1, less what falls on pixels of no crystal; NaN for crystals without a spot.
    """
    n = len(geometry)
    spots = np.flatnonzero(mixture.weights > 0)
    triples = mixture.covariances[:, [0, 0, 1], [0, 1, 1]]
    first, second, share, weight = _sources(mixture, light, geometry, spots)
    means = share[:, None] * mixture.means[first] + (1 - share[:, None]) * mixture.means[second]
    spread = share[:, None] * triples[first] + (1 - share[:, None]) * triples[second]
    if light is not None:
        pitch = np.zeros(n)
        pitch[spots] = np.minimum(local_pitch(mixture.means[spots]), min(labels.shape))
        first, means = np.concatenate([first, spots]), np.concatenate([means, mixture.means[spots]])
        spread = np.concatenate([spread, halo_covariance(triples[spots], pitch[spots])])
        weight = np.concatenate([weight, np.full(len(spots), light.halo)])
    precision, amplitude = spot_heights(spread, weight)
    window = spot_windows((labels.shape[0], labels.shape[1]), means, _SIGMAS * np.sqrt(spread[:, [0, 2]]))
    narrow = float(np.quantile(np.sqrt(triples[spots][:, [0, 2]]), 0.05)) if spots.size else 1.0
    stride = max(1, int(narrow / _PIXELS_PER_SIGMA))
    total = np.zeros((n, n + 1))
    cells = np.where(labels < 0, n, labels).astype(np.int32)
    mass_by_cell(cells, stride, first, np.ascontiguousarray(means), precision, amplitude, window, total)
    matrix = np.full((n, n), np.nan)
    events = total.sum(axis=1)
    known = events > 0
    matrix[known] = total[known, :n] / events[known, None]
    return matrix


def _sources(
    mixture: Mixture, light: TwoSiteLight | None, geometry: BlockGeometry, spots: IntArray
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Return first and second crystal, the first's share of the energy, and the weight of every kind."""
    core = np.ones(len(spots))
    if light is None:
        return spots, spots, core, core
    table = light.table()
    second = neighbour_ids(geometry.shape, table.rows, table.cols)[spots]
    there = (second >= 0) & (mixture.weights > 0)[second] & (table.probability >= _LEAST_SHARE)
    row, entry = np.nonzero(there)
    core *= 1 - light.share
    return (
        np.concatenate([spots, spots[row]]),
        np.concatenate([spots, second[row, entry]]),
        np.concatenate([np.ones(len(spots)), table.first_share[entry]]),
        np.concatenate([core, table.probability[entry]]),
    )

"""Two-site events of a simulated block: how many a crystal keeps, their spots, and single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.two_site import flights, landings, neighbour_ids
from napari_petlut.model import FloatArray
from napari_petlut.simulation.parameters import BlockSimulation

if TYPE_CHECKING:
    from napari_petlut.simulation.response import BlockResponse

_REACH = 4.5
_SPLITS = 10
_MOST_TRIES = 1000


def kept_share(params: BlockSimulation, dead: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the share of each crystal's two-site events whose second crystal is in the block and alive."""
    table = landings(params.attenuation_length, _SPLITS)
    second = neighbour_ids(params.geometry.shape, table.rows, table.cols)
    return np.asarray(np.where((second >= 0) & ~dead[second], table.probability, 0.0).sum(axis=1))


def two_site_patches(
    response: BlockResponse, covariances: FloatArray, weights: FloatArray, size: int
) -> dict[int, tuple[tuple[slice, slice], FloatArray]]:
    """Return the two-site events expected in each pixel, by the crystal that the gamma hit first.

    Parameters
    ----------
    response : BlockResponse
    covariances : ndarray of float64, shape (n, 2, 2)
        Of the spots of one-site events.
    weights : ndarray of float64, shape (n,)
        Expected two-site events of each crystal that stay in the block.
    size : int
        Pixels of the map along each axis.

    Returns
    -------
    dict of int to (window, ndarray)
        As the spots of `density`.
    """
    from napari_petlut.maps.spots import add_spots, spot_heights, spot_windows

    params = response.params
    table = landings(params.attenuation_length, _SPLITS)
    second = neighbour_ids(params.geometry.shape, table.rows, table.cols)
    alive = (second >= 0) & (response.activity > 0)[second]
    triples = covariances[:, [0, 0, 1], [0, 1, 1]]
    patches = {}
    for i in np.flatnonzero((weights > 0) & alive.any(axis=1)).tolist():
        used = alive[i]
        to, share, probability = second[i, used], table.first_share[used], table.probability[used]
        means = share[:, None] * response.centres[i] + (1 - share[:, None]) * response.centres[to]
        spread = share[:, None] * triples[i] + (1 - share[:, None]) * triples[to]
        precision, height = spot_heights(spread, weights[i] * probability / probability.sum())
        window = spot_windows((size, size), means, _REACH * np.sqrt(spread[:, [0, 2]]))
        low, high = window[:, [0, 2]].min(axis=0), window[:, [1, 3]].max(axis=0)
        if (high <= low).any():
            continue
        patch = np.zeros(high - low)
        add_spots(patch, means - low, precision, height, window - low[[0, 0, 1, 1]])
        patches[i] = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))), patch
    return patches


def two_site_places(
    response: BlockResponse, crystals: npt.NDArray[np.intp], rng: np.random.Generator
) -> FloatArray:
    """Return the mean position of one two-site event of each crystal given, in pixels, shape (n, 2)."""
    params = response.params
    samples = flights(params.attenuation_length)
    drawn = np.zeros(len(crystals), np.intp)
    second = np.full(len(crystals), -1)
    open_ones = np.arange(len(crystals))
    # A gamma that leaves the block is none of these events: another one is drawn for it.
    for _ in range(_MOST_TRIES):
        drawn[open_ones] = rng.integers(0, len(samples.rows), len(open_ones))
        row, col = np.divmod(crystals[open_ones], params.cols)
        row, col = row + samples.rows[drawn[open_ones]], col + samples.cols[drawn[open_ones]]
        inside = (row >= 0) & (row < params.rows) & (col >= 0) & (col < params.cols)
        to = np.where(inside, row * params.cols + col, 0)
        inside &= response.activity[to] > 0
        second[open_ones[inside]] = to[inside]
        open_ones = open_ones[~inside]
        if not open_ones.size:
            break
    second = np.where(second < 0, crystals, second)
    share = samples.first_share[drawn][:, None]
    return np.asarray(share * response.centres[crystals] + (1 - share) * response.centres[second])

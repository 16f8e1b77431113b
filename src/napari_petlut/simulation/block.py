"""A simulated block: the map and everything that is true about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_petlut.model import CrystalLUT, FloatArray, FloodMap
from napari_petlut.simulation import spectrum
from napari_petlut.simulation.artefacts import hot_pixels, line_factors
from napari_petlut.simulation.density import expect
from napari_petlut.simulation.optics import FULL_SCALE
from napari_petlut.simulation.parameters import BlockSimulation, Stream
from napari_petlut.simulation.response import (
    block_response,
    energy_weights,
    hot_rate,
    site_shares,
    window_spots,
)
from napari_petlut.simulation.two_site import two_site_patches


@dataclass(frozen=True, eq=False)
class SimulatedBlock:
    """A flood map with its truth, one row per crystal by id.

    Parameters
    ----------
    params : BlockSimulation
    flood : FloodMap
        512 x 512 pixels.
    centres : ndarray of float64, shape (rows * cols, 2)
        Mean positions of the spots in map pixels, pixel centres at integers.
    covariances : ndarray of float64, shape (rows * cols, 2, 2)
        Of the spots, in pixels squared.
    live, dim : ndarray of bool, shape (rows * cols,)
    merged : tuple of pairs of int
        Ids of neighbours whose spots lie on each other.
    hot : ndarray of intp, shape (k, 2)
        Hot pixels.
    ideal_lut : CrystalLUT
        The crystal that most of a pixel's events come from, -1 where no spot reaches.
    correct : ndarray of float64, shape (rows * cols,)
        Share of each crystal's events that the ideal LUT puts right; NaN for dead crystals.
    bayes_accuracy : float
        Share of all crystals' events in the window that the ideal LUT puts right; no LUT does better.
    expected : ndarray of float64, shape (512, 512)
        The map's mean, which `flood` is drawn from.
    """

    params: BlockSimulation
    flood: FloodMap
    centres: FloatArray
    covariances: FloatArray
    live: npt.NDArray[np.bool_]
    dim: npt.NDArray[np.bool_]
    merged: tuple[tuple[int, int], ...]
    hot: npt.NDArray[np.intp]
    ideal_lut: CrystalLUT
    correct: FloatArray
    bayes_accuracy: float
    expected: FloatArray


def simulate_block(params: BlockSimulation | None = None) -> SimulatedBlock:
    """Return a simulated flood map with its truth, without simulating single events.

    The map is drawn from the Poisson distribution of its expectation, in about a tenth of a second; it has
    the statistics of a map made from `simulate_events`.

    Parameters
    ----------
    params : BlockSimulation, optional
        The typical block by default.

    Returns
    -------
    SimulatedBlock

    Examples
    --------
    >>> block = simulate_block(BlockSimulation(rows=8, cols=8, counts_per_crystal=5000))
    >>> block.centres.shape, block.flood.shape
    ((64, 2), (512, 512))
    """
    params = BlockSimulation() if params is None else params
    response = block_response(params)
    core, halo, background = window_spots(response)
    single, _, two = site_shares(response)
    two_site = core.weights * two / single
    patches = two_site_patches(response, core.covariances, two_site, int(FULL_SCALE)) if two.any() else {}
    expectation = expect(core, halo, background, int(FULL_SCALE), patches)
    expected = expectation.crystals + expectation.background
    if params.comb:
        expected = expected * spectrum.comb(energy_weights(response), params.window)
    hot = hot_pixels(params)
    np.add.at(expected, tuple(hot.T), hot_rate(response))
    expected = expected * line_factors(params)
    counts = params.rng(Stream.COUNTS).poisson(expected).astype(np.float64)
    weights = core.weights + halo.weights + two_site
    return SimulatedBlock(
        params=params,
        flood=FloodMap(counts, window=params.window, full_scale=FULL_SCALE, source="simulated block"),
        centres=response.centres,
        covariances=core.covariances,
        live=~response.faults.dead,
        dim=response.faults.dim,
        merged=tuple(response.faults.merged),
        hot=hot,
        ideal_lut=CrystalLUT(expectation.best, params.geometry),
        correct=expectation.correct,
        bayes_accuracy=float(np.nansum(expectation.correct * weights) / weights.sum()),
        expected=expected,
    )

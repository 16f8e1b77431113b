"""A simulated block: the map and everything that is true about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_petlut.model import CrystalLUT, FloatArray, FloodMap
from napari_petlut.simulation import spectrum
from napari_petlut.simulation.density import Expectation, Spots, expect
from napari_petlut.simulation.faults import Faults, choose_faults
from napari_petlut.simulation.optics import (
    FULL_SCALE,
    crystal_places,
    lattice_spread,
    light_shares,
    photon_covariances,
    resolutions,
    spot_centres,
)
from napari_petlut.simulation.parameters import BlockSimulation

HALO_SPREAD = 0.30
"""Variance of the halo of scattered events, in units of the squared lattice vectors."""
BACKGROUND_SPREAD = 0.25
"""Variance of one crystal's part of the background, in the same units: enough to leave no spots in it."""
SPREAD_CUT = 2.5
"""Crystal-to-crystal variations are cut at so many standard deviations."""


@dataclass(frozen=True, eq=False)
class BlockModel:
    """The block behind the map: what each crystal does.

    Parameters
    ----------
    params : BlockSimulation
    centres : ndarray of float64, shape (n, 2)
        Mean positions of the spots in map pixels, pixel centres at integers.
    covariances : ndarray of float64, shape (n, 2, 2)
        Of the spots, at the photopeak, in pixels squared.
    spread : ndarray of float64, shape (n, 2, 2)
        Sum of the squared lattice vectors, the scale of halos and background.
    activity : ndarray of float64, shape (n,)
        Relative number of events of each crystal; 0 for dead ones.
    photopeak : ndarray of float64, shape (n,)
        Channel of each crystal's photopeak.
    faults : Faults
    """

    params: BlockSimulation
    centres: FloatArray
    covariances: FloatArray
    spread: FloatArray
    activity: FloatArray
    photopeak: FloatArray
    faults: Faults


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
    hot : ndarray of intp, shape (k, 2)
        Hot pixels.
    ideal_lut : CrystalLUT
        The crystal that most of a pixel's events come from.
    correct : ndarray of float64, shape (rows * cols,)
        Share of each crystal's events that the ideal LUT puts right; NaN for dead crystals.
    bayes_accuracy : float
        Share of all crystals' events in the window that the ideal LUT puts right.
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

    @property
    def spacing(self) -> FloatArray:
        """Distance of each crystal's centre to its nearest neighbour's along rows and columns, shape (n,)."""
        grid = self.centres.reshape(*self.params.geometry.shape, 2)
        nearest = np.full(grid.shape[:2], np.inf)
        for axis in (0, 1):
            step = np.linalg.norm(np.diff(grid, axis=axis), axis=-1)
            first, second = np.swapaxes(nearest, 0, axis)[:-1], np.swapaxes(nearest, 0, axis)[1:]
            step = np.swapaxes(step, 0, axis)
            np.minimum(first, step, out=first)
            np.minimum(second, step, out=second)
        return nearest.ravel()


def build_model(params: BlockSimulation) -> BlockModel:
    """Return what each crystal of the block does: the optics, the variations and the faults put together."""
    faults = choose_faults(params)
    n = len(params.geometry)
    shares = light_shares(crystal_places(params, faults.merged), params)
    centres = spot_centres(shares, params.gains)
    covariances = photon_covariances(shares, params.gains)
    k = resolutions(centres, covariances, params.rows, params.cols)
    covariances *= (np.median(k) / params.resolution) ** 2
    rng = params.rng(4)
    light, sensitivity, size = np.clip(rng.standard_normal((3, n)), -SPREAD_CUT, SPREAD_CUT)
    covariances *= np.exp(2 * params.spot_spread * size)[:, None, None]
    activity = 1 + params.sensitivity_spread * sensitivity
    activity[faults.dim] *= params.dim_level
    activity[faults.dead] = 0
    photopeak = params.photopeak * (1 + params.yield_spread * light)
    spread = lattice_spread(centres, params.rows, params.cols)
    return BlockModel(params, centres, covariances, spread, activity, photopeak, faults)


def window_spots(model: BlockModel) -> tuple[Spots, Spots, Spots]:
    """Return the spots of the events in the window: cores, halos of scattered events, background."""
    p = model.params
    full, part = spectrum.full_energy(p.energy_resolution), spectrum.partial_energy(p.energy_resolution)
    full_share = spectrum.FULL_ENERGY_SHARE * spectrum.window_share(full, model.photopeak, p.window)
    part_share = (1 - spectrum.FULL_ENERGY_SHARE) * spectrum.window_share(part, model.photopeak, p.window)
    share = full_share + part_share
    seen = model.activity * share
    events = p.counts_per_crystal * np.count_nonzero(model.activity)
    seen *= (1 - p.background) * events / seen.sum()
    wider = (
        full_share * spectrum.inverse_energy(full, model.photopeak, p.window)
        + part_share * spectrum.inverse_energy(part, model.photopeak, p.window)
    ) / share
    core = model.covariances * wider[:, None, None]
    alive = (model.activity > 0).astype(np.float64)
    return (
        Spots(model.centres, core, seen * (1 - p.scatter)),
        Spots(model.centres, core + HALO_SPREAD * model.spread, seen * p.scatter),
        Spots(
            model.centres,
            core + BACKGROUND_SPREAD * model.spread,
            alive * p.background * events / alive.sum(),
        ),
    )


def simulate_block(params: BlockSimulation | None = None) -> SimulatedBlock:
    """Return a simulated flood map with its truth, without simulating single events.

    The map is drawn from the Poisson distribution of its expectation, in a tenth of a second; it has the
    statistics of a map made from `simulate_events`.

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
    model = build_model(params)
    size = int(FULL_SCALE)
    core, halo, background = window_spots(model)
    expectation = expect(core, halo, background, size)
    expected = expectation.crystals + expectation.background
    if params.comb:
        w = params.window
        expected = expected * spectrum.comb(w.low, w.high, params.photopeak, params.energy_resolution)
    hot = hot_pixels(params)
    peak = np.median(expected[tuple(np.clip(np.rint(model.centres), 0, size - 1).astype(np.intp).T)])
    np.add.at(expected, tuple(hot.T), params.hot_level * peak)
    expected = expected * line_factors(params)
    counts = params.rng(5).poisson(expected).astype(np.float64)
    return _assemble(
        model,
        FloodMap(counts, window=params.window, full_scale=FULL_SCALE, source="simulated"),
        expectation,
        expected,
        hot,
    )


def _assemble(
    model: BlockModel,
    flood: FloodMap,
    expectation: Expectation,
    expected: FloatArray,
    hot: npt.NDArray[np.intp],
) -> SimulatedBlock:
    core, halo, _ = window_spots(model)
    weights = core.weights + halo.weights
    return SimulatedBlock(
        params=model.params,
        flood=flood,
        centres=model.centres,
        covariances=core.covariances,
        live=~model.faults.dead,
        dim=model.faults.dim,
        merged=tuple(model.faults.merged),
        hot=hot,
        ideal_lut=CrystalLUT(expectation.best, model.params.geometry),
        correct=expectation.correct,
        bayes_accuracy=float(np.nansum(expectation.correct * weights) / weights.sum()),
        expected=expected,
    )


def hot_pixels(params: BlockSimulation) -> npt.NDArray[np.intp]:
    """Return the places of the hot pixels, anywhere in the inner nine tenths of the map, shape (k, 2)."""
    margin = int(0.05 * FULL_SCALE)
    return params.rng(6).integers(margin, int(FULL_SCALE) - margin, (params.hot_bins, 2))


def line_factors(params: BlockSimulation) -> FloatArray:
    """Return by how much wrong lines change each pixel, shape (512, 512) or (1, 1) without lines."""
    if params.lines == 0:
        return np.ones((1, 1))
    rng = params.rng(7)
    factors = np.ones((2, int(FULL_SCALE)))
    where = rng.integers(0, factors.shape[1], params.lines)
    factors[rng.integers(0, 2, params.lines), where] = 1 + np.maximum(
        rng.uniform(-params.line_level, params.line_level, params.lines), -0.9
    )
    return np.asarray(factors[0][:, None] * factors[1][None])


def with_seed(params: BlockSimulation, seed: int) -> BlockSimulation:
    """Return the same kind of block with other random choices."""
    return replace(params, seed=seed)

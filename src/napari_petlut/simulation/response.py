"""What each crystal of a block does: where its spot lies, how wide it is, how many events it gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_petlut.model import FloatArray
from napari_petlut.simulation import spectrum
from napari_petlut.simulation.density import Spots
from napari_petlut.simulation.faults import Faults, choose_faults
from napari_petlut.simulation.optics import (
    crystal_pairs,
    crystal_places,
    lattice_spread,
    light_shares,
    photon_covariances,
    resolutions,
    spot_centres,
)
from napari_petlut.simulation.parameters import BlockSimulation, Stream
from napari_petlut.simulation.two_site import kept_share

HALO_SPREAD = 0.25
"""Variance of the halo of scattered events, in units of the squared lattice vectors."""
BACKGROUND_SPREAD = 0.25
"""Variance of one crystal's part of the background, in the same units: enough to leave no spots in it."""
DEPTH_SHARE = 0.65
"""Share of a typical spot's variance that comes from where in the crystal the gamma interacts; it goes with
the local pitch. The photon statistics give the rest."""
EDGE_LOSS = 0.25
"""Share of its events that a crystal at one side of the block loses, as scattered gammas leave the block."""
EDGE_REACH = 0.5
"""Distance from a side over which that loss falls to 1 / e, in half sides: the range of a scattered gamma."""
SPREAD_CUT = 2.7
"""Crystal-to-crystal variations are cut at so many standard deviations."""


@dataclass(frozen=True, eq=False)
class BlockResponse:
    """What each crystal of a block does, one row per crystal by id.

    Parameters
    ----------
    params : BlockSimulation
    centres : ndarray of float64, shape (n, 2)
        Mean positions of the spots in map pixels, pixel centres at integers.
    covariances : ndarray of float64, shape (n, 2, 2)
        Of the spots, at the photopeak, in pixels squared; they go with 1 / E.
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


def block_response(params: BlockSimulation) -> BlockResponse:
    """Return what each crystal does: the optics, the variations and the faults put together."""
    faults = choose_faults(params)
    shares = light_shares(crystal_places(params, faults.merged), params)
    centres = spot_centres(shares, params.gains)
    spread = lattice_spread(centres, params.rows, params.cols)
    photons = photon_covariances(shares, params.gains)
    photons *= (1 - DEPTH_SHARE) / _typical_variance(photons)
    covariances = photons + spread * DEPTH_SHARE / _typical_variance(spread)
    k = resolutions(centres, covariances, crystal_pairs(params.geometry))
    covariances *= (np.median(k) / params.resolution) ** 2
    normal = params.rng(Stream.CRYSTALS).standard_normal((3, len(params.geometry)))
    light, sensitivity, size = np.clip(normal, -SPREAD_CUT, SPREAD_CUT)
    covariances *= np.exp(2 * params.spot_spread * size)[:, None, None]
    activity = 1 + params.sensitivity_spread * sensitivity
    activity *= (
        _kept_in_block(params)
        if params.two_site == 0
        else 1 - params.two_site * (1 - kept_share(params, faults.dead))
    )
    activity[faults.dim] *= params.dim_level
    activity[faults.dead] = 0
    photopeak = params.photopeak * (1 + params.yield_spread * light)
    return BlockResponse(params, centres, covariances, spread, activity, photopeak, faults)


def _typical_variance(covariances: FloatArray) -> float:
    """Return the median over crystals of a spot's mean variance."""
    return float(np.median(np.trace(covariances, axis1=1, axis2=2))) / 2


def _kept_in_block(params: BlockSimulation) -> FloatArray:
    """Return the share of each crystal's events that no scatter out of the block takes away, shape (n,)."""
    kept = []
    for n in params.geometry.shape:
        from_low = 2 * (np.arange(n) + 0.5) / n
        loss = np.exp(-from_low / EDGE_REACH) + np.exp(-(2 - from_low) / EDGE_REACH)
        kept.append(1 - EDGE_LOSS * loss)
    return np.multiply.outer(*kept).ravel()


@dataclass(frozen=True, eq=False)
class EventRates:
    """Expected events of all energies, in a map with the parameters' counts.

    Parameters
    ----------
    full, partial : ndarray of float64, shape (n,)
        Events of each crystal that leave all their energy, or a part.
    background : ndarray of float64, shape (n,)
        Events around each crystal that belong to none.
    noise : float
        Triggers of the electronics alone.
    """

    full: FloatArray
    partial: FloatArray
    background: FloatArray
    noise: float


def event_rates(response: BlockResponse) -> EventRates:
    """Return how many events of which kind there are, by the shares in the window that are asked for."""
    p = response.params
    full, partial = _window_shares(response)
    inside = response.activity * (full + partial)
    live = response.activity > 0
    events = p.counts_per_crystal * np.count_nonzero(live)
    crystals = response.activity * (1 - p.background) * events / inside.sum()
    seen = spectrum.window_share(spectrum.background_energy(), p.photopeak, p.window)
    background = live * p.background * p.counts_per_crystal / seen
    noise = spectrum.NOISE_SHARE * (crystals.sum() + background.sum())
    return EventRates(
        spectrum.FULL_ENERGY_SHARE * crystals,
        (1 - spectrum.FULL_ENERGY_SHARE) * crystals,
        background,
        float(noise),
    )


def _window_shares(response: BlockResponse) -> tuple[FloatArray, FloatArray]:
    """Return each crystal's share of events in the window with all their energy, and with a part of it."""
    p = response.params
    shares = (
        (spectrum.full_energy(p.energy_resolution), spectrum.FULL_ENERGY_SHARE),
        (spectrum.partial_energy(p.energy_resolution), 1 - spectrum.FULL_ENERGY_SHARE),
    )
    full, partial = (s * spectrum.window_share(e, response.photopeak, p.window) for e, s in shares)
    return full, partial


def site_shares(response: BlockResponse) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the shares of each crystal's events with one site, in its halo, and with two, shape (n,)."""
    p = response.params
    if p.two_site == 0:
        n = len(response.activity)
        return np.full(n, 1 - p.scatter), np.full(n, p.scatter), np.zeros(n)
    two = p.two_site * kept_share(p, response.faults.dead)
    all_sites = 1 - p.two_site + two
    return (1 - p.two_site - p.scatter) / all_sites, p.scatter / all_sites, two / all_sites


def window_spots(response: BlockResponse) -> tuple[Spots, Spots, Spots]:
    """Return the spots of the events in the window: cores, halos of scattered events, background.

    Two-site events are no spots: see `two_site_patches`.
    """
    p = response.params
    rates = event_rates(response)
    full, partial = _window_shares(response)
    seen = (rates.full + rates.partial) * (full + partial)
    widened = full * spectrum.inverse_energy(
        spectrum.full_energy(p.energy_resolution), response.photopeak, p.window
    ) + partial * spectrum.inverse_energy(
        spectrum.partial_energy(p.energy_resolution), response.photopeak, p.window
    )
    # A crystal with no event in the window has no spot; any width will do.
    wider = np.divide(widened, full + partial, out=np.ones_like(widened), where=full + partial > 0)
    core = response.covariances * wider[:, None, None]
    diffuse = spectrum.background_energy()
    average = np.array([p.photopeak])
    background = rates.background * spectrum.window_share(diffuse, p.photopeak, p.window)
    wide = response.covariances * spectrum.inverse_energy(diffuse, average, p.window)
    single, halo, _ = site_shares(response)
    return (
        Spots(response.centres, core, seen * single),
        Spots(response.centres, core + HALO_SPREAD * response.spread, seen * halo),
        Spots(response.centres, wide + BACKGROUND_SPREAD * response.spread, background),
    )


def energy_weights(response: BlockResponse) -> FloatArray:
    """Return the share of the window's events at each of its whole-number energies, over the whole block."""
    p = response.params
    rates = event_rates(response)
    energies = spectrum.window_energies(p.window)
    total = np.zeros(len(energies))
    for rate, shape, photopeak in (
        (rates.full, spectrum.full_energy(p.energy_resolution), response.photopeak),
        (rates.partial, spectrum.partial_energy(p.energy_resolution), response.photopeak),
        (rates.background, spectrum.background_energy(), np.full(len(rates.background), p.photopeak)),
    ):
        relative = energies[None] / photopeak[:, None]
        total += (rate / photopeak) @ np.interp(relative, spectrum.RELATIVE_ENERGY, shape)
    return np.asarray(total / total.sum())


def hot_rate(response: BlockResponse) -> float:
    """Return the expected counts of a hot pixel: `hot_level` times the peak of a typical spot."""
    core, _, _ = window_spots(response)
    height = core.weights / (2 * np.pi * np.sqrt(np.linalg.det(core.covariances)))
    return response.params.hot_level * float(np.median(height[height > 0]))

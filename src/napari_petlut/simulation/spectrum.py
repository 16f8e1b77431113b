"""Energies of the events, and the comb that whole-number energies leave in the map."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import EnergyWindow, FloatArray
from napari_petlut.simulation.optics import FULL_SCALE

STEP = 0.002
RELATIVE_ENERGY = np.arange(0.0, 4.0, STEP) + STEP / 2
"""Energies relative to the photopeak at which spectra are tabulated."""
COMPTON_EDGE = 2.0 / 3.0
"""Largest energy a 511 keV gamma leaves in one Compton scatter, relative to 511 keV: 1 / (1 + 1/2)."""
BACKSCATTER = 1.0 / 3.0
"""Energy of a gamma that comes back from a Compton scatter by 180 degrees, relative to 511 keV."""
NOISE_SHARE = 0.012
"""Triggers of the electronics alone, as a share of all events."""
NOISE_ENERGY = 0.02
"""Mean of their energy, relative to the photopeak."""
FULL_ENERGY_SHARE = 0.584
"""Share of the crystals' events that leave all their energy; with it 57 % of all events lie in the window
400 to 800 of a photopeak at 520, as measured (35.6 of 62.58 million)."""


@lru_cache(maxsize=8)
def full_energy(resolution: float) -> FloatArray:
    """Return the photopeak: a Gaussian of relative FWHM `resolution`, as shares of `RELATIVE_ENERGY`."""
    sigma = resolution / FWHM_PER_SIGMA
    return _shares(np.exp(-0.5 * ((RELATIVE_ENERGY - 1) / sigma) ** 2))


@lru_cache(maxsize=8)
def partial_energy(resolution: float) -> FloatArray:
    """Return the spectrum of events that leave a part: Compton continuum, backscatter, multiple scatter."""
    e = RELATIVE_ENERGY
    sigma = resolution / FWHM_PER_SIGMA
    continuum = np.where(e < COMPTON_EDGE, 0.8 + 0.6 * (e / COMPTON_EDGE) ** 4, 0.0)
    backscatter = 0.5 * np.exp(-0.5 * ((e - BACKSCATTER) / 0.06) ** 2)
    multiple = np.where((e >= COMPTON_EDGE) & (e < 1), 0.25, 0.0)
    threshold = 1 / (1 + np.exp((0.08 - e) / 0.02))
    from scipy.ndimage import gaussian_filter1d

    smeared = gaussian_filter1d(continuum + backscatter + multiple, 0.8 * sigma / STEP, mode="constant")
    return _shares(smeared * threshold)


@lru_cache(maxsize=1)
def background_energy() -> FloatArray:
    """Return the spectrum of events that belong to no crystal: scatter, pile-up, natural decays."""
    e = RELATIVE_ENERGY
    threshold = 1 / (1 + np.exp((0.08 - e) / 0.02))
    return _shares(threshold * (np.exp(-e / 0.5) + 0.12 * np.exp(-0.5 * ((e - 1.4) / 0.5) ** 2)))


def _shares(density: FloatArray) -> FloatArray:
    out = np.asarray(density / density.sum(), np.float64)
    out.setflags(write=False)
    return out


def window_share(spectrum: FloatArray, photopeak: FloatArray | float, window: EnergyWindow) -> FloatArray:
    """Return the share of a spectrum's events in the window, for each photopeak channel."""
    cumulative = np.concatenate([[0.0], np.cumsum(spectrum)])
    edges = np.arange(len(spectrum) + 1) * STEP
    # A whole-number energy E stands for E - 0.5 to E + 0.5, and both ends of the window are excluded.
    low = (np.floor(window.low) + 0.5) / np.asarray(photopeak)
    high = (np.ceil(window.high) - 0.5) / np.asarray(photopeak)
    return np.asarray(np.interp(high, edges, cumulative) - np.interp(low, edges, cumulative))


def inverse_energy(spectrum: FloatArray, photopeak: FloatArray, window: EnergyWindow) -> FloatArray:
    """Return the mean of photopeak / E over the events in the window, for each photopeak channel.

    The covariance that photon statistics give goes with 1 / E, so this is its mean.
    """
    e = RELATIVE_ENERGY[None]
    channel = e * np.asarray(photopeak)[:, None]
    inside = spectrum[None] * ((channel > window.low + 0.5) & (channel < window.high - 0.5))
    return np.asarray((inside / e).sum(axis=1) / np.maximum(inside.sum(axis=1), 1e-300))


def comb(weights: FloatArray, window: EnergyWindow) -> FloatArray:
    """Return what the integer ratio ``Ex / E`` does to each pixel of the map, as a factor.

    A position from whole numbers hits some pixels more often than others: at 256 = 512 / 2 every even energy
    has an Ex that falls exactly there. For an energy E, an Ex stands for 512 / E pixels of the position
    scale, so that a pixel that n values of Ex fall into gets n * 512 / E of its fair share.

    Parameters
    ----------
    weights : ndarray of float64
        Share of the events at each of `window_energies`; they sum to 1.
    window : EnergyWindow

    Returns
    -------
    ndarray of float64, shape (512, 512)
    """
    factor = _comb_factors(window)
    return np.asarray((factor * weights[:, None]).T @ factor)


def window_energies(window: EnergyWindow) -> FloatArray:
    """Return the whole-number energies in a window."""
    return np.arange(np.floor(window.low) + 1, np.ceil(window.high))


@lru_cache(maxsize=4)
def _comb_factors(window: EnergyWindow) -> FloatArray:
    """Return how much of its fair share each pixel gets, for each energy, shape (energies, 512)."""
    size = int(FULL_SCALE)
    energies = window_energies(window)
    factor = np.zeros((len(energies), size))
    for row, e in zip(factor, energies.astype(np.intp).tolist(), strict=True):
        x = (1 - np.arange(1, e + 1) / e) * FULL_SCALE
        row += np.bincount(x.astype(np.intp), minlength=size)[:size] * FULL_SCALE / e
    factor.setflags(write=False)
    return factor

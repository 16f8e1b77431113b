"""Energies that gammas and lutetium's own decays leave in a scintillator, before its resolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.model import FloatArray

ELECTRON = 511.0
"""Rest energy of an electron in keV: the energy of an annihilation gamma."""
CAESIUM, SODIUM = 661.7, 1274.5
"""Gammas of caesium-137 and sodium-22 in keV."""
LUTETIUM_ENDPOINT = 593.0
"""Largest energy of lutetium-176's beta particle in keV; 99.6 % of the decays have it."""
LUTETIUM_GAMMAS = (88.3, 201.8, 306.8)
"""The cascade that follows each of them, in keV: what is not absorbed leaves the crystal, or the block."""
_HAFNIUM = 72
_FINE_STRUCTURE = 1 / 137.036


def beta_spectrum(
    energies: npt.ArrayLike, endpoint: float = LUTETIUM_ENDPOINT, daughter: int = _HAFNIUM
) -> FloatArray:
    """Return the spectrum of a beta particle's kinetic energy, of largest value 1.

    The allowed shape ``p W (Q - T)^2 F``, with the Fermi function for a slow electron,
    ``F = 2 pi eta / (1 - exp(-2 pi eta))`` and ``eta = alpha Z W / p`` (K. S. Krane, "Introductory Nuclear
    Physics", 9.3). Lutetium-176's decay is forbidden, but its measured spectrum is near that shape: mean 182
    keV, end 593 keV (Alva-Sanchez and others, Sci. Rep. 8 (2018) 17310).

    Parameters
    ----------
    energies : array_like
        Kinetic energies in keV; below 0 and above the end nothing is left.
    endpoint : float
        Largest kinetic energy in keV.
    daughter : int
        Charge number of the daughter nucleus.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(0.5, 593)
    >>> round(float(np.average(t, weights=beta_spectrum(t))), 1)
    190.8
    """
    t = np.asarray(energies, np.float64)
    kinetic = np.clip(t, 1e-3, endpoint)
    total = kinetic + ELECTRON
    momentum = np.sqrt(total**2 - ELECTRON**2)
    eta = _FINE_STRUCTURE * daughter * total / momentum
    fermi = 2 * np.pi * eta / (1 - np.exp(-2 * np.pi * eta))
    shape = np.where((t > 0) & (t < endpoint), momentum * total * (endpoint - kinetic) ** 2 * fermi, 0.0)
    return np.asarray(shape / max(shape.max(initial=0.0), 1e-300))


def compton_edge(gamma: float) -> float:
    """Return the largest energy that a gamma leaves in one Compton scatter, in keV."""
    return gamma * (1 - 1 / (1 + 2 * gamma / ELECTRON))


def compton_spectrum(energies: npt.ArrayLike, gamma: float = ELECTRON) -> FloatArray:
    """Return the spectrum of the energy that one Compton scatter leaves, of largest value 1.

    The Klein-Nishina cross section by the electron's energy T, with ``a = E / 511 keV`` and ``s = T / E``:
    ``2 + s^2 / (a^2 (1 - s)^2) + s / (1 - s) (s - 2 / a)`` (O. Klein and Y. Nishina, Z. Phys. 52 (1929) 853).

    Parameters
    ----------
    energies : array_like
        In keV; below 0 and above the Compton edge nothing is left.
    gamma : float
        Energy of the gamma in keV.
    """
    t = np.asarray(energies, np.float64)
    a, s = gamma / ELECTRON, np.clip(t, 0, compton_edge(gamma)) / gamma
    shape = 2 + s**2 / (a**2 * (1 - s) ** 2) + s / (1 - s) * (s - 2 / a)
    shape = np.where((t > 0) & (t < compton_edge(gamma)), shape, 0.0)
    return np.asarray(shape / max(shape.max(initial=0.0), 1e-300))

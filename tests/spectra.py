"""Energy spectra with known truth, for tests."""

import numpy as np

KEV = 511.0


def compton_electrons(rng, n):
    """Energies in keV that 511 keV photons leave in one Compton scatter, by the Klein-Nishina formula."""
    cosine = rng.uniform(-1, 1, 8 * n)
    ratio = 1 / (2 - cosine)
    weight = ratio**2 * (ratio + 1 / ratio - (1 - cosine**2)) / 2
    kept = rng.random(cosine.size) < weight
    return KEV * (1 - ratio[kept])[:n]


def simulated_energies(rng, n, *, peak=600.0, resolution=0.14, photo=0.45, background=0.15):
    """Channels of `n` events: shares of photopeak and of background, the rest Compton; ideal light otherwise.

    `resolution` is the photopeak's FWHM over its position; it goes with the square root of the energy.
    """
    kinds = rng.random(n)
    keV = np.where(kinds < photo, KEV, np.resize(compton_electrons(rng, n), n))
    keV = np.where(kinds > 1 - background, rng.exponential(250.0, n), keV)
    sigma = resolution / np.sqrt(8 * np.log(2)) * np.sqrt(KEV * np.maximum(keV, 1.0))
    return np.maximum((keV + rng.normal(0, 1, n) * sigma) * peak / KEV, 0)


def simulated_spectrum(rng, n, **kwargs):
    """Counts per channel, shape (4096,)."""
    channels = np.minimum(simulated_energies(rng, n, **kwargs), 4095).astype(np.int64)
    return np.bincount(channels, minlength=4096)

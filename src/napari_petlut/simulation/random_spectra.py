"""Random energy spectra of whole blocks with known truth, to judge how the energy window is found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.photopeak.nuclear import (
    CAESIUM,
    ELECTRON,
    LUTETIUM_GAMMAS,
    SODIUM,
    beta_spectrum,
    compton_spectrum,
)
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import FloatArray

CHANNELS = 4096
_STEP = 2.0
_KEV = np.arange(_STEP / 2, 2600, _STEP)


@dataclass(frozen=True, eq=False)
class RandomSpectrum:
    """A block's energy spectrum with its truth.

    Parameters
    ----------
    counts : ndarray of int64, shape (4096,)
        Events per channel; overflow lies in the last.
    photopeak : float
        Channel of the source's main line for a crystal of average light.
    full_energy : ndarray of float64, shape (4096,)
        Expected events of that line per channel, all crystals together.
    lutetium : float
        Share of the recorded events that are the scintillator's own decays.
    resolution : float
        Full width at half maximum of one crystal's photopeak over its position.
    threshold : float
        Where half of the events trigger, as a share of the photopeak.
    source : str
        "annihilation", "sodium-22" or "caesium-137".
    """

    counts: npt.NDArray[np.int64]
    photopeak: float
    full_energy: FloatArray
    lutetium: float
    resolution: float
    threshold: float
    source: str


def random_spectrum(seed: int, *, lutetium: float | None = None) -> RandomSpectrum:
    """Return a random block's spectrum: any gain, resolution, threshold, activity and share of own decays.

    Gammas of the source leave all their energy, one Compton scatter's, or arrive already scattered; decays of
    lutetium-176 leave the beta particle's energy and that of every gamma of the cascade that the block
    captures (88, 202, 307 keV, or one Compton scatter of them), which makes humps that begin at 88, 290, 395
    and 597 keV (Alva-Sanchez and others, Sci. Rep. 8 (2018) 17310). With the activity grows the pile-up. The
    light of the crystals differs, the photosensor may saturate, and the threshold is soft.

    Parameters
    ----------
    seed : int
        Same seed, same spectrum.
    lutetium : float, optional
        Share of own decays among the recorded events; 0 to 0.4 at random otherwise.
    """
    rng = np.random.default_rng([seed, 176])
    source = str(rng.choice(["annihilation", "sodium-22", "caesium-137"], p=[0.62, 0.32, 0.06]))
    line = CAESIUM if source == "caesium-137" else ELECTRON
    resolution = rng.uniform(0.08, 0.25)
    threshold = rng.uniform(0.04, 0.7) * line
    share = rng.uniform(0, 0.4) if lutetium is None else lutetium
    full, other = _source_spectra(rng, source, line)
    own = _lutetium_spectrum(rng)
    trigger = 1 / (1 + np.exp(-(_KEV - threshold) / (rng.uniform(0.01, 0.05) * line)))
    seen = ((full + other) * trigger).sum() / (1 - share)
    own *= seen * share / (own * trigger).sum()
    pile_up = rng.uniform(0, 0.06) * (1 - share)
    everything = full + other + own
    double = np.convolve(everything, everything)[: len(_KEV)] / everything.sum()
    other = (other + own) * (1 - pile_up) + pile_up * double
    full = full * (1 - pile_up)
    noise = np.exp(-_KEV / rng.uniform(5, 25)) * rng.uniform(0, 0.2) * everything.sum() / 10
    yields = np.clip(rng.normal(1, rng.uniform(0.02, 0.1), 64), 0.7, 1.3)
    gain = np.exp(rng.uniform(np.log(120), np.log(1600))) / line
    saturation = rng.uniform(0, 0.15) / ELECTRON if rng.random() < 0.5 else 0.0
    full = _channels(full * trigger, line, resolution, gain, yields, saturation)
    rest = _channels((other + noise) * trigger, line, resolution, gain, yields, saturation)
    scale = 10 ** rng.uniform(4.3, 6.5) / (full + rest).sum()
    photopeak = gain * _saturated(np.array([line]), saturation, line)[0]
    counts = rng.poisson((full + rest) * scale)
    return RandomSpectrum(
        counts, float(photopeak), full * scale, share, float(resolution), float(threshold / line), source
    )


def _source_spectra(rng: np.random.Generator, source: str, line: float) -> tuple[FloatArray, FloatArray]:
    """Return what the source's main line leaves in full, and everything else of the source."""
    photo = rng.uniform(0.3, 0.7)
    full = np.zeros_like(_KEV)
    full[int(line / _STEP)] = photo
    other = (1 - photo) * _unit(_gamma_remainder(rng, line))
    scattered = np.where((0.4 * line < _KEV) & (line > _KEV), (_KEV / line) ** 2, 0)
    other += rng.uniform(0, 0.6) * _unit(scattered) + rng.uniform(0, 0.3) * _unit(
        compton_spectrum(_KEV, line)
    )
    if source == "sodium-22":
        # One gamma of 1275 keV for two of 511 keV, seen less often; both at once now and then.
        higher = np.zeros_like(_KEV)
        higher[int(SODIUM / _STEP)] = rng.uniform(0.1, 0.35)
        higher[int((SODIUM + ELECTRON) / _STEP)] = rng.uniform(0, 0.05)
        other += rng.uniform(0.2, 0.5) * (higher + (1 - higher.sum()) * _unit(_gamma_remainder(rng, SODIUM)))
    return full, other


def _gamma_remainder(rng: np.random.Generator, gamma: float) -> FloatArray:
    """Return the spectrum of a gamma that leaves a part: one scatter, several, or scattered before."""
    single = _unit(compton_spectrum(_KEV, gamma))
    backscatter = gamma / (1 + 2 * gamma / ELECTRON)
    back = np.exp(-0.5 * ((_KEV - backscatter - 15) / rng.uniform(15, 40)) ** 2)
    multiple = np.where((0.5 * gamma < _KEV) & (gamma > _KEV), 1.0, 0.0)
    return single + rng.uniform(0, 0.3) * _unit(back) + rng.uniform(0.05, 0.3) * _unit(multiple)


def _lutetium_spectrum(rng: np.random.Generator) -> FloatArray:
    """Return the spectrum of lutetium-176's decays, each gamma of the cascade captured at random."""
    captured = rng.uniform((0.8, 0.35, 0.2), (1.0, 0.95, 0.85))
    scattered = rng.uniform(0.1, 0.5)
    spectrum = beta_spectrum(_KEV)
    for gamma, share in zip(LUTETIUM_GAMMAS, captured, strict=True):
        line = np.zeros_like(_KEV)
        line[int(gamma / _STEP)] = 1.0
        lost = (1 - share) * scattered if gamma > 150 else 0.0
        kept = np.convolve(spectrum, line)[: len(_KEV)]
        partly = np.convolve(spectrum, _unit(compton_spectrum(_KEV, gamma)))[: len(_KEV)]
        spectrum = share * kept + lost * partly + (1 - share - lost) * spectrum
    return _unit(spectrum)


def _saturated(energy: FloatArray, saturation: float, line: float) -> FloatArray:
    """Return energies as a photosensor of limited cells tells them; the line stays about where it is."""
    if saturation == 0:
        return energy
    scale = -np.expm1(-saturation * line) / line
    return np.asarray(-np.expm1(-saturation * energy) / scale)


def _channels(
    spectrum: FloatArray, line: float, resolution: float, gain: float, yields: FloatArray, saturation: float
) -> FloatArray:
    """Return expected events per channel, smeared by the resolution and by the crystals' differing light."""
    sigma = resolution / FWHM_PER_SIGMA * np.sqrt(line * _KEV)
    centres = _saturated(_KEV, saturation, line)
    spread = np.exp(-0.5 * ((_KEV[:, None] - centres[None]) / sigma[None]) ** 2)
    smeared = (spread / np.maximum(spread.sum(axis=0), 1e-300)) @ spectrum
    cumulative = np.concatenate([[0.0], np.cumsum(smeared)])
    keV = np.arange(len(cumulative)) * _STEP
    edges = np.concatenate([np.arange(CHANNELS) - 0.5, [np.inf]])
    total = np.zeros(CHANNELS)
    for light in yields:
        total += np.diff(np.interp(edges / (gain * light), keV, cumulative))
    return np.asarray(np.maximum(total, 0.0))


def _unit(spectrum: FloatArray) -> FloatArray:
    return np.asarray(spectrum / spectrum.sum())

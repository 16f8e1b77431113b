"""Which of several peaks is the photopeak: the one whose energy scale explains the whole spectrum.

Each candidate in turn is taken for the source's line, which fixes the energy of every channel. Then all that
a scintillator shows has its place: the line, its Compton continuum, what scattered before, a second gamma,
pile-up, and lutetium's own decays, whose humps begin at 88, 290, 395 and 597 keV. The best sum of these
shapes with positive weights (C. L. Lawson and R. J. Hanson, "Solving Least Squares Problems", 23) tells how
well that energy scale explains what was counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from napari_petlut.analysis.photopeak.nuclear import (
    CAESIUM,
    ELECTRON,
    LUTETIUM_GAMMAS,
    SODIUM,
    beta_spectrum,
    compton_edge,
    compton_spectrum,
)
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import FloatArray

_STEP = 8.0
_KEV = np.arange(_STEP / 2, 2600, _STEP)
_RESOLUTIONS = (0.08, 0.11, 0.15, 0.2, 0.26, 0.34)
_COARSE_OFFSETS = (0.88, 0.92, 0.96, 1.0, 1.04)
_FINE_OFFSETS = (0.98, 0.99, 1.01, 1.02)
_EDGE_OFFSETS = (0.96, 1.0, 1.04, 1.08)
# A photosensor that saturates brings a line of 2.5 times the energy down to as little as this share.
_SATURATED = (1.0, 0.95, 0.9)
# No such model is better than this share of what it describes.
_MODEL_ERROR = 0.05
# While the threshold still takes some events away, the model is only a rough one.
_RISE_ERROR = 0.3
# Bins with less than this share of the fullest say little about where the lines are.
_FAINTEST = 3e-3
_BINS_PER_E = 40.0
_FIRST_CHANNEL = 16


@dataclass(frozen=True)
class Explanation:
    """How well a spectrum is explained if a candidate is the source's line.

    Parameters
    ----------
    misfit : float
        Mean squared deviation per bin, in units of counting noise and model error together.
    misfit_without : float
        The same if the candidate is the Compton edge of a line that the spectrum does not show.
    channel : float
        Where the line lies.
    line : float
        Energy of the line in keV: 511, or 662 of caesium-137.
    resolution : float
        Full width at half maximum of the line over its position.
    share : float
        Share of the line in the model at its own place.
    """

    misfit: float
    misfit_without: float
    channel: float
    line: float
    resolution: float
    share: float


def explain(counts: FloatArray, candidates: FloatArray) -> list[Explanation]:
    """Return the best explanation of a spectrum for each candidate.

    Parameters
    ----------
    counts : ndarray of float64, shape (channels,)
        Counts per channel.
    candidates : ndarray of float64, shape (n,)
        Channels that may be the source's line.
    """
    spectrum = _Binned(counts)
    return [_best_explanation(spectrum, channel) for channel in candidates.tolist()]


def _best_explanation(spectrum: _Binned, channel: float) -> Explanation:
    def best(places: list[tuple[float, float, float]]) -> tuple[float, float, tuple[float, float, float]]:
        return min((*_fitted(spectrum, *place), place) for place in places)

    coarse = [
        (channel * offset, line, resolution)
        for line in (ELECTRON, CAESIUM)
        for resolution in _RESOLUTIONS
        for offset in _COARSE_OFFSETS
    ]
    _, _, (at, line, resolution) = best(coarse)
    fine = [(at * offset, line, resolution) for offset in (1.0, *_FINE_OFFSETS)]
    fine += [(at, line, resolution * factor) for factor in (0.88, 1.13)]
    misfit, share, (at, line, resolution) = best(fine)
    edge = channel / compton_edge(line) * line
    without = min(
        _fitted(spectrum, edge * offset, line, resolution, hidden=True)[0] for offset in _EDGE_OFFSETS
    )
    return Explanation(misfit, without, at, line, resolution, share)


class _Binned:
    """A spectrum in bins that grow with the energy, above the trigger's threshold."""

    def __init__(self, counts: FloatArray) -> None:
        edges, observed = _log_bins(counts)
        first, risen = _threshold(observed, edges)
        last = int(np.flatnonzero(observed >= _FAINTEST * observed[first:].max())[-1]) + 1
        self.edges, self.observed = edges[first : last + 1], observed[first:last]
        self.pile_up = _log_bins(_doubled(counts))[1][first:last]
        relative = np.where(np.arange(len(self.observed)) < risen - first, _RISE_ERROR, _MODEL_ERROR)
        # One count more keeps an empty bin from counting for more than a few.
        error = np.sqrt(self.observed + 1 + (relative * _smooth(self.observed)) ** 2)
        self.weight = 1 / error
        self.target = self.observed / error

    def shapes(self, channel: float, line: float, resolution: float) -> FloatArray:
        """Return the shapes that the model adds up, the line's first, each of sum 1."""
        table = _cumulative_shapes(line, round(resolution, 4))
        shapes = np.diff(_interpolated(table, self.edges / channel * line), axis=1)
        shapes = np.concatenate([shapes, self.pile_up[None]])
        total = shapes.sum(axis=1, keepdims=True)
        return np.asarray(np.where(total > 1e-9, shapes / np.maximum(total, 1e-9), 0.0))

    def weights_of(self, shapes: FloatArray) -> tuple[FloatArray, float]:
        """Return the best weights of shapes, none below 0, and the misfit."""
        from scipy.optimize import nnls

        weights, residual = nnls((shapes * self.weight).T, self.target)
        return weights, float(residual**2 / len(self.observed))


def beside_line(counts: FloatArray, explanation: Explanation) -> FloatArray:
    """Return the expected counts per channel of everything but the line, shape (channels,).

    Below the trigger's threshold and far above the line, where nothing was fitted, it is 0.
    """
    spectrum = _Binned(counts)
    shapes = spectrum.shapes(explanation.channel, explanation.line, explanation.resolution)
    weights, _ = spectrum.weights_of(shapes)
    cumulative = np.concatenate([[0.0], np.cumsum(weights[1:] @ shapes[1:])])
    edges = np.arange(counts.size + 1) - 0.5
    return np.diff(np.interp(edges, spectrum.edges, cumulative))


def _fitted(
    spectrum: _Binned, channel: float, line: float, resolution: float, *, hidden: bool = False
) -> tuple[float, float]:
    """Return the misfit and the line's share at its place; a hidden line is left out of the model."""
    shapes = spectrum.shapes(channel, line, resolution)[int(hidden) :]
    weights, misfit = spectrum.weights_of(shapes)
    at_line = int(np.clip(np.searchsorted(spectrum.edges, channel) - 1, 0, len(spectrum.observed) - 1))
    parts = weights * shapes[:, at_line]
    return misfit, 0.0 if hidden else float(parts[0] / max(parts.sum(), 1e-300))


def _interpolated(cumulative: FloatArray, keV: FloatArray) -> FloatArray:
    """Return each row of a table over `_KEV`'s edges at other energies, linear in between."""
    place = np.clip(keV / _STEP, 0, cumulative.shape[1] - 1.001)
    left = place.astype(np.intp)
    rest = place - left
    return np.asarray(cumulative[:, left] * (1 - rest) + cumulative[:, left + 1] * rest)


@lru_cache(maxsize=64)
def _cumulative_shapes(line: float, resolution: float) -> FloatArray:
    """Return the cumulative shapes, the line's first, shape (shapes, energies + 1)."""
    shapes = np.stack(_shapes(line))
    sigma = resolution / FWHM_PER_SIGMA * np.sqrt(line * _KEV)
    smear = np.exp(-0.5 * ((_KEV[:, None] - _KEV) / sigma) ** 2)
    smeared = shapes @ (smear / smear.sum(axis=0)).T
    table = np.pad(np.cumsum(smeared, axis=1), ((0, 0), (1, 0)))
    table.setflags(write=False)
    return table


def _shapes(line: float) -> list[FloatArray]:
    """Return what a scintillator may show, before its resolution smears it."""
    full, continuum = _line_at(line), _unit(compton_spectrum(_KEV, line))
    beta = _unit(beta_spectrum(_KEV))
    humps = [_moved(beta, start) for start in _hump_starts()]
    scattered = _unit(np.where((0.4 * line < _KEV) & (line > _KEV), (_KEV / line) ** 2, 0.0))
    backscatter = np.exp(-0.5 * ((_KEV - line / (1 + 2 * line / ELECTRON) - 15) / 30) ** 2)
    falling = [_unit(np.exp(-_KEV / fall)) for fall in (15.0, 40.0, 120.0, 400.0)]
    shapes = [full, continuum, *humps, scattered, _unit(backscatter), *falling]
    if line == ELECTRON:
        for share in _SATURATED:
            shapes += [_line_at(share * SODIUM), _unit(compton_spectrum(_KEV, share * SODIUM))]
        shapes.append(_line_at(SODIUM + ELECTRON))
    return shapes


def _hump_starts() -> tuple[float, ...]:
    """Return the energies of the cascade's gammas that are captured with the beta particle."""
    soft, middle, hard = LUTETIUM_GAMMAS
    return 0.0, soft, soft + middle, soft + hard, soft + middle + hard


def _line_at(energy: float) -> FloatArray:
    line = np.zeros_like(_KEV)
    line[int(energy / _STEP)] = 1.0
    return line


def _moved(spectrum: FloatArray, energy: float) -> FloatArray:
    bins = round(energy / _STEP)
    return np.asarray(np.concatenate([np.zeros(bins), spectrum[: len(spectrum) - bins]]))


def _unit(spectrum: FloatArray) -> FloatArray:
    return np.asarray(spectrum / spectrum.sum())


def _log_bins(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return whole-channel edges that grow with the energy, and the counts between them."""
    number = int(np.log(counts.size / _FIRST_CHANNEL) * _BINS_PER_E)
    edges = np.unique(np.rint(np.geomspace(_FIRST_CHANNEL, counts.size - 1, number + 1)).astype(np.intp))
    # An event of channel k is one of energy k: its bin reaches from k - 1/2 to k + 1/2.
    return np.asarray(edges - 0.5, np.float64), np.asarray(np.add.reduceat(counts[:-1], edges[:-1]))


def _doubled(counts: FloatArray) -> FloatArray:
    """Return the spectrum of two events at once, whatever the gain: the spectrum folded with itself."""
    # What scipy.signal.fftconvolve does; loading scipy.signal takes three times as long as all else here.
    from scipy.fft import irfft, next_fast_len, rfft

    length = next_fast_len(2 * counts.size - 1, real=True)
    spectrum = rfft(counts, length)
    return np.asarray(np.maximum(irfft(spectrum * spectrum, length)[: counts.size], 0.0))


def _smooth(observed: FloatArray) -> FloatArray:
    return np.asarray(np.convolve(np.pad(observed, 2, mode="edge"), np.full(5, 0.2), mode="valid"))


def _threshold(observed: FloatArray, edges: FloatArray) -> tuple[int, int]:
    """Return where the trigger's threshold begins to let events pass, and the first bin where it lets all."""
    density = _smooth(observed / np.diff(edges))
    top = int(np.flatnonzero(density > 0.05 * density.max())[0])
    while top + 1 < len(density) and density[top + 1] > density[top]:
        top += 1
    first, risen = (np.flatnonzero(density[: top + 1] < level * density[top]) for level in (0.5, 0.95))
    begins, passed = (int(part[-1]) + 1 if part.size else 0 for part in (first, risen))
    return begins, passed

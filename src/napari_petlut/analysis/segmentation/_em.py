"""The iterations of the Gaussian mixture: state, expectation, maximisation, background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.segmentation._neighbours import local_pitch, nearest_neighbours
from napari_petlut.analysis.segmentation._spots import add_spots, spot_moments, spot_windows
from napari_petlut.model import FloatArray

if TYPE_CHECKING:
    from napari_petlut.analysis.segmentation.mixture import MixtureParameters

# A spot is fitted within so many standard deviations of its mean.
_FIT_SIGMAS = 4.0
# Standard deviation of a spot at the start in units of the local pitch: k = 1.33 means FWHM / pitch = 0.75.
_START_SIGMA_PITCH = 0.33
# Background at the start, in the lit area and everywhere, as shares of the counts.
_START_BACKGROUND = (0.15, 0.01)
# Peaks that lend their width to a spot, and the limits of a standard deviation in pixels and local pitches.
_WIDTH_NEIGHBOURS = 6
_LEAST_SIGMA = 0.5
_LARGEST_SIGMA_PITCH = 0.8
_LARGEST_CORRELATION = 0.8
# Events that the priors are worth on top of their relative weights: spots of few events need more of them.
_WIDTH_EVENTS = 20.0
_POSITION_EVENTS = 15.0
# The fit bins maps down while the typical pitch keeps this many pixels: finer ones change labels by 1e-4.
_PIXELS_PER_PITCH = 9.0
# The lit area: where the map, smoothed by a share of the pitch, exceeds this share of its upper level.
_LIT_SHARE = 0.05
_LIT_PERCENTILE = 95.0


class SpotFit:
    """State of the fit, in pixels of the binned map."""

    def __init__(self, values: FloatArray, points: FloatArray, params: MixtureParameters) -> None:
        self.params = params
        pitch = np.minimum(local_pitch(points), min(values.shape))
        typical = float(np.median(pitch))
        self.bin = max(1, int(typical // _PIXELS_PER_PITCH))
        self.counts = _binned(values, self.bin)
        self.start = (points - (self.bin - 1) / 2) / self.bin
        self.pitch, typical = pitch / self.bin, typical / self.bin
        self.means = self.start.copy()
        sigma = np.maximum(_START_SIGMA_PITCH * np.minimum(self.pitch, 1.2 * typical), _LEAST_SIGMA)
        self.covariance = np.stack([sigma**2, np.zeros_like(sigma), sigma**2], axis=1)
        total = self.counts.sum()
        self.weights = np.full(len(points), (1 - sum(_START_BACKGROUND)) * total / len(points))
        self.shapes = np.stack(
            [_lit_area(self.counts, typical), np.full_like(self.counts, 1 / self.counts.size)]
        )
        self.levels = total * np.array(_START_BACKGROUND)
        _, neighbours = nearest_neighbours(self.start, _WIDTH_NEIGHBOURS)
        self.family = np.concatenate([np.arange(len(points))[:, None], neighbours], axis=1)
        self.event = counts_per_event(values)

    def step(self) -> float:
        """Do one iteration; return the largest move of a mean in local pitches."""
        precision, amplitude = spot_heights(self.covariance, self.weights)
        half = _FIT_SIGMAS * np.sqrt(self.covariance[:, [0, 2]])
        window = spot_windows(self.counts.shape, self.means, half)
        expected = self.background()
        add_spots(expected, self.means, precision, amplitude, window)
        ratio = np.divide(self.counts, expected, out=np.zeros_like(expected), where=expected > 0)
        moments = spot_moments(ratio, self.means, precision, amplitude, window)
        self.levels = self.levels * np.array([(shape * ratio).sum() for shape in self.shapes])
        return self._maximise(moments)

    def log_likelihood(self) -> float:
        """Return the Poisson log-likelihood per count, without the factorials."""
        precision, amplitude = spot_heights(self.covariance, self.weights)
        half = _FIT_SIGMAS * np.sqrt(self.covariance[:, [0, 2]])
        expected = self.background()
        window = spot_windows(self.counts.shape, self.means, half)
        add_spots(expected, self.means, precision, amplitude, window)
        seen = (self.counts > 0) & (expected > 0)
        fit = (self.counts[seen] * np.log(expected[seen])).sum() - expected.sum()
        return float(fit / self.counts.sum())

    def background(self) -> FloatArray:
        """Return the background counts expected in each pixel."""
        lit, flat = self.levels
        return np.asarray(lit * self.shapes[0] + flat * self.shapes[1])

    def _maximise(self, moments: FloatArray) -> float:
        """Take the new means, covariances and weights from the moments of the responsibilities."""
        held = np.maximum(moments[:, 0], 1e-12 * self.counts.sum())
        shift = moments[:, 1:3] / held[:, None]
        spread = moments[:, 3:] / held[:, None]
        spread -= np.stack([shift[:, 0] ** 2, shift[:, 0] * shift[:, 1], shift[:, 1] ** 2], axis=1)
        typical = np.median(held[self.family], axis=1)
        # A dim spot leans on its neighbours by their counts, a bright one by its own.
        firm = np.maximum(held, typical)
        lent = np.minimum(held, typical)[self.family]
        shared = (spread[self.family] * lent[..., None]).sum(axis=1) / lent.sum(axis=1)[:, None]
        own = held[:, None]
        prior = self.params.width_sharing * firm[:, None] + _WIDTH_EVENTS * self.event
        self.covariance = _bounded((own * spread + prior * shared) / (own + prior), self.pitch)
        prior = self.params.stiffness * firm[:, None] + _POSITION_EVENTS * self.event
        means = (own * (self.means + shift) + prior * self.start) / (own + prior)
        moved = float((np.hypot(*(means - self.means).T) / self.pitch).max())
        self.means, self.weights = means, held
        return moved


def counts_per_event(values: FloatArray) -> float:
    """Return the map's unit: variance over mean, which is 1 for counts and smaller or larger for scaled maps.

    The variance is taken from second differences along axis 1, which a smooth map does not have: for Poisson
    counts their mean square is 6 times the mean. The largest 1 % are left out as hot pixels.
    """
    level = values[:, 1:-1]
    lit = level > 0
    if not lit.any():
        return 0.0
    squared, level = (np.diff(values, 2, axis=1) ** 2)[lit], level[lit]
    kept = squared <= np.percentile(squared, 99)
    return float(squared[kept].mean() / (6 * level[kept].mean()))


def _bounded(covariance: FloatArray, pitch: FloatArray) -> FloatArray:
    """Return covariances with standard deviations and correlation inside sensible limits."""
    largest = np.maximum(_LARGEST_SIGMA_PITCH * np.maximum(pitch, np.median(pitch)), _LEAST_SIGMA)
    variances = np.clip(covariance[:, [0, 2]], _LEAST_SIGMA**2, (largest**2)[:, None])
    limit = _LARGEST_CORRELATION * np.sqrt(variances.prod(axis=1))
    return np.stack([variances[:, 0], np.clip(covariance[:, 1], -limit, limit), variances[:, 1]], axis=1)


def _lit_area(counts: FloatArray, pitch: float) -> FloatArray:
    """Return the shape of the background, of sum 1: flat where the block is lit, small elsewhere."""
    smooth = ndimage.gaussian_filter(counts, pitch / 6)
    level = np.percentile(smooth[smooth > 0], _LIT_PERCENTILE)
    lit = (smooth > _LIT_SHARE * level).astype(np.float64)
    area = ndimage.gaussian_filter(lit, pitch / 3)
    return np.asarray(area / area.sum())


def _binned(values: FloatArray, size: int) -> FloatArray:
    """Return sums over squares of `size` pixels, filled up with empty pixels."""
    if size == 1:
        return np.ascontiguousarray(values)
    padding = [(0, -n % size) for n in values.shape]
    padded = np.pad(values, padding)
    n0, n1 = padded.shape[0] // size, padded.shape[1] // size
    return np.asarray(padded.reshape(n0, size, n1, size).sum(axis=(1, 3)))


def spot_heights(covariance: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the inverse of (c00, c01, c11) and the height of each spot."""
    determinant = covariance[:, 0] * covariance[:, 2] - covariance[:, 1] ** 2
    inverse = np.stack([covariance[:, 2], -covariance[:, 1], covariance[:, 0]], axis=1)
    return inverse / determinant[:, None], weights / (2 * np.pi * np.sqrt(determinant))

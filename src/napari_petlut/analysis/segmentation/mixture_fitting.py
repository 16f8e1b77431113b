"""The fit of the Gaussian mixture: every crystal's spot over a background, from its peak on the flood map.

The map is a histogram, so expectation and maximisation run over pixels with counts as weights ("binned EM"),
each spot in a window around its mean. A plain maximum-likelihood fit lets the spots of dim, dead or merged
crystals wander into their neighbours; here each spot is held to its peak and shares its width with its
neighbourhood, both weakly and relative to its counts, so that a clear spot is free (MAP estimate with
conjugate priors: Fraley and Raftery, J. Classif. 24 (2007) 155).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_petlut.analysis.segmentation.mixture import Mixture, MixtureParameters
from napari_petlut.analysis.segmentation.nearest import usable_peaks
from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.maps.binning import bin_map, spread_bins
from napari_petlut.maps.neighbours import local_pitch, nearest_neighbours
from napari_petlut.maps.noise import index_of_dispersion
from napari_petlut.maps.spots import add_spots, spot_heights, spot_moments, spot_windows
from napari_petlut.maps.support import lit_part
from napari_petlut.model import FloatArray, LabelArray

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
        self.counts = bin_map(values, self.bin)
        # `to_bins`, written so that bins of one pixel leave the last bit of a position as it is.
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
        self.event = index_of_dispersion(values)

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
        self.covariance = bounded_covariance((own * spread + prior * shared) / (own + prior), self.pitch)
        prior = self.params.stiffness * firm[:, None] + _POSITION_EVENTS * self.event
        means = (own * (self.means + shift) + prior * self.start) / (own + prior)
        moved = float((np.hypot(*(means - self.means).T) / self.pitch).max())
        self.means, self.weights = means, held
        return moved


def bounded_covariance(covariance: FloatArray, pitch: FloatArray) -> FloatArray:
    """Return covariances with standard deviations and correlation inside sensible limits."""
    largest = np.maximum(_LARGEST_SIGMA_PITCH * np.maximum(pitch, np.median(pitch)), _LEAST_SIGMA)
    variances = np.clip(covariance[:, [0, 2]], _LEAST_SIGMA**2, (largest**2)[:, None])
    limit = _LARGEST_CORRELATION * np.sqrt(variances.prod(axis=1))
    return np.stack([variances[:, 0], np.clip(covariance[:, 1], -limit, limit), variances[:, 1]], axis=1)


def _lit_area(counts: FloatArray, pitch: float) -> FloatArray:
    """Return the shape of the background, of sum 1: flat where the block is lit, small elsewhere."""
    smooth = ndimage.gaussian_filter(counts, pitch / 6)
    lit = lit_part(smooth, _LIT_SHARE, percentile=_LIT_PERCENTILE).astype(np.float64)
    area = ndimage.gaussian_filter(lit, pitch / 3)
    return np.asarray(area / area.sum())


def fit_mixture(
    counts: npt.ArrayLike,
    positions: npt.ArrayLike,
    params: MixtureParameters | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Mixture:
    """Fit a Gaussian to every crystal's spot, over a background.

    The background has one level in the lit area and one on the whole map.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Unfiltered flood map.
    positions : array_like, shape (n, 2)
        Peaks by crystal id, (axis 0, axis 1) in pixels. A row of NaN is a crystal that takes no part.
    params : MixtureParameters, optional
    progress : callable, optional
        Called with the fraction done, 0 to 1.
    cancelled : callable, optional
        Asked after each iteration; True stops the fit.

    Returns
    -------
    mixture : Mixture

    Raises
    ------
    ParameterError
        If there is no peak or the map holds no counts.
    Cancelled
        If `cancelled` said so.
    """
    params = MixtureParameters() if params is None else params
    values = np.asarray(counts, np.float64)
    points, ids = usable_peaks(positions)
    if values.ndim != 2 or not values.sum() > 0:
        raise ParameterError("a mixture needs a 2-D flood map with counts")
    fit = SpotFit(values, points, params)
    for iteration in range(params.max_iterations):
        moved = fit.step()
        if cancelled is not None and cancelled():
            raise Cancelled("the mixture fit was stopped")
        if progress is not None:
            progress((iteration + 1) / params.max_iterations)
        if moved <= params.tolerance:
            break
    if progress is not None:
        progress(1.0)
    return unpack_fit(
        fit, values.shape, ids, len(np.asarray(positions)), iteration + 1, moved <= params.tolerance
    )


def unpack_fit(
    fit: SpotFit, shape: tuple[int, ...], ids: LabelArray, n: int, iterations: int, converged: bool
) -> Mixture:
    """Return the fit in pixels of the map, with a row for every crystal."""
    size = fit.bin
    means, start = np.full((n, 2), np.nan), np.full((n, 2), np.nan)
    means[ids], start[ids] = size * fit.means + (size - 1) / 2, size * fit.start + (size - 1) / 2
    # Binning adds the variance of a uniform square less that of a pixel (Sheppard's correction).
    covariance = fit.covariance * size**2 - np.array([1, 0, 1]) * (size**2 - 1) / 12
    covariances = np.full((n, 2, 2), np.nan)
    covariances[ids] = covariance[:, [0, 1, 1, 2]].reshape(-1, 2, 2)
    weights, dead = np.zeros(n), np.zeros(n, np.bool_)
    weights[ids] = fit.weights
    typical = np.median(fit.weights[fit.family], axis=1)
    dead[ids] = fit.weights < fit.params.dead_share * typical
    return Mixture(
        means=means,
        covariances=covariances,
        weights=weights,
        background=spread_bins(fit.background() / size**2, size, shape),
        start=start,
        dead=dead,
        log_likelihood=fit.log_likelihood(),
        iterations=iterations,
        converged=converged,
    )

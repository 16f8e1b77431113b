"""Gaussian mixture: every crystal's spot as a Gaussian over a flat background, fitted to the flood map.

The map is a histogram, so expectation and maximisation run over pixels with counts as weights ("binned EM"),
each spot in a window around its mean. A plain maximum-likelihood fit lets the spots of dim, dead or merged
crystals wander into their neighbours; here each spot is held to its peak and shares its width with its
neighbourhood, both weakly and relative to its counts, so that a clear spot is free (MAP estimate with
conjugate priors: Fraley and Raftery, J. Classif. 24 (2007) 155).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_petlut.analysis.segmentation._neighbours import local_pitch, nearest_neighbours
from napari_petlut.analysis.segmentation._spots import add_spots, spot_moments, strongest_spot, windows
from napari_petlut.analysis.segmentation.islands import join_islands
from napari_petlut.analysis.segmentation.nearest import nearest_peak_cells, usable_peaks
from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.model import FloatArray, IntArray, LabelArray

# A spot is fitted within so many standard deviations of its mean, and labels reach somewhat farther.
_FIT_SIGMAS = 4.0
_LABEL_SIGMAS = 5.0
# Standard deviation of a spot at the start in units of the local pitch: k = 1.33 means FWHM / pitch = 0.75.
_START_SIGMA_PITCH = 0.33
_START_BACKGROUND = 0.25
# Peaks that lend their width to a spot, and the limits of a standard deviation in pixels and local pitches.
_WIDTH_NEIGHBOURS = 6
_LEAST_SIGMA = 0.5
_LARGEST_SIGMA_PITCH = 0.8
_LARGEST_CORRELATION = 0.8
# Maps are binned down while the typical pitch keeps this many pixels: finer pixels add time and no knowledge.
_PIXELS_PER_PITCH = 20.0
# The lit area: where the map, smoothed by a share of the pitch, exceeds this share of its upper level.
_LIT_SHARE = 0.05
_LIT_PERCENTILE = 95.0


@dataclass(frozen=True)
class MixtureParameters:
    """Options of the Gaussian mixture.

    Parameters
    ----------
    max_iterations : int
        Stop after so many iterations, converged or not.
    tolerance : float
        Stop when no mean moves by more than this share of its local pitch in one iteration.
    stiffness : float
        How firmly each mean is held to its peak: weight of the peak relative to the spot's own counts.
    width_sharing : float
        How much each spot takes its width from its neighbours: their weight relative to its own counts.
    dead_share : float
        A crystal with less than this share of its neighbours' counts is dead and gets no cell.
    background_cells : bool
        Pixels where the background outweighs every crystal belong to no crystal.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    max_iterations: int = 100
    tolerance: float = 0.003
    stiffness: float = 0.01
    width_sharing: float = 0.3
    dead_share: float = 0.1
    background_cells: bool = False

    def __post_init__(self) -> None:
        if self.max_iterations < 1:
            raise ParameterError(f"mixture max_iterations must be 1 or more, not {self.max_iterations}")
        for name in ("tolerance", "stiffness", "width_sharing"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ParameterError(f"mixture {name} must be 0 or more, not {getattr(self, name)}")
        if not 0 <= self.dead_share < 1:
            raise ParameterError(f"mixture dead_share must be from 0 to below 1, not {self.dead_share}")


@dataclass(frozen=True, eq=False)
class Mixture:
    """A fitted Gaussian mixture. Rows are crystals by id; a crystal that took no part has NaN and weight 0.

    Parameters
    ----------
    means : ndarray of float64, shape (n, 2)
        Spot centres, (axis 0, axis 1) in pixels.
    covariances : ndarray of float64, shape (n, 2, 2)
        In pixels squared.
    weights : ndarray of float64, shape (n,)
        Counts of each spot.
    background : ndarray of float64, shape (n0, n1)
        Background counts expected in each pixel.
    start : ndarray of float64, shape (n, 2)
        Peaks the fit started from.
    dead : ndarray of bool, shape (n,)
        Crystals that hold next to no counts; they get no cell.
    log_likelihood : float
        Poisson log-likelihood per count of the last iteration, without the factorials.
    iterations : int
        Iterations done.
    converged : bool
        Whether the tolerance was reached.
    """

    means: FloatArray
    covariances: FloatArray
    weights: FloatArray
    background: FloatArray
    start: FloatArray
    dead: npt.NDArray[np.bool_]
    log_likelihood: float
    iterations: int
    converged: bool

    @property
    def fwhm(self) -> FloatArray:
        """Full width at half maximum along each axis in pixels, ``2 sqrt(2 ln 2) sigma``, shape (n, 2)."""
        variances = np.diagonal(self.covariances, axis1=1, axis2=2)
        return np.asarray(2 * np.sqrt(2 * np.log(2) * variances))

    def expected(self) -> FloatArray:
        """Return the counts the model expects in each pixel, shape (n0, n1)."""
        total = self.background.copy()
        ids = np.flatnonzero(self.weights > 0)
        add_spots(total, *self._spots(ids, _LABEL_SIGMAS))
        return total

    def labels(self, *, background_cells: bool = False) -> LabelArray:
        """Return the crystal of the highest posterior probability in each pixel.

        Pixels beyond the reach of every spot go to the nearest mean, and pieces of a cell that are cut off
        from its mean go to the cells around them.

        Parameters
        ----------
        background_cells : bool
            Give pixels where the background is likelier than any crystal to nobody, -1.

        Returns
        -------
        labels : ndarray of int32, shape (n0, n1)
        """
        ids = np.flatnonzero((self.weights > 0) & ~self.dead)
        if ids.size == 0:
            return np.full(self.background.shape, NO_CRYSTAL, np.int32)
        spots = self._spots(ids, _LABEL_SIGMAS)
        order = nearest_peak_cells(self.background.shape, spots[0])
        best = np.zeros(self.background.shape)
        strongest_spot(order, best, *spots)
        labels = join_islands(ids[order].astype(np.int32), self.means)
        if background_cells:
            labels[self.background > best] = NO_CRYSTAL
        return labels

    def _spots(self, ids: IntArray, reach: float) -> tuple[FloatArray, FloatArray, FloatArray, Any]:
        covariance = _triples(self.covariances[ids])
        precision, amplitude = _precision(covariance, self.weights[ids])
        half = reach * np.sqrt(covariance[:, [0, 2]])
        means = np.ascontiguousarray(self.means[ids])
        return means, precision, amplitude, windows(self.background.shape, means, half)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as named arrays, for files; the inverse of `from_arrays`."""
        return {
            "means": self.means,
            "covariances": self.covariances,
            "weights": self.weights,
            "background": self.background,
            "start": self.start,
            "dead": self.dead,
            "log_likelihood": np.array(self.log_likelihood),
            "iterations": np.array(self.iterations),
            "converged": np.array(self.converged),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the mixture that `to_arrays` took apart.

        Raises
        ------
        ParameterError
            If an array is missing or has a shape that does not fit the others.
        """
        shapes = {"means": (2,), "covariances": (2, 2), "weights": (), "start": (2,), "dead": ()}
        missing = {*shapes, "background", "log_likelihood", "iterations", "converged"} - set(arrays)
        if missing:
            raise ParameterError(f"a saved mixture needs {', '.join(sorted(missing))}; save the model again")
        n = len(np.atleast_1d(arrays["weights"]))
        for name, rest in shapes.items():
            if np.shape(arrays[name]) != (n, *rest):
                raise ParameterError(f"saved mixture: {name} has shape {np.shape(arrays[name])}")
        if np.ndim(arrays["background"]) != 2:
            raise ParameterError("saved mixture: background is not a map")
        return cls(
            **{name: np.asarray(arrays[name], np.float64) for name in ("means", "covariances", "weights")},
            background=np.asarray(arrays["background"], np.float64),
            start=np.asarray(arrays["start"], np.float64),
            dead=np.asarray(arrays["dead"], np.bool_),
            log_likelihood=float(arrays["log_likelihood"]),
            iterations=int(arrays["iterations"]),
            converged=bool(arrays["converged"]),
        )


def fit_mixture(
    counts: npt.ArrayLike,
    positions: npt.ArrayLike,
    params: MixtureParameters | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Mixture:
    """Fit a Gaussian to every crystal's spot, over a background that is flat in the lit area.

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
    fit = _Fit(values, points, params)
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
    return _unpack(
        fit, values.shape, ids, len(np.asarray(positions)), iteration + 1, moved <= params.tolerance
    )


class _Fit:
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
        self.weights = np.full(len(points), (1 - _START_BACKGROUND) * total / len(points))
        self.background = _START_BACKGROUND * total * _lit_area(self.counts, typical)
        _, neighbours = nearest_neighbours(self.start, _WIDTH_NEIGHBOURS)
        self.family = np.concatenate([np.arange(len(points))[:, None], neighbours], axis=1)
        self.log_likelihood = -np.inf

    def step(self) -> float:
        """Do one iteration; return the largest move of a mean in local pitches."""
        precision, amplitude = _precision(self.covariance, self.weights)
        half = _FIT_SIGMAS * np.sqrt(self.covariance[:, [0, 2]])
        window = windows(self.counts.shape, self.means, half)
        expected = self.background.copy()
        add_spots(expected, self.means, precision, amplitude, window)
        lit = expected > 0
        ratio = np.divide(self.counts, expected, out=np.zeros_like(expected), where=lit)
        moments = spot_moments(ratio, self.means, precision, amplitude, window)
        logs = np.log(expected, out=np.zeros_like(expected), where=lit)
        self.log_likelihood = float((self.counts * logs - expected).sum() / self.counts.sum())
        self.background *= (self.background * ratio).sum() / self.background.sum()
        return self._maximise(moments)

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
        own, prior = held[:, None], self.params.width_sharing * firm[:, None]
        self.covariance = _bounded((own * spread + prior * shared) / (own + prior), self.pitch)
        prior = self.params.stiffness * firm[:, None]
        means = (own * (self.means + shift) + prior * self.start) / (own + prior)
        moved = float((np.hypot(*(means - self.means).T) / self.pitch).max())
        self.means, self.weights = means, held
        return moved


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
    area = ndimage.gaussian_filter(lit, pitch / 3) + 0.01
    return np.asarray(area / area.sum())


def _binned(values: FloatArray, size: int) -> FloatArray:
    """Return sums over squares of `size` pixels, filled up with empty pixels."""
    if size == 1:
        return np.ascontiguousarray(values)
    padding = [(0, -n % size) for n in values.shape]
    padded = np.pad(values, padding)
    n0, n1 = padded.shape[0] // size, padded.shape[1] // size
    return np.asarray(padded.reshape(n0, size, n1, size).sum(axis=(1, 3)))


def _precision(covariance: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the inverse of (c00, c01, c11) and the height of each spot."""
    determinant = covariance[:, 0] * covariance[:, 2] - covariance[:, 1] ** 2
    inverse = np.stack([covariance[:, 2], -covariance[:, 1], covariance[:, 0]], axis=1)
    return inverse / determinant[:, None], weights / (2 * np.pi * np.sqrt(determinant))


def _triples(matrices: FloatArray) -> FloatArray:
    return np.stack([matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]], axis=1)


def _unpack(
    fit: _Fit, shape: tuple[int, ...], ids: LabelArray, n: int, iterations: int, converged: bool
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
    background = np.repeat(np.repeat(fit.background / size**2, size, axis=0), size, axis=1)
    return Mixture(
        means=means,
        covariances=covariances,
        weights=weights,
        background=np.ascontiguousarray(background[: shape[0], : shape[1]]),
        start=start,
        dead=dead,
        log_likelihood=fit.log_likelihood,
        iterations=iterations,
        converged=converged,
    )

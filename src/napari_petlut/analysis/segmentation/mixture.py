"""A Gaussian mixture: every crystal's spot as a Gaussian over a background, and the cells that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.segmentation.islands import join_islands
from napari_petlut.analysis.segmentation.nearest import nearest_peak_cells
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.maps.spots import WindowArray, add_spots, spot_heights, spot_windows, strongest_spot
from napari_petlut.model import FloatArray, IntArray, LabelArray

# Labels are taken from a spot within so many standard deviations of its mean.
_LABEL_SIGMAS = 5.0
# A spot claims pixels up to so many standard deviations by itself.
_CLAIM_SIGMAS = 4.0


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

    max_iterations: int = 150
    tolerance: float = 0.002
    stiffness: float = 0.01
    width_sharing: float = 0.1
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

        Pixels beyond the reach of every spot, and pieces of a cell that are cut off from its mean, go to the
        cell that is nearest to them.

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
        # Farther out the reach of a spot ends at its window, which would draw steps into the dark.
        claimed = best >= spots[2][order] * np.exp(-0.5 * _CLAIM_SIGMAS**2)
        labels = join_islands(ids[order].astype(np.int32), self.means, claimed)
        if background_cells:
            labels[self.background > best] = NO_CRYSTAL
        return labels

    def _spots(self, ids: IntArray, reach: float) -> tuple[FloatArray, FloatArray, FloatArray, WindowArray]:
        covariance = _triples(self.covariances[ids])
        precision, amplitude = spot_heights(covariance, self.weights[ids])
        half = reach * np.sqrt(covariance[:, [0, 2]])
        means = np.ascontiguousarray(self.means[ids])
        return means, precision, amplitude, spot_windows(self.background.shape, means, half)

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


def _triples(matrices: FloatArray) -> FloatArray:
    return np.stack([matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]], axis=1)

"""The most likely peak model of many binned spectra at once.

SciPy fits one curve at a time, which for the crystals of a block takes seconds; here each step of a
Levenberg-Marquardt search with Fisher's information (McCullagh & Nelder, "Generalized Linear Models", 2.5) is
one array operation over all spectra.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import erfc

from napari_petlut.model import FloatArray

Model = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

_ITERATIONS = 60
_TOLERANCE = 1e-6
# What bounds say of a level, in 1 / width^2: errors as large as those made, on simulated spectra.
_WEAK = 3.0
# A Gaussian on a step is not the very shape of a photopeak: its curve is no better than this share.
_MODEL_ERROR = 0.03
_PARAMETERS = 5


@dataclass(frozen=True, eq=False)
class PeakModel:
    """A Gaussian on a smeared step and a constant, for each of n spectra; all arrays have shape (n,).

    Centre and sigma are in channels, height, step and background in counts per channel. `misfit` is the
    deviance over the degrees of freedom.
    """

    centre: FloatArray
    sigma: FloatArray
    height: FloatArray
    step: FloatArray
    background: FloatArray
    centre_error: FloatArray
    sigma_error: FloatArray
    converged: npt.NDArray[np.bool_]
    misfit: FloatArray

    @classmethod
    def start(
        cls,
        observed: FloatArray,
        edges: npt.NDArray[np.intp],
        centre: FloatArray,
        sigma: FloatArray,
        levels: FloatArray,
    ) -> Self:
        """Return a first model; `levels`, shape (n, 2), are those that lie about below and above the peak."""
        top = (observed / np.maximum(np.diff(edges), 1)).max(axis=1)
        step, background = 0.3 * levels.T
        height = np.maximum(top - step / 2 - background, 0.3 * top)
        unknown = np.full(len(centre), np.nan)
        converged = np.zeros(len(centre), np.bool_)
        return cls(centre, sigma, height, step, background, unknown, unknown, converged, unknown)


def maximise(
    start: PeakModel, observed: FloatArray, edges: npt.NDArray[np.intp], levels: FloatArray
) -> PeakModel:
    """Return the most likely models.

    Parameters
    ----------
    start : PeakModel
        Where the search begins.
    observed : ndarray, shape (n, bins)
        Counts.
    edges : ndarray of int, shape (n, bins + 1)
        Edges of the bins in whole channels.
    levels : ndarray, shape (n, 2)
        Highest step and background, in counts per channel: what lies beside a peak cannot lie under it.
    """
    widths = np.diff(edges).astype(np.float64)
    # An event of channel k is one of energy k: a bin from a to b holds the energies a to b - 1.
    x = (edges[:, :-1] + edges[:, 1:] - 1) / 2
    scale = start.sigma[:, None]

    def expected(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        return _expected(theta, (x - start.centre[:, None]) / scale, widths)

    zero = np.zeros_like(start.sigma)
    theta = np.stack([zero, zero, np.log(start.height), start.step, start.background], axis=1)
    upper = np.concatenate([np.full((len(theta), 3), np.inf), levels], axis=1)
    lower = np.where(np.isinf(upper), -np.inf, 0.0)
    theta, information, converged = _search(theta, (lower, upper), observed, expected)
    # Bounds taken for measurements, 12 / width^2, would make the stated errors a fifth too small.
    information += np.where(np.isinf(upper), 0.0, _WEAK / upper**2)[..., None] * np.eye(theta.shape[1])
    deviation = np.sqrt(np.diagonal(np.linalg.inv(information), axis1=1, axis2=2))
    sigma = start.sigma * np.exp(theta[:, 1])
    return PeakModel(
        centre=start.centre + start.sigma * theta[:, 0],
        sigma=sigma,
        height=np.exp(theta[:, 2]),
        step=theta[:, 3],
        background=theta[:, 4],
        centre_error=start.sigma * deviation[:, 0],
        sigma_error=sigma * deviation[:, 1],
        converged=converged,
        misfit=_misfit(observed, edges, expected(theta)[0]),
    )


def _expected(theta: FloatArray, x: FloatArray, widths: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return expected counts, shape (n, bins), and their gradient by `theta`, shape (n, 5, bins).

    `theta`, shape (n, 5), holds centre, ln sigma (both in units of the scale of `x`), ln height, step and
    background.
    """
    centre, log_sigma, log_height, step, background = theta.T[..., None]
    t = (x - centre) * np.exp(-log_sigma)
    bell = np.exp(-0.5 * t**2)
    peak = np.exp(log_height) * bell
    slope = step * bell / np.sqrt(2 * np.pi)
    rise = 0.5 * erfc(t / np.sqrt(2))
    counts = widths * (peak + step * rise + background + 1e-9)
    gradient = np.stack(
        [
            (peak * t + slope) * np.exp(-log_sigma),
            (peak * t + slope) * t,
            peak,
            rise,
            np.ones_like(x),
        ],
        axis=1,
    )
    return counts, gradient * widths[:, None]


def _deviance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """Return -2 ln(likelihood) of each spectrum, but for a constant."""
    safe = np.maximum(expected, 1e-300)
    return np.asarray(2 * (expected - observed * np.log(safe)).sum(axis=1))


def _misfit(observed: FloatArray, edges: npt.NDArray[np.intp], expected: FloatArray) -> FloatArray:
    """Return each fit's Poisson deviance over its degrees of freedom, about 1 for a fit that fits.

    ``2 sum(o ln(o / e) - (o - e))`` (Baker & Cousins, as above), each bin's term reduced by what the model's
    own error adds: a term goes with the variance it is measured in, ``e + (0.03 e)^2`` instead of ``e``.
    """
    safe = np.maximum(expected, 1e-12)
    ratio = np.divide(observed, safe, out=np.ones_like(safe), where=observed > 0)
    terms = 2 * (observed * np.log(ratio) - (observed - safe)) / (1 + _MODEL_ERROR**2 * safe)
    # Few events in a bin make a smaller term than 1, whatever the fit.
    freedom = np.minimum(1.0, 2 * safe).sum(axis=1, where=np.diff(edges) > 0) - _PARAMETERS
    return np.asarray(terms.sum(axis=1, where=np.diff(edges) > 0) / np.maximum(freedom, 5.0))


def _search(
    theta: FloatArray, bounds: tuple[FloatArray, FloatArray], observed: FloatArray, expected: Model
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Return the best parameters, Fisher's information there, and which spectra came to rest."""
    lower, upper = bounds
    n, unity = len(theta), np.eye(theta.shape[1])
    damping = np.full(n, 1e-2)
    converged = np.zeros(n, np.bool_)
    counts, gradient = expected(theta)
    deviance = _deviance(observed, counts)
    for _ in range(_ITERATIONS):
        safe = np.maximum(counts, 1e-300)
        score = np.einsum("npb,nb->np", gradient, np.where(counts > 0, observed / safe - 1, 0))
        # A level that lies at its bound and wants beyond it stays there, and the others move without it.
        free = ~(((theta >= upper) & (score > 0)) | ((theta <= lower) & (score < 0)))
        system = np.einsum("npb,nqb->npq", gradient / safe[:, None], gradient)
        system *= free[:, :, None] & free[:, None]
        system += (damping[:, None] * np.einsum("npp->np", system) + 1e-9 + ~free)[..., None] * unity
        step = np.linalg.solve(system, (score * free)[..., None])[..., 0]
        # Centre, width and height may not leap: their exponentials would.
        step[:, :3] = np.clip(step[:, :3], -1, 1)
        new = np.clip(theta + step, lower, upper)
        new_counts, new_gradient = expected(new)
        new_deviance = _deviance(observed, new_counts)
        better = (new_deviance <= deviance) & ~converged
        gain = np.where(better, deviance - new_deviance, np.inf)
        theta = np.where(better[:, None], new, theta)
        counts = np.where(better[:, None], new_counts, counts)
        gradient = np.where(better[:, None, None], new_gradient, gradient)
        deviance = np.where(better, new_deviance, deviance)
        damping = np.clip(np.where(better, damping / 5, damping * 5), 1e-8, 1e8)
        converged |= (gain < _TOLERANCE * np.maximum(1, observed.shape[1])) | (damping >= 1e8)
        if converged.all():
            break
    information = np.einsum("npb,nqb->npq", gradient / np.maximum(counts, 1e-300)[:, None], gradient)
    return theta, information, converged

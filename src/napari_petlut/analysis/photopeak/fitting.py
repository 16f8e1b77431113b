"""The photopeaks of many spectra fitted at once: positions, widths and their uncertainties."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import erfc

from napari_petlut.analysis.photopeak._likelihood import PeakModel, maximise
from napari_petlut.analysis.photopeak.locating import (
    PhotopeakGuess,
    PhotopeakStatus,
    checked_spectrum,
    locate_photopeak,
)
from napari_petlut.errors import ParameterError
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import FloatArray, StatusArray

PHOTOPEAK_MODEL = "Gaussian on a smeared step and a constant, by Poisson likelihood"
"""What is fitted, the background included, in words for people."""

RESOLUTION_CONVENTION = "FWHM over position of the Gaussian alone, the background excluded"
"""What an energy resolution is, in words for people."""

_BELOW, _ABOVE = 1.8, 3.0
_ROUNDS = 3
_BINS = 48
_MIN_COUNTS = 20.0
_MAX_RESOLUTION = 0.6
_MAX_WIDTH_ERROR = 0.3
_MAX_MISFIT = 3.0
# What the model's shape costs, in FWHM and as a share of it: all that many counts leave.
_POSITION_SYSTEMATIC, _WIDTH_SYSTEMATIC = 0.003, 0.005
# What few events cost beyond the spread, in FWHM and as a share of it, times the events in the peak.
_POSITION_BIAS, _WIDTH_BIAS = 2.0, 6.0
# Between these standard deviations to either side of a peak there have to be counts: as many below it as
# above it but for their noise, as what scattered comes on top there.
_FLANK = (1.2, 1.9)
_LEAST_BELOW, _LEAST_ABOVE = 0.7, 0.12


@dataclass(frozen=True, eq=False)
class Photopeaks:
    """The photopeaks of n spectra, for example those of a block's crystals by id.

    Parameters
    ----------
    status : array of str, shape (n,)
        `PhotopeakStatus` words: whether there is a photopeak, and whether to trust its figures.
    position, position_error : ndarray of float64, shape (n,)
        Centre and the standard deviation of that, in channels; NaN if missing.
    fwhm, fwhm_error : ndarray of float64, shape (n,)
        Full width at half maximum and the standard deviation of that, in channels; NaN if missing.
    height, step, background : ndarray of float64, shape (n,)
        Of the fitted curve, in counts per channel: the Gaussian's height, the rise from above to below the
        peak, and the level above it; 0 if missing.
    reasons : tuple of str, length n
        Why a peak is uncertain or missing, in words; empty if found.
    misfit : ndarray of float64, shape (n,)
        Poisson deviance of the fit over its degrees of freedom: about 1 if the curve fits; NaN if missing.
    """

    status: StatusArray
    position: FloatArray
    position_error: FloatArray
    fwhm: FloatArray
    fwhm_error: FloatArray
    height: FloatArray
    step: FloatArray
    background: FloatArray
    reasons: tuple[str, ...]
    misfit: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.status)

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which are clear."""
        return np.asarray(self.status == PhotopeakStatus.FOUND)

    @property
    def counts(self) -> FloatArray:
        """Events in each peak, background removed; 0 if missing."""
        area = self.height * self.fwhm * np.sqrt(2 * np.pi) / FWHM_PER_SIGMA
        return np.asarray(np.nan_to_num(area), np.float64)

    @property
    def resolution(self) -> FloatArray:
        """Energy resolution, FWHM over position; NaN if missing."""
        return np.asarray(self.fwhm / self.position)

    @property
    def resolution_error(self) -> FloatArray:
        """Standard deviation of the energy resolution; NaN if missing."""
        relative = np.hypot(self.fwhm_error / self.fwhm, self.position_error / self.position)
        return np.asarray(self.resolution * relative)

    def curve(self, index: int, channels: npt.ArrayLike) -> FloatArray:
        """Return the fitted counts per channel of one spectrum, for drawing; 0 if missing."""
        x = np.asarray(channels, np.float64)
        if self.status[index] == PhotopeakStatus.MISSING:
            return np.zeros_like(x)
        t = (x - self.position[index]) / self.fwhm[index] * FWHM_PER_SIGMA
        rise = self.step[index] * erfc(t / np.sqrt(2)) / 2
        return np.asarray(self.height[index] * np.exp(-0.5 * t**2) + rise + self.background[index])


def fit_photopeaks(spectra: npt.ArrayLike, *, near: float | None = None) -> Photopeaks:
    """Find the photopeak of each spectrum and fit it.

    The model is a Gaussian, a step at its centre smeared by its width (gammas that lost a little energy), and
    a constant (background, pile-up), fitted from 1.8 standard deviations below the centre, where the Compton
    edge does not reach, to 3 above. The fit maximises the Poisson likelihood, which few counts do not bias
    as they do least squares (Baker & Cousins, Nucl. Instrum. Methods 221 (1984) 437); uncertainties are from
    Fisher's information.

    Parameters
    ----------
    spectra : array_like, shape (n, channels) or (channels,)
        Counts per channel.
    near : float, optional
        Where photopeaks are expected, for example that of the whole block: they are only looked for between
        0.55 and 1.6 times this channel, and fewer counts suffice.

    Returns
    -------
    Photopeaks
        Where no peak stands out the status is "missing" and the figures NaN.

    Raises
    ------
    ParameterError
        If these are no spectra of finite counts, at least 64 channels long and not negative.

    Examples
    --------
    >>> import numpy as np
    >>> channels = np.arange(1024)
    >>> peaks = fit_photopeaks(100 * np.exp(-0.5 * ((channels - 600) / 30) ** 2))
    >>> print(peaks.status[0], round(float(peaks.position[0])), f"{peaks.resolution[0]:.3f}")
    found 600 0.118
    """
    rows = np.asarray(spectra)
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2:
        raise ParameterError(f"spectra are a 2-D array, one row each, not {rows.shape}")
    guesses = [locate_photopeak(row, near=near) for row in rows]
    peaks = _Table(len(rows))
    for index, guess in enumerate(guesses):
        peaks.status[index], peaks.reasons[index] = guess.status, guess.reason
    seen = np.flatnonzero(peaks.status != PhotopeakStatus.MISSING)
    if seen.size:
        counts = np.stack([checked_spectrum(rows[index]) for index in seen])
        seen_guesses = [guesses[index] for index in seen]
        fitted = _fit(counts, seen_guesses)
        peaks.fill(seen, fitted, seen_guesses, _one_sided(counts, fitted, seen_guesses))
    return peaks.frozen()


def _fit(counts: FloatArray, guesses: list[PhotopeakGuess]) -> PeakModel:
    """Fit one peak of each spectrum, its range following the fit."""
    centres = np.array([guess.position for guess in guesses])
    sigmas = np.array([guess.fwhm for guess in guesses]) / FWHM_PER_SIGMA
    levels = np.array([(guess.below, guess.above) for guess in guesses])
    for _ in range(_ROUNDS):
        observed, edges = _rebinned(counts, centres, sigmas)
        fitted = maximise(PeakModel.start(observed, edges, centres, sigmas, levels), observed, edges, levels)
        moved = np.abs(fitted.centre - centres) + np.abs(fitted.sigma - sigmas)
        # A fit that ran away is not followed.
        sane = (np.abs(fitted.centre - centres) < 2 * sigmas) & (fitted.sigma < 2 * sigmas)
        sane &= fitted.sigma > sigmas / 3
        if (moved[sane] < 0.02 * sigmas[sane]).all():
            break
        centres, sigmas = np.where(sane, fitted.centre, centres), np.where(sane, fitted.sigma, sigmas)
    return fitted


def _rebinned(
    counts: FloatArray, centres: FloatArray, sigmas: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Return counts in 48 bins of whole channels around each peak, and the bins' edges, shape (n, 49).

    Narrow peaks have fewer channels: their last bins are empty and without width.
    """
    last = counts.shape[1] - 1
    low = np.clip((centres - _BELOW * sigmas).astype(np.intp), 1, last)
    high = np.clip(np.ceil(centres + _ABOVE * sigmas).astype(np.intp), low + 1, last)
    step = -(-(high - low) // _BINS)
    edges = np.minimum(low[:, None] + step[:, None] * np.arange(_BINS + 1), high[:, None])
    cumulative = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    return np.diff(np.take_along_axis(cumulative, edges, axis=1), axis=1), edges


def _one_sided(counts: FloatArray, fitted: PeakModel, guesses: list[PhotopeakGuess]) -> list[str]:
    """Return in words where the data end within a peak: at a threshold, or at the end of the ADC's range."""
    cumulative = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    last = counts.shape[1]
    words = []
    for i, guess in enumerate(guesses):
        # A cut peak is fitted too narrow, but falls as it should on the side that is left.
        centre, sigma = fitted.centre[i], max(fitted.sigma[i], guess.fwhm / FWHM_PER_SIGMA)

        def events(
            low: float, high: float, i: int = i, centre: float = centre, sigma: float = sigma
        ) -> float:
            ends = np.clip(np.rint(centre + sigma * np.array([low, high])).astype(np.intp), 0, last)
            return float(cumulative[i, ends[1]] - cumulative[i, ends[0]])

        below, above = events(-_FLANK[1], -_FLANK[0]), events(_FLANK[0], _FLANK[1])
        flank = events(0.5 * _FLANK[0], _FLANK[1])
        area = fitted.height[i] * fitted.sigma[i] * np.sqrt(2 * np.pi)
        if centre + 1.5 * sigma > last - 2 or flank + 2 * np.sqrt(flank + 1) < _LEAST_ABOVE * area:
            words.append("the spectrum ends within the peak: at the end of the ADC's range?")
        elif below + 2 * np.sqrt(below + 1) < _LEAST_BELOW * above:
            words.append("the spectrum begins within the peak: a threshold?")
        else:
            words.append("")
    return words


class _Table:
    """The columns of `Photopeaks` while they are filled."""

    def __init__(self, n: int) -> None:
        self.status = np.full(n, PhotopeakStatus.MISSING, "<U9")
        self.reasons = [""] * n
        self.position, self.position_error, self.fwhm, self.fwhm_error = np.full((4, n), np.nan)
        self.height, self.step, self.background = np.zeros((3, n))
        self.misfit = np.full(n, np.nan)

    def fill(
        self,
        index: npt.NDArray[np.intp],
        fitted: PeakModel,
        guesses: list[PhotopeakGuess],
        one_sided: list[str],
    ) -> None:
        """Enter the fits of the spectra `index`, or where they went astray the guesses they started from."""
        self.position[index], self.position_error[index] = fitted.centre, fitted.centre_error
        self.fwhm[index] = FWHM_PER_SIGMA * fitted.sigma
        self.fwhm_error[index] = FWHM_PER_SIGMA * fitted.sigma_error
        self.height[index], self.step[index] = fitted.height, fitted.step
        self.background[index] = fitted.background
        self.misfit[index] = fitted.misfit
        area = np.maximum(fitted.height * fitted.sigma * np.sqrt(2 * np.pi), 1.0)
        position, width = _POSITION_SYSTEMATIC + _POSITION_BIAS / area, _WIDTH_SYSTEMATIC + _WIDTH_BIAS / area
        self.position_error[index] = np.hypot(fitted.centre_error, position * self.fwhm[index])
        self.fwhm_error[index] = np.hypot(FWHM_PER_SIGMA * fitted.sigma_error, width * self.fwhm[index])
        for i, (k, guess) in enumerate(zip(index, guesses, strict=True)):
            astray = not fitted.converged[i] or abs(self.position[k] - guess.position) > guess.fwhm
            if astray:
                self.position[k], self.fwhm[k] = guess.position, guess.fwhm
                self.position_error[k] = self.fwhm_error[k] = guess.fwhm / 2
                self.height[k] = self.step[k] = self.background[k] = 0.0
            own = "the fit went astray: only estimates" if astray else one_sided[i] or self._doubt(k)
            self.reasons[k] = self.reasons[k] or own
            if self.reasons[k]:
                self.status[k] = PhotopeakStatus.UNCERTAIN

    def _doubt(self, k: int) -> str:
        area = self.height[k] * self.fwhm[k] * np.sqrt(2 * np.pi) / FWHM_PER_SIGMA
        if area < _MIN_COUNTS:
            return f"only {area:.0f} events in the peak"
        if self.fwhm_error[k] > _MAX_WIDTH_ERROR * self.fwhm[k]:
            return f"its width is known to {self.fwhm_error[k] / self.fwhm[k]:.0%} only"
        if self.fwhm[k] > _MAX_RESOLUTION * self.position[k]:
            return f"it is {self.fwhm[k] / self.position[k]:.0%} wide"
        if self.misfit[k] > _MAX_MISFIT:
            return f"no single peak fits: deviance {self.misfit[k]:.1f} per degree of freedom"
        return ""

    def frozen(self) -> Photopeaks:
        return Photopeaks(
            self.status,
            self.position,
            self.position_error,
            self.fwhm,
            self.fwhm_error,
            self.height,
            self.step,
            self.background,
            tuple(self.reasons),
            self.misfit,
        )

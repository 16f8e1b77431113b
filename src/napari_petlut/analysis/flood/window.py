"""Which energies to keep: a window around the photopeak, suggested from the spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.photopeak import PhotopeakStatus, locate_photopeak
from napari_petlut.model import EnergyWindow

_FWHM_EACH_SIDE = 1.25
_NARROWEST, _WIDEST = 0.15, 0.35


@dataclass(frozen=True)
class WindowSuggestion:
    """An energy window around the photopeak of a spectrum.

    Parameters
    ----------
    status : PhotopeakStatus
        Whether the spectrum has a photopeak: "found", "uncertain" or "missing".
    photopeak : float
        Its channel; NaN if missing.
    fwhm : float
        Its full width at half maximum in channels; NaN if missing.
    window : EnergyWindow or None
        The suggested window; None if there is no photopeak to put it around.
    reason : str
        Why the peak is uncertain or missing, in words; empty if found.
    """

    status: PhotopeakStatus
    photopeak: float
    fwhm: float
    window: EnergyWindow | None
    reason: str = ""


def suggest_window(spectrum: npt.ArrayLike) -> WindowSuggestion:
    """Suggest an energy window from a spectrum of events.

    The window reaches 1.25 FWHM to either side of the photopeak, but at least 15 % and at most 35 % of its
    energy: a narrower one would cut the photopeaks of crystals with more or less light, a wider one would
    let in what scattered. If it is uncertain which peak is the photopeak, the window holds all that may be
    it: then it loses none of the events that are wanted, but is not the one to keep.

    Parameters
    ----------
    spectrum : array_like, shape (n,)
        Counts per ADC channel.

    Returns
    -------
    WindowSuggestion
        Without a window where no peak stands out: nothing is invented.

    Raises
    ------
    ParameterError
        If the spectrum is no 1-D array of finite counts, at least 64 channels long and not negative.
    """
    peak = locate_photopeak(spectrum)
    if peak.status == PhotopeakStatus.MISSING:
        return WindowSuggestion(peak.status, np.nan, np.nan, None, peak.reason)
    half = float(np.clip(_FWHM_EACH_SIDE * peak.fwhm, _NARROWEST * peak.position, _WIDEST * peak.position))
    low, high = peak.position - half, peak.position + half
    if peak.status == PhotopeakStatus.UNCERTAIN:
        may_be = (peak.position, *peak.rivals)
        low, high = min(may_be) * (1 - _WIDEST), max(may_be) * (1 + _WIDEST)
    window = EnergyWindow(floor(low), min(ceil(high), np.size(spectrum)))
    return WindowSuggestion(peak.status, peak.position, peak.fwhm, window, peak.reason)

"""Where the photopeak lies in an energy spectrum: found first, then fitted, never invented."""

from napari_petlut.analysis.photopeak.fitting import (
    PHOTOPEAK_MODEL,
    RESOLUTION_CONVENTION,
    Photopeaks,
    fit_photopeaks,
)
from napari_petlut.analysis.photopeak.locating import PhotopeakGuess, PhotopeakStatus, locate_photopeak

__all__ = [
    "PHOTOPEAK_MODEL",
    "RESOLUTION_CONVENTION",
    "PhotopeakGuess",
    "PhotopeakStatus",
    "Photopeaks",
    "fit_photopeaks",
    "locate_photopeak",
]

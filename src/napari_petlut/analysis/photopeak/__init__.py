"""Where the photopeak lies in an energy spectrum: found first, then fitted, never invented."""

from napari_petlut.analysis.photopeak.fitting import Photopeaks, fit_photopeaks
from napari_petlut.analysis.photopeak.locating import PhotopeakGuess, PhotopeakStatus, locate_photopeak

__all__ = ["PhotopeakGuess", "PhotopeakStatus", "Photopeaks", "fit_photopeaks", "locate_photopeak"]

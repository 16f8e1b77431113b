"""Energy by crystal: the LUT applied to events, photopeaks, energy LUT, and every crystal's own window."""

from napari_petlut.analysis.energy.application import AppliedLUT, apply_lut, iter_crystals
from napari_petlut.analysis.energy.calibration import (
    CrystalWindowParameters,
    EnergyCalibration,
    calibrate_energy,
    crystal_photopeaks,
    crystal_windows,
    energy_lut,
)
from napari_petlut.analysis.energy.spectra import (
    CrystalSpectra,
    core_pixels,
    crystal_spectra,
    flood_of_windows,
)
from napari_petlut.analysis.photopeak import Photopeaks, PhotopeakStatus, fit_photopeaks

__all__ = [
    "AppliedLUT",
    "CrystalSpectra",
    "CrystalWindowParameters",
    "EnergyCalibration",
    "PhotopeakStatus",
    "Photopeaks",
    "apply_lut",
    "calibrate_energy",
    "core_pixels",
    "crystal_photopeaks",
    "crystal_spectra",
    "crystal_windows",
    "energy_lut",
    "fit_photopeaks",
    "flood_of_windows",
    "iter_crystals",
]

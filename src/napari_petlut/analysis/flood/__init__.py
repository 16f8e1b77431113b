"""Energy spectrum and flood map from events: histogram, energy window, and the comb of whole numbers."""

from napari_petlut.analysis.flood.comb import CombProfile, comb_strength, remove_comb
from napari_petlut.analysis.flood.histogram import FloodAccumulator, energy_spectrum, flood_from_words
from napari_petlut.analysis.flood.parameters import FloodParameters
from napari_petlut.analysis.flood.window import WindowSuggestion, suggest_window

__all__ = [
    "CombProfile",
    "FloodAccumulator",
    "FloodParameters",
    "WindowSuggestion",
    "comb_strength",
    "energy_spectrum",
    "flood_from_words",
    "remove_comb",
    "suggest_window",
]

"""Energy spectrum and flood map from events."""

from napari_petlut.analysis.flood.histogram import FloodAccumulator, energy_spectrum, flood_from_words
from napari_petlut.analysis.flood.parameters import FloodParameters

__all__ = ["FloodAccumulator", "FloodParameters", "energy_spectrum", "flood_from_words"]

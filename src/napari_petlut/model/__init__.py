"""What travels between the rooms: frozen dataclasses over arrays.

Axes are always ``(axis 0, axis 1)``: array axis 0 is the detector's x, axis 1 its y, as
``numpy.histogram2d(x, y)`` lays them out. Pixel ``i`` covers ``[i, i + 1)`` of the position scale, and its
centre has the coordinate ``i``, as in napari and scikit-image.
"""

from napari_petlut.model.arrays import FloatArray, IntArray, LabelArray, SingleArray, StatusArray
from napari_petlut.model.event_columns import EventColumns
from napari_petlut.model.event_sources import (
    BlockOfEvent,
    ChannelReadout,
    EnergySum,
    EventContainer,
    EventSource,
    HitJoin,
    PositionRule,
    RecordField,
)
from napari_petlut.model.events import BitField, EnergyWindow, EventFormat
from napari_petlut.model.flood import SPECTRUM_BINS, FloodMap
from napari_petlut.model.luts import PHOTOPEAK_KEV, CrystalLUT, EnergyLUT, Segmentation
from napari_petlut.model.peaks import Lattice, LatticeAlternative, Peaks, PeakStatus, status_array

__all__ = [
    "PHOTOPEAK_KEV",
    "SPECTRUM_BINS",
    "BitField",
    "BlockOfEvent",
    "ChannelReadout",
    "CrystalLUT",
    "EnergyLUT",
    "EnergySum",
    "EnergyWindow",
    "EventColumns",
    "EventContainer",
    "EventFormat",
    "EventSource",
    "FloatArray",
    "FloodMap",
    "HitJoin",
    "IntArray",
    "LabelArray",
    "Lattice",
    "LatticeAlternative",
    "PeakStatus",
    "Peaks",
    "PositionRule",
    "RecordField",
    "Segmentation",
    "SingleArray",
    "StatusArray",
    "status_array",
]

"""The loops of a clear block compiled ahead of their first use, by using them on a tiny one."""

from __future__ import annotations

import numpy as np

from napari_petlut.analysis.flood import FloodParameters, energy_spectrum, flood_from_words
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, FloodMap
from napari_petlut.workflow.pipeline import calibrate

_PITCH, _SIDE = 16, 6


def use_all_loops() -> None:
    """Count an event and calibrate a tiny clear block: that compiles what the first real one needs."""
    words = np.zeros(1, np.uint32)
    energy_spectrum([words])
    flood_from_words([words], parameters=FloodParameters(EnergyWindow(1.0, 2.0)))
    axis = np.arange((_SIDE + 1) * _PITCH)
    centres = _PITCH * (np.arange(_SIDE) + 1)
    line = np.exp(-0.5 * ((axis - centres[:, None]) / (_PITCH / 6)) ** 2).sum(axis=0)
    counts = np.round(200.0 * line[:, None] * line)
    calibrate(FloodMap(counts), BlockGeometry(_SIDE, _SIDE))

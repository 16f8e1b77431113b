"""The flood map and its energy spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import ParameterError
from napari_petlut.model.arrays import FloatArray
from napari_petlut.model.events import EnergyWindow

SPECTRUM_BINS = 4096
"""Channels of an energy spectrum: every value a 12-bit energy can take."""


@dataclass(frozen=True, eq=False)
class FloodMap:
    """A 2-D histogram of event positions.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
        Events per pixel, never negative; float because measured maps may be scaled.
    spectrum : ndarray of int64, shape (channels,), optional
        Energy spectrum of all events, before the window, a channel for each energy: 4096 of the lab's events,
        more of formats whose energy has more than 12 bits. A map file holds 4096 only.
    window : EnergyWindow, optional
        The window the map was made with, where known.
    full_scale : float, optional
        Size of the position scale that the map covers, where known.
    source : str
        File name or other origin, for titles and records.
    """

    counts: FloatArray
    spectrum: npt.NDArray[np.int64] | None = None
    window: EnergyWindow | None = None
    full_scale: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        counts = np.ascontiguousarray(self.counts, dtype=np.float64)
        if counts.ndim != 2 or min(counts.shape) < 2:
            raise ParameterError(f"a flood map is a 2-D array of at least 2 x 2 pixels, not {counts.shape}")
        if not np.isfinite(counts).all() or counts.min() < 0:
            raise ParameterError("a flood map holds counts: finite and not negative")
        object.__setattr__(self, "counts", counts)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along axis 0 and axis 1."""
        return int(self.counts.shape[0]), int(self.counts.shape[1])

    @property
    def total(self) -> float:
        """Sum of all counts."""
        return float(self.counts.sum())

"""What the electronics add to a map: hot pixels, and lines with wrong counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.model import FloatArray
from napari_petlut.simulation.optics import FULL_SCALE
from napari_petlut.simulation.parameters import BlockSimulation, Stream

MARGIN = 0.05
"""Hot pixels keep this distance from the map's border, as a share of its size."""
DARKEST_LINE = -0.9
"""Relative error of the darkest line there can be."""


def hot_pixels(params: BlockSimulation) -> npt.NDArray[np.intp]:
    """Return the places of the hot pixels, shape (hot_bins, 2)."""
    low, high = int(MARGIN * FULL_SCALE), int((1 - MARGIN) * FULL_SCALE)
    return params.rng(Stream.HOT).integers(low, high, (params.hot_bins, 2))


def line_factors(params: BlockSimulation) -> FloatArray:
    """Return by how much wrong lines change each pixel, shape (512, 512)."""
    rng = params.rng(Stream.LINES)
    factors = np.ones((2, int(FULL_SCALE)))
    where = rng.integers(0, factors.shape[1], params.lines)
    error = rng.uniform(-params.line_level, params.line_level, params.lines)
    factors[rng.integers(0, 2, params.lines), where] = 1 + np.maximum(error, DARKEST_LINE)
    return np.asarray(factors[0][:, None] * factors[1][None])

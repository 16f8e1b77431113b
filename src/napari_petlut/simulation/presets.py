"""Named kinds of blocks, and random ones for sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from napari_petlut.simulation.parameters import BlockSimulation

PRESETS: Mapping[str, BlockSimulation] = MappingProxyType(
    {
        "typical": BlockSimulation(),
        "easy": BlockSimulation(
            resolution=2.4, counts_per_crystal=30_000, distortion=0.05, scatter=0.15, background=0.04
        ),
        "hard": BlockSimulation(
            resolution=1.3,
            counts_per_crystal=20_000,
            distortion=0.1,
            turn=4,
            gains=(1.0, 1.15, 0.9, 1.25),
            dead=3,
            dim=4,
            merged=2,
            background=0.2,
            hot_bins=10,
            lines=4,
        ),
        "small 8x8": BlockSimulation(rows=8, cols=8, resolution=2.5, counts_per_crystal=20_000),
    }
)
"""Kinds of blocks by name; "typical" is like a measured 16 x 16 quadrant-sharing block."""

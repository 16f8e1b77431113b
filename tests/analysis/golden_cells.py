"""What detection, segmentation and quality make of two small blocks, held against what they made before.

``python tests/analysis/golden_cells.py`` writes the kept results anew, for a change that is meant to be one.
"""

import json
from pathlib import Path

import numpy as np

from napari_petlut.analysis.detection import filter_map, find_peaks, suggest_parameters
from napari_petlut.analysis.quality import block_quality
from napari_petlut.analysis.segmentation import SegmentationParameters, segment
from napari_petlut.model import CrystalLUT, Lattice
from napari_petlut.simulation import BlockSimulation, simulate_block

KEPT = Path(__file__).with_name("golden") / "cells.json"
BLOCKS = {
    "clear": BlockSimulation(rows=8, cols=8, resolution=2.5, counts_per_crystal=20_000),
    "crowded": BlockSimulation(rows=9, cols=7, resolution=1.2, counts_per_crystal=800, dead=2, dim=3, seed=4),
}
METHODS = ("mixture", "nearest", "watershed", "kmeans")


def results(name):
    """Return peaks, the pixels of each cell by method, and the figures of a block, as plain lists."""
    block = simulate_block(BLOCKS[name])
    geometry, counts = block.ideal_lut.geometry, block.flood.counts
    n = len(geometry)
    filtering, picking = suggest_parameters(counts, geometry)
    peaks = find_peaks(filter_map(counts, filtering), picking, geometry=geometry)
    cells = {m: segment(counts, block.centres, SegmentationParameters(method=m)).labels for m in METHODS}
    lattice = Lattice(geometry, block.centres, np.full(n, "found"), np.ones(n), ("",) * n)
    quality = block_quality(counts, lattice, CrystalLUT(cells["mixture"], geometry))
    return {
        "peaks": peaks.positions.ravel().tolist(),
        "figures": {key: value for key, value in quality.figures.items() if np.isfinite(value)},
        "pixels": {
            m: np.bincount(labels.ravel() + 1, minlength=n + 1).tolist() for m, labels in cells.items()
        },
    }


if __name__ == "__main__":
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps({name: results(name) for name in BLOCKS}) + "\n", encoding="ascii")

"""Quality: figures of merit per crystal, per pair of neighbours and per block, and a verdict."""

from napari_petlut.analysis.quality.block import BlockQuality, block_quality
from napari_petlut.analysis.quality.crystals import CrystalQuality, lattice_residual, misassignment
from napari_petlut.analysis.quality.pairs import PairQuality, pair_quality
from napari_petlut.analysis.quality.verdict import QualityThresholds, Verdict, judge

__all__ = [
    "BlockQuality",
    "CrystalQuality",
    "PairQuality",
    "QualityThresholds",
    "Verdict",
    "block_quality",
    "judge",
    "lattice_residual",
    "misassignment",
    "pair_quality",
]

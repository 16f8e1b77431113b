"""The typical block resembles a measured one; the full table is printed by benchmarks/bench_simulation.py."""

from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.analysis.segmentation import nearest_peak_cells
from napari_petlut.simulation import PRESETS, SimulatedBlock, simulate_block
from napari_petlut.simulation.optics import neighbour_pairs, resolutions


@pytest.fixture(scope="module")
def blocks() -> list[SimulatedBlock]:
    return [simulate_block(replace(PRESETS["typical"], seed=seed)) for seed in range(4)]


def test_pitch(blocks: list[SimulatedBlock]) -> None:
    pairs, _ = neighbour_pairs(16, 16)
    pitch = [np.linalg.norm(np.diff(block.centres[pairs], axis=1)[:, 0], axis=-1) for block in blocks]
    smallest, median, largest = np.mean(np.percentile(pitch, [0, 50, 100], axis=1), axis=1)
    assert smallest == pytest.approx(9.1, rel=0.15)
    assert median == pytest.approx(28.0, rel=0.05)
    assert largest == pytest.approx(53.0, rel=0.12)


def test_spots_and_resolution(blocks: list[SimulatedBlock]) -> None:
    for block in blocks:
        sigma = np.sqrt(np.median(block.covariances[:, [0, 1], [0, 1]]))
        assert sigma == pytest.approx(8.8, rel=0.15)
        k = resolutions(block.centres, block.covariances, neighbour_pairs(16, 16)[0])
        # The published k comes from a fit whose spots hold their halos too, which makes it smaller.
        assert np.median(k) == pytest.approx(1.33, rel=0.1)
        assert k.min() == pytest.approx(0.8, rel=0.3)


def test_counts_per_cell(blocks: list[SimulatedBlock]) -> None:
    counts = [
        np.bincount(nearest_peak_cells((512, 512), b.centres).ravel(), b.flood.counts.ravel()) for b in blocks
    ]
    smallest, median, largest = np.mean(np.percentile(counts, [0, 50, 100], axis=1), axis=1) / 1000
    assert smallest == pytest.approx(98, rel=0.1)
    assert median == pytest.approx(140, rel=0.03)
    assert largest == pytest.approx(193, rel=0.1)
    assert np.mean([b.flood.total for b in blocks]) == pytest.approx(35.6e6, rel=0.002)


def test_rows_and_columns_bend_by_more_than_a_pitch(blocks: list[SimulatedBlock]) -> None:
    bending = []
    for block in blocks:
        grid = block.centres.reshape(16, 16, 2)
        bending += [np.ptp(grid[..., 0], axis=1).max(), np.ptp(grid[..., 1], axis=0).max()]
    assert np.mean(bending) > 28

"""One block from map to crystal LUT: right crystals, right events and time, against the notebook's steps."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max
from sklearn.cluster import KMeans

from _common import Report, main, measure
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT
from napari_petlut.simulation import PRESETS, BlockSimulation, SimulatedBlock, simulate_block
from napari_petlut.workflow.pipeline import calibrate
from napari_petlut.workflow.scoring import score_lattice, symmetric_ids, true_spacing

FIRST_SEED = 70_000
"""Of the blocks compared; no other sweep or test uses these seeds."""
TOLERANCE = 0.5
"""A notebook's peak counts as found within this share of the distance to the nearest neighbour."""


def notebook_peaks(counts: npt.NDArray[np.float64], crystals: int) -> npt.NDArray[np.intp]:
    """Return the peaks of the notebook's recipe; the threshold, 200 for 35.6 million events, follows them."""
    smooth = ndimage.gaussian_filter(counts, sigma=0.75, mode="constant")
    threshold = 200 * counts.sum() / 35.6e6
    return np.asarray(
        peak_local_max(smooth, min_distance=5, threshold_abs=threshold, num_peaks=crystals, exclude_border=5)
    )


def notebook_lut(counts: npt.NDArray[np.float64], peaks: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return the labels of the notebook's k-means of one iteration, counts as weights, started at peaks."""
    pixels = np.stack(np.indices(counts.shape), -1).reshape(-1, 2).astype(np.float64)
    model = KMeans(n_clusters=len(peaks), init=peaks.astype(np.float64), n_init=1, max_iter=1, random_state=1)
    model.fit(pixels, sample_weight=counts.ravel())
    return np.asarray(model.predict(pixels).reshape(counts.shape), np.int32)


def notebook(
    counts: npt.NDArray[np.float64], crystals: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
    """Return peaks and labels of the notebook's whole way from map to LUT, without its correction by hand."""
    peaks = notebook_peaks(counts, crystals)
    return peaks, notebook_lut(counts, peaks)


def found(block: SimulatedBlock, peaks: npt.NDArray[Any]) -> int:
    """Return how many live crystals have a peak of their own near enough, whatever its number."""
    distance, nearest = cKDTree(peaks).query(block.centres)
    near = (distance <= TOLERANCE * true_spacing(block.centres, block.params.geometry)) & block.live
    return len(np.unique(nearest[near]))


def agreement_with_ideal(block: SimulatedBlock, lut: CrystalLUT) -> float:
    """Return the share of counts in pixels that a LUT and the best possible one give to the same crystal.

    The numbering counts up to the symmetries of the grid.
    """
    weights, ideal = block.flood.counts, block.ideal_lut.ids
    best = 0.0
    for ids in symmetric_ids(lut.geometry):
        true_id = np.append(np.argsort(ids), -1)
        best = max(best, float(weights[true_id[lut.ids] == ideal].sum() / weights.sum()))
    return best


def named_by_truth(
    block: SimulatedBlock, labels: npt.NDArray[np.int32], peaks: npt.NDArray[Any]
) -> CrystalLUT:
    """Return the notebook's labels with the true crystal nearest to each peak: it numbers none itself."""
    nearest = cKDTree(block.centres).query(peaks)[1]
    return CrystalLUT(nearest[labels].astype(np.int32), block.params.geometry)


def run(quick: bool) -> Report:
    """Calibrate simulated typical blocks with the program and by the notebook's steps."""
    report = Report("pipeline", "One block from map to crystal LUT")
    number = 2 if quick else 10
    blocks = [simulate_block(replace(PRESETS["typical"], seed=FIRST_SEED + i)) for i in range(number)]
    report.table(f"{number} simulated typical 16 x 16 blocks", list(_against_notebook(blocks)))
    report.table("Steps of the default chain, one typical block", list(_steps(blocks[0])))
    report.table("Growth with crystals and pixels", list(_growth(quick)))
    report.note(
        "The notebook numbers no crystal: its events are counted with the numbers that the truth gives it."
    )
    report.note(
        "LUT agreement: share of counts in pixels that the best possible LUT gives to the same crystal."
    )
    report.note("Time is from map to LUT, after compilation, medians over the blocks.")
    return report


def _against_notebook(blocks: list[SimulatedBlock]) -> Iterator[dict[str, str]]:
    geometry = blocks[0].params.geometry
    ours: list[tuple[float, ...]] = []
    theirs: list[tuple[float, ...]] = []
    calibrate(blocks[0].flood, geometry)
    for block in blocks:
        timing = measure(lambda block=block: calibrate(block.flood, geometry), repeats=1, warmup=0)
        result = calibrate(block.flood, geometry)
        score = score_lattice(result.lattice, block.centres, block.live)
        marked_right = (score.marked & score.right).sum()
        ours.append(
            (
                score.right.sum(),
                score.right.sum(),
                marked_right,
                agreement_with_ideal(block, result.lut),
                timing.median,
            )
        )
        timing = measure(lambda block=block: notebook(block.flood.counts, len(geometry)), repeats=1, warmup=0)
        peaks, labels = notebook(block.flood.counts, len(geometry))
        agreement = agreement_with_ideal(block, named_by_truth(block, labels, peaks))
        theirs.append((found(block, peaks), 0, 0, agreement, timing.median))
    live = sum(int(block.live.sum()) for block in blocks)
    for name, rows in (("this program", ours), ("notebook, no correction by hand", theirs)):
        columns = list(zip(*rows, strict=True))
        yield {
            "way": name,
            "crystals found": f"{100 * sum(columns[0]) / live:.2f} %",
            "numbered right": f"{100 * sum(columns[1]) / live:.2f} %",
            "right ones marked, a block": f"{sum(columns[2]) / len(blocks):.1f}",
            "LUT agreement": f"{100 * statistics.mean(columns[3]):.2f} %",
            "time": f"{statistics.median(columns[4]):.2f} s ({min(columns[4]):.2f} to {max(columns[4]):.2f})",
        }


def _steps(block: SimulatedBlock) -> Iterator[dict[str, str]]:
    runs = [calibrate(block.flood, block.params.geometry).seconds for _ in range(5)]
    for step in runs[0]:
        seconds = [run[step] for run in runs]
        yield {
            "step": step,
            "time": f"{1e3 * statistics.median(seconds):.0f} ms",
            "spread": f"{1e3 * min(seconds):.0f} to {1e3 * max(seconds):.0f}",
        }


def _growth(quick: bool) -> Iterator[dict[str, str]]:
    for side in (8, 16) if quick else (8, 12, 16, 24, 32):
        # As many pixels a crystal as events allow: denser arrays have sharper spots.
        block = simulate_block(
            BlockSimulation(rows=side, cols=side, counts_per_crystal=20_000, seed=FIRST_SEED)
        )
        yield _row(
            f"{side} x {side} crystals",
            "512 x 512",
            lambda b=block, s=side: calibrate(b.flood, BlockGeometry(s, s)),
        )
    block = simulate_block(replace(PRESETS["typical"], seed=FIRST_SEED))
    for factor in (1, 2) if quick else (1, 2, 4):
        counts = np.kron(block.flood.counts, np.ones((factor, factor)))
        size = f"{counts.shape[0]} x {counts.shape[1]}"
        yield _row("16 x 16 crystals", size, lambda c=counts: calibrate(c, BlockGeometry(16, 16)))


def _row(crystals: str, pixels: str, function: Callable[[], Any]) -> dict[str, str]:
    return {"block": crystals, "pixels": pixels, "map to LUT": str(measure(function, repeats=3))}


if __name__ == "__main__":
    main(run)

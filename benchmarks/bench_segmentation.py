"""Segmentation methods: events put right on simulated truth, drift of the centres, time and growth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from _common import Report, main, measure, measure_against
from napari_petlut.analysis.lattice import find_lattice
from napari_petlut.analysis.segmentation import (
    KMeansParameters,
    SegmentationParameters,
    WatershedParameters,
    cell_borders,
    fit_kmeans,
    fit_mixture,
    nearest_peak_cells,
    segment,
    watershed_cells,
)
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EventFormat
from napari_petlut.simulation import PRESETS, BlockSimulation, SimulatedBlock, simulate_block, simulate_events

FULL_SCALE = 512
FAR = 10.0
"""Pixels of 512 beyond which the field's table counts a centre as having left its peak."""

METHODS: dict[str, SegmentationParameters] = {
    "mixture": SegmentationParameters(method="mixture"),
    "nearest peak": SegmentationParameters(method="nearest"),
    "watershed, sigma 0.75": SegmentationParameters(
        method="watershed", watershed=WatershedParameters(sigma=0.75)
    ),
    "watershed, sigma 1.5": SegmentationParameters(method="watershed"),
    "watershed, sigma 3": SegmentationParameters(method="watershed", watershed=WatershedParameters(sigma=3)),
    "k-means, peak x 100, 1 iteration": SegmentationParameters(
        method="kmeans", kmeans=KMeansParameters(peak_weight=100)
    ),
    **{
        f"k-means, {n} iteration{'s' * (n > 1)}": SegmentationParameters(
            method="kmeans", kmeans=KMeansParameters(max_iterations=n)
        )
        for n in (1, 5, 20, 300)
    },
    "k-means, from a grid": SegmentationParameters(
        method="kmeans", kmeans=KMeansParameters(start="grid", max_iterations=300)
    ),
    "k-means, from k-means++": SegmentationParameters(
        method="kmeans", kmeans=KMeansParameters(start="k-means++", max_iterations=300)
    ),
    "k-means++ on 256,000 events": SegmentationParameters(
        method="kmeans", kmeans=KMeansParameters(data="events", start="k-means++", max_iterations=300)
    ),
}


@dataclass
class Case:
    """A simulated block, events of it that its map does not hold, and peaks as the program finds them."""

    block: SimulatedBlock
    pixels: npt.NDArray[np.intp]
    crystal: npt.NDArray[np.int16]
    events: npt.NDArray[np.float64]
    found: npt.NDArray[np.float64]

    def accuracy(self, labels: npt.NDArray[np.integer[Any]]) -> float:
        """Share of the crystals' events in the window that the labels put right."""
        return float((labels[tuple(self.pixels.T)] == self.crystal).mean())

    def agreement(self, labels: npt.NDArray[np.integer[Any]]) -> float:
        """Share of the map's counts, where spots reach, whose pixel has the ideal crystal."""
        ideal, counts = self.block.ideal_lut.ids, self.block.flood.counts
        return float(counts[(labels == ideal) & (ideal >= 0)].sum() / counts[ideal >= 0].sum())


def make_case(params: BlockSimulation, events: int) -> Case:
    """Simulate a block and find its peaks; the peaks take the ids of the true centres nearest to them."""
    block = simulate_block(params)
    sample = simulate_events(replace(params, seed=params.seed), events)
    fmt = EventFormat()
    energy, ex, ey = (
        (sample.words >> np.uint32(f.shift) & np.uint32(f.mask)).astype(np.float64)
        for f in (fmt.energy, fmt.x, fmt.y)
    )
    kept = (energy > params.window.low) & (energy < params.window.high)
    position = (1 - np.stack([ex, ey], axis=1)[kept] / energy[kept, None]) * FULL_SCALE
    inside = ((position >= 0) & (position < FULL_SCALE)).all(axis=1)
    known = inside & (sample.crystal[kept] >= 0)
    found = find_lattice(block.flood.counts, params.geometry).positions
    rows, cols = linear_sum_assignment(cdist(block.centres, found))
    return Case(
        block,
        position[known].astype(np.intp),
        sample.crystal[kept][known],
        position[inside] - 0.5,
        found[cols[np.argsort(rows)]],
    )


def cases(quick: bool) -> dict[str, list[Case]]:
    """Return blocks by kind."""
    seeds, events = (range(1), 400_000) if quick else (range(3), 4_000_000)
    kinds = ("typical", "hard") if quick else ("easy", "typical", "hard")
    return {
        kind: [make_case(replace(PRESETS[kind], seed=100 + seed), events) for seed in seeds] for kind in kinds
    }


def accuracy_rows(blocks: dict[str, list[Case]]) -> list[dict[str, Any]]:
    """Return one row per method: accuracy relative to the ideal LUT, agreement with it, drift."""
    rows = []
    for name, params in METHODS.items():
        row: dict[str, Any] = {"method": name}
        for kind, members in blocks.items():
            for source in ("true", "found"):
                if source == "true" and params.kmeans.start != "peaks":
                    row[f"{kind}, true centres: events"] = row[f"{kind}, true: LUT"] = "-"
                    continue
                shares, agreements, drifts = [], [], []
                for case in members:
                    live = case.block.live[:, None]
                    start = np.where(live, case.block.centres, np.nan) if source == "true" else case.found
                    done = segment(
                        case.block.flood.counts,
                        start,
                        params,
                        events=case.events,
                        geometry=case.block.params.geometry,
                    )
                    shares.append(case.accuracy(done.labels) / case.accuracy(case.block.ideal_lut.ids))
                    agreements.append(case.agreement(done.labels))
                    drifts.append(done.drift[np.isfinite(done.drift)])
                row[f"{kind}, {source} centres: events"] = f"{np.mean(shares):.4f}"
                row[f"{kind}, {source}: LUT"] = f"{np.mean(agreements):.4f}"
                if (kind, source) == ("typical", "found"):
                    drift = np.concatenate(drifts)
                    row["drift median / p90 / max px"] = (
                        f"{np.median(drift):.1f} / {np.quantile(drift, 0.9):.1f} / {drift.max():.1f}"
                    )
                    row[f"moved > {FAR:g} px"] = f"{100 * (drift > FAR).mean():.1f} %"
        rows.append(row)
    return rows


def notebook_borders(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Mark borders pixel pair by pixel pair, as the notebook does."""
    grid = np.zeros(labels.shape)
    for i in range(labels.shape[0] - 1):
        for j in range(labels.shape[1] - 1):
            if labels[i, j] != labels[i + 1, j]:
                grid[i, j] = grid[i + 1, j] = 1
            if labels[i, j] != labels[i, j + 1]:
                grid[i, j] = grid[i, j + 1] = 1
    return grid


def time_rows(case: Case, repeats: int) -> list[dict[str, str]]:
    """Return times on 512 x 512 pixels and 256 crystals, against the libraries' or the notebook's way."""
    counts, peaks = case.block.flood.counts, case.found
    pixels = np.indices(counts.shape).reshape(2, -1).T.astype(float)
    weights = counts.ravel()

    def sklearn_kmeans(iterations: int) -> Callable[[], Any]:
        model = KMeans(len(peaks), init=peaks, n_init=1, max_iter=iterations)
        return lambda: model.fit(pixels, sample_weight=weights).predict(pixels)

    def own_kmeans(iterations: int) -> Callable[[], Any]:
        params = KMeansParameters(max_iterations=iterations)
        return lambda: fit_kmeans(counts, peaks, params).labels((512, 512))

    labels = nearest_peak_cells((512, 512), peaks)
    pairs: list[tuple[str, Callable[[], Any], str, Callable[[], Any]]] = [
        (
            "nearest peak",
            lambda: nearest_peak_cells((512, 512), peaks),
            "scipy cKDTree",
            lambda: cKDTree(peaks).query(pixels),
        ),
        ("k-means, 1 iteration", own_kmeans(1), "scikit-learn KMeans", sklearn_kmeans(1)),
        ("k-means, 5 iterations", own_kmeans(5), "scikit-learn KMeans", sklearn_kmeans(5)),
        ("cell borders", lambda: cell_borders(labels), "notebook's loop", lambda: notebook_borders(labels)),
    ]
    rows = []
    for step, own, reference, other in pairs:
        fast, slow, ratio = measure_against(own, other, repeats=repeats)
        rows.append(
            {
                "step": step,
                "time": str(fast),
                "reference": reference,
                "its time": str(slow),
                "ratio": f"{ratio.median:.0f}",
            }
        )
    alone = {
        "mixture to convergence": lambda: fit_mixture(counts, peaks),
        "mixture, fit and labels": lambda: segment(counts, peaks),
        "watershed": lambda: watershed_cells(counts, peaks),
    }
    rows += [
        {
            "step": step,
            "time": str(measure(run, repeats=repeats)),
            "reference": "",
            "its time": "",
            "ratio": "",
        }
        for step, run in alone.items()
    ]
    return rows


def growth_rows(quick: bool) -> list[dict[str, str]]:
    """Return times against pixels and crystals, on uniform lattices of the typical block's spots."""
    sizes = [(256, 16), (512, 8), (512, 16), (512, 32), (1024, 16), (1024, 32)]
    rows = []
    for pixels, side in sizes[:3] if quick else sizes:
        pitch = pixels / (side + 1)
        grid = np.stack(np.meshgrid(*[np.arange(1, side + 1)] * 2, indexing="ij"), -1).reshape(-1, 2) * pitch
        rng = np.random.default_rng(side)
        peaks = grid + rng.normal(0, 0.05 * pitch, grid.shape)
        hits = peaks[rng.integers(0, len(peaks), 5000 * side**2)]
        hits = np.rint(hits + rng.normal(0, 0.31 * pitch, hits.shape)).astype(int)
        hits = hits[((hits >= 0) & (hits < pixels)).all(axis=1)]
        counts = np.bincount(hits @ [pixels, 1], minlength=pixels**2).reshape(pixels, pixels).astype(float)
        fit = fit_mixture(counts, peaks)
        rows.append(
            {
                "pixels": f"{pixels} x {pixels}",
                "crystals": str(len(BlockGeometry(side, side))),
                "nearest": str(measure(lambda n=pixels, p=peaks: nearest_peak_cells((n, n), p))),
                "mixture": str(measure(lambda c=counts, p=peaks: fit_mixture(c, p), repeats=3)),
                "its iterations": str(fit.iterations),
                "watershed": str(measure(lambda c=counts, p=peaks: watershed_cells(c, p), repeats=3)),
                "k-means, 1 iteration": str(measure(lambda c=counts, p=peaks: fit_kmeans(c, p), repeats=3)),
            }
        )
    return rows


def run(quick: bool) -> Report:
    """Compare the segmentation methods by the events they put right, and time them."""
    import warnings

    warnings.simplefilter("ignore", ConvergenceWarning)
    report = Report("segmentation", "Which pixel belongs to which crystal")
    blocks = cases(quick)
    count = len(next(iter(blocks.values())))
    optimum = {
        kind: np.mean([case.accuracy(case.block.ideal_lut.ids) for case in members])
        for kind, members in blocks.items()
    }
    report.table(f"Events put right relative to the ideal LUT, {count} blocks each", accuracy_rows(blocks))
    report.note(
        "The ideal LUT puts right "
        + ", ".join(f"{100 * share:.1f} % ({kind})" for kind, share in optimum.items())
        + " of all events; columns 'events' are relative to that, on events that the maps do not hold."
    )
    report.note("'LUT' is the share of the map's counts in pixels where a method agrees with the ideal LUT.")
    report.note(
        "'true' centres are given for live crystals only; 'found' are those of find_lattice, all of them."
    )
    report.note("The default method is the mixture because it puts most events right on every kind of block.")
    typical = blocks["typical"][0]
    report.table("Time, 512 x 512 pixels, 256 crystals", time_rows(typical, 2 if quick else 7))
    report.table("Growth with pixels and crystals", growth_rows(quick))
    report.note("Time references ran in turn with the program's own way; all as installed, threads and all.")
    return report


if __name__ == "__main__":
    main(run)

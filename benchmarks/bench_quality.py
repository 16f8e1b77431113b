"""Figures of merit: bias and spread against simulated truth, the measured block's anchors, and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from _common import Report, main, measure
from napari_petlut.analysis.quality import BlockQuality, block_quality, pair_quality
from napari_petlut.analysis.quality.pairs import neighbour_ids
from napari_petlut.analysis.segmentation import segment
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import CrystalLUT, EventFormat, Lattice
from napari_petlut.simulation import PRESETS, BlockSimulation, SimulatedBlock, simulate_block, simulate_events

FULL_SCALE = 512
ANCHORS = {
    "k": ("1.33", "k"),
    "smallest k of a pair": ("0.80", "worst_k"),
    "median PVR by line profile": ("1.87", "pvr"),
    "mean PVR by line profile": ("2.19", "pvr_mean"),
    "pairs with PVR < 1.1, of 480": ("3", "pvr_below_1.1"),
    "mean misassignment": ("22.5 % (best LUT)", "misassigned"),
    "smallest counts of a crystal": ("98,000", "counts_min"),
    "median counts": ("140,000", "counts_median"),
    "largest counts": ("193,000", "counts_max"),
    "FWHM axis 0, px": ("21.2", "fwhm_0"),
    "FWHM axis 1, px": ("20.3", "fwhm_1"),
}
"""What was measured on one 16 x 16 quadrant-sharing block, and the name of the figure here."""


@dataclass
class Judged:
    """A simulated block with its figures, and how many events of each crystal its LUT misses."""

    block: SimulatedBlock
    quality: BlockQuality
    missed: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]


def true_lattice(block: SimulatedBlock) -> Lattice:
    """Return the lattice at the true centres."""
    n = len(block.live)
    status = np.where(block.live, "found", "missing")
    return Lattice(block.params.geometry, block.centres, status, np.ones(n), ("",) * n)


def judge_block(params: BlockSimulation, events: int) -> Judged:
    """Simulate a block, make its LUT and figures, and send fresh events through the LUT."""
    block = simulate_block(params)
    peaks = np.where(block.live[:, None], block.centres, np.nan)
    labels = segment(block.flood.counts, peaks).labels
    lut = CrystalLUT(labels, params.geometry)
    quality = block_quality(block.flood.counts, true_lattice(block), lut)
    sample, fmt = simulate_events(params, events), EventFormat()
    energy, ex, ey = (
        (sample.words >> np.uint32(f.shift) & np.uint32(f.mask)).astype(np.float64)
        for f in (fmt.energy, fmt.x, fmt.y)
    )
    known = (energy > params.window.low) & (energy < params.window.high) & (sample.crystal >= 0)
    pixel = ((1 - np.stack([ex, ey])[:, known] / energy[known]) * FULL_SCALE).astype(int)
    crystal = sample.crystal[known].astype(int)
    inside = ((pixel >= 0) & (pixel < FULL_SCALE)).all(axis=0)
    right = np.zeros(len(crystal), bool)
    right[inside] = labels[tuple(pixel[:, inside])] == crystal[inside]
    n = len(params.geometry)
    total = np.bincount(crystal, minlength=n).astype(float)
    with np.errstate(invalid="ignore"):
        missed = 1 - np.bincount(crystal, right, n) / total
    return Judged(block, quality, missed, total)


def comparisons(judged: Judged) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any], bool]]:
    """Yield name, figure, truth, and whether to compare as a ratio or as a difference."""
    block, quality = judged.block, judged.quality
    true_width = FWHM_PER_SIGMA * np.sqrt(np.diagonal(block.covariances, axis1=1, axis2=2))
    for axis in (0, 1):
        yield f"FWHM along axis {axis}", quality.crystals.fwhm[:, axis], true_width[:, axis], True
    share = judged.counts / np.nanmean(judged.counts[block.live])
    yield "relative counts", quality.crystals.relative_counts, share, True
    centres = np.where(block.live[:, None], block.centres, np.nan)
    for axis, (name, pairs) in enumerate((("rows", quality.rows), ("columns", quality.cols))):
        true = pair_quality(
            block.expected,
            block.expected,
            block.ideal_lut.ids,
            centres,
            block.covariances,
            neighbour_ids(block.params.geometry, axis),
        )
        yield f"k, neighbouring {name}", pairs.k, true.k, True
        yield f"PVR by line, {name}", pairs.pvr_line, true.pvr_line, True
        yield f"PVR by border, {name}", pairs.pvr_border, true.pvr_border, True
    yield "misidentification", quality.crystals.misidentified, judged.missed, False
    yield "drift of the fitted centre, px", quality.crystals.drift, np.zeros(len(block.live)), False


def bias_rows(kinds: dict[str, BlockSimulation], seeds: range, events: int) -> list[dict[str, str]]:
    """Return bias and spread of every figure for every kind of block."""
    rows: dict[str, dict[str, str]] = {}
    for kind, params in kinds.items():
        found: dict[str, list[npt.NDArray[Any]]] = {}
        for seed in seeds:
            for name, figure, truth, ratio in comparisons(judge_block(replace(params, seed=seed), events)):
                with np.errstate(divide="ignore", invalid="ignore"):
                    values = figure / truth - 1 if ratio else figure - truth
                found.setdefault(name, []).append(values[np.isfinite(values)])
        for name, parts in found.items():
            values = np.concatenate(parts)
            scale, unit = (1.0, "") if name.endswith("px") else (100.0, " %")
            low, middle, high = np.quantile(values, [0.05, 0.5, 0.95]) * scale
            row = rows.setdefault(name, {"figure": name})
            row[kind] = f"{middle:+.1f}{unit} ({low:+.1f} to {high:+.1f})"
    return list(rows.values())


def anchor_rows(events: int) -> list[dict[str, str]]:
    """Return the figures of the typical simulated block beside those of the measured one."""
    figures = judge_block(PRESETS["typical"], events).quality.figures
    return [
        {"figure": name, "measured block": measured, "simulated block": f"{figures[key]:.4g}"}
        for name, (measured, key) in ANCHORS.items()
    ]


def time_rows(quick: bool) -> list[dict[str, str]]:
    """Return the time for all figures of a block."""
    rows = []
    for kind in ("typical",) if quick else ("easy", "typical", "hard"):
        block = simulate_block(PRESETS[kind])
        lattice = true_lattice(block)

        def figures(block: SimulatedBlock = block, lattice: Lattice = lattice) -> BlockQuality:
            return block_quality(block.flood.counts, lattice, block.ideal_lut)

        rows.append({"block": kind, "crystals": str(len(block.live)), "time": str(measure(figures))})
    return rows


def run(quick: bool) -> Report:
    """Hold every figure of merit against what was simulated, and time them."""
    report = Report("quality", "Figures of merit against simulated truth")
    seeds, events = (range(50, 51), 300_000) if quick else (range(50, 54), 4_000_000)
    kinds = {
        "easy": PRESETS["easy"],
        "typical": PRESETS["typical"],
        "typical, 3,000 counts": replace(PRESETS["typical"], counts_per_crystal=3000),
        "typical, 300 counts": replace(PRESETS["typical"], counts_per_crystal=300),
        "hard": PRESETS["hard"],
    }
    if quick:
        kinds = {name: kinds[name] for name in ("typical", "hard")}
    report.table(
        f"Bias: median (5 % to 95 %) over crystals or pairs of {len(seeds)} block{'s' * (len(seeds) > 1)}",
        bias_rows(kinds, seeds, events),
    )
    report.table("Measured anchors", anchor_rows(events))
    report.table("Time for all figures of a block", time_rows(quick))
    report.note(
        "Truth: widths and k of the spots' cores, PVR of the noise-free map with the ideal cells, and "
        "misidentification as the share of fresh events of a crystal that the LUT gives to others."
    )
    report.note(
        "The measured block's PVR was taken along single lines of pixels, where noise raises peaks "
        "and deepens valleys; here both are means over a strip, at places that the fit gives."
    )
    return report


if __name__ == "__main__":
    main(run)

"""Every figure of merit against simulated truth: its bias and its spread, for `docs/figures.md`.

Blocks with two-site events as physics has them, with a halo instead, and without scatter; spots that merge
to spots far apart; few counts and many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from _common import Report, main, measure
from bench_quality import true_lattice
from napari_petlut.analysis.photopeak import fit_photopeaks
from napari_petlut.analysis.quality import BlockQuality, block_quality
from napari_petlut.analysis.quality.pairs import neighbour_ids, pair_quality
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.simulation import BlockSimulation, SimulatedBlock, simulate_block
from napari_petlut.simulation.spectrum import STEP, background_energy, full_energy, partial_energy

SCATTER: dict[str, dict[str, float]] = {
    "two-site events": {"scatter": 0.0, "two_site": 0.5},
    "halo": {"scatter": 0.22},
    "no scatter": {"scatter": 0.0},
}
CASES = ((0.9, 30_000), (1.2, 30_000), (1.5, 3_000), (2.5, 1_000), (2.5, 100_000), (4.0, 3_000), (6.0, 3_000))
SEEDS = range(700, 703)
RESOLUTION, PHOTOPEAK = 0.14, 520.0

Errors = dict[str, npt.NDArray[np.float64]]


def block_errors(block: SimulatedBlock, quality: BlockQuality) -> Errors:
    """Return the error of each figure, relative in percent, or in points where the figure is a share."""
    true_width = FWHM_PER_SIGMA * np.sqrt(np.diagonal(block.covariances, axis1=1, axis2=2))
    true = [
        pair_quality(
            block.expected,
            block.expected,
            block.ideal_lut.ids,
            block.centres,
            block.covariances,
            neighbour_ids(block.params.geometry, axis),
        )
        for axis in (0, 1)
    ]
    pairs = (quality.rows, quality.cols)
    cells = block.ideal_lut.ids
    counts = np.bincount(cells.ravel() + 1, block.expected.ravel(), len(block.live) + 1)[1:]
    ratios = {
        "FWHM": (quality.crystals.fwhm / true_width).ravel(),
        "k": np.concatenate([p.k / t.k for p, t in zip(pairs, true, strict=True)]),
        "PVR by line": np.concatenate([p.pvr_line / t.pvr_line for p, t in zip(pairs, true, strict=True)]),
        "relative counts": quality.crystals.relative_counts / (counts / counts.mean()),
    }
    errors = {name: 100 * (values[np.isfinite(values)] - 1) for name, values in ratios.items()}
    errors["misidentification"] = 100 * (quality.crystals.misidentified - (1 - block.correct))
    return errors


def quality_rows(quick: bool) -> Iterator[dict[str, Any]]:
    """Yield median and spread of the errors of every kind of block."""
    for name, scatter in SCATTER.items():
        for resolution, counts in CASES[1:2] if quick else CASES:
            found: dict[str, list[npt.NDArray[np.float64]]] = {}
            for seed in SEEDS[:1] if quick else SEEDS:
                block = simulate_block(
                    BlockSimulation(
                        rows=12,
                        cols=12,
                        resolution=resolution,
                        counts_per_crystal=counts,
                        background=0.05,
                        seed=seed,
                        **scatter,  # type: ignore[arg-type]
                    )
                )
                quality = block_quality(block.flood.counts, true_lattice(block), block.ideal_lut)
                for figure, errors in block_errors(block, quality).items():
                    found.setdefault(figure, []).append(errors)
            row: dict[str, Any] = {
                "scatter": name,
                "simulated k": resolution,
                "counts per crystal": f"{counts:,}",
            }
            for figure, parts in found.items():
                values = np.concatenate(parts)
                # One nearly empty valley makes a standard deviation of any size.
                low, middle, high = np.percentile(values, (15.87, 50, 84.13))
                row[figure] = f"{middle:+.1f} ± {(high - low) / 2:.1f}"
            yield row


def photopeak_rows(quick: bool) -> Iterator[dict[str, Any]]:
    """Yield bias, spread and pull of the photopeaks of a crystal's spectrum."""
    shape = 0.58 * full_energy(RESOLUTION) + 0.36 * partial_energy(RESOLUTION) + 0.06 * background_energy()
    edges = (np.arange(4097) - 0.5) / PHOTOPEAK
    cumulative = np.concatenate([[0.0], np.cumsum(shape)])
    expected = np.diff(np.interp(edges, np.arange(len(cumulative)) * STEP, cumulative))
    rng = np.random.default_rng(700)
    for events in (100, 1_000, 10_000, 100_000):
        peaks = fit_photopeaks(rng.poisson(events * expected, (40 if quick else 400, 4096)), near=PHOTOPEAK)
        good = peaks.found
        position, resolution = peaks.position[good] / PHOTOPEAK - 1, peaks.resolution[good] / RESOLUTION - 1
        yield {
            "events": f"{events:,}",
            "found": f"{good.mean():.0%}",
            "position": f"{100 * position.mean():+.2f} ± {100 * position.std():.2f} %",
            "pull": f"{(position * PHOTOPEAK / peaks.position_error[good]).std():.2f}",
            "resolution": f"{100 * resolution.mean():+.1f} ± {100 * resolution.std():.1f} %",
            "its pull": f"{(resolution * RESOLUTION / peaks.resolution_error[good]).std():.2f}",
            "deviance": f"{np.median(peaks.misfit[good]):.2f}",
        }


def run(quick: bool) -> Report:
    """Hold every figure against what was simulated."""
    report = Report("truth", "Bias and spread of every figure")
    report.table(
        "Figures of blocks: median ± half the central 68 % of the errors of crystals or pairs, in percent "
        "(misidentification: in points)",
        list(quality_rows(quick)),
    )
    report.table("Photopeaks", list(photopeak_rows(quick)))
    block = simulate_block(BlockSimulation(scatter=0.0, two_site=0.5, counts_per_crystal=20_000))
    time = measure(lambda: block_quality(block.flood.counts, true_lattice(block), block.ideal_lut), repeats=3)
    report.table(
        "Time for all figures of 256 crystals", [{"time": str(time), "processor": f"{time.cpu_median:.2f} s"}]
    )
    report.note(
        "Blocks of 12 x 12 crystals with the true peaks and the ideal LUT, so that only the figures err."
    )
    report.note(
        "Truth: widths and k of the cores, PVR of the noise-free map, and the first interaction's crystal."
    )
    return report


if __name__ == "__main__":
    main(run)

"""How like a measured block the simulated typical block is, and how long it takes to simulate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage

from _common import Report, main, measure
from napari_petlut.analysis.detection import FilterParameters, PeakParameters, filter_map, find_peaks
from napari_petlut.analysis.segmentation import fit_mixture, nearest_peak_cells
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import FloatArray, IntArray
from napari_petlut.simulation import PRESETS, SimulatedBlock, simulate_block, simulate_events
from napari_petlut.simulation.optics import neighbour_pairs

PUBLISHED: Mapping[str, float] = {
    "pitch, smallest, px": 9.1,
    "pitch, median, px": 28.0,
    "pitch, largest, px": 53.0,
    "spot sigma along axis 0, median, px": 9.0,
    "spot sigma along axis 1, median, px": 8.6,
    "k along axis 0, median": 1.33,
    "k along axis 1, median": 1.33,
    "k, worst pair": 0.80,
    "PVR unfiltered, median": 1.87,
    "PVR unfiltered, mean": 2.19,
    "PVR at sigma 2, median": 1.64,
    "pairs of 480 with PVR < 1.1, unfiltered": 3,
    "pairs of 480 with PVR < 1.1, at sigma 2": 16,
    "counts per nearest-peak cell, smallest, 1000": 98,
    "counts per nearest-peak cell, median, 1000": 140,
    "counts per nearest-peak cell, largest, 1000": 193,
    "events in the window, million": 35.6,
    "share of all events in the window, %": 56.9,
    "comb: deviation of the line 255, %": -25,
    "comb: deviation of the line 256, %": 21.5,
    "peaks found by the notebook's recipe": 254,
    "of these within 5 px of a crystal": 251,
}
"""Measured on one 16 x 16 quadrant-sharing block with 62.6 million events; lines 255 and 256 are the means of
rows and columns."""
SAMPLED_EVENTS = 2_000_000


def figures(block: SimulatedBlock) -> dict[str, float]:
    """Return the figures of `PUBLISHED` for a simulated block."""
    counts, centres = block.flood.counts, block.centres
    pairs, axis = neighbour_pairs(*block.params.geometry.shape)
    pitch = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1)
    fit = fit_mixture(counts, centres)
    sigma = np.sqrt(fit.covariances[:, [0, 1], [0, 1]])
    width = FWHM_PER_SIGMA * sigma[pairs, axis[:, None]].mean(axis=1)
    k = np.linalg.norm(fit.means[pairs[:, 0]] - fit.means[pairs[:, 1]], axis=1) / width
    raw = peak_to_valley(counts, summits(counts, centres), pairs)
    smooth = peak_to_valley(ndimage.gaussian_filter(counts, 2), centres, pairs)
    cells = np.bincount(nearest_peak_cells(counts.shape, centres).ravel(), counts.ravel()) / 1000
    energy = simulate_events(block.params, SAMPLED_EVENTS).words >> 20
    found, right = notebook_recipe(counts, centres)
    values = (
        *(pitch.min(), np.median(pitch), pitch.max()),
        *np.median(sigma, axis=0),
        *(np.median(k[axis == 0]), np.median(k[axis == 1]), k.min()),
        *(np.median(raw), raw.mean(), np.median(smooth)),
        *((raw < 1.1).sum(), (smooth < 1.1).sum()),
        *(cells.min(), np.median(cells), cells.max()),
        counts.sum() / 1e6,
        100 * np.mean((energy > 400) & (energy < 800)),
        *(comb_line(counts, line) for line in (255, 256)),
        *(found, right),
    )
    return dict(zip(PUBLISHED, map(float, values), strict=True))


def summits(counts: FloatArray, centres: FloatArray) -> IntArray:
    """Return the highest pixel near each centre after a light filter, as a person would click."""
    smooth = ndimage.gaussian_filter(counts, 1)
    places = np.rint(centres).astype(np.intp)
    best = places.copy()
    for d0 in range(-3, 4):
        for d1 in range(-3, 4):
            there = np.clip(places + np.array([d0, d1]), 0, np.array(counts.shape) - 1)
            higher = smooth[tuple(there.T)] > smooth[tuple(best.T)]
            best[higher] = there[higher]
    return best


def peak_to_valley(counts: FloatArray, peaks: FloatArray | IntArray, pairs: IntArray) -> FloatArray:
    """Return the mean height of both peaks over the lowest pixel on the line between them, shape (pairs,)."""
    out = np.empty(len(pairs))
    for i, (a, b) in enumerate(pairs):
        steps = int(np.ceil(np.linalg.norm(peaks[a] - peaks[b]))) + 1
        line = np.rint(np.linspace(peaks[a], peaks[b], max(steps, 2))).astype(np.intp)
        profile = counts[tuple(line.T)]
        out[i] = (profile[0] + profile[-1]) / 2 / max(profile.min(), 1)
    return out


def comb_line(counts: FloatArray, line: int) -> float:
    """Return by how many percent a line differs from the mean of the four lines around its pair."""
    around = [253, 254, 257, 258]
    sums = [counts.sum(axis=axis) for axis in (0, 1)]
    return float(np.mean([100 * (s[line] / s[around].mean() - 1) for s in sums]))


def notebook_recipe(counts: FloatArray, centres: FloatArray) -> tuple[int, int]:
    """Return how many peaks the notebook's settings find, and how many crystals have one within 5 px."""
    peaks = find_peaks(
        filter_map(counts, FilterParameters(sigma=0.75)),
        PeakParameters(threshold=200, min_distance=5, max_peaks=10_000, refine=False),
    ).positions
    distance = np.linalg.norm(centres[:, None] - peaks[None], axis=-1)
    nearest = distance.argmin(axis=1)
    return len(peaks), len(np.unique(nearest[distance.min(axis=1) <= 5]))


def run(quick: bool) -> Report:
    """Compare the typical block with the figures of a measured one, and time the simulation."""
    report = Report("simulation", "The simulated typical block against a measured one")
    blocks = [simulate_block(replace(PRESETS["typical"], seed=seed)) for seed in range(2 if quick else 12)]
    all_figures = [figures(block) for block in blocks]
    report.table(
        f"Figures of a measured 16 x 16 block and of {len(blocks)} simulated ones",
        [
            {
                "figure": name,
                "measured": f"{published:g}",
                "simulated, median": f"{np.median([f[name] for f in all_figures]):.4g}",
                "smallest": f"{min(f[name] for f in all_figures):.4g}",
                "largest": f"{max(f[name] for f in all_figures):.4g}",
            }
            for name, published in PUBLISHED.items()
        ],
    )
    n = 262_144 if quick else 2_097_152
    whole = measure(lambda: simulate_block(PRESETS["typical"]), repeats=3 if quick else 10)
    events = measure(lambda: simulate_events(PRESETS["typical"], n), repeats=2 if quick else 3)
    report.table(
        "Time",
        [
            {"what": "map of 35.6 million events with its truth, without events", "time": str(whole)},
            {"what": f"{n / 1e6:.1f} million single events", "time": str(events)},
            {
                "what": "62.6 million single events, from the line above",
                "time": f"{events.median * 62_582_784 / n:.0f} s",
            },
        ],
    )
    report.note(
        "Sigma, k and the share right come from a Gaussian mixture fitted to the map from the true centres."
    )
    report.note(
        "The measured block is one block; its fit limited sigma to 12.2 px, which raises its worst k."
    )
    return report


if __name__ == "__main__":
    main(run)

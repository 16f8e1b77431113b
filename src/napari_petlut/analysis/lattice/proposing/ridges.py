"""Lattices put onto the ridges of the map: those that are next to them, and lines traced anew."""

from __future__ import annotations

import numpy as np

from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Contest
from napari_petlut.analysis.lattice.grids import smooth_grid
from napari_petlut.analysis.lattice.proposing.tracing import (
    TracingWeights,
    intersect,
    line_image,
    trace_lines,
)
from napari_petlut.analysis.lattice.seeing.index_space import RectifiedMap
from napari_petlut.model import FloatArray

ROUGH_SMOOTHING, LOCK_SMOOTHING, MOVE_SMOOTHING = 2.0, 0.6, 0.3
"""How much a lattice is straightened before the map is rectified along it: a first guess much."""
SEED_WEIGHTS = TracingWeights(strip=0.5, anchor=0.05, coupling=0.35, spacing=0.8, mass=1.2)
"""For lines grown anew in the space of a rough lattice."""
LOCK_WEIGHTS = (
    TracingWeights(strip=0.5, anchor=0.02, coupling=0.6, spacing=0.8, mass=0.4),
    TracingWeights(strip=0.3, anchor=0.02, coupling=0.6, spacing=0.8, mass=0.4),
)
"""For locking a lattice that is about right."""


def put_on_ridges(
    contest: Contest, grid: FloatArray, weights: tuple[TracingWeights, ...] = LOCK_WEIGHTS
) -> FloatArray:
    """Return the lattice put onto the ridges that it is next to."""
    for w in weights:
        space, image = contest.scene.along(smooth_grid(grid, LOCK_SMOOTHING))
        rows, _ = trace_lines(line_image(image, w.strip), w)
        cols, _ = trace_lines(line_image(image.transposed, w.strip), w)
        grid = space.to_pixels(*intersect(rows, cols))
    return grid


def grow_lines(contest: Contest, grid: FloatArray, origin: str, most: int = 3) -> None:
    """Trace lines anew in the space of a rough lattice, and judge the best combinations."""
    space, image = contest.scene.along(smooth_grid(grid, ROUGH_SMOOTHING))
    rows = distinct_traces(image, SEED_WEIGHTS, most)
    cols = distinct_traces(image.transposed, SEED_WEIGHTS, most)
    best: tuple[float, FloatArray] | None = None
    for row in rows:
        judged = contest.judge(Candidate(space.to_pixels(*intersect(row, cols[0])), origin))
        if judged is not None and (best is None or judged.score < best[0]):
            best = judged.score, row
    for col in cols[1:]:
        if best is not None:
            contest.judge(Candidate(space.to_pixels(*intersect(best[1], col)), origin))


def distinct_traces(image: RectifiedMap, weights: TracingWeights, most: int) -> list[FloatArray]:
    """Return the best distinct ways to trace the rows of a rectified map, best first."""
    lines = line_image(image, weights.strip)
    found: list[tuple[float, FloatArray]] = []
    for seed in [-1, *seed_positions(lines.ridge.shape[0])]:
        places, value = trace_lines(lines, weights, seed=seed, sweeps=3 if seed < 0 else 2)
        same = next((k for k, (_, p) in enumerate(found) if np.abs(p - places).max() < 0.45), None)
        if same is None:
            found.append((value, places))
        elif value > found[same][0]:
            found[same] = value, places
    found.sort(key=lambda f: -f[0])
    return [places for _, places in found[:most]]


def seed_positions(length: int, number: int = 5) -> list[int]:
    """Return positions along the lines to start from, the outer tenths left out."""
    return sorted({int(x) for x in np.clip(np.linspace(0.1 * length, 0.9 * length, number), 0, length - 1)})

"""Whole lines moved: shifted by one, traced from other seeds, or without their neighbours' help.

No move decides anything: every lattice it makes is fitted and judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import regions, smooth_grid
from napari_petlut.analysis.lattice.proposing.regions import REGIONS
from napari_petlut.analysis.lattice.proposing.ridges import MOVE_SMOOTHING, seed_positions
from napari_petlut.analysis.lattice.proposing.tracing import (
    LineImage,
    TracingWeights,
    intersect,
    line_image,
    trace_lines,
)
from napari_petlut.analysis.lattice.seeing.index_space import RectifiedMap
from napari_petlut.model import FloatArray

MOVE_WEIGHTS = TracingWeights(strip=0.5, anchor=0.0, coupling=0.5, spacing=0.8, mass=0.9)
"""For lines traced in the space of a good lattice."""
FREE_WEIGHTS = (
    TracingWeights(strip=0.8, anchor=0.02, coupling=0.0, spacing=0.5, mass=0.6),
    TracingWeights(strip=0.5, anchor=0.02, coupling=0.0, spacing=0.8, mass=1.0),
    TracingWeights(strip=1.5, anchor=0.02, coupling=0.0, spacing=0.5, mass=0.5),
)
"""For lines placed at every position without their neighbours' help: they show dislocations."""
STRETCH_WEIGHTS = (
    TracingWeights(anchor=0.02, coupling=0.0, spacing=0.3, mass=0.6),
    TracingWeights(anchor=0.02, coupling=0.0, spacing=0.8, mass=1.5),
)
"""For lines placed on the average along a stretch: what is the same along a line adds up, noise does not."""
MIN_CHANGE = 0.45
"""Lines that move less than this, in pitches, are the same lines."""
MIN_REGION = 3
"""Smallest region of changed nodes that is tried by itself."""


def line_moves(contest: Contest, start: Hypothesis) -> Iterator[Candidate]:
    """Yield lattices whose rows or columns run differently from those of `start`."""
    space, image = contest.scene.along(smooth_grid(start.grid, MOVE_SMOOTHING))
    rows, cols = start.grid.shape[:2]
    straight = (_even(rows, cols), _even(cols, rows))
    for axis, name in ((0, "rows"), (1, "columns")):
        view = image.along(axis)
        seen: list[FloatArray] = [straight[axis]]
        for lines, kind in _line_candidates(view, straight[axis]):
            if any(np.abs(lines - s).max() < MIN_CHANGE for s in seen):
                continue
            seen.append(lines)
            pair = (lines, straight[1]) if axis == 0 else (straight[0], lines)
            yield Candidate(space.to_pixels(*intersect(*pair)), f"{name} {kind}")


def shift_moves(contest: Contest, start: Hypothesis) -> Iterator[Candidate]:
    """Yield `start` with all rows or all columns shifted by one, put onto the ridges there.

    That is the most dangerous mistake, so that its evidence is always weighed to the end.
    """
    space, image = contest.scene.along(smooth_grid(start.grid, MOVE_SMOOTHING))
    rows, cols = start.grid.shape[:2]
    straight = (_even(rows, cols), _even(cols, rows))
    for axis, name in ((0, "rows"), (1, "columns")):
        view = line_image(image.along(axis), MOVE_WEIGHTS.strip)
        for way in (1, -1):
            lines, _ = trace_lines(view, MOVE_WEIGHTS, start=shift_lines(straight[axis], way))
            pair = (lines, straight[1]) if axis == 0 else (straight[0], lines)
            grid = space.to_pixels(*intersect(*pair))
            yield Candidate(grid, f"all {name} shifted by one", gate=Gate.NONE)


def shift_lines(lines: FloatArray, way: int) -> FloatArray:
    """Return line places shifted by one line; the new outer line lies 0.8 pitches outside."""
    if len(lines) < 2:
        return lines + way
    if way > 0:
        return np.concatenate([lines[1:], lines[-1:] + 0.8 * (lines[-1:] - lines[-2:-1])])
    return np.concatenate([lines[:1] - 0.8 * (lines[1:2] - lines[:1]), lines[:-1]])


def _even(lines: int, length: int) -> FloatArray:
    return np.repeat(np.arange(lines, dtype=np.float64)[:, None], length, axis=1)


def _line_candidates(image: RectifiedMap, straight: FloatArray) -> Iterator[tuple[FloatArray, str]]:
    """Yield other ways to trace the rows of a rectified map."""
    view = line_image(image, MOVE_WEIGHTS.strip)
    length = view.ridge.shape[0]
    # A seed position that sees five (three) columns at once is not fooled by one merged crystal.
    size = 5 if length >= 12 else 3
    wide = LineImage(
        ndimage.uniform_filter1d(view.ridge, size, axis=0, mode="nearest"),
        ndimage.uniform_filter1d(view.mass, size, axis=0, mode="nearest"),
    )
    for seed in seed_positions(length):
        ridge, mass = view.ridge.copy(), view.mass.copy()
        ridge[seed], mass[seed] = wide.ridge[seed], wide.mass[seed]
        first, _ = trace_lines(LineImage(ridge, mass), MOVE_WEIGHTS, seed=seed, sweeps=0)
        yield trace_lines(view, MOVE_WEIGHTS, start=first)[0], "traced from another seed"
    for part in _stretches(length):
        mean = LineImage(view.ridge[part].mean(axis=0)[None], view.mass[part].mean(axis=0)[None])
        for weights in STRETCH_WEIGHTS:
            slip = trace_lines(mean, weights, seed=0, sweeps=0)[0] - straight[:, :1]
            if np.abs(slip).max() < MIN_CHANGE:
                continue
            start = straight.copy()
            start[:, part] += slip
            yield trace_lines(view, MOVE_WEIGHTS, start=start)[0], "slipped along a stretch"
    for weights in FREE_WEIGHTS:
        free = _free_lines(line_image(image, weights.strip), weights)
        yield from ((lines, "traced one by one") for lines in _parts(free, straight))


def _stretches(length: int) -> list[slice]:
    """Return the whole length, its halves and its thirds."""
    out = [slice(0, length)]
    for parts in (2, 3):
        if length >= 2 * parts:
            edge = np.linspace(0, length, parts + 1).astype(int)
            out += [slice(int(a), int(b)) for a, b in pairwise(edge)]
    return out


def _free_lines(view: LineImage, weights: TracingWeights) -> FloatArray:
    """Place the lines at every position without any help of the neighbours."""
    lines, length = view.lines, view.ridge.shape[0]
    out = np.zeros((lines, length))
    for c in range(length):
        single = LineImage(view.ridge[c : c + 1], view.mass[c : c + 1])
        out[:, c] = trace_lines(single, weights, seed=0, sweeps=0)[0][:, 0]
    return out


def _parts(lines: FloatArray, straight: FloatArray) -> Iterator[FloatArray]:
    """Yield the change from `straight` to `lines`: all of it, then each larger region alone."""
    changed = np.abs(lines - straight) > 0.5
    if not changed.any():
        return
    yield np.where(ndimage.binary_dilation(changed), lines, straight)
    for region in regions(changed, changed.astype(np.float64), REGIONS):
        if region.sum() >= MIN_REGION:
            yield np.where(ndimage.binary_dilation(region), lines, straight)

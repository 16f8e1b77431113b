"""Moves from one lattice to others that might explain the map better.

Whole lines shifted by one, lines traced anew from other seeds or without their neighbours' help, regions
taken over from a competitor, and bad patches solved again from what surrounds them. No move decides anything:
every lattice it makes is fitted and judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_petlut.analysis.lattice.grids import BoolArray, fill_holes, node_distance, smooth_grid
from napari_petlut.analysis.lattice.hypotheses import (
    MOVE_SMOOTHING,
    SAME,
    Contest,
    Hypothesis,
    seeds,
)
from napari_petlut.analysis.lattice.objective import log_gaps, log_weight, own_spots
from napari_petlut.analysis.lattice.rectified import IndexSpace, RectifiedMap
from napari_petlut.analysis.lattice.tied_mixture import MixtureFit
from napari_petlut.analysis.lattice.tracing import (
    LineImage,
    TracingWeights,
    intersect,
    line_image,
    trace_lines,
)
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
SWIRLS = (-1.0, -0.5, 0.5, 1.0)
"""Turns of the middle against the edge, in pitches: where lines swirl, a line is easily continued by the next
one, and no move of single lines gets back."""
MIN_CHANGE = 0.45
"""Lines that move less than this, in pitches, are the same lines."""
MIN_REGION = 3
"""Smallest region of changed nodes that is tried by itself."""
REGIONS = 3
"""Regions of one competitor that are tried by themselves, largest first."""
OLD_NEIGHBOURS = 5
"""Competitors whose regions are tried."""
BAD_LEVELS = (0.35, 0.55)
"""Badness above which a patch is solved again."""
SPOTLESS_BADNESS = 0.3
"""Badness of a crystal without a spot of its own."""
DARKNESS = 0.35
"""A place with less than this share of the counts around it is tried as a dead crystal: at 0.5 live corners
are, at 0.3 dead ones beside bright neighbours are not."""
SLIPS = 3
"""Regions that are slipped, worst first."""
PATCHES = 4
"""Patches per level, worst first."""


def line_moves(contest: Contest, start: Hypothesis) -> Iterator[tuple[FloatArray, str]]:
    """Yield lattices whose rows or columns run differently from those of `start`."""
    space, image = contest.image(smooth_grid(start.grid, MOVE_SMOOTHING))
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
            yield space.to_pixels(*intersect(*pair)), f"{name} {kind}"


def shift_moves(contest: Contest, start: Hypothesis) -> Iterator[tuple[FloatArray, str]]:
    """Yield `start` with all rows or all columns shifted by one, put onto the ridges there."""
    space, image = contest.image(smooth_grid(start.grid, MOVE_SMOOTHING))
    rows, cols = start.grid.shape[:2]
    straight = (_even(rows, cols), _even(cols, rows))
    for axis, name in ((0, "rows"), (1, "columns")):
        view = line_image(image.along(axis), MOVE_WEIGHTS.strip)
        for way in (1, -1):
            lines, _ = trace_lines(view, MOVE_WEIGHTS, start=shifted_lines(straight[axis], way))
            pair = (lines, straight[1]) if axis == 0 else (straight[0], lines)
            yield space.to_pixels(*intersect(*pair)), f"all {name} shifted by one"


def swirl_moves(start: Hypothesis) -> Iterator[tuple[FloatArray, str]]:
    """Yield `start` turned in its middle while its outline stays, to be put onto the ridges there."""
    grid = smooth_grid(start.grid, MOVE_SMOOTHING)
    for amount in SWIRLS:
        yield swirled(grid, amount), "swirled"


def swirled(grid: FloatArray, amount: float) -> FloatArray:
    """Return a grid turned in its middle; crystals move along the edges and around the centre.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
    amount : float
        How far crystals in the middle of an edge move along it, in pitches.
    """
    rows, cols = grid.shape[:2]
    v, u = np.meshgrid(np.arange(rows, dtype=np.float64), np.arange(cols, dtype=np.float64), indexing="ij")
    down, right = np.pi * (v + 0.5) / rows, np.pi * (u + 0.5) / cols
    along0 = amount * np.sin(down) * np.cos(right)
    along1 = -amount * np.cos(down) * np.sin(right)
    return IndexSpace(grid).to_pixels(v + along0, u + along1)


def shifted_lines(lines: FloatArray, way: int) -> FloatArray:
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
    for seed in seeds(length):
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


def regions(mask: BoolArray, weight: FloatArray, most: int) -> list[BoolArray]:
    """Return the connected regions of a mask, heaviest first."""
    label, number = ndimage.label(mask, np.ones((3, 3)))
    if number == 0:
        return []
    size = ndimage.sum_labels(weight, label, np.arange(1, number + 1))
    return [label == k + 1 for k in np.argsort(-size, kind="stable")[:most]]


def fusion_moves(pool: list[Hypothesis], start: Hypothesis) -> Iterator[tuple[FloatArray, str]]:
    """Yield `start` with single regions taken over from its best competitors."""
    seen: list[BoolArray] = []
    for other in sorted(pool, key=lambda h: h.score):
        differs = node_distance(other.grid, start.grid) > SAME
        if not differs.any() or any((differs != s).mean() < 0.01 for s in seen):
            continue
        seen.append(differs)
        for region in regions(differs, differs.astype(np.float64), REGIONS):
            wide = ndimage.binary_dilation(region)
            if wide.mean() < 0.8:
                yield np.where(wide[..., None], other.grid, start.grid), "a region from a competitor"
        if len(seen) == OLD_NEIGHBOURS:
            return


def badness(fit: MixtureFit) -> FloatArray:
    """Return how badly each crystal fits its surroundings: uneven pitch and uneven counts, (rows, cols)."""
    out = np.zeros(fit.grid.shape[:2])
    for axis, gap in enumerate(log_gaps(fit.grid)):
        size = (5, 1) if axis == 1 else (1, 5)
        off = np.abs(gap - ndimage.median_filter(gap, size=size, mode="nearest"))
        first = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        last = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        out[first] += 0.5 * off
        out[last] += 0.5 * off
    weight = log_weight(fit)
    return np.asarray(out + 0.8 * np.abs(weight - ndimage.gaussian_filter(weight, 2.0, mode="nearest")))


def repair_moves(contest: Contest, start: Hypothesis) -> Iterator[tuple[FloatArray, str, BoolArray | None]]:
    """Yield `start` with bad patches placed anew, and which crystals are dark there."""
    bad = doubt_map(contest, start)
    for level in BAD_LEVELS:
        for region in regions(bad > level, bad, PATCHES):
            wide = ndimage.binary_dilation(region)
            if not 1 < wide.sum() < 0.5 * wide.size:
                continue
            grid = fill_holes(start.grid, wide)
            dark = dark_crystals(contest, grid, wide)
            if start.dark is not None:
                dark |= start.dark & ~wide
            yield grid, "a bad patch solved again", None
            if dark.any():
                yield grid, "dead crystals", dark


def dark_crystals(contest: Contest, grid: FloatArray, region: BoolArray) -> BoolArray:
    """Return which crystals of a region lie in the dark, held against the crystals outside of it."""
    bright = contest.brightness(grid)
    outside = np.where(region, np.nan, bright)
    level = np.full(region.shape, np.nanmedian(outside) if not region.all() else np.median(bright))
    for i, j in np.argwhere(region):
        near = outside[max(0, i - 3) : i + 4, max(0, j - 3) : j + 4]
        if np.isfinite(near).sum() >= 3:
            level[i, j] = np.nanmedian(near)
    return np.asarray(region & (bright < DARKNESS * level))


def doubt_map(contest: Contest, start: Hypothesis) -> FloatArray:
    """Return how doubtful each crystal's place is: badness, and no spot of its own."""
    bad = badness(start.fit)
    _, own = own_spots(start.grid, contest.spots)
    bad = bad + SPOTLESS_BADNESS * ~own
    return np.maximum(bad, 1.2 * ndimage.gaussian_filter(bad, 0.8))


def slip_moves(contest: Contest, start: Hypothesis) -> Iterator[tuple[FloatArray, str]]:
    """Yield `start` with a doubtful region, out to the block's edge, slipped by one line."""
    doubt = doubt_map(contest, start)
    for region in regions(doubt > BAD_LEVELS[1], doubt, SLIPS):
        low, high = np.argwhere(region).min(axis=0), np.argwhere(region).max(axis=0)
        for axis in (0, 1):
            for way in (-1, 1):
                yield slipped(start.grid, low, high, axis, way), "a region slipped by one line"


def slipped(
    grid: FloatArray, low: npt.NDArray[np.intp], high: npt.NDArray[np.intp], axis: int, way: int
) -> FloatArray:
    """Return the grid with the lines of a box moved by one along an axis, out to the nearer edge.

    `way` 1 puts crystals where the next ones are: a line is lost at the edge and one is put in at the inner
    side; -1 is the reverse.
    """
    lines = grid.shape[axis]
    at_end = (low[axis] + high[axis]) / 2 > (lines - 1) / 2
    view = np.moveaxis(grid, axis, 0) if axis else grid
    view = view if not at_end else view[::-1]
    inner = int(lines - 1 - low[axis] if at_end else high[axis])
    other = 1 - axis
    across = slice(int(low[other]), int(high[other]) + 1)
    out = view.copy()
    # Line 0 is at the edge now; `inner` is the innermost line of the box.
    if way > 0:
        out[: inner + 1, across] = (
            view[1 : inner + 2, across] if inner + 1 < lines else view[: inner + 1, across]
        )
        seam = min(inner, lines - 1)
        if 0 < seam < lines - 1:
            out[seam, across] = 0.5 * (out[seam - 1, across] + view[seam + 1, across])
    else:
        out[1 : inner + 1, across] = view[:inner, across]
        out[0, across] = view[0, across] + 0.8 * (view[0, across] - view[1, across])
    out = out if not at_end else out[::-1]
    return np.moveaxis(out, 0, axis) if axis else out

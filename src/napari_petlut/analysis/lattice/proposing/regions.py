"""Parts of a lattice changed: taken over from a competitor, slipped by a line, or placed anew.

No move decides anything: every lattice it makes is fitted and judged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import BoolArray, node_distance, regions
from napari_petlut.analysis.lattice.sureness.regularity import doubt_map
from napari_petlut.maps.grids import fill_holes
from napari_petlut.model import FloatArray

REGIONS = 3
"""Regions of one competitor that are tried by themselves, largest first."""
RIVALS = 5
"""Competitors whose regions are tried."""
BAD_LEVELS = (0.35, 0.55)
"""Badness above which a patch is solved again."""
PATCHES = 4
"""Patches per level, worst first."""
DARK = 0.35
"""A place with less than this share of the light around it is tried as a dead crystal, a line as a dead line:
at 0.5 live corners are, at 0.3 dead ones beside bright neighbours are not."""
SLIPS = 3
"""Regions that are slipped, worst first."""


def fusion_moves(contest: Contest, start: Hypothesis) -> Iterator[Candidate]:
    """Yield `start` with single regions taken over from its best competitors, as dark as the best one is."""
    seen: list[BoolArray] = []
    for other in sorted(contest.pool, key=lambda h: h.score):
        differs = node_distance(other.grid, start.grid) > SAME
        if not differs.any() or any((differs != s).mean() < 0.01 for s in seen):
            continue
        seen.append(differs)
        for region in regions(differs, differs.astype(np.float64), REGIONS):
            wide = ndimage.binary_dilation(region)
            if wide.mean() < 0.8:
                grid = np.where(wide[..., None], other.grid, start.grid)
                yield Candidate(grid, "a region from a competitor", contest.best.dark, Gate.PATCH)
        if len(seen) == RIVALS:
            return


def slip_moves(contest: Contest, start: Hypothesis) -> Iterator[Candidate]:
    """Yield `start` with a doubtful region, out to the block's edge, slipped by one line."""
    doubt = doubt_map(contest, start)
    for region in regions(doubt > BAD_LEVELS[1], doubt, SLIPS):
        low, high = np.argwhere(region).min(axis=0), np.argwhere(region).max(axis=0)
        for axis in (0, 1):
            for way in (-1, 1):
                grid = slip(start.grid, low, high, axis, way)
                yield Candidate(grid, "a region slipped by one line", gate=Gate.PATCH)


def slip(
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


def repair_moves(contest: Contest, start: Hypothesis) -> Iterator[Candidate]:
    """Yield `start` with bad patches placed anew, their crystals lit and, where it is dark, dead."""
    bad = doubt_map(contest, start)
    for level in BAD_LEVELS:
        for region in regions(bad > level, bad, PATCHES):
            wide = ndimage.binary_dilation(region)
            if not 1 < wide.sum() < 0.5 * wide.size:
                continue
            grid = fill_holes(start.grid, wide)
            dark = dark_crystals(contest, grid, wide)
            dark |= start.dark & ~wide
            yield Candidate(grid, "a bad patch solved again", gate=Gate.PATCH)
            if dark.any():
                yield Candidate(grid, "dead crystals", dark, Gate.PATCH)


def dark_crystals(contest: Contest, grid: FloatArray, region: BoolArray) -> BoolArray:
    """Return which crystals of a region lie in the dark, held against the crystals outside of it."""
    bright = contest.scene.brightness(grid)
    outside = np.where(region, np.nan, bright)
    level = np.full(region.shape, np.nanmedian(outside) if not region.all() else np.median(bright))
    for i, j in np.argwhere(region):
        near = outside[max(0, i - 3) : i + 4, max(0, j - 3) : j + 4]
        if np.isfinite(near).sum() >= 3:
            level[i, j] = np.nanmedian(near)
    return np.asarray(region & (bright < DARK * level))

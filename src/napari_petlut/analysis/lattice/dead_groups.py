"""Groups of dead crystals that were drawn into the light of their neighbours, put back where they belong.

Nothing but the stiffness of its lines holds a dead crystal. Where several lie together, at a corner most of
all, what draws them are the tails of live crystals: they come to lie on a neighbour's spot or half way to it,
and look lit. Where some crystals are dark, the places of those around are taken from the live lines again,
and the map decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.grids import BoolArray, fill_holes, node_distance
from napari_petlut.analysis.lattice.hypotheses import DEAD_CRYSTAL, Contest, Hypothesis
from napari_petlut.analysis.lattice.mending import even_objective
from napari_petlut.analysis.lattice.merging import relative_weight
from napari_petlut.analysis.lattice.moves import DARKNESS, dark_crystals, regions
from napari_petlut.analysis.lattice.numbering import spans
from napari_petlut.analysis.lattice.patches import BESIDE, Box, judge_patch, open_patch
from napari_petlut.model import FloatArray

FEWEST = 2
"""Dark crystals of a group at least: a single one is as often live and beside its place, as where the numbers
of a line slip or two crystals are merged, and its neighbours would be moved for nothing."""
GROUPS = 6
"""Dark groups that are looked at, largest first."""
LARGEST = 0.3
"""Groups with more than this share of the crystals leave too few live lines to be placed by."""
MOVED = 0.4
"""A group none of whose crystals would move by this, in local pitches, is where it belongs."""
PRICE = 0.5
"""Share of `DEAD_CRYSTAL` that a dead crystal pays here. All of it stops most groups that should be put
back, for their places are better only by little; without any, live crystals are taken for dead where the
map does not mind."""
LEAST_GAIN = 0.0003
"""Gain of the objective that is none: the same patch fitted from other places."""
ATTEMPTS = 40
"""Places that are tried for dark groups in one pass, so that a block with many does not take long."""
PASSES = 3
"""Most groups, or parts of one, that are put back one after the other."""


def put_back(contest: Contest, start: Hypothesis) -> Hypothesis:
    """Return the lattice with its dark groups placed by the live lines around them, where that is better.

    Held against competitors it stays as good as `start`: what is known to be dark pays for it, but makes
    no other lattice likelier. `start` itself stays a competitor.

    Parameters
    ----------
    contest : Contest
    start : Hypothesis

    Raises
    ------
    Cancelled
        If the contest is cancelled.
    """
    best = start
    for _ in range(PASSES):
        better = _best_attempt(contest, best)
        if better is None:
            break
        best = better
    return replace(best, score=min(best.score, start.score))


def _best_attempt(contest: Contest, start: Hypothesis) -> Hypothesis | None:
    """Return the best lattice with one group placed anew, None where none is better than `start`."""
    found: tuple[float, Hypothesis] | None = None
    for group, grid, dark, box in islice(attempts(contest, start), ATTEMPTS):
        contest.stop_if_cancelled()
        patch = open_patch(contest, start, box)
        known = group if start.dark is None else group | start.dark
        same = [
            judge_patch(contest, patch, start.grid[box], start.origin, unlit) for unlit in (start.dark, known)
        ]
        tried = judge_patch(contest, patch, grid[box], "a group of dead crystals put back", dark)
        if tried is None:
            continue
        gain = min((dark_objective(h) for h in same if h is not None), default=-np.inf)
        gain -= dark_objective(tried)
        if gain > (LEAST_GAIN if found is None else found[0]):
            found = gain, tried
    return None if found is None else found[1]


def dark_objective(hypothesis: Hypothesis) -> float:
    """Return the objective that decides here: counts may be uneven, and dead crystals cost less."""
    share = 0.0 if hypothesis.dark is None else float(hypothesis.dark.mean())
    return even_objective(hypothesis) + PRICE * DEAD_CRYSTAL * share


def attempts(contest: Contest, start: Hypothesis) -> Iterator[tuple[BoolArray, FloatArray, BoolArray, Box]]:
    """Yield a dark group, the grid with it and what may belong to it placed anew, what is dark, and a patch.

    Parameters
    ----------
    contest : Contest
    start : Hypothesis

    Yields
    ------
    group : ndarray of bool, shape (rows, cols)
    grid : ndarray of float64, shape (rows, cols, 2)
        In pixels of the prepared map.
    dark : ndarray of bool, shape (rows, cols)
        Crystals of the whole lattice that are dark then.
    box : tuple of slice
        Crystals that are to be fitted again.
    """
    unlit = relative_weight(contest.brightness(start.grid)) < DARKNESS
    if start.dark is not None:
        unlit |= start.dark
    for group in regions(unlit, unlit.astype(np.float64), GROUPS):
        if group.sum() < FEWEST:
            break
        for hole in extents(group):
            if contest.pinned is not None:
                hole = hole & ~contest.pinned
            if not hole.any() or hole.mean() > LARGEST or not spans(~hole):
                continue
            grid = fill_holes(start.grid, hole)
            if node_distance(grid, start.grid)[hole].max() < MOVED:
                continue
            dark = dark_crystals(contest, grid, hole)
            if start.dark is not None:
                dark |= start.dark & ~hole
            known = group & hole | dark & ~hole
            # Fewer pay a smaller price, but what is dark now is no evidence for a lit crystal.
            if dark.sum() >= known.sum():
                yield group, grid, dark, _surroundings(hole)


def extents(group: BoolArray) -> Iterator[BoolArray]:
    """Yield which crystals may belong to a dark group, each once.

    The group, with its neighbours along rows and columns, with the diagonal ones too, its bounding box, and
    that with a line more at any of its sides.
    """
    at = np.argwhere(group)
    low, high = at.min(axis=0), at.max(axis=0) + 1
    found = [group, ndimage.binary_dilation(group), ndimage.binary_dilation(group, np.ones((3, 3), bool))]
    for up, down, left, right in product((0, 1), repeat=4):
        box = np.zeros(group.shape, bool)
        box[max(0, low[0] - up) : high[0] + down, max(0, low[1] - left) : high[1] + right] = True
        found.append(box)
    seen: set[bytes] = set()
    for hole in found:
        if hole.tobytes() not in seen:
            seen.add(hole.tobytes())
            yield hole


def _surroundings(hole: BoolArray) -> Box:
    """Return the bounding box of marked crystals and a few around them."""
    at = np.argwhere(hole)
    low, high = np.maximum(at.min(axis=0) - BESIDE, 0), np.minimum(at.max(axis=0) + 1 + BESIDE, hole.shape)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))

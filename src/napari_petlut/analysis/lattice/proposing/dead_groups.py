"""Groups of dead crystals that were drawn into the light of their neighbours, put back where they belong.

Nothing but the stiffness of its lines holds a dead crystal. Where several lie together, at a corner most of
all, what draws them are the tails of live crystals: they come to lie on a neighbour's spot or half way to it,
and look lit. Where some crystals are dark, the places of those around are taken from the live lines again,
and the map decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import BoolArray, node_distance, regions
from napari_petlut.analysis.lattice.proposing.regions import DARK, dark_crystals
from napari_petlut.analysis.lattice.sureness.merged import relative_weight
from napari_petlut.maps.grids import fill_holes, spans

FEWEST_DARK = 2
"""Dark crystals of a group at least: a single one is as often live and beside its place, as where the numbers
of a line slip or two crystals are merged, and its neighbours would be moved for nothing."""
GROUPS = 6
"""Dark groups that are looked at, largest first."""
LARGEST_GROUP = 0.3
"""Groups with more than this share of the crystals leave too few live lines to be placed by."""


def group_moves(contest: Contest, start: Hypothesis) -> Iterator[Candidate]:
    """Yield `start` with a dark group, and what may belong to it, placed anew by the live lines around it."""
    unlit = relative_weight(contest.scene.brightness(start.grid)) < DARK
    unlit |= start.dark
    for group in regions(unlit, unlit.astype(np.float64), GROUPS):
        if group.sum() < FEWEST_DARK:
            break
        for hole in group_extents(group):
            hole = hole & ~contest.wishes.pinned
            if not hole.any() or hole.mean() > LARGEST_GROUP or not spans(~hole):
                continue
            grid = fill_holes(start.grid, hole)
            # A group none of whose crystals would move is where it belongs.
            if node_distance(grid, start.grid)[hole].max() < SAME:
                continue
            dark = dark_crystals(contest, grid, hole)
            dark |= start.dark & ~hole
            still_dark = group & hole | dark & ~hole
            # Fewer pay a smaller price, but what is dark now is no evidence for a lit crystal.
            if dark.sum() >= still_dark.sum():
                told = "a group of dead crystals put back"
                yield Candidate(grid, told, dark, known=group | start.dark, placed=hole)


def group_extents(group: BoolArray) -> Iterator[BoolArray]:
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

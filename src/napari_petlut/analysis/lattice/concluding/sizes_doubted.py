"""What speaks against the number of rows and columns that a lattice was searched with."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_petlut.analysis.lattice.concluding.limits import double_lines
from napari_petlut.analysis.lattice.concluding.orientation import orientation_doubts
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import BoolArray, dead_lines
from napari_petlut.analysis.lattice.seeing.spots import nobodys_spots
from napari_petlut.analysis.lattice.sizes.proposal import finer_doubts, second_thoughts
from napari_petlut.model import FloatArray

GEOMETRY_DOUBT = 0.02
"""Mean doubt of the crystals from which other geometries are tried."""
SPARE_SPOTS = 0.3
"""Clear spots of no crystal, as a share of the shorter side, from which other geometries are tried."""
LARGE = 400
"""In blocks with more crystals other geometries are only tried where lines are dead or double: every size
takes a fit that takes long, and spots of noise are many."""
SMALL = 25
"""In blocks with at most so many crystals much smaller spots are looked for too."""
SPOT_BLUR, UNEXPLAINED = 0.15, 1.05
"""A spot beside its crystal is none of its own where the counts there, blurred by the first in pitches,
exceed what the lattice explains by this factor. Otherwise the flanks of merged outer rows and noise are spots
without a crystal; those of a line that was left out hold clearly more."""
CLEAR_SPOT = 0.3
"""Strength, as a share of strong spots, from which a spot of no crystal is reported."""


def geometry_doubts(
    contest: Contest, best: Hypothesis, sure: FloatArray, extra: int
) -> tuple[list[str], bool]:
    """Return what speaks against the number of rows and columns, and whether they are surely mistaken."""
    notes = []
    double = double_lines(best.fit.weight)
    for axis, line, ratio in double:
        name = ("row", "column")[axis]
        notes.append(f"{name} {line} holds {ratio:.1f} times the counts of others: two in one?")
    spare = extra > SPARE_SPOTS * min(contest.geometry.shape) + 1
    if spare:
        notes.append(f"{extra} clear spots belong to no crystal: are rows and columns right?")
    # A line too many is found as a dead one.
    dead = dead_lines(best.dark)
    for axis, line in dead:
        name = ("row", "column")[axis]
        notes.append(f"{name} {line} gives no light at all: dead, or one {name} too many?")
    if contest.wishes.more_than_size:
        return notes, False
    if contest.geometry.places is not None:
        turned = orientation_doubts(contest, best) if spare or (1 - sure).mean() > GEOMETRY_DOUBT else []
        return turned + notes, bool(turned)
    counts = contest.scene.ready.counts
    if len(contest.geometry) <= SMALL:
        finer = finer_doubts(counts, contest.geometry)
        if finer:
            return finer + notes, True
    doubtful = spare or float((1 - sure).mean()) > GEOMETRY_DOUBT
    if double or dead or (doubtful and len(contest.geometry) <= LARGE):
        notes += second_thoughts(counts, contest.geometry, doubted=bool(double) or spare)
    return notes, False


def unexplained(contest: Contest, best: Hypothesis) -> BoolArray:
    """Return which of the contest's spots hold more counts than the lattice explains, shape (n,)."""
    scene = contest.scene.binned
    at = scene.to_bins(contest.scene.spots).T
    seen, model = (
        map_coordinates(gaussian_filter(counts, SPOT_BLUR * scene.pitch), at, order=1, mode="nearest")
        for counts in (scene.counts, best.fit.model)
    )
    return np.asarray(seen > UNEXPLAINED * model)


def unused_spots(grid: FloatArray, spots: FloatArray, strength: FloatArray, present: BoolArray) -> FloatArray:
    """Return the clear spots that are no crystal's own, shape (k, 2); those at absent places are not."""
    nearest, far = nobodys_spots(grid, spots)
    nobodys = far | ~present.ravel()[nearest]
    return np.asarray(spots[nobodys & (strength > CLEAR_SPOT)]).reshape(-1, 2)

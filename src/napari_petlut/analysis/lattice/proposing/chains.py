"""Chains: a crystal too many at one place of a line, one too few at another, and those between off by one.

Where spots are crowded or dim, a line easily takes two spots for one or puts a crystal between two; all
crystals up to the next mistake are then off by one. A chain takes a crystal out where there is one too many
and puts it in where there is one too few, in one line or in several beside each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import log_gaps
from napari_petlut.analysis.lattice.proposing.dead_lines import OUTER_STEP
from napari_petlut.analysis.lattice.proposing.regions import DARK
from napari_petlut.analysis.lattice.seeing.spots import own_spots
from napari_petlut.analysis.lattice.sureness.merged import relative_weight, surrounding_weight
from napari_petlut.model import FloatArray

CHAIN_REACH = 5
"""Crystals from the doubtful region to the other end of a chain."""
MOST = 6
"""Chains that are tried in one direction through a region, most promising first."""
DOUBLE = 0.3
"""Log of the counts against those around from which a crystal may be two on one spot."""
APART = 0.1
"""Distance from each other, in pitches, at which two crystals on one spot start."""
FAINTEST_SIGN, CLEAREST_SIGN = 0.05, 1.0
"""Least counts against those around, and the largest logarithm that a sign counts as."""
GAP_ALONE, SPOTLESS, SPARE_SPOT = 0.5, 0.3, 0.5
"""Weights of a gap at a crystal too many, of a crystal without a spot, and of a spot without a crystal,
against the logarithms of counts and of gaps."""
GAPS_ACROSS = 7
"""Lines whose median a gap is held against."""


@dataclass(frozen=True)
class Chain:
    """One chain.

    Parameters
    ----------
    axis : int
        Along which crystals move.
    across : slice
        Lines that move.
    out : int
        Crystal that is taken out.
    gap : int
        Where one is put in: gap g is between the crystals g - 1 and g.
    double : int
        The new crystal shares a spot: -1 that before the gap, 1 that after it, 0 none.
    """

    axis: int
    across: slice
    out: int
    gap: int
    double: int = 0


@dataclass(frozen=True, eq=False)
class Signs:
    """What speaks for a crystal too many or too few, for every crystal of a lattice.

    Parameters
    ----------
    light : ndarray of float64, shape (rows, cols)
        Log of the counts against those around.
    spotless : ndarray of float64, shape (rows, cols)
        1 for crystals without a spot of their own.
    spare : ndarray of float64, shape (rows, cols)
        Spots beside its own that are nearest to the crystal.
    wide : tuple of ndarray
        Log of the gaps along each axis against those beside them, (rows - 1, cols) and (rows, cols - 1).
    level : ndarray of float64, shape (rows, cols)
        Brightness around each crystal.
    """

    light: FloatArray
    spotless: FloatArray
    spare: FloatArray
    wide: tuple[FloatArray, FloatArray]
    level: FloatArray


def chain_signs(contest: Contest, start: Hypothesis) -> Signs:
    """Return what speaks for crystals too many or too few in a lattice."""
    fit = start.fit
    light = np.log(np.maximum(relative_weight(fit.weight), FAINTEST_SIGN))
    _, own = own_spots(fit.grid, contest.scene.spots)
    first, second = (
        np.clip(gap - ndimage.median_filter(gap, size=size, mode="nearest"), -CLEAREST_SIGN, CLEAREST_SIGN)
        for gap, size in zip(log_gaps(fit.grid), ((1, GAPS_ACROSS), (GAPS_ACROSS, 1)), strict=True)
    )
    return Signs(
        light=np.clip(light, -CLEAREST_SIGN, CLEAREST_SIGN),
        spotless=np.asarray(~own, np.float64),
        spare=spare_spots(fit.grid, contest.scene.spots),
        wide=(first, second),
        level=surrounding_weight(contest.scene.brightness(fit.grid)),
    )


def spare_spots(grid: FloatArray, spots: FloatArray) -> FloatArray:
    """Return how many spots are nearest to each crystal beside the first, shape (rows, cols)."""
    number = np.zeros(grid.shape[:2])
    if len(spots):
        _, node = cKDTree(grid.reshape(-1, 2)).query(spots)
        np.add.at(number.ravel(), node, 1.0)
    return np.maximum(number - 1, 0)


def chains_through(told: Signs, axis: int, across: slice, place: slice) -> Iterator[Chain]:
    """Yield the most promising chains along an axis with an end at a place, best first."""

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray(np.moveaxis(values, axis, 0)[:, across].mean(axis=1))

    light, gaps = mean(told.light), np.pad(mean(told.wide[axis]), 1)
    surplus = -light - GAP_ALONE * (gaps[:-1] + gaps[1:]) + SPOTLESS * mean(told.spotless)
    side, spare = np.pad(light, 1, mode="edge"), np.pad(mean(told.spare), 1)
    deficit = 0.5 * (side[:-1] + side[1:]) + gaps + SPARE_SPOT * np.maximum(spare[:-1], spare[1:])
    ends = sorted((-(surplus[out] + deficit[gap]), out, gap) for out, gap in _ends(len(light), place))
    for _, out, gap in ends[:MOST]:
        yield Chain(axis, across, out, gap)
        if gap > 0 and light[gap - 1] > DOUBLE and out != gap - 1:
            yield Chain(axis, across, out, gap, -1)
        if gap < len(light) and light[gap] > DOUBLE and out != gap:
            yield Chain(axis, across, out, gap, 1)


def _ends(lines: int, place: slice) -> Iterator[tuple[int, int]]:
    """Yield all (out, gap) with one of them at a place and the other within reach."""
    low, high = max(0, place.start - 1), min(lines, place.stop + 1)
    first, last = max(0, place.start - CHAIN_REACH), min(lines, place.stop + CHAIN_REACH)
    for out in range(first, min(lines, last + 1)):
        gaps = range(first, last + 1) if low <= out < high else range(low, high + 1)
        yield from ((out, gap) for gap in gaps if gap not in (out, out + 1))


def move_chain(contest: Contest, start: Hypothesis, move: Chain, level: FloatArray) -> Candidate:
    """Return a lattice with a chain moved.

    Parameters
    ----------
    contest : Contest
    start : Hypothesis
    move : Chain
    level : ndarray of float64, shape (rows, cols)
        Brightness around each crystal.
    """
    grid = start.grid.copy()
    lines = np.moveaxis(grid, move.axis, 0)[:, move.across]
    lines[:] = _put_in_and_take_out(lines, move, _new_place(lines, move))
    dark = start.dark.copy()
    unlit = np.moveaxis(dark, move.axis, 0)[:, move.across]
    unlit[:] = _put_in_and_take_out(unlit, move, np.zeros(unlit.shape[1], bool))
    put_in = move.gap if move.out >= move.gap else move.gap - 1
    if 0 < move.gap < len(lines):
        bright = np.moveaxis(contest.scene.brightness(grid) / level, move.axis, 0)
        unlit[put_in] = bright[put_in, move.across] < DARK
    return Candidate(grid, "a chain of crystals moved by one", dark)


def _new_place(lines: FloatArray, move: Chain) -> FloatArray:
    """Return where the crystals start that are put into lines (n, across, 2)."""
    gap, n = move.gap, len(lines)
    if move.double:
        at = gap - 1 if move.double < 0 else gap
        pitch = 0.5 * (lines[min(at + 1, n - 1)] - lines[max(at - 1, 0)])
        return np.asarray(lines[at] - move.double * APART * pitch)
    if gap == 0:
        return np.asarray(lines[0] + OUTER_STEP * (lines[0] - lines[1]))
    if gap == n:
        return np.asarray(lines[-1] + OUTER_STEP * (lines[-1] - lines[-2]))
    return np.asarray(0.5 * (lines[gap - 1] + lines[gap]))


def _put_in_and_take_out(
    lines: npt.NDArray[np.generic], move: Chain, new: npt.NDArray[np.generic]
) -> npt.NDArray[np.generic]:
    """Return lines (n, across, ...) with a crystal put in and one taken out."""
    longer = np.insert(lines, move.gap, new, axis=0)
    return np.delete(longer, move.out if move.out < move.gap else move.out + 1, axis=0)

"""Spots that the frame of the map cuts: what lies beyond it is not dark, it was not recorded.

Maps are saved as tightly as their spots lie, and some through the middle of the outer ones. Such a row holds
half the counts of others and has no top of its own. The map is continued by its mirror image, as far as half
a pitch: half a spot becomes a whole one, with its top where the frame is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from napari_petlut.model import FloatArray, Lattice

Sides = tuple[tuple[int, int], tuple[int, int]]
"""Pixels beyond the low and the high end of axis 0 and of axis 1."""

NOWHERE_CUT: Sides = ((0, 0), (0, 0))
LOOK = 0.4
"""How far from a side the next row of spots is looked for, as a share of the map."""
SMOOTHING = 0.008
"""Width of the blur of what a side's lines hold, as a share of the map, at least half a pixel."""
VALLEY, RIDGE = 0.75, 1.2
"""The lines behind a row fall below the first of what it holds, and rise again to the second above the
lowest, where the next row is."""
AS_BRIGHT = 0.3
"""The frame itself holds at least this share of the next row: else the whole row lies inside."""
ON_FRAME = 0.08
"""A row lies on the frame if its ridge is this near to it, in shares of the way to the next row; further
inside it has a top of its own, which a mirror image would double."""


def cut_sides(counts: npt.NDArray[Any]) -> Sides:
    """Return how far a map is to be continued beyond each side at which its frame cuts spots.

    Parameters
    ----------
    counts : ndarray, shape (n0, n1)

    Examples
    --------
    >>> place = np.arange(60)
    >>> row = sum(np.exp(-((place - c) ** 2) / 8) for c in (0, 15, 30, 45, 59))
    >>> cut_sides(np.outer(row, row))
    ((8, 7), (8, 7))
    >>> cut_sides(np.outer(row, row)[8:-8, 8:-8])
    ((0, 0), (0, 0))
    """
    out = []
    for axis in (0, 1):
        lines = np.asarray(counts, np.float64).sum(axis=1 - axis)
        out.append((_beyond(lines), _beyond(lines[::-1])))
    return out[0], out[1]


def _beyond(lines: FloatArray) -> int:
    """Return half the way from the first line, if a row of spots is cut there, to the next row; else 0."""
    smooth = gaussian_filter1d(lines, max(SMOOTHING * len(lines), 0.5), mode="reflect")
    seen = smooth[: max(int(LOOK * len(lines)), 4)]
    slope = np.diff(seen)
    for valley in np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0)) + 1:
        first = int(np.argmax(seen[: valley + 1]))
        if seen[valley] > VALLEY * seen[first]:
            continue
        # From the valley up to the top of the next row.
        tops = valley + 1 + np.flatnonzero((slope[valley:-1] >= 0) & (slope[valley + 1 :] < 0))
        tops = tops[seen[tops] > RIDGE * seen[valley]]
        if not len(tops):
            return 0
        following = int(tops[0])
        on_frame = first <= ON_FRAME * following and seen[0] >= AS_BRIGHT * seen[following]
        return round(following / 2) if on_frame else 0
    return 0


def continued(counts: FloatArray, sides: Sides) -> FloatArray:
    """Return a map with its mirror image beyond its sides.

    A row that was cut holds more or fewer counts than others, and the more so with its mirror image; where it
    comes to hold more than the next one, it is given as many.
    """
    if sides == NOWHERE_CUT:
        return counts
    out = np.pad(np.asarray(counts, np.float64), sides, mode="symmetric")
    for axis, beyond in enumerate(sides):
        for lines, pixels in zip(
            (np.moveaxis(out, axis, 0), np.moveaxis(out, axis, 0)[::-1]), beyond, strict=True
        ):
            row, following = lines[: 2 * pixels], lines[2 * pixels : 4 * pixels]
            if pixels and row.sum() > following.sum():
                row *= following.sum() / row.sum()
    return out


def without_sides(lattice: Lattice, before: FloatArray, shape: tuple[int, ...]) -> Lattice:
    """Return a lattice of the continued map in pixels of the map as it was.

    Parameters
    ----------
    lattice : Lattice
    before : ndarray of float64, shape (2,)
        Pixels that were put before the first along each axis.
    shape : tuple of int
        Of the map as it was. A crystal whose centre was not recorded lies on the frame; peaks that belong to
        no crystal, and lie beyond it, are mirror images.
    """
    last = np.array(shape) - 1.0
    extra = lattice.extra - before
    return replace(
        lattice,
        positions=np.clip(lattice.positions - before, 0.0, last),
        extra=extra[((extra >= 0) & (extra <= last)).all(axis=1)],
        alternatives=tuple(
            replace(a, positions=np.clip(a.positions - before, 0.0, last)) for a in lattice.alternatives
        ),
    )

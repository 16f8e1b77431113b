"""Crystal arrays that are no rectangle: the places of a grid that hold a crystal, and the number of each.

Layers that are shifted against each other, hexagonal packing, missing corners and round outlines are all the
same: a finer grid, some places of which are empty, and a table from place to crystal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import GeometryError

MOST_CRYSTALS = 255 * 255
LARGEST_NUMBER = 2**31 - 2
"""Largest number of a crystal: it fits into 32 bits when counting begins with 1."""
FINEST = 4
"""Most places into which a pitch is divided."""

Entry = tuple[int, int, int, int, int, int]
"""Row and column of a place; layer, row and column in the layer, and number of the crystal that it holds."""


@dataclass(frozen=True)
class Places:
    """Which places of a grid hold a crystal, and how each crystal is numbered.

    Parameters
    ----------
    table : tuple of tuple of int
        For each crystal: row and column of its place; layer, row and column in the layer, all from 0; its
        number.
    name : str
        The array in words.

    Raises
    ------
    GeometryError
        If an entry cannot be, or two name the same place, the same crystal of a layer or the same number.
    """

    table: tuple[Entry, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if not 2 <= len(self.table) <= MOST_CRYSTALS:
            raise GeometryError(f"an array has 2 to {MOST_CRYSTALS:,} crystals, not {len(self.table):,}")
        if any(min(entry) < 0 or max(entry) > LARGEST_NUMBER for entry in self.table):
            raise GeometryError(f"places, layers, rows, columns and numbers are 0 to {LARGEST_NUMBER:,}")
        for what, columns in (("place", (0, 1)), ("crystal of a layer", (2, 3, 4)), ("number", (5,))):
            values, counts = np.unique(self._array[:, columns], axis=0, return_counts=True)
            if (counts > 1).any():
                twice = ", ".join(map(str, values[int(np.argmax(counts))]))
                raise GeometryError(f"two crystals have the same {what}: {twice}")

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def _array(self) -> npt.NDArray[np.intp]:
        return np.array(self.table, dtype=np.intp).reshape(-1, 6)

    @property
    def where(self) -> npt.NDArray[np.intp]:
        """Row and column of each crystal's place, shape (n, 2)."""
        return self._array[:, :2]

    @property
    def layers(self) -> npt.NDArray[np.intp]:
        """The layer of each crystal, shape (n,)."""
        return self._array[:, 2]

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        """The row of each crystal in its layer, shape (n,)."""
        return self._array[:, 3]

    @property
    def cols(self) -> npt.NDArray[np.intp]:
        """The column of each crystal in its layer, shape (n,)."""
        return self._array[:, 4]

    @property
    def numbers(self) -> npt.NDArray[np.intp]:
        """The number of each crystal, shape (n,)."""
        return self._array[:, 5]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the smallest grid that holds all places."""
        rows, cols = self.where.max(axis=0) + 1
        return int(rows), int(cols)

    def check_fits(self, rows: int, cols: int) -> None:
        """Raise `GeometryError` if a place lies outside a grid of so many rows and columns."""
        if self.shape[0] > rows or self.shape[1] > cols:
            needed = f"{self.shape[0]} x {self.shape[1]}"
            raise GeometryError(f"the crystals need {needed} places, the array has {rows} x {cols}")


def masked_places(mask: npt.ArrayLike, name: str = "") -> Places:
    """Return the crystals of one layer at the marked places, numbered row by row.

    Parameters
    ----------
    mask : array_like of bool, shape (rows, cols)
    name : str

    Examples
    --------
    >>> masked_places([[False, True], [True, True]]).table
    ((0, 1, 0, 0, 1, 0), (1, 0, 0, 1, 0, 1), (1, 1, 0, 1, 1, 2))
    """
    where = np.argwhere(np.asarray(mask, dtype=bool)).tolist()
    return Places(tuple((r, c, 0, r, c, k) for k, (r, c) in enumerate(where)), name)


def layered_places(
    layers: Sequence[tuple[int, int]], shifts: Sequence[tuple[float, float]], name: str = ""
) -> Places:
    """Return layers of crystals that are shifted against each other, numbered layer by layer, row by row.

    Parameters
    ----------
    layers : sequence of (int, int)
        Rows and columns of each layer.
    shifts : sequence of (float, float)
        Where crystal (0, 0) of each layer lies, in pitches along both axes: halves, thirds or quarters.
    name : str

    Raises
    ------
    GeometryError
        If a number cannot be, or two crystals come to lie in one place.

    Examples
    --------
    >>> len(layered_places([(24, 24), (24, 23), (23, 22)], [(0, 0), (0, 0.5), (0.5, 0.5)]))
    1634
    """
    if len(layers) != len(shifts) or not layers:
        raise GeometryError(f"every layer has a shift: {len(layers)} layers, {len(shifts)} shifts")
    parts = [_parts([shift[axis] for shift in shifts]) for axis in (0, 1)]
    table: list[Entry] = []
    for layer, ((rows, cols), shift) in enumerate(zip(layers, shifts, strict=True)):
        if not (1 <= rows <= 255 and 1 <= cols <= 255):
            raise GeometryError(f"a layer has 1 to 255 rows and columns, not {rows} x {cols}")
        first = [round(shift[axis] * parts[axis]) for axis in (0, 1)]
        for row in range(rows):
            for col in range(cols):
                place = (first[0] + row * parts[0], first[1] + col * parts[1])
                table.append((*place, layer, row, col, len(table)))
    words = " + ".join(f"{rows} x {cols}" for rows, cols in layers)
    return Places(tuple(table), name or words)


def _parts(shifts: Sequence[float]) -> int:
    """Return into how many places a pitch is divided so that every shift is a whole number of them."""
    if min(shifts) < 0 or max(shifts) > 255:
        raise GeometryError("shifts are 0 or more pitches: give the layer that begins first the shift 0")
    fractions = [Fraction(shift).limit_denominator(FINEST) for shift in shifts]
    if any(abs(float(f) - shift) > 0.01 for f, shift in zip(fractions, shifts, strict=True)):
        raise GeometryError(f"shifts are halves, thirds or quarters of a pitch, not {shifts}")
    parts = int(np.lcm.reduce([f.denominator for f in fractions]))
    if parts > FINEST:
        raise GeometryError(f"together the shifts divide a pitch into {parts} places, more than {FINEST}")
    return parts


def staggered_places(rows: int, cols: int, layers: int = 2) -> Places:
    """Return two or three staggered layers, the crystals of one between those of the others.

    Of two layers the second has a row and a column less and lies half a pitch further along both axes. Of
    three, as in the blocks of Lerche et al. (arXiv 2503.13723), the second has a column less and lies half a
    pitch further along axis 1, the third two columns and a row less and lies half a pitch further along both.

    Raises
    ------
    GeometryError
        If there are other than two or three layers, or too few crystals for them.

    Examples
    --------
    >>> staggered_places(4, 4).name, staggered_places(24, 24, 3).name
    ('4 x 4 + 3 x 3', '24 x 24 + 24 x 23 + 23 x 22')
    """
    if layers not in (2, 3):
        raise GeometryError(f"a staggered array has 2 or 3 layers, not {layers}; give layers and shifts")
    if min(rows, cols) < layers:
        raise GeometryError(f"{rows} x {cols} crystals are too few for {layers} staggered layers")
    if layers == 2:
        return layered_places([(rows, cols), (rows - 1, cols - 1)], [(0, 0), (0.5, 0.5)])
    sizes = [(rows, cols), (rows, cols - 1), (rows - 1, cols - 2)]
    return layered_places(sizes, [(0, 0), (0, 0.5), (0.5, 0.5)])


def hexagonal_places(rows: int, cols: int) -> Places:
    """Return rows of crystals of which every second is shifted by half a pitch, all of the same length.

    Examples
    --------
    >>> hexagonal_places(2, 3).where.tolist()
    [[0, 0], [0, 2], [0, 4], [1, 1], [1, 3], [1, 5]]
    """
    if not (1 <= rows <= 255 and 1 <= cols <= 127):
        raise GeometryError(f"a hexagonal array has up to 255 rows of 127 crystals, not {rows} x {cols}")
    table = [
        (row, 2 * col + row % 2, 0, row, col, row * cols + col) for row in range(rows) for col in range(cols)
    ]
    return Places(tuple(table), f"hexagonal {rows} x {cols}")


def round_places(rows: int, cols: int) -> Places:
    """Return the crystals of a rectangle whose centres lie in the ellipse that touches its sides.

    Examples
    --------
    >>> len(round_places(8, 8)), len(round_places(2, 2))
    (52, 4)
    """
    if not (1 <= rows <= 255 and 1 <= cols <= 255):
        raise GeometryError(f"an array has 1 to 255 rows and columns, not {rows} x {cols}")
    away = [(2 * np.arange(n) + 1 - n) / n for n in (rows, cols)]
    return masked_places(np.add.outer(away[0] ** 2, away[1] ** 2) <= 1, f"round {rows} x {cols}")

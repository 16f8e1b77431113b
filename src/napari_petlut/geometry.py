"""The crystal array: its size, and how (row, col) and crystal id belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import GeometryError
from napari_petlut.places import Places

NO_CRYSTAL = -1
"""The id that means "no crystal" everywhere inside the program."""

IntArray = npt.NDArray[np.intp]
_FAR = 4
"""Most places between neighbours."""


@dataclass(frozen=True)
class BlockGeometry:
    """The crystal array of a block detector: a grid of places, and which of them hold a crystal.

    Crystal ``row`` runs along array axis 0 of the flood map, ``col`` along axis 1;
    ``id = row * cols + col``, starting at 0. In an array that is no rectangle ids count places, with those
    that are absent, and `places` says how each crystal is numbered.

    Parameters
    ----------
    rows, cols : int
        Number of crystals along axis 0 and axis 1, each from 1 to 255 and at least 2 crystals together; of
        places where they are given.
    places : Places, optional
        Which places hold a crystal, and the number of each; without it all do, numbered by their ids.

    Raises
    ------
    GeometryError
        If a number is out of range.

    Examples
    --------
    >>> block = BlockGeometry(16, 16)
    >>> len(block)
    256
    >>> block.crystal_id(1, 2)
    18
    """

    rows: int
    cols: int
    places: Places | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, value in (("rows", self.rows), ("cols", self.cols)):
            if not isinstance(value, (int, np.integer)) or not 1 <= value <= 255:
                raise GeometryError(f"{name} must be a whole number from 1 to 255, not {value!r}")
        if self.rows * self.cols < 2:
            raise GeometryError("a block has at least 2 crystals; with one there is nothing to tell apart")
        if self.places is not None:
            self.places.check_fits(self.rows, self.cols)

    def __len__(self) -> int:
        """Return the number of places, absent ones included: how many ids there are."""
        return self.rows * self.cols

    def __str__(self) -> str:
        if self.places is None:
            return f"{self.rows} x {self.cols}"
        return self.places.name or f"{self.crystals} crystals in {self.rows} x {self.cols} places"

    @cached_property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which places hold a crystal, shape (rows, cols)."""
        mask = np.full((self.rows, self.cols), self.places is None)
        if self.places is not None:
            mask[tuple(self.places.where.T)] = True
        mask.flags.writeable = False
        return mask

    @property
    def crystals(self) -> int:
        """Number of crystals."""
        return len(self) if self.places is None else len(self.places)

    @cached_property
    def numbers(self) -> IntArray:
        """The number of the crystal at each id, shape (rows * cols,); -1 where there is none."""
        if self.places is None:
            return np.arange(len(self), dtype=np.intp)
        return self._by_id(self.places.numbers)

    @cached_property
    def layers(self) -> IntArray:
        """The layer of the crystal at each id, from 0, shape (rows * cols,); -1 where there is none."""
        if self.places is None:
            return np.zeros(len(self), dtype=np.intp)
        return self._by_id(self.places.layers)

    @cached_property
    def layer_rows_cols(self) -> tuple[IntArray, IntArray]:
        """Row and column within its layer of the crystal at each id, shape (rows * cols,); -1 for none."""
        if self.places is None:
            return self.row_col(np.arange(len(self)))
        return self._by_id(self.places.rows), self._by_id(self.places.cols)

    @cached_property
    def lines(self) -> tuple[IntArray, IntArray]:
        """Ids of neighbours in one row and in one column of a layer, shape (n, 2), the lower one first."""
        row, col = self.layer_rows_cols
        ids = np.flatnonzero(self.numbers >= 0)
        known = {(int(self.layers[i]), int(row[i]), int(col[i])): int(i) for i in ids}
        pairs: list[IntArray] = []
        for down, right in ((0, 1), (1, 0)):
            steps = [(i, known.get((layer, r + down, c + right))) for (layer, r, c), i in known.items()]
            found = [(i, other) for i, other in steps if other is not None]
            pairs.append(np.array(found, dtype=np.intp).reshape(-1, 2))
        return pairs[0], pairs[1]

    @cached_property
    def neighbours(self) -> tuple[IntArray, IntArray]:
        """Ids of neighbouring crystals, shape (n, 2), along axis 0 and along axis 1, the lower one first.

        With absent places neighbours are crystals as near to each other as most are to their nearest; those
        of the falling diagonal count to axis 0, those of the rising one to axis 1.
        """
        ways = ((1, 0), (0, 1)) if self.places is None else self._ways_to_neighbours()
        out: tuple[list[IntArray], list[IntArray]] = ([], [])
        for down, right in ways:
            ids = self._pairs(down, right)
            out[0 if down > abs(right) or down == right else 1].append(ids)
        nobody = np.zeros((0, 2), np.intp)
        return np.concatenate([nobody, *out[0]]), np.concatenate([nobody, *out[1]])

    def _pairs(self, down: int, right: int) -> IntArray:
        """Return the ids of all crystals that have another so many places away, and of that."""
        ids = np.arange(len(self), dtype=np.intp).reshape(self.shape)
        low, high = max(0, -right), self.cols - max(0, right)
        first = ids[: max(self.rows - down, 0), low : max(high, low)].ravel()
        second = first + down * self.cols + right
        both = self.present.ravel()[first] & self.present.ravel()[second]
        return np.stack([first[both], second[both]], axis=-1)

    def _ways_to_neighbours(self) -> list[tuple[int, int]]:
        """Return the ways from a crystal to those as near as most are to their nearest."""
        reach = range(-_FAR, _FAR + 1)
        ways = sorted(
            ((down, right) for down in reach for right in reach if (down, right) > (0, 0) and down >= 0),
            key=lambda way: (way[0] ** 2 + way[1] ** 2, way),
        )
        nearest = np.full(len(self), np.inf)
        for down, right in ways:
            pairs = self._pairs(down, right)
            np.minimum.at(nearest, pairs.ravel(), np.hypot(down, right))
        usual = float(np.median(nearest[self.present.ravel()]))
        return [way for way in ways if np.hypot(*way) <= usual + 1e-9]

    def turned(self, flip_0: bool, flip_1: bool, transpose: bool = False) -> BlockGeometry:
        """Return the array as it lies when its rows or columns run the other way, or change places.

        Parameters
        ----------
        flip_0, flip_1 : bool
            Whether the places are counted from the other end along axis 0 and axis 1.
        transpose : bool
            Whether rows and columns are exchanged, before that.
        """
        rows, cols = self.shape[::-1] if transpose else self.shape
        if self.places is None:
            return BlockGeometry(rows, cols)
        where = self.places.where[:, ::-1] if transpose else self.places.where
        where = np.abs(np.array([flip_0 * (rows - 1), flip_1 * (cols - 1)]) - where)
        table = [(*place, *entry[2:]) for place, entry in zip(where.tolist(), self.places.table, strict=True)]
        return BlockGeometry(rows, cols, Places(tuple(table), self.places.name))

    def _by_id(self, values: npt.NDArray[np.intp]) -> IntArray:
        assert self.places is not None
        out = np.full(self.present.shape, NO_CRYSTAL, dtype=np.intp)
        out[tuple(self.places.where.T)] = values
        return out.ravel()

    @property
    def shape(self) -> tuple[int, int]:
        """``(rows, cols)``."""
        return self.rows, self.cols

    def crystal_id(self, row: int, col: int) -> int:
        """Return the id of the crystal at ``(row, col)``.

        Raises
        ------
        GeometryError
            If the place is outside the array.
        """
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise GeometryError(f"crystal ({row}, {col}) is outside the {self} array")
        return int(row) * self.cols + int(col)

    def row_col(self, ids: npt.ArrayLike) -> tuple[IntArray, IntArray]:
        """Return the rows and columns of crystal ids; "no crystal" gives (-1, -1).

        Parameters
        ----------
        ids : array_like of int
            Crystal ids, any shape, -1 for "no crystal".

        Returns
        -------
        row, col : ndarray of intp
            Same shape as `ids`.
        """
        ids = np.asarray(ids, dtype=np.intp)
        row, col = np.divmod(ids, self.cols)
        none = ids < 0
        return np.where(none, NO_CRYSTAL, row), np.where(none, NO_CRYSTAL, col)

    def ids(self, row: npt.ArrayLike, col: npt.ArrayLike) -> IntArray:
        """Return the ids of rows and columns; places outside the array give -1."""
        r, c = np.asarray(row, dtype=np.intp), np.asarray(col, dtype=np.intp)
        inside = (r >= 0) & (r < self.rows) & (c >= 0) & (c < self.cols)
        return np.where(inside, r * self.cols + c, NO_CRYSTAL)

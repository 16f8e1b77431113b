"""The crystal array: its size, and how (row, col) and crystal id belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import GeometryError

NO_CRYSTAL = -1
"""The id that means "no crystal" everywhere inside the program."""

IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True)
class BlockGeometry:
    """The crystal array of a block detector.

    Crystal ``row`` runs along array axis 0 of the flood map, ``col`` along axis 1;
    ``id = row * cols + col``, starting at 0.

    Parameters
    ----------
    rows, cols : int
        Number of crystals along axis 0 and axis 1, each from 1 to 255 and at least 2 crystals together.

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

    def __post_init__(self) -> None:
        for name, value in (("rows", self.rows), ("cols", self.cols)):
            if not isinstance(value, (int, np.integer)) or not 1 <= value <= 255:
                raise GeometryError(f"{name} must be a whole number from 1 to 255, not {value!r}")
        if self.rows * self.cols < 2:
            raise GeometryError("a block has at least 2 crystals; with one there is nothing to tell apart")

    def __len__(self) -> int:
        return self.rows * self.cols

    def __str__(self) -> str:
        return f"{self.rows} x {self.cols}"

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

"""Some events of a file as named columns, the form in which every container but the plain word gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import ParameterError

Column = npt.NDArray[Any]


class EventColumns:
    """Events, or the hits that make them up, as columns of equal length.

    Slicing gives views, nothing is copied. A column that is some bits of a larger number is taken apart when
    it is asked for.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (rows,)
        Numbers by name; strided views will do.
    bits : mapping of str to (int, int), optional
        Shift and mask of columns that are some bits of what `columns` holds.
    starts : ndarray of int, shape (events,), optional
        Where each event's rows begin, ascending from 0; without it every row is an event.

    Examples
    --------
    >>> events = EventColumns({"E": np.array([3, 5, 7])})
    >>> len(events), events[1:].column("E").tolist()
    (3, [5, 7])
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        bits: Mapping[str, tuple[int, int]] | None = None,
        starts: npt.NDArray[np.intp] | None = None,
    ) -> None:
        self._columns, self._bits, self.starts = dict(columns), dict(bits or {}), starts
        lengths = {len(column) for column in self._columns.values()}
        if len(lengths) != 1:
            raise ParameterError(f"columns of events need one length, not {sorted(lengths)}")
        self.rows = lengths.pop()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._columns)

    @property
    def size(self) -> int:
        """Number of events."""
        return self.rows if self.starts is None else len(self.starts)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice) -> EventColumns:
        first, last, step = part.indices(self.size)
        if step != 1:
            raise ParameterError("events are taken in their order, without leaving any out")
        if self.starts is None:
            return EventColumns({k: v[first:last] for k, v in self._columns.items()}, self._bits)
        starts = self.starts[first:last]
        begin = int(starts[0]) if len(starts) else 0
        end = int(self.starts[last]) if last < self.size else self.rows
        cut = {k: v[begin:end] for k, v in self._columns.items()}
        return EventColumns(cut, self._bits, starts - begin)

    def column(self, name: str) -> Column:
        """Return the numbers of one column, shape (rows,).

        Raises
        ------
        ParameterError
            If there is no such column.
        """
        column, cut = self.stored(name)
        if cut is None:
            return column
        shift, mask = cut
        number = column.dtype.type
        part: Column = (column >> number(shift)) & number(mask)
        return part

    def stored(self, name: str) -> tuple[Column, tuple[int, int] | None]:
        """Return the numbers that hold a column, shape (rows,), and shift and mask of its bits in them.

        Raises
        ------
        ParameterError
            If there is no such column.
        """
        if name not in self._columns:
            raise ParameterError(f"events have no column {name!r}; there are {', '.join(self._columns)}")
        return self._columns[name], self._bits.get(name)

    def with_column(self, name: str, column: Column) -> EventColumns:
        """Return the events with one more column."""
        return EventColumns({**self._columns, name: column}, self._bits, self.starts)

    @classmethod
    def joined(cls, parts: Sequence[EventColumns]) -> EventColumns:
        """Return the rows of several parts one after the other, each an event of its own."""
        if len(parts) == 1:
            return parts[0]
        names = parts[0].names
        return cls({k: np.concatenate([part._columns[k] for part in parts]) for k in names}, parts[0]._bits)

    def rows_between(self, first: int, last: int) -> EventColumns:
        """Return some of the rows, each an event of its own."""
        return EventColumns({k: v[first:last] for k, v in self._columns.items()}, self._bits)

    def grouped(self, starts: npt.NDArray[np.intp]) -> EventColumns:
        """Return the same rows as events that begin at `starts`."""
        return EventColumns(self._columns, self._bits, starts)

    def kept(self, mask: npt.NDArray[np.bool_]) -> EventColumns:
        """Return the rows where `mask` is True, each an event of its own."""
        return EventColumns({k: v[mask] for k, v in self._columns.items()}, self._bits)

    def of_events(self, mask: npt.NDArray[np.bool_]) -> EventColumns:
        """Return the events where `mask`, shape (events,), is True, with all of their rows."""
        if self.starts is None:
            return self.kept(mask)
        lengths = np.diff(self.starts, append=self.rows)
        taken = self.kept(np.repeat(mask, lengths))
        starts = np.cumsum(lengths[mask]) - lengths[mask]
        return EventColumns(taken._columns, self._bits, starts.astype(np.intp))

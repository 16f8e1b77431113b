"""What every container of events offers: its columns, how many rows, and the rows some at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line
from napari_petlut.model import EventColumns

EXPECTED = "a table of events"
MOST_NAMES = 100_000
LARGEST_PIECE = 2**29
"""Bytes that one piece of a compressed file may unpack to."""

Column = npt.NDArray[Any]


class EventTable(ABC):
    """The rows of a file, each an event or a hit.

    Parameters
    ----------
    path : path-like
    """

    def __init__(self, path: StrPath) -> None:
        self.path = path

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the columns that hold numbers."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def chunks(self, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:
        """Yield some columns, at most `at_once` rows at a time, none of them empty.

        Raises
        ------
        FormatError
            If the file cannot be read to its end.
        """

    def require(self, columns: Sequence[str]) -> None:
        """Make sure that columns are there.

        Raises
        ------
        FormatError
            If one is not; the error lists those that are.
        """
        missing = [name for name in columns if name not in self.names]
        if missing:
            raise FormatError(
                self.path,
                f"a column {one_line(ValueError(repr(missing[0])))}",
                f"the columns {listed(self.names)}",
                "name one of these in the event format",
            )


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return names on one line of sensible length."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return one_line(ValueError(", ".join(names[:most]) or "none")) + more


def is_number(dtype: np.dtype[Any]) -> bool:
    """Say whether a column of a dtype holds plain numbers."""
    return dtype.kind in "biuf" and dtype.itemsize <= 8 and dtype.shape == ()


def choose_table(
    path: StrPath, tables: Mapping[str, Sequence[str]], wanted: str, columns: Sequence[str]
) -> str:
    """Return the name of the table that is meant.

    Parameters
    ----------
    path : path-like
        For errors.
    tables : mapping of str to sequence of str
        Columns of each table there is.
    wanted : str
        Its name; may be empty.
    columns : sequence of str
        Columns that it must have; decides where no name is given.

    Raises
    ------
    FormatError
        If there is no such table, or several could be meant.
    """
    if wanted:
        for name in (wanted, wanted.strip("/")):
            if name in tables:
                return name
        raise FormatError(
            path,
            f"the table {one_line(ValueError(repr(wanted)))}",
            f"the tables {listed(list(tables))}",
            "name one of these",
        )
    fitting = [name for name, known in tables.items() if set(columns) <= set(known)] or list(tables)
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise FormatError(path, EXPECTED, "no table of numbers", "check the file")
    raise FormatError(
        path,
        "one table of events",
        f"the tables {listed(fitting)}",
        "name one in the event format: table = ...",
    )


@contextmanager
def explained(path: StrPath, expected: str = EXPECTED) -> Iterator[None]:
    """Turn whatever a library trips over into one `FormatError`."""
    try:
        yield
    except (FormatError, GeneratorExit, KeyboardInterrupt):
        raise
    except Exception as error:
        # The parser meets arbitrary bytes here; whatever it trips over, the file cannot be used.
        raise FormatError(path, expected, f"an error ({one_line(error)})", "save the events again") from None

"""CSV tables read line by line, with errors that name the line and the column."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line, read_bytes
from napari_petlut.geometry import NO_CRYSTAL

_LIMIT = 2**26
_MAX_COLUMNS = 1000
_MAX_CRYSTALS = 255 * 255


class Entry:
    """One line of a table, and the checks of its fields."""

    def __init__(self, path: StrPath, line: int, fields: Mapping[str, str]) -> None:
        self._path, self._line, self._fields = path, line, fields

    def refuse(self, name: str, expected: str) -> FormatError:
        """Return the error that says what a field should be."""
        found = f"{one_line(ValueError(repr(self._fields.get(name, ''))))} in column {name}"
        return FormatError(self._path, f"{expected} in line {self._line}", found, "correct the line")

    def text(self, name: str) -> str:
        """Return a field without spaces around it; empty if there is no such column."""
        return self._fields.get(name, "").strip()

    def number(self, name: str, expected: str) -> float:
        """Return a finite number, or NaN if the field is empty or says so."""
        text = self.text(name)
        try:
            value = float(text) if text else math.nan
        except ValueError:
            raise self.refuse(name, expected) from None
        if math.isinf(value):
            raise self.refuse(name, expected)
        return value

    def crystal_number(self, name: str) -> int:
        """Return an id, row or column; empty or NaN is "no crystal". A float such as 5.0 will do."""
        expected = "a whole number, -1 for no crystal,"
        value = self.number(name, expected)
        if math.isnan(value):
            return NO_CRYSTAL
        if value != int(value) or not NO_CRYSTAL <= value < _MAX_CRYSTALS:
            raise self.refuse(name, expected)
        return int(value)

    def check_place(self, cols: int | None) -> int | None:
        """Check that crystal = row * cols + col with the same cols in every line; return cols once known."""
        crystal, row, col = (self.crystal_number(name) for name in ("crystal", "row", "col"))
        if min(crystal, row, col) < 0:
            return cols
        if row > 0 and cols is None:
            cols = (crystal - col) // row
        if crystal - col != row * (cols or 0) or (cols is not None and col >= cols):
            raise self.refuse("crystal", f"crystal = row * columns + col, of row {row} and col {col},")
        return cols


def read_table(path: StrPath, needed: set[str], expected: str) -> Iterator[Entry]:
    """Yield the lines of a CSV file that names its columns in the first line.

    Parameters
    ----------
    path : path-like
    needed : set of str
        Columns that must be there.
    expected : str
        What the caller wants to read, for the error line.

    Raises
    ------
    FormatError
        If the file cannot be read, is no such table, or a line has another number of fields.
    """
    data = read_bytes(path, expected, limit=_LIMIT)
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        header = [name.strip() for name in next(reader, [])]
        if not needed <= set(header) or len(header) > _MAX_COLUMNS:
            found = one_line(ValueError(", ".join(header[:20])))
            raise FormatError(
                path, expected, f"the first line {found!r}", "name the columns in the first line"
            )
        for line, fields in enumerate(reader, start=2):
            if not fields:
                continue
            if len(fields) != len(header):
                found = f"{len(fields)} fields in line {line}"
                raise FormatError(path, f"{len(header)} fields in each line", found, "correct the line")
            yield Entry(path, line, dict(zip(header, fields, strict=True)))
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(path, expected, f"an error ({one_line(error)})", "correct the file") from None

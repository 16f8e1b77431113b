"""Text: a map as lines of numbers, or as a list of x, y and counts, however people write their numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line, read_bytes
from napari_petlut.formats._text import CONTROL_CHARACTER, wide_encoding
from napari_petlut.formats.arrays.entries import LONGEST, ArrayEntry, Pixels, check_size
from napari_petlut.formats.arrays.triplets import map_of_triplets

EXPECTED = "lines of numbers, as many on each"
_MOST_BYTES = 2**27
_MOST_HEADER_LINES = 100
_SAMPLE_LINES = 50
_INDEX_LENGTH = 8
"""A first row or column that only counts up is an index from this length on."""
_COMMENTS = ("#", "%", "//")
_NUMBERS_ONLY = re.compile(r"[\s\d.,;|+\-eEaAnN\"]*")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TextTable:
    """Numbers of a text file.

    Parameters
    ----------
    values : ndarray of float64, shape (lines, columns)
        NaN where a field is empty or says so.
    names : tuple of str
        Of the columns, from the last header line; empty without one.
    notes : tuple of str
        What was left out.
    """

    values: Floats
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def text_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the map of a text file.

    Raises
    ------
    FormatError
        If it holds none.
    """
    return [ArrayEntry("", read_text(path, ArrayEntry("", ())).values.shape)]


def read_text(path: StrPath, _: ArrayEntry) -> Pixels:
    """Read a text file as a map.

    One line is one index of axis 0. Three columns of which the first two number the bins of a map are taken
    for x, y and counts.

    Raises
    ------
    FormatError
        If it is no text, no table of numbers, or a table of something else.
    """
    table = parse_table(path, decode_text(path, read_bytes(path, EXPECTED, limit=_MOST_BYTES)))
    columns = table.values.shape[1]
    if columns == 3 and len(table.values) > 3:
        found = map_of_triplets(table.values, table.names)
        if found is None:
            raise FormatError(
                path,
                "a map: a grid of numbers, or the columns x, y, counts of its bins",
                "three columns of another kind",
                "open it as peaks or as events",
            )
        check_size(path, found.values.shape)
        return Pixels(found.values, table.notes + found.notes)
    if columns <= 2 and len(table.values) > 2:
        raise FormatError(path, EXPECTED, f"{columns} columns, as of points", "open it as peaks (--peaks)")
    if len(table.values) > LONGEST * columns and len(table.values) > 4 * LONGEST:
        table_of = f"{len(table.values):,} lines of {columns} columns, a table of something else"
        raise FormatError(path, EXPECTED, table_of, "open it as events")
    return Pixels(table.values, table.notes)


def decode_text(path: StrPath, data: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16 or UTF-32 with their marks, UTF-16 without, or Latin-1.

    Raises
    ------
    FormatError
        If it is no text.
    """
    encoding = wide_encoding(data)
    try:
        text = data.decode(encoding or "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0" if encoding or b"\0" in data else data.decode("latin-1")
    if "\0" in text or CONTROL_CHARACTER.search(text[:65_536]):
        raise FormatError(path, EXPECTED, "no text", "check what kind of file it is")
    return text


def parse_table(path: StrPath, text: str) -> TextTable:
    """Return the numbers of a text.

    Found by looking: the delimiter (semicolon, tab, comma or spaces), the decimal mark, header lines, an
    index row and column, and delimiters at the ends of lines.

    Raises
    ------
    FormatError
        If a line has another number of fields, or one that is no number.
    """
    numbered = [
        (i, line)
        for i, line in enumerate(text.splitlines(), start=1)
        if line.strip(' \t,;"\r') and not line.lstrip().startswith(_COMMENTS)
    ]
    if any("axis-0" in line for _, line in numbered[:1]):
        raise FormatError(path, EXPECTED, "a table of points or peaks", "open it as peaks")
    sample = [line for _, line in numbered[-_SAMPLE_LINES:]]
    delimiter, decimal = _marks([line for line in sample if _NUMBERS_ONLY.fullmatch(line)] or sample)
    rows = [(i, _fields(line, delimiter)) for i, line in numbered]
    header, rows = _without_header(path, rows, decimal)
    if not rows:
        raise FormatError(path, EXPECTED, "no line of numbers, shape (0, 0)", "correct the file")
    values = _numbers(path, rows, decimal)
    if values.shape[1] > 1 and np.isnan(values[:, -1]).all() and not any(fields[-1] for _, fields in rows):
        # A delimiter at the end of every line.
        values, header = values[:, :-1], header[: values.shape[1] - 1]
    return _without_index(values, header, decimal)


def _marks(lines: Sequence[str]) -> tuple[str | None, str]:
    """Return the delimiter, None for spaces, and the decimal mark."""
    joined = "\n".join(lines)
    for delimiter in (";", "\t", "|"):
        if delimiter in joined:
            return delimiter, "," if "," in joined else "."
    if "," not in joined:
        return None, "."
    spaced = all(re.search(r"\S[ ]+\S", line.strip()) for line in lines)
    if spaced and not re.search(r",\s|,,|,$", joined, re.MULTILINE):
        return None, ","
    return ",", "."


def _fields(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.partition("#")[0].split()
    return [
        field.strip().strip('"').strip() for field in line.partition("#")[0].rstrip("\r\n").split(delimiter)
    ]


def _number(field: str, decimal: str) -> float:
    """Return the value of a field, NaN for an empty one.

    Raises
    ------
    ValueError
        If it is no number.
    """
    if "_" in field:
        raise ValueError(field)
    return float(field.replace(",", ".") if decimal == "," else field) if field else np.nan


def _is_number(field: str, decimal: str) -> bool:
    try:
        _number(field, decimal)
    except ValueError:
        return False
    return True


_Rows = list[tuple[int, list[str]]]


def _without_header(path: StrPath, rows: _Rows, decimal: str) -> tuple[list[str], _Rows]:
    """Part the lines before the first line of numbers from the rest."""
    header: list[str] = []
    for count, (_, fields) in enumerate(rows[: _MOST_HEADER_LINES + 1]):
        if all(_is_number(field, decimal) for field in fields):
            return header, rows[count:]
        header = fields
    if rows:
        bad = next(field for field in rows[0][1] if not _is_number(field, decimal))
        raise FormatError(
            path,
            EXPECTED,
            f"an error (could not convert string {one_line(ValueError(repr(bad)))} in line {rows[0][0]})",
            "correct the file",
        )
    return header, []


def _numbers(path: StrPath, rows: _Rows, decimal: str) -> Floats:
    columns = len(rows[0][1])
    check_size(path, (len(rows), columns))
    values = np.empty((len(rows), columns))
    plain = re.compile(r"[^_]+").fullmatch
    for k, (line, fields) in enumerate(rows):
        if len(fields) != columns:
            found = f"an error (the number of columns changed from {columns} to {len(fields)} in line {line})"
            raise FormatError(path, EXPECTED, found, "correct the file")
        try:
            # NumPy converts a line of plain numbers faster than one field at a time.
            fast = decimal == "." and all(map(plain, fields))
            values[k] = fields if fast else [_number(field, decimal) for field in fields]
        except ValueError:
            bad = next((f for f in fields if not _is_number(f, decimal)), "")
            found = f"an error (could not convert string {one_line(ValueError(repr(bad)))} in line {line})"
            raise FormatError(path, EXPECTED, found, "correct the file") from None
    return values


def _without_index(values: Floats, header: list[str], decimal: str) -> TextTable:
    """Leave out a row and a column that only number the bins."""
    notes = []
    corner = len(values) > 1 and np.isnan(values[0, 0]) and _is_even(values[0, 1:])
    if corner or (values.shape[1] >= _INDEX_LENGTH and len(values) > 1 and _counts_up(values[0])):
        notes.append("the first line numbers the columns: left out")
        values = values[1:]
    named = (
        len(header) == values.shape[1]
        and (not header[0] or not _is_number(header[0], decimal))
        and all(_is_number(name, decimal) for name in header[1:])
    )
    indexed = (corner or named) and len(values) > 2 and _is_even(values[:, 0])
    long = len(values) >= _INDEX_LENGTH and values.shape[1] > 1 and _counts_up(values[:, 0])
    if (indexed or long) and values.shape[1] > 2:
        notes.append("the first column numbers the lines: left out")
        values, header = values[:, 1:], header[1:]
    return TextTable(values, tuple(header), tuple(notes))


def _counts_up(values: Floats) -> bool:
    return bool((np.diff(values) == 1).all() and values[0] in (0, 0.5, 1))


def _is_even(values: Floats) -> bool:
    """Say whether values rise in equal steps."""
    step = np.diff(values)
    return bool(len(step) and (step > 0).all() and np.allclose(step, step.mean(), rtol=1e-3))


def encode_text(handle: BinaryIO, counts: npt.NDArray[Any], delimiter: str) -> None:
    """Write a map as lines of numbers; 17 digits give every float64 back exactly."""
    np.savetxt(handle, counts, fmt="%.17g", delimiter=delimiter)

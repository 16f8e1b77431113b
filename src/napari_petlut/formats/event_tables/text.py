"""Events as lines of text, however people write their numbers."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, open_binary
from napari_petlut.formats.event_tables.table import EXPECTED, EventTable, explained
from napari_petlut.model import EventColumns, EventContainer

_HEAD_BYTES = 65_536
_SAMPLE_LINES = 50
_MOST_HEADER_LINES = 200
_MOST_COLUMNS = 10_000
_LONGEST_LINE = 2**20
_BYTES_PER_ROW = 16
_COMMENTS = ("#", "%", "//")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_NO_NUMBER = ("", "nan", "NaN", "NAN", "NA", "N/A", "null", "NULL", "None", "-")


@dataclass(frozen=True)
class TextLayout:
    """How the lines of a text hold numbers.

    Parameters
    ----------
    encoding : str
    delimiter : str
        One character; a blank stands for any blanks and tabs.
    decimal : str
    names : tuple of str
        Of all columns.
    skipped : int
        Lines before the first one of numbers.
    """

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]
    skipped: int


def text_layout(path: StrPath, head: bytes, container: EventContainer | None = None) -> TextLayout:
    """Return the layout of a text by looking at its beginning.

    Parameters
    ----------
    path : path-like
        For errors.
    head : bytes
        Beginning of the file.
    container : EventContainer, optional
        What is known of it.

    Raises
    ------
    FormatError
        If it is no text, or no line of numbers is there.
    """
    known = container or EventContainer("text")
    encoding = known.encoding or _encoding(head)
    text = _decoded(path, head, encoding)
    lines = text.splitlines()
    # The last line may be cut in the middle.
    lines = lines[:-1] if len(head) >= _HEAD_BYTES and len(lines) > 1 else lines
    numbered = [(i, line) for i, line in enumerate(lines) if line.strip() and not _is_comment(line)]
    sample = [line for _, line in numbered[-_SAMPLE_LINES:]]
    delimiter, decimal = _marks(sample)
    delimiter, decimal = known.delimiter or delimiter, known.decimal or decimal
    header: list[str] = []
    for i, line in numbered[:_MOST_HEADER_LINES]:
        fields = _fields(line, delimiter)
        if len(fields) <= _MOST_COLUMNS and _are_numbers(fields, decimal):
            return TextLayout(encoding, delimiter, decimal, _names(known, header, len(fields)), i)
        header = fields
    raise FormatError(path, "lines of numbers, as many on each", "none at the beginning", "check the file")


def _encoding(head: bytes) -> str:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    pairs = np.frombuffer(head[: 2 * (min(len(head), 4096) // 2)], np.uint8).reshape(-1, 2)
    zeros = (pairs == 0).mean(axis=0) if len(pairs) else (0, 0)
    # A digit has one zero byte in UTF-16.
    if zeros[1] > 0.9 and zeros[0] < 0.1:
        return "utf-16-le"
    return "utf-16-be" if zeros[0] > 0.9 and zeros[1] < 0.1 else "utf-8"


def _decoded(path: StrPath, head: bytes, encoding: str) -> str:
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    except LookupError:
        raise FormatError(
            path, "a known encoding of text", repr(encoding)[:80], "correct the event format"
        ) from None
    if _NOT_TEXT.search(text) or text.count("\ufffd") > len(text) // 20:
        raise FormatError(path, "lines of text", "other bytes", "check what kind of file it is")
    return text


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(_COMMENTS)


def _marks(lines: Sequence[str]) -> tuple[str, str]:
    """Return the delimiter, a blank for any blanks, and the decimal mark."""
    joined = "\n".join(lines)
    for delimiter in (";", "\t", "|"):
        if delimiter in joined:
            return delimiter, "," if re.search(r"\d,\d", joined) else "."
    if "," not in joined:
        return " ", "."
    if re.search(r"\d,\d+[ ]+\S", joined) and not re.search(r",\s|,,|,$", joined, re.MULTILINE):
        return " ", ","
    return ",", "."


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return [field.strip().strip('"').strip() for field in line.rstrip("\r\n").split(delimiter)]


def _are_numbers(fields: Sequence[str], decimal: str) -> bool:
    filled = [field for field in fields if field not in _NO_NUMBER]
    try:
        for field in filled:
            float(field.replace(",", ".") if decimal == "," else field)
    except ValueError:
        return False
    return bool(filled)


def _names(known: EventContainer, header: Sequence[str], columns: int) -> tuple[str, ...]:
    """Return a name for each column: those given, those of the header, or their numbers from 1."""
    given = list(known.names or (header if 0 <= columns - len(header) <= 1 else ()))
    names: list[str] = []
    for place in range(columns):
        name = given[place] if place < len(given) else ""
        names.append(name if name and name not in names else str(place + 1))
    return tuple(names)


class TextTable(EventTable):
    """A file of lines of numbers.

    Parameters
    ----------
    path : path-like
    container : EventContainer
        Delimiter, decimal mark, encoding and names where they are known; found by looking where not.

    Raises
    ------
    FormatError
        If it is no text, or no line of numbers is at its beginning.
    """

    def __init__(self, path: StrPath, container: EventContainer) -> None:
        super().__init__(path)
        with open_binary(path, EXPECTED) as handle:
            self.layout = text_layout(path, handle.read(_HEAD_BYTES), container)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.layout.names

    @cached_property
    def rows(self) -> int:
        """Lines after the header; counted by reading the file."""
        return max(sum(block.count(b"\n") for block in self._blocks(2**22)), 0)

    def chunks(self, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:
        """Yield the columns as float64, some lines at a time; empty fields are NaN."""
        size = max(at_once * _BYTES_PER_ROW, _LONGEST_LINE)
        parse = _parse_with_arrow if find_spec("pyarrow") is not None else _parse_with_numpy
        for block in self._blocks(size):
            with explained(self.path):
                found = parse(self._tidied(block), self.layout, columns)
            for start in range(0, found.size, at_once):
                yield found[start : start + at_once]

    def _blocks(self, size: int) -> Iterator[bytes]:
        """Yield whole lines of numbers as UTF-8, each with its end."""
        decoder = codecs.getincrementaldecoder(self.layout.encoding)("replace")
        plain = self.layout.encoding in ("utf-8", "utf-8-sig", "ascii", "latin-1")
        rest, skip, started = b"", self.layout.skipped, False
        with open_binary(self.path, EXPECTED) as handle:
            while True:
                read = handle.read(size) or b""
                if plain:
                    block = read if started else read.removeprefix(codecs.BOM_UTF8)
                else:
                    block = decoder.decode(read, not read).encode()
                started = True
                block = rest + block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                cut = len(block) if not read else block.rfind(b"\n") + 1
                lines, rest = block[:cut], block[cut:]
                while skip and lines:
                    lines = lines[lines.find(b"\n") + 1 or len(lines) :]
                    skip -= 1
                if lines.strip():
                    yield lines if lines.endswith(b"\n") else lines + b"\n"
                if not read:
                    return
                if len(rest) > _LONGEST_LINE:
                    found = f"a line of more than {_LONGEST_LINE:,} characters"
                    raise FormatError(self.path, "lines of numbers", found, "check what kind of file it is")

    def _tidied(self, block: bytes) -> bytes:
        """Return lines with one delimiter between numbers, dots in them, and no comments."""
        if any(mark.encode() in block for mark in _COMMENTS):
            block = re.sub(rb"(?m)^[ \t]*(#|%|//).*\n", b"", block)
        if self.layout.decimal == ",":
            block = block.replace(b",", b".")
        if self.layout.delimiter == " ":
            block = re.sub(rb"[ \t]+", b" ", re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", block))
        return block


def _parse_with_arrow(block: bytes, layout: TextLayout, columns: Sequence[str]) -> EventColumns:
    import pyarrow as pa
    from pyarrow import csv

    # Names are numbers here, as those of a file may be anything.
    wanted = [str(layout.names.index(name)) for name in columns]
    table = csv.read_csv(
        pa.py_buffer(block),
        csv.ReadOptions(
            column_names=[str(i) for i in range(len(layout.names))], block_size=max(len(block), 2**20)
        ),
        csv.ParseOptions(delimiter=layout.delimiter),
        csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, pa.float64()),
            null_values=list(_NO_NUMBER),
        ),
    )
    return EventColumns({name: table[key].to_numpy() for name, key in zip(columns, wanted, strict=True)})


def _parse_with_numpy(block: bytes, layout: TextLayout, columns: Sequence[str]) -> EventColumns:
    places = [layout.names.index(name) for name in columns]
    delimiter = None if layout.delimiter == " " else layout.delimiter

    def number(field: str) -> float:
        text = field.strip().strip('"')
        return np.nan if text in _NO_NUMBER else float(text)

    lines = block.decode("utf-8", "replace")
    plain = not re.search(r"[^\d.eE+\-;,|\s]", lines) and not re.search(r"([;,|\t])\1|[;,|\t]$", lines, re.M)
    values = np.loadtxt(
        io.StringIO(lines),
        delimiter=delimiter,
        usecols=places,
        ndmin=2,
        comments=None,
        converters=None if plain else number,
    )
    return EventColumns({name: values[:, i] for i, name in enumerate(columns)})

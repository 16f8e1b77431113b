"""MATLAB's files up to version 7: a header of 128 bytes and elements, each compressed or not."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line, read_bytes
from napari_petlut.formats.arrays.entries import (
    MOST_BYTES,
    SAVE_AGAIN,
    ArrayEntry,
    Pixels,
    check_size,
    quiet,
)

MAT5_MAGIC = b"MATLAB 5.0 MAT-file"
_EXPECTED = "a MATLAB file with an array of numbers"
_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_MOST_VARIABLES = 10_000
_NUMBERS = {"double", "single", "logical", "sparse"} | {
    f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)
}


def mat_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the arrays of numbers in a MATLAB 5 to 7 file.

    Raises
    ------
    FormatError
        If the file is no such one.
    """
    entries = []
    for element in _elements(path):
        name, shape, kind = _described(path, element)
        if kind in _NUMBERS:
            entries.append(ArrayEntry(name, shape))
    return entries


def read_mat(path: StrPath, entry: ArrayEntry) -> Pixels:
    """Read one array of a MATLAB 5 to 7 file; a sparse one is filled with zeros.

    Raises
    ------
    FormatError
        If it is larger than a map, or damaged.
    """
    import scipy.io

    check_size(path, entry.shape)
    for element in _elements(path):
        if _described(path, element)[0] == entry.name:
            try:
                with quiet():
                    stream: Any = io.BytesIO(element)
                    found = scipy.io.loadmat(stream, variable_names=[entry.name])[entry.name]
                return Pixels(np.asarray(found.toarray() if hasattr(found, "toarray") else found))
            except Exception as error:
                raise _refusal(path, error) from None
    raise FormatError(path, _EXPECTED, "a file that is being written", "try again")


def _described(path: StrPath, element: bytes) -> tuple[str, tuple[int, ...], str]:
    import scipy.io

    try:
        with quiet():
            stream: Any = io.BytesIO(element)
            described = scipy.io.whosmat(stream)
    except Exception as error:
        raise _refusal(path, error) from None
    return (
        (str(described[0][0]), tuple(map(int, described[0][1])), described[0][2])
        if described
        else ("", (), "")
    )


def _refusal(path: StrPath, error: Exception) -> FormatError:
    # The parser meets arbitrary bytes here; whatever it trips over, the file cannot be used.
    return FormatError(path, _EXPECTED, f"an error ({one_line(error)})", SAVE_AGAIN)


def _elements(path: StrPath) -> Iterator[bytes]:
    """Yield each variable as a file of its own, not compressed.

    Whatever sizes such a file claims, no more can be read of it than its bytes.
    """
    data = read_bytes(path, _EXPECTED, limit=MOST_BYTES)
    header, at = data[:_HEADER_BYTES], _HEADER_BYTES
    order: Literal["big", "little"] = "big" if header[126:128] == b"MI" else "little"
    for _ in range(_MOST_VARIABLES):
        if at + 8 > len(data):
            return
        kind, size = _tag(data, at, order)
        if kind == _COMPRESSED:
            element = _unpacked(path, data[at + 8 : at + 8 + size])
        elif kind == _MATRIX:
            element = data[at : at + 8 + size]
        else:
            element = b""
        at += 8 + size
        if element:
            _check_sizes(path, element, order)
            yield header + element


def _tag(data: bytes, at: int, order: Literal["big", "little"]) -> tuple[int, int]:
    """Return the type and the size of the element at a place."""
    return int.from_bytes(data[at : at + 4], order), int.from_bytes(data[at + 4 : at + 8], order)


def _check_sizes(path: StrPath, element: bytes, order: Literal["big", "little"]) -> None:
    """Refuse a variable whose parts claim more bytes than it has: scipy makes room for what they claim."""
    at = 8
    while at + 8 <= len(element):
        kind, size = _tag(element, at, order)
        # Parts of up to 4 bytes stand in their tag, their size in its upper half.
        at += 8 if kind >> 16 else 8 + size + -size % 8
        # The last part may do without its filling.
        if at - 7 > len(element):
            raise FormatError(path, _EXPECTED, "a variable with fewer bytes than it says", SAVE_AGAIN)


def _unpacked(path: StrPath, body: bytes) -> bytes:
    try:
        content = zlib.decompressobj().decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise _refusal(path, error) from None
    if len(content) > MOST_BYTES:
        raise FormatError(
            path, _EXPECTED, f"more than {MOST_BYTES:,} bytes", "check that it is the right file"
        )
    return content

"""Two-dimensional histograms (TH2) in ROOT files."""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line, read_bytes
from napari_petlut.formats._libraries import library
from napari_petlut.formats.arrays.entries import (
    MOST_BYTES,
    SAVE_AGAIN,
    ArrayEntry,
    Pixels,
    check_size,
    quiet,
)

ROOT_MAGIC = b"root"
_EXPECTED = "a ROOT file with a 2-D histogram (TH2)"
_BLOCK_HEADER = 9
_MOST_KEYS = 10_000


def root_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the TH2 histograms of a ROOT file by their full names without cycle; the newest cycle counts.

    Raises
    ------
    FormatError
        If the file cannot be read, or the library uproot is missing.
    """
    with _opened(path) as (file, data):
        names = file.keys(recursive=True, cycle=False, filter_classname="TH2[CSIFDL]")
        return [
            ArrayEntry(name, _histogram(path, file, data, name).values().shape)
            for name in list(dict.fromkeys(names))[:_MOST_KEYS]
        ]


def read_root(path: StrPath, entry: ArrayEntry) -> Pixels:
    """Read one TH2 without its under- and overflow: x is axis 0, y is axis 1.

    Raises
    ------
    FormatError
        If it is larger than a map, or damaged.
    """
    with _opened(path) as (file, data):
        values = np.asarray(_histogram(path, file, data, entry.name).values())
    check_size(path, values.shape)
    return Pixels(values)


def _histogram(path: StrPath, file: Any, data: bytes, name: str) -> Any:  # noqa: ANN401 - uproot is not typed
    key = file.key(name)
    begin = key.fSeekKey + key.fKeylen
    _check_blocks(path, data[begin : begin + key.fNbytes - key.fKeylen], key.fObjlen)
    return file[name]


def _check_blocks(path: StrPath, content: bytes, unpacked: int) -> None:
    """Refuse an object whose compressed blocks hold more than they say."""
    if unpacked > MOST_BYTES:
        raise FormatError(
            path, _EXPECTED, f"an object of {unpacked:,} bytes", "check that it is the right file"
        )
    if unpacked == len(content):
        return
    at, total = 0, 0
    while at + _BLOCK_HEADER <= len(content) and total < unpacked:
        header = content[at : at + _BLOCK_HEADER]
        packed, claimed = (int.from_bytes(header[k : k + 3], "little") for k in (3, 6))
        begin = at + _BLOCK_HEADER
        if _block_length(header[:2], content[begin : begin + packed], claimed) > claimed:
            raise FormatError(path, _EXPECTED, "a block with more data than it says", SAVE_AGAIN)
        at, total = begin + packed, total + claimed


def _block_length(method: bytes, block: bytes, claimed: int) -> int:
    """Return how many bytes a block unpacks to, no further than just beyond what it claims."""
    if method == b"ZL":
        return len(zlib.decompressobj().decompress(block, claimed + 1))
    if method == b"XZ":
        return len(lzma.LZMADecompressor(memlimit=MOST_BYTES).decompress(block, claimed + 1))
    if method == b"ZS":
        import cramjam

        # Raises where the output is longer than the room for it.
        return int(cramjam.zstd.decompress_into(block, bytearray(claimed)))
    # LZ4 blocks are unpacked into the room that they claim; anything else is refused by uproot.
    return 0


@contextmanager
def _opened(path: StrPath) -> Iterator[tuple[Any, bytes]]:
    uproot = library("uproot", path, _EXPECTED)
    data = read_bytes(path, _EXPECTED, limit=MOST_BYTES)
    try:
        with quiet(), uproot.open(io.BytesIO(data), object_cache=None, array_cache=None) as file:
            head = file.file
            begin, size = head.fSeekInfo, head.fNbytesInfo
            keylen = int.from_bytes(data[begin + 14 : begin + 16], "big")
            objlen = int.from_bytes(data[begin + 6 : begin + 10], "big")
            _check_blocks(path, data[begin + keylen : begin + size], objlen)
            yield file, data
    except FormatError:
        raise
    except Exception as error:
        # The parser meets arbitrary bytes here; whatever it trips over, the file cannot be used.
        raise FormatError(path, _EXPECTED, f"an error ({one_line(error)})", SAVE_AGAIN) from None

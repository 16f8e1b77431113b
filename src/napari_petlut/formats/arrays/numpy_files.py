"""NumPy's own files: ``.npy`` and ``.npz``, trusting no header."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._archives import unpacked
from napari_petlut.formats._files import StrPath, one_line, open_binary, read_bytes
from napari_petlut.formats.arrays.entries import (
    EXPECTED,
    MOST_BYTES,
    SAVE_AGAIN,
    ArrayEntry,
    Pixels,
    check_size,
    is_numeric,
)

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK"
_EXPECTED_NPY = "a NumPy .npy array without Python objects"
_EXPECTED_NPZ = "a NumPy .npz archive of arrays"
_MOST_MEMBERS = 10_000
_HEADER_BYTES = 70_000


def decode_npy(path: StrPath, data: bytes) -> npt.NDArray[Any]:
    """Return the array of an ``.npy`` file's bytes, of any shape, read-only.

    The header is believed only where it agrees with the number of bytes that follow.

    Raises
    ------
    FormatError
        If the bytes are no such file, or hold Python objects or structures.
    """
    stream = io.BytesIO(data)
    shape, fortran_order, dtype = _header(path, stream)
    if dtype.hasobject or dtype.kind not in "biufU" or dtype.itemsize == 0:
        raise FormatError(path, _EXPECTED_NPY, f"dtype {one_line(TypeError(dtype))}", "save plain numbers")
    rest = len(data) - stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != rest:
        found = f"a header of shape {one_line(TypeError(shape))} and {rest:,} bytes after it"
        raise FormatError(path, f"as many bytes as the header of {dtype} says", found, "copy the file again")
    try:
        flat = np.frombuffer(data, dtype, offset=stream.tell())
        return flat.reshape(shape, order="F" if fortran_order else "C")
    except ValueError as error:
        raise FormatError(path, _EXPECTED_NPY, one_line(error), SAVE_AGAIN) from None


def _header(path: StrPath, stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            header = read_header(stream)
            if not all(type(count) is int for count in header[0]):
                # NumPy takes True for a whole number here, and trips over it later.
                raise ValueError(f"a shape of other things than whole numbers: {header[0]}")
            return header
    except Exception as error:
        # The parser meets arbitrary bytes here; whatever it trips over, the file is not an array.
        raise FormatError(path, _EXPECTED_NPY, f"another header ({one_line(error)})", SAVE_AGAIN) from None


def encode_npy(handle: BinaryIO, counts: npt.NDArray[np.float64]) -> None:
    """Write an ``.npy`` file."""
    np.lib.format.write_array(handle, counts, allow_pickle=False)


def npy_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the array of an ``.npy`` file."""
    return [ArrayEntry("", decode_npy(path, read_bytes(path, EXPECTED, limit=MOST_BYTES)).shape)]


def read_npy(path: StrPath, _: ArrayEntry) -> Pixels:
    """Read the array of an ``.npy`` file."""
    return Pixels(decode_npy(path, read_bytes(path, EXPECTED, limit=MOST_BYTES)))


def npz_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the arrays of numbers in an ``.npz`` file, from their headers alone.

    Raises
    ------
    FormatError
        If the file is no such archive.
    """
    entries = []
    with _archive(path) as archive:
        for member in archive.infolist()[:_MOST_MEMBERS]:
            if member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    head = io.BytesIO(stream.read(_HEADER_BYTES))
                try:
                    shape, _, dtype = _header(path, head)
                except FormatError:
                    continue
                if is_numeric(dtype):
                    entries.append(ArrayEntry(member.filename.removesuffix(".npy"), shape))
    return entries


def read_npz(path: StrPath, entry: ArrayEntry) -> Pixels:
    """Read one array of an ``.npz`` file.

    Raises
    ------
    FormatError
        If it is larger than a map, or not what its header says.
    """
    check_size(path, entry.shape)
    with _archive(path) as archive:
        member = archive.getinfo(f"{entry.name}.npy")
        with archive.open(member) as stream:
            head = io.BytesIO(stream.read(_HEADER_BYTES))
        shape, _, dtype = _header(path, head)
        check_size(path, shape, dtype.itemsize)
        # No more is unpacked than the archive says, whatever its packed bytes hold.
        if member.file_size != head.tell() + math.prod(shape) * dtype.itemsize:
            found = f"{member.file_size:,} bytes for {' x '.join(map(str, shape))} values"
            raise FormatError(path, _EXPECTED_NPZ, found, SAVE_AGAIN)
        content = unpacked(archive, member)
    return Pixels(decode_npy(path, content))


@contextmanager
def _archive(path: StrPath) -> Iterator[zipfile.ZipFile]:
    try:
        with open_binary(path, _EXPECTED_NPZ) as handle, zipfile.ZipFile(handle) as archive:
            yield archive
    except FormatError:
        raise
    except Exception as error:
        # As for .npy: the archive reader meets arbitrary bytes.
        raise FormatError(path, _EXPECTED_NPZ, f"an error ({one_line(error)})", SAVE_AGAIN) from None

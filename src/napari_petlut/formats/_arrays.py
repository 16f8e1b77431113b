"""Plain arrays: ``.npy``, ``.tif`` and text to 2-D float64 and back, trusting no header."""

from __future__ import annotations

import io
import logging
import math
import re
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line, read_bytes

NPY_MAGIC = b"\x93NUMPY"
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_EXPECTED = "a 2-D array of numbers"
_EXPECTED_NPY = "a NumPy .npy array without Python objects"
_EXPECTED_TIFF = "a TIFF image with one 2-D page, uncompressed or deflate"
_SAVE_AGAIN = "save the array again"
# A flood map has at most a few million pixels; a larger image is something else.
_MAX_PIXELS = 4096 * 4096
_MAX_BYTES = 16 * _MAX_PIXELS
_UNCOMPRESSED, _DEFLATE = 1, (8, 32946)

_Decoder = Callable[[StrPath, bytes], npt.NDArray[Any]]
_Encoder = Callable[[BinaryIO, npt.NDArray[np.float64]], None]


def decode_array(path: StrPath) -> npt.NDArray[np.float64]:
    """Return the 2-D array in a file; first bytes, or else the suffix, tell the format.

    Raises
    ------
    FormatError
        If it is no 2-D array of numbers.
    """
    data = read_bytes(path, _EXPECTED, limit=_MAX_BYTES)
    # The first bytes say more than a name.
    array = _codec(path, magic_suffix(data))[0](path, data)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        found = f"{array.ndim}-D of {array.dtype}, shape {array.shape}"
        raise FormatError(path, _EXPECTED, found, "save one 2-D map of counts")
    if not 0 < array.size <= _MAX_PIXELS:
        raise FormatError(path, _EXPECTED, f"shape {array.shape}", "save one 2-D map of counts")
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(array, dtype=np.float64)


def encode_array(path: StrPath, counts: npt.NDArray[np.float64]) -> Callable[[BinaryIO], None]:
    """Return the function that writes `counts` in the format that the suffix of `path` names."""
    encode = _codec(path)[1]
    return lambda handle: encode(handle, counts)


def magic_suffix(head: bytes) -> str | None:
    """Return the suffix that fits a file's first bytes; None for text and what is unknown."""
    if head.startswith(NPY_MAGIC):
        return ".npy"
    return ".tif" if head.startswith(TIFF_MAGICS) else None


def _codec(path: StrPath, suffix: str | None = None) -> tuple[_Decoder, _Encoder]:
    suffix = suffix or Path(path).suffix.lower()
    if suffix not in _CODECS:
        raise FormatError(
            path, f"one of {', '.join(ARRAY_SUFFIXES)}", f"suffix {suffix!r}", "rename the file"
        )
    return _CODECS[suffix]


def decode_npy(path: StrPath, data: bytes) -> npt.NDArray[Any]:
    """Return the array of an ``.npy`` file's bytes, of any shape, read-only.

    The header is believed only where it agrees with the number of bytes that follow.

    Raises
    ------
    FormatError
        If the bytes are no such file, or hold Python objects or structures.
    """
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read_header(stream)
    except Exception as error:
        # The parser meets arbitrary bytes here; whatever it trips over, the file is not an array.
        raise FormatError(path, _EXPECTED_NPY, f"another header ({one_line(error)})", _SAVE_AGAIN) from None
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
        raise FormatError(path, _EXPECTED_NPY, one_line(error), _SAVE_AGAIN) from None


def _encode_npy(handle: BinaryIO, counts: npt.NDArray[np.float64]) -> None:
    np.lib.format.write_array(handle, counts, allow_pickle=False)


def _decode_tiff(path: StrPath, data: bytes) -> npt.NDArray[Any]:
    import tifffile

    try:
        with _quiet("tifffile"), tifffile.TiffFile(io.BytesIO(data)) as tiff:
            page = tiff.pages[0]
            problem = _tiff_problem(tiff, page, data)
            if problem is None:
                return np.asarray(page.asarray(maxworkers=1))
    except Exception as error:
        # As for .npy: the parser meets arbitrary bytes.
        problem = f"a file that cannot be read ({one_line(error)})"
    raise FormatError(path, _EXPECTED_TIFF, problem, "save the array as .npy or as a plain .tif")


def _tiff_problem(tiff: Any, page: Any, data: bytes) -> str | None:  # noqa: ANN401 - tifffile is not typed
    """Say why a page is not to be decoded, before anything of the size it claims is allocated."""
    if len(page.shape) != 2:
        return f"a page of shape {page.shape}"
    if page.dtype is None or page.dtype.kind not in "biuf":
        return f"pixels of {page.dtype}"
    if page.imagewidth * page.imagelength > _MAX_PIXELS:
        return f"{page.imagelength} x {page.imagewidth} pixels"
    if len(tiff.pages) > 1 or _imagej_images(page) > 1:
        return "several pages"
    if page.compression == _UNCOMPRESSED:
        return None if page.nbytes <= len(data) else f"{len(data):,} of {page.nbytes:,} bytes"
    if page.compression not in _DEFLATE:
        return f"compression {page.compression}"
    # The whole page, and then some for tiles that reach over the edge.
    room = 2 * page.nbytes + 2**22
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        room -= len(zlib.decompressobj().decompress(data[offset : offset + size], room + 1))
        if room < 0:
            return "more data than the image has pixels"
    return None


def _imagej_images(page: Any) -> int:  # noqa: ANN401 - tifffile is not typed
    """Images that ImageJ keeps behind a single page."""
    found = re.match(r"ImageJ=[\s\S]*?\nimages=(\d{1,9})\s", str(page.description))
    return int(found[1]) if found else 1


def _encode_tiff(handle: BinaryIO, counts: npt.NDArray[np.float64]) -> None:
    import tifffile

    content = io.BytesIO()
    tifffile.imwrite(content, counts, photometric="minisblack", metadata=None, software=False)
    handle.write(content.getbuffer())


@contextmanager
def _quiet(logger_name: str) -> Iterator[None]:
    """Keep a library's log and warnings off the person's screen; its errors are reported as ours."""
    logger = logging.getLogger(logger_name)

    def nothing(_: logging.LogRecord) -> bool:
        return False

    logger.addFilter(nothing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(nothing)


def _decode_text(path: StrPath, data: bytes) -> npt.NDArray[Any]:
    expected = "lines of numbers, as many on each"
    try:
        stream = io.StringIO(data.decode("utf-8-sig"))
        first = next((line for line in stream if line.strip() and line.lstrip()[0] != "#"), "")
        stream.seek(0)
        if "axis-0" in first:
            raise FormatError(path, expected, "a table of points or peaks", "open it as peaks")
        delimiter = next((mark for mark in ",;\t" if mark in first), None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.loadtxt(stream, delimiter=delimiter, comments="#", ndmin=2)
    except UnicodeDecodeError:
        raise FormatError(path, expected, "no text", "check what kind of file it is") from None
    except ValueError as error:
        found = re.split(r"[.;] ", one_line(error))[0].rstrip(".")
        raise FormatError(path, expected, f"an error ({found})", "correct the file") from None


def _encode_text(handle: BinaryIO, counts: npt.NDArray[np.float64], delimiter: str) -> None:
    # 17 digits give every float64 back exactly.
    np.savetxt(handle, counts, fmt="%.17g", delimiter=delimiter)


_CODECS: dict[str, tuple[_Decoder, _Encoder]] = {
    ".npy": (decode_npy, _encode_npy),
    ".tif": (_decode_tiff, _encode_tiff),
    ".tiff": (_decode_tiff, _encode_tiff),
    ".csv": (_decode_text, lambda handle, counts: _encode_text(handle, counts, ",")),
    ".txt": (_decode_text, lambda handle, counts: _encode_text(handle, counts, "\t")),
}

ARRAY_SUFFIXES: tuple[str, ...] = tuple(_CODECS)
"""Suffixes of plain 2-D arrays."""

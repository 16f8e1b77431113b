"""TIFF images: one page, a stack of pages, or colours; plain or compressed without loss."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line, read_bytes
from napari_petlut.formats._libraries import library
from napari_petlut.formats.arrays.entries import (
    MOST_BYTES,
    MOST_PIXELS,
    MOST_VALUES,
    ArrayEntry,
    Pixels,
    is_numeric,
    quiet,
)

TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_EXPECTED = "a TIFF image of one size on all pages"
_SAVE_PLAIN = "save the array as .npy or as a plain .tif"
_UNCOMPRESSED, _DEFLATE = 1, (8, 32946)
# Compressed without loss, and unpacked by imagecodecs into the room that the tags claim.
_LOSSLESS = {5: "LZW", 32773: "PackBits", 34925: "LZMA", 50000: "ZSTD"}
_MOST_PAGES = 4096


def tiff_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the image of a TIFF file; pages are the first axis of a stack.

    Raises
    ------
    FormatError
        If the file cannot be read.
    """
    with _opened(path) as (pages, _):
        shape = tuple(pages[0].shape)
        shape = shape[:2] if _is_colour(pages[0]) else shape
        return [ArrayEntry("", (len(pages), *shape) if len(pages) > 1 else shape)]


def read_tiff(path: StrPath, _: ArrayEntry) -> Pixels:
    """Read a TIFF image, in colours or not.

    Raises
    ------
    FormatError
        If it is larger than a map, damaged, or compressed in a way that loses something.
    """
    with _opened(path) as (pages, data):
        images = []
        for page in pages:
            _require_library(path, page)
            problem = _problem(page, data)
            if problem is not None:
                raise FormatError(path, _EXPECTED, problem, _SAVE_PLAIN)
            image = np.asarray(page.asarray(maxworkers=1))
            images.append(image[..., :3] if _is_colour(page) else image)
        picture = _is_colour(pages[0])
    return Pixels(np.stack(images) if len(images) > 1 else images[0], picture=picture)


def _is_colour(page: Any) -> bool:  # noqa: ANN401 - tifffile is not typed
    return len(page.shape) == 3 and page.shape[2] in (3, 4) and page.dtype == np.uint8


def _require_library(path: StrPath, page: Any) -> None:  # noqa: ANN401
    if page.compression in _LOSSLESS:
        library("imagecodecs", path, f"a TIFF image, compressed with {_LOSSLESS[page.compression]}")


def _problem(page: Any, data: bytes) -> str | None:  # noqa: ANN401 - tifffile is not typed
    """Say why a page is not to be decoded, before anything of the size it claims is allocated."""
    if len(page.shape) != 2 and not _is_colour(page):
        return f"a page of shape {page.shape}"
    if page.dtype is None or not is_numeric(page.dtype):
        return f"pixels of {page.dtype}"
    if page.imagewidth * page.imagelength > MOST_PIXELS:
        return f"{page.imagelength} x {page.imagewidth} pixels"
    if page.is_tiled and page.tilewidth * page.tilelength > MOST_PIXELS:
        return f"tiles of {page.tilelength} x {page.tilewidth} pixels"
    if page.compression == _UNCOMPRESSED:
        return None if page.nbytes <= len(data) else f"{len(data):,} of {page.nbytes:,} bytes"
    if page.compression in _LOSSLESS:
        return None
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


@contextmanager
def _opened(path: StrPath) -> Iterator[tuple[list[Any], bytes]]:
    """Open a file and yield its pages, all of one shape."""
    import tifffile

    data = read_bytes(path, _EXPECTED, limit=MOST_BYTES)
    try:
        with quiet("tifffile"), tifffile.TiffFile(io.BytesIO(data)) as tiff:
            count = len(tiff.pages)
            if count > _MOST_PAGES or _imagej_images(tiff.pages[0]) > count:
                found = f"{max(count, _imagej_images(tiff.pages[0])):,} images behind one page"
                raise FormatError(path, _EXPECTED, found, _SAVE_PLAIN)
            pages = [tiff.pages[i] for i in range(count)]
            shapes = {tuple(page.shape) for page in pages}
            if len(shapes) > 1 or sum(page.size for page in pages) > MOST_VALUES:
                found = "pages of several sizes" if len(shapes) > 1 else f"{count} large pages"
                raise FormatError(path, _EXPECTED, found, _SAVE_PLAIN)
            yield pages, data
    except FormatError:
        raise
    except Exception as error:
        # The parser meets arbitrary bytes here; whatever it trips over, the file cannot be used.
        found = f"a file that cannot be read ({one_line(error)})"
        raise FormatError(path, _EXPECTED, found, _SAVE_PLAIN) from None


def encode_tiff(handle: BinaryIO, counts: npt.NDArray[np.float64]) -> None:
    """Write a plain TIFF of float64."""
    import tifffile

    content = io.BytesIO()
    tifffile.imwrite(content, counts, photometric="minisblack", metadata=None, software=False)
    handle.write(content.getbuffer())

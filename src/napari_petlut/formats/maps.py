"""Flood-map files: the lab's map file, and plain 2-D arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, MapReadingWarning
from napari_petlut.formats._files import StrPath, atomic_write, file_size, open_binary, read_bytes
from napari_petlut.formats.arrays import numpy_files, text, tiff
from napari_petlut.formats.map_layout import MapLayout
from napari_petlut.formats.map_reading import Entries, MapReading, ReadEntry, read_contained
from napari_petlut.model import SPECTRUM_BINS, FloodMap

__all__ = [
    "ARRAY_SUFFIXES",
    "MAP_BLOCK",
    "MAP_BYTES",
    "read_array",
    "read_flood",
    "read_map",
    "write_array",
    "write_flood",
    "write_map",
]

_Encoder = Callable[[BinaryIO, npt.NDArray[np.float64]], None]

MAP_SIDE = 1024
MAP_BLOCK = 512
"""The block sits in ``[0:512, 0:512]`` of the lab's 1024 x 1024 map."""
MAP_BYTES = 4 * (SPECTRUM_BINS + MAP_SIDE**2)
"""Size of the lab's map file."""

_WORD = np.dtype(">u4")
_EXPECTED_MAP = "a map file (4096 + 1024 x 1024 big-endian 32-bit counts)"
_OTHER_MAP = "write .npy or .tif instead"
# More than a day of measuring gives: the bytes are in another order, or the file is of another kind.
_TOO_MANY_COUNTS = 2**24


def read_map(path: StrPath) -> FloodMap:
    """Read the lab's map file.

    4096 big-endian uint32 of energy spectrum, then 1024 x 1024 big-endian uint32 of counts, of which the
    block fills ``[0:512, 0:512]``.

    Returns
    -------
    FloodMap
        512 x 512 pixels on a position scale of 512; `spectrum` is None where the file's is all zero.

    Raises
    ------
    FormatError
        If the file is not such a map or has no counts.
    """
    size = file_size(path, _EXPECTED_MAP)
    if size != MAP_BYTES:
        raise FormatError(
            path,
            f"{_EXPECTED_MAP}, {MAP_BYTES:,} bytes",
            f"{size:,} bytes, {abs(size - MAP_BYTES):,} too {'few' if size < MAP_BYTES else 'many'}",
            "check what kind of file it is with 'petlut info'",
        )
    words = np.frombuffer(read_bytes(path, _EXPECTED_MAP, limit=MAP_BYTES), _WORD)
    if len(words) != MAP_BYTES // 4:
        raise FormatError(path, _EXPECTED_MAP, "a file that is being written", "try again")
    spectrum = words[:SPECTRUM_BINS].astype(np.int64)
    counts = words[SPECTRUM_BINS:].reshape(MAP_SIDE, MAP_SIDE)
    block = counts[:MAP_BLOCK, :MAP_BLOCK]
    _check_counts(path, counts, block)
    return FloodMap(
        block.astype(np.float64),
        spectrum=spectrum if spectrum.any() else None,
        full_scale=float(MAP_BLOCK),
        source=Path(path).name,
    )


def _check_counts(path: StrPath, counts: npt.NDArray[np.uint32], block: npt.NDArray[np.uint32]) -> None:
    if not counts.any():
        raise FormatError(path, "counts in the flood map", "none at all", "record the block again")
    if not block.any():
        raise FormatError(
            path, "counts in [0:512, 0:512]", "counts only outside of it", "check how the map was written"
        )
    typical = int(np.median(block[block > 0]))
    if typical >= _TOO_MANY_COUNTS:
        raise FormatError(
            path,
            "big-endian counts",
            f"{typical:,} counts in a typical pixel",
            "check the byte order and that it is no event file",
        )


def write_map(path: StrPath, flood: FloodMap, *, overwrite: bool = False) -> None:
    """Write the lab's map file, the inverse of `read_map`.

    Parameters
    ----------
    path : path-like
    flood : FloodMap
        512 x 512 pixels of whole counts; without a spectrum zeros are written for it.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the map does not fit into the layout, or the file cannot be written.
    """
    spectrum = np.zeros(SPECTRUM_BINS) if flood.spectrum is None else np.asarray(flood.spectrum)
    require_map_fits(path, flood.shape, len(spectrum))
    for name, values in (("pixels", flood.counts), ("spectrum", spectrum)):
        if (values != np.floor(values)).any() or values.min() < 0 or values.max() > np.iinfo(_WORD).max:
            raise FormatError(path, "whole counts below 2**32", f"others in the {name}", _OTHER_MAP)
    canvas = np.zeros((MAP_SIDE, MAP_SIDE), _WORD)
    canvas[:MAP_BLOCK, :MAP_BLOCK] = flood.counts
    atomic_write(path, spectrum.astype(_WORD).tobytes() + canvas.tobytes(), overwrite=overwrite)


def read_array(path: StrPath) -> FloodMap:
    """Read a plain 2-D array as a flood map: ``.npy``, ``.tif``/``.tiff``, ``.csv`` or ``.txt``.

    First bytes, or else the suffix, tell the format. Text holds one line per index of axis 0, its values
    parted by commas, semicolons, tabs or spaces; lines that begin with ``#`` are passed over.

    Warns
    -----
    MapReadingWarning
        Of what had to be changed: NaN and values below zero.

    Raises
    ------
    FormatError
        If the file is no 2-D array of numbers, holds values that cannot be counts, or no counts at all.
    """
    with open_binary(path, "a 2-D array of numbers") as handle:
        head = handle.read(8)
    entries, read = _readers(path, head)
    return _warned(path, read_contained(path, MapLayout(), entries, read))


def _readers(path: StrPath, head: bytes) -> tuple[Entries, ReadEntry]:
    # The first bytes say more than a name.
    if head.startswith(numpy_files.NPY_MAGIC):
        return numpy_files.npy_entries, numpy_files.read_npy
    if head.startswith(tiff.TIFF_MAGICS):
        return tiff.tiff_entries, tiff.read_tiff
    return _codec(path)[:2]


def _codec(path: StrPath) -> tuple[Entries, ReadEntry, _Encoder]:
    suffix = Path(path).suffix.lower()
    if suffix not in _CODECS:
        raise FormatError(
            path, f"one of {', '.join(ARRAY_SUFFIXES)}", f"suffix {suffix!r}", "rename the file"
        )
    return _CODECS[suffix]


def _warned(path: StrPath, reading: MapReading) -> FloodMap:
    for note in reading.notes:
        warnings.warn(f"{path}: {note}", MapReadingWarning, stacklevel=3)
    return reading.flood


def require_map_fits(path: StrPath, shape: tuple[int, ...], channels: int) -> None:
    """Raise `FormatError` if `write_flood` could not write a map of these pixels and channels there.

    Parameters
    ----------
    path : path-like
    shape : tuple of int
        Pixels along axis 0 and axis 1.
    channels : int
        Of the energy spectrum.
    """
    if Path(path).suffix.lower() in ARRAY_SUFFIXES:
        return
    if shape != (MAP_BLOCK, MAP_BLOCK):
        found = f"{shape[0]} x {shape[1]}"
        raise FormatError(path, "a map of 512 x 512 pixels for this file", found, _OTHER_MAP)
    if channels != SPECTRUM_BINS:
        raise FormatError(path, "a spectrum of 4096 channels for this file", f"{channels:,}", _OTHER_MAP)


def write_array(path: StrPath, flood: FloodMap, *, overwrite: bool = False) -> None:
    """Write the counts of a flood map as a plain 2-D array of float64, exactly; the suffix names the format.

    Parameters
    ----------
    path : path-like
    flood : FloodMap
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the suffix is not one of `ARRAY_SUFFIXES`, or the file cannot be written.
    """
    encode = _codec(path)[2]
    atomic_write(path, lambda handle: encode(handle, flood.counts), overwrite=overwrite)


def read_flood(path: StrPath) -> FloodMap:
    """Read the flood map of a file of any kind; one with a suffix of `ARRAY_SUFFIXES` as a plain array.

    Warns
    -----
    MapReadingWarning
        Of what had to be found out, or changed.

    Raises
    ------
    FormatError
        If it holds no map, or something has to be told.
    """
    from napari_petlut.formats.map_kinds import read_any_map

    if Path(path).suffix.lower() in ARRAY_SUFFIXES:
        return read_array(path)
    return _warned(path, read_any_map(path))


def write_flood(path: StrPath, flood: FloodMap, *, overwrite: bool = False) -> None:
    """Write a flood map, in the format that `read_flood` will take it for.

    Parameters
    ----------
    path : path-like
    flood : FloodMap
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        As `write_array` and `write_map`.
    """
    if Path(path).suffix.lower() in ARRAY_SUFFIXES:
        write_array(path, flood, overwrite=overwrite)
    else:
        write_map(path, flood, overwrite=overwrite)


_TEXT = (text.text_entries, text.read_text)
_CODECS: dict[str, tuple[Entries, ReadEntry, _Encoder]] = {
    ".npy": (numpy_files.npy_entries, numpy_files.read_npy, numpy_files.encode_npy),
    ".tif": (tiff.tiff_entries, tiff.read_tiff, tiff.encode_tiff),
    ".tiff": (tiff.tiff_entries, tiff.read_tiff, tiff.encode_tiff),
    ".csv": (*_TEXT, lambda handle, counts: text.encode_text(handle, counts, ",")),
    ".txt": (*_TEXT, lambda handle, counts: text.encode_text(handle, counts, "\t")),
}

ARRAY_SUFFIXES: tuple[str, ...] = tuple(_CODECS)
"""Suffixes of plain 2-D arrays, which are written too."""

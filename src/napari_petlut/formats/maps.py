"""Flood-map files: the lab's map file, and plain 2-D arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._arrays import ARRAY_SUFFIXES, decode_array, encode_array, magic_suffix
from napari_petlut.formats._files import StrPath, atomic_write, file_size, one_line, open_binary, read_bytes
from napari_petlut.formats.kinds import CERTAIN, LIKELY, Content, Finding, IdentifiedFile, Kind, Look
from napari_petlut.model import SPECTRUM_BINS, FloodMap

__all__ = [
    "ARRAY_SUFFIXES",
    "LAB_MAP",
    "MAP_BLOCK",
    "MAP_BYTES",
    "PLAIN_ARRAY",
    "read_array",
    "read_flood",
    "read_map",
    "write_array",
    "write_flood",
    "write_map",
]

MAP_SIDE = 1024
MAP_BLOCK = 512
"""The block sits in ``[0:512, 0:512]`` of the lab's 1024 x 1024 map."""
MAP_BYTES = 4 * (SPECTRUM_BINS + MAP_SIDE**2)
"""Size of the lab's map file."""

_WORD = np.dtype(">u4")
_EXPECTED_MAP = "a map file (4096 + 1024 x 1024 big-endian 32-bit counts)"
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
            f"{size:,} bytes",
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
    other = "write .npy or .tif instead"
    if flood.shape != (MAP_BLOCK, MAP_BLOCK):
        raise FormatError(
            path, "a map of 512 x 512 pixels for this file", f"{flood.shape[0]} x {flood.shape[1]}", other
        )
    spectrum = np.zeros(SPECTRUM_BINS) if flood.spectrum is None else np.asarray(flood.spectrum)
    if spectrum.shape != (SPECTRUM_BINS,):
        raise FormatError(
            path, "a spectrum of 4096 channels", f"{spectrum.shape}", "make it anew from events"
        )
    for name, values in (("pixels", flood.counts), ("spectrum", spectrum)):
        if (values != np.floor(values)).any() or values.min() < 0 or values.max() > np.iinfo(_WORD).max:
            raise FormatError(path, "whole counts below 2**32", f"others in the {name}", other)
    canvas = np.zeros((MAP_SIDE, MAP_SIDE), _WORD)
    canvas[:MAP_BLOCK, :MAP_BLOCK] = flood.counts
    atomic_write(path, spectrum.astype(_WORD).tobytes() + canvas.tobytes(), overwrite=overwrite)


def read_array(path: StrPath) -> FloodMap:
    """Read a plain 2-D array as a flood map: ``.npy``, ``.tif``/``.tiff``, ``.csv`` or ``.txt``.

    Text holds one line per index of axis 0, its values parted by commas, semicolons, tabs or spaces; lines
    that begin with ``#`` are passed over.

    Raises
    ------
    FormatError
        If the file is no 2-D array of numbers, holds values that cannot be counts, or no counts at all.
    """
    counts = decode_array(path)
    bad = ~np.isfinite(counts) | (counts < 0)
    if bad.any():
        i, j = (int(k) for k in np.argwhere(bad)[0])
        raise FormatError(
            path, "counts, finite and not negative", f"{counts[i, j]:g} at [{i}, {j}]", "correct the array"
        )
    if not counts.any():
        raise FormatError(path, "counts in the flood map", "none at all", "record the block again")
    try:
        return FloodMap(counts, source=Path(path).name)
    except ParameterError as error:
        raise FormatError(path, "a flood map", one_line(error), "correct the array") from None


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
    atomic_write(path, encode_array(path, flood.counts), overwrite=overwrite)


def read_flood(path: StrPath) -> FloodMap:
    """Read a flood map: a plain array if suffix or first bytes say so, else the lab's map file.

    Raises
    ------
    FormatError
        As `read_array` and `read_map`.
    """
    if Path(path).suffix.lower() in ARRAY_SUFFIXES:
        return read_array(path)
    with open_binary(path, "a flood map") as handle:
        head = handle.read(8)
    return read_map(path) if magic_suffix(head) is None else read_array(path)


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


def _recognise_array(look: Look) -> Iterator[Finding]:
    numbers = look.text is not None and set(look.text[:1000]) <= set("0123456789+-.eE,;# \t\r\n")
    if look.signature in ("npy", "tiff") or (numbers and look.suffix in ARRAY_SUFFIXES):
        yield Finding(CERTAIN)


def _recognise_lab_map(look: Look) -> Iterator[Finding]:
    if look.bare and look.size == MAP_BYTES:
        try:
            yield Finding(CERTAIN, model=read_map(look))
        except FormatError as error:
            # A map without counts is one too, if it is nothing else.
            yield Finding(LIKELY, problem=error.problem)


def flood_facts(file: IdentifiedFile) -> dict[str, Any]:
    """Return what can be said about the flood map that a file holds."""
    flood: FloodMap = file.read()
    spectrum = {} if flood.spectrum is None else {"events_in_spectrum": int(flood.spectrum.sum())}
    return {"pixels": flood.shape, "counts": flood.total, "highest": float(flood.counts.max()), **spectrum}


PLAIN_ARRAY = Kind(
    "array",
    Content.MAP,
    "a 2-D array",
    ARRAY_SUFFIXES,
    "the first bytes of .npy and TIFF; text of numbers only",
    _recognise_array,
    read_array,
    flood_facts,
)
LAB_MAP = Kind(
    "map",
    Content.MAP,
    "a map file",
    (".dat",),
    f"{MAP_BYTES:,} bytes",
    _recognise_lab_map,
    read_map,
    flood_facts,
)

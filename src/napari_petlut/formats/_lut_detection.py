"""Finding out what a LUT file of unknown layout or geometry holds; what is not clear is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, GeometryError
from napari_petlut.formats import _lut_codes as codes
from napari_petlut.formats._files import StrPath
from napari_petlut.formats.arrays.likeness import looks_like_lut
from napari_petlut.formats.lut_encoding import LARGEST_SIDE, LUT_PRESETS, OF_ANY_SIZE, LUTEncoding
from napari_petlut.geometry import BlockGeometry

_GIVE_ENCODING = "give the encoding"
_GIVE_GEOMETRY = "give rows and cols"
_MOST_CRYSTALS = 255 * 255
_CLOSE = 2**22


def detect_encoding(
    path: StrPath, data: memoryview, geometry: BlockGeometry | None
) -> tuple[LUTEncoding, list[str]]:
    """Return the one preset that a file of a single block fits, and what to tell about it.

    Parameters
    ----------
    path : path-like
        For errors.
    data : memoryview
        The whole file.
    geometry : BlockGeometry, optional
        Where known.

    Raises
    ------
    FormatError
        If no preset fits, or more than one: then it asks.
    """
    candidates = _candidates(data)
    if not candidates:
        raise FormatError(
            path, "a LUT of a known layout", f"{len(data):,} bytes", f"{_GIVE_ENCODING} if it is a LUT"
        )
    fitting = list(_fitting(data, candidates, geometry))
    if not fitting:
        what = "crystal numbers" if geometry is None else f"crystal numbers of a {geometry} block"
        found = "other values" if bytes(data).strip(b"\0") else "only zeros, no crystal at all"
        raise FormatError(path, what, found, "check the file, rows and cols, or give the encoding")
    if len(fitting) > 1:
        names = " or ".join(preset.name for preset in fitting)
        raise FormatError(path, "one possible layout", names, f"{_GIVE_ENCODING}, one of these")
    chosen = fitting[0]
    if geometry is not None:
        _check_first_id(path, data, chosen, geometry)
    return chosen, [f"{chosen.code} ids in the layout {chosen.name!r}, found out from the values"]


def holds_crystals(data: memoryview) -> bool:
    """Say whether the bytes of a file are crystal numbers in a known layout of a single block.

    Small counts are whole numbers too; but a LUT is made of areas of one value, and a map never is.
    """
    return any(
        looks_like_lut(codes.canvas_of(data[encoding.header_bytes :], encoding))
        for encoding in _fitting(data, _candidates(data), None)
    )


def could_hold_lut(size: int) -> bool:
    """Say whether a file of this many bytes is worth to be looked at as a LUT of a known layout."""
    if size <= max(preset.block_bytes for preset in LUT_PRESETS.values()):
        return True
    return any(_grown(name, size).block_bytes == size for name in OF_ANY_SIZE)


def _candidates(data: memoryview) -> list[LUTEncoding]:
    fitting = [preset for preset in LUT_PRESETS.values() if _size_fits(data, preset)]
    if fitting:
        return fitting
    # The LUT of a map that is larger than the presets has the map's own pixels; only a square is told.
    return [grown for name in OF_ANY_SIZE if _size_fits(data, grown := _grown(name, len(data)))]


def _grown(name: str, size: int) -> LUTEncoding:
    """Return a preset with the square of pixels that a file of this many bytes holds, if it may grow so."""
    preset = LUT_PRESETS[name]
    side = math.isqrt(size // np.dtype(preset.dtype).itemsize)
    return preset.holding((side, side)) if side <= LARGEST_SIDE else preset


def _size_fits(data: memoryview, encoding: LUTEncoding) -> bool:
    if encoding.codec == "rle":
        try:
            codes.from_run_lengths(data, encoding.shape)
        except codes.CodeError:
            return False
        return True
    return len(data) == encoding.header_bytes + encoding.block_bytes


def _fitting(
    data: memoryview, candidates: list[LUTEncoding], geometry: BlockGeometry | None
) -> Iterator[LUTEncoding]:
    for encoding in candidates:
        seen = _values_seen(data[encoding.header_bytes :], encoding, geometry)
        if len(seen) and _possible(seen, encoding, geometry):
            yield encoding


def _values_seen(body: memoryview, encoding: LUTEncoding, geometry: BlockGeometry | None) -> codes.Values:
    """Return the different crystal values in a file, sorted."""
    background = codes.background_of(encoding, geometry)
    seen = _distinct(codes.canvas_of(body, encoding))
    return seen if background is None else seen[seen != background]


def _distinct(canvas: npt.NDArray[Any]) -> codes.Values:
    """Return the different values of an array, sorted; as `numpy.unique`, but crystal numbers lie close."""
    low, high = int(canvas.min()), int(canvas.max())
    if high - low > _CLOSE:
        return np.unique(canvas).astype(np.int64)
    present = np.zeros(high - low + 1, np.bool_)
    present[canvas.astype(np.int64) - low] = True
    return np.flatnonzero(present).astype(np.int64) + low


def _possible(seen: codes.Values, encoding: LUTEncoding, geometry: BlockGeometry | None) -> bool:
    """Say whether all values can be crystals of the block, or of any block where it is not known."""
    if geometry is not None:
        try:
            return bool(np.isin(seen, codes.crystal_values(encoding, geometry)).all())
        except codes.CodeError:
            return False
    if encoding.code == "packed":
        return _packed_geometry(seen, encoding) is not None
    count = int(seen[-1]) + 1 - encoding.first_id
    return bool(seen[0] >= encoding.first_id and count <= _MOST_CRYSTALS and _dense(len(seen), count))


def _dense(used: int, count: int) -> bool:
    """Say whether enough of the crystals occur; values of another kind scatter over a large block."""
    return 2 * used >= count


def _packed_geometry(seen: codes.Values, encoding: LUTEncoding) -> BlockGeometry | None:
    """Return the smallest block of packed values; None if they cannot be packed or leave most of it empty."""
    high, low = np.divmod(seen, encoding.multiplier)
    row, col = high - encoding.first_id, low - encoding.first_id
    if encoding.order == "column-major":
        row, col = col, row
    if row.min() < 0 or col.min() < 0:
        return None
    rows, cols = int(row.max()) + 1, int(col.max()) + 1
    if not _dense(len(seen), rows * cols):
        return None
    try:
        return BlockGeometry(rows, cols)
    except GeometryError:
        return None


def detect_geometry(path: StrPath, body: memoryview, encoding: LUTEncoding) -> tuple[BlockGeometry, str]:
    """Return the geometry that packed values tell, and what to say about it; linear ones do not tell it.

    Parameters
    ----------
    path : path-like
        For errors.
    body : memoryview
        One block's bytes, without a header.
    encoding : LUTEncoding

    Raises
    ------
    FormatError
        If the geometry is to be asked for.
    """
    if encoding.code == "linear":
        found = "linear crystal numbers, which do not tell it"
        raise FormatError(path, "the block's geometry", found, _GIVE_GEOMETRY)
    try:
        seen = _values_seen(body, encoding, None)
    except codes.CodeError as error:
        raise FormatError(path, error.expected, error.found, error.remedy) from None
    geometry = _packed_geometry(seen, encoding) if len(seen) else None
    if geometry is None:
        found = "values that do not tell it" if len(seen) else "no crystal at all"
        raise FormatError(path, f"{encoding.name} values of a block", found, _GIVE_GEOMETRY)
    return geometry, f"{geometry} crystals from the largest row and column"


def _check_first_id(path: StrPath, data: memoryview, encoding: LUTEncoding, geometry: BlockGeometry) -> None:
    """Refuse ids that may count from 1 with 0 for no crystal, or from 0."""
    if encoding.code != "linear" or encoding.first_id != 1 or encoding.background != 0:
        return
    if _values_seen(data[encoding.header_bytes :], encoding, geometry)[-1] < geometry.crystals:
        raise FormatError(
            path,
            f"crystal {geometry.crystals}, as in ids that begin with 1",
            "no such one, so they may begin with 0",
            "give the encoding ('linear' begins with 1)",
        )

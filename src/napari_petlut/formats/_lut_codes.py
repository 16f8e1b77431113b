"""LUT pixels as numbers: crystal ids to stored values and back, runs, and the place of the block."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.formats.lut_encoding import Corner, LUTEncoding, Order
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry, IntArray

Values = npt.NDArray[np.int64]
NOWHERE = -(2**40)
"""Stands for the value of a place without a crystal: far below what a pixel of a file can hold."""


class CodeError(ValueError):
    """Stored values and crystals do not fit together; caught here and told with the file's name."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        self.expected, self.found, self.remedy = expected, found, remedy
        super().__init__(found)


def background_of(encoding: LUTEncoding, geometry: BlockGeometry | None) -> int | None:
    """Return the stored value of "no crystal"; None if there is none or it needs a geometry."""
    if encoding.background == "crystals":
        return None if geometry is None else geometry.crystals
    return encoding.background


def counted_from(geometry: BlockGeometry, origin: Corner, order: Order) -> tuple[IntArray, IntArray, int]:
    """Return row and column of each crystal as a file counts them, and how many crystals its row has.

    Linear numbers from 0 are ``row * cols + col`` of what is returned.
    """
    row, col = geometry.row_col(np.arange(len(geometry)))
    if origin.startswith("bottom"):
        row = geometry.rows - 1 - row
    if origin.endswith("right"):
        col = geometry.cols - 1 - col
    return (row, col, geometry.cols) if order == "row-major" else (col, row, geometry.rows)


def crystal_values(encoding: LUTEncoding, geometry: BlockGeometry) -> Values:
    """Return the stored value of each crystal, by id; of an absent place one that no file holds."""
    if geometry.places is not None:
        return _values_of_places(encoding, geometry)
    row, col, cols = counted_from(geometry, encoding.origin, encoding.order)
    if encoding.code == "linear":
        return (row * cols + col + encoding.first_id).astype(np.int64)
    if cols - 1 + encoding.first_id >= encoding.multiplier:
        raise CodeError(
            f"a multiplier above {cols - 1 + encoding.first_id}",
            f"{encoding.multiplier}",
            "use an encoding with a larger one",
        )
    return ((row + encoding.first_id) * encoding.multiplier + col + encoding.first_id).astype(np.int64)


def _values_of_places(encoding: LUTEncoding, geometry: BlockGeometry) -> Values:
    """Return the stored values of the crystals of an array with a table of its own."""
    if encoding.origin != "top-left" or encoding.order != "row-major":
        raise CodeError(
            "crystals counted as in the array's table",
            f"the corner {encoding.origin} and {encoding.order} order",
            "number them so in the table, and use the corner top-left and row-major order",
        )
    if encoding.code == "linear":
        values = geometry.numbers + encoding.first_id
    else:
        layers = int(geometry.layers.max()) + 1
        if layers > 1:
            raise CodeError(
                "one layer, since a row and a column name a crystal of each",
                f"{layers} layers",
                "use linear numbers, or write the LUT of one layer (petlut convert --layer)",
            )
        row, col = geometry.layer_rows_cols
        if col.max() + encoding.first_id >= encoding.multiplier:
            raise CodeError(
                f"a multiplier above {col.max() + encoding.first_id}",
                f"{encoding.multiplier}",
                "use an encoding with a larger one",
            )
        values = (row + encoding.first_id) * encoding.multiplier + col + encoding.first_id
    return np.where(geometry.present.ravel(), values, NOWHERE).astype(np.int64)


def values_of(ids: npt.NDArray[np.int32], encoding: LUTEncoding, geometry: BlockGeometry) -> Values:
    """Return the stored values of crystal ids, same shape."""
    table = crystal_values(encoding, geometry)
    background = background_of(encoding, geometry)
    used = np.zeros(len(geometry) + 1, bool)
    used[ids] = True
    limits = np.iinfo(encoding.dtype)
    if used[:-1].any() and table[used[:-1]].max() > limits.max:
        raise CodeError(
            f"crystal values up to {limits.max} ({encoding.dtype})",
            f"{table[used[:-1]].max()}",
            "choose another encoding",
        )
    if used[-1] and background is None:
        raise CodeError("a crystal for every pixel", "pixels without one", "choose another encoding")
    taken = np.flatnonzero(used[:-1] & (table == background)) if background is not None else np.empty(0)
    if len(taken):
        raise CodeError(
            "values that differ from that of no crystal",
            f"crystal {taken[0]} with the same one, {background}",
            "choose another encoding",
        )
    return np.append(table, 0 if background is None else background)[ids]


def ids_of(values: Values, encoding: LUTEncoding, geometry: BlockGeometry) -> npt.NDArray[np.int32]:
    """Return the crystal ids of stored values, same shape.

    Where a crystal has the same value as "no crystal", it is no crystal.
    """
    table = crystal_values(encoding, geometry)
    background = background_of(encoding, geometry)
    none = values == background if background is not None else np.zeros(values.shape, bool)
    order = np.argsort(table)
    nearest = order[np.minimum(np.searchsorted(table, values, sorter=order), len(table) - 1)]
    ids = np.where(none, NO_CRYSTAL, nearest).astype(np.int32)
    odd = (table[nearest] != values) & ~none
    if odd.any():
        i, j = (int(k) for k in np.argwhere(odd)[0])
        raise CodeError(
            f"{encoding.name} values of a {geometry} block",
            f"{values[i, j]} at pixel [{i}, {j}] and {np.count_nonzero(odd):,} pixels like it",
            "check rows, cols and encoding",
        )
    return ids


def to_stored(values: Values, encoding: LUTEncoding, fill: int | None) -> bytes:
    """Return the file's bytes of one block's values."""
    if encoding.transposed:
        values = values.T
    values = _flipped(values, encoding)
    n0, n1 = values.shape
    if n0 > encoding.shape[0] or n1 > encoding.shape[1]:
        raise CodeError(
            f"at most {encoding.shape[0]} x {encoding.shape[1]} pixels",
            f"{n0} x {n1}",
            "resample the LUT or choose another encoding",
        )
    if fill is None and values.shape != encoding.shape:
        raise CodeError(
            f"exactly {encoding.shape[0]} x {encoding.shape[1]} pixels",
            f"{n0} x {n1}",
            "resample the LUT or choose another encoding",
        )
    canvas = np.full(encoding.shape, 0 if fill is None else fill, encoding.dtype)
    canvas[:n0, :n1] = values
    return run_lengths(canvas) if encoding.codec == "rle" else canvas.tobytes()


def from_stored(
    data: memoryview, encoding: LUTEncoding, fill: int | None, shape: tuple[int, int] | None
) -> Values:
    """Return the values of one block's bytes, its own region only, upright."""
    canvas = canvas_of(data, encoding)
    if shape is not None and encoding.transposed:
        shape = shape[::-1]
    n0, n1 = shape if shape is not None else _region(canvas, encoding, fill)
    if not (0 < n0 <= canvas.shape[0] and 0 < n1 <= canvas.shape[1]):
        raise CodeError(
            f"pixels of a {n0} x {n1} block", f"{canvas.shape[0]} x {canvas.shape[1]}", "ask for fewer"
        )
    values = _flipped(canvas[:n0, :n1], encoding)
    return np.ascontiguousarray(values.T if encoding.transposed else values, dtype=np.int64)


def canvas_of(data: memoryview, encoding: LUTEncoding) -> npt.NDArray[Any]:
    """Return the whole stored array of one block's bytes."""
    if encoding.codec == "rle":
        return from_run_lengths(data, encoding.shape)
    canvas = np.frombuffer(data, encoding.dtype).reshape(encoding.shape)
    if canvas.dtype.kind == "u" and canvas.dtype.itemsize == 8:
        # What int64 cannot hold is no crystal value anyway.
        canvas = np.minimum(canvas, np.iinfo(np.int64).max)
    return canvas


def _flipped(values: npt.NDArray[Any], encoding: LUTEncoding) -> npt.NDArray[Any]:
    return values[:: -1 if encoding.flip_axis_0 else 1, :: -1 if encoding.flip_axis_1 else 1]


def _region(canvas: npt.NDArray[Any], encoding: LUTEncoding, fill: int | None) -> tuple[int, int]:
    """Return the region's shape if nothing lies outside of it, else that of the whole array."""
    n0, n1 = encoding.region
    if fill is not None and (canvas[n0:] == fill).all() and (canvas[:n0, n1:] == fill).all():
        return encoding.region
    return encoding.shape


def run_lengths(canvas: npt.NDArray[Any]) -> bytes:
    """Return pairs of value and run length, one byte each; longer runs than 255 are cut into pieces."""
    flat = np.ascontiguousarray(canvas).reshape(-1).view(np.uint8)
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.append(starts, len(flat)))
    pieces = -(-lengths // 255)
    counts = np.full(int(pieces.sum()), 255, np.uint8)
    counts[np.cumsum(pieces) - 1] = lengths - 255 * (pieces - 1)
    return np.column_stack([np.repeat(flat[starts], pieces), counts]).tobytes()


def from_run_lengths(data: memoryview, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the array of pairs of value and run length; the inverse of `run_lengths`."""
    pairs = np.frombuffer(data, np.uint8)
    if len(pairs) % 2:
        raise CodeError(
            "pairs of value and run length", f"{len(pairs):,} bytes, an odd number", "copy the file again"
        )
    value, length = pairs[::2], pairs[1::2]
    total = int(length.sum(dtype=np.int64))
    if total != shape[0] * shape[1] or (length == 0).any():
        raise CodeError(
            f"runs that fill {shape[0]} x {shape[1]} pixels",
            f"runs of {total:,} pixels, {np.count_nonzero(length == 0):,} of them empty",
            "check the file and the encoding",
        )
    return np.repeat(value, length).reshape(shape)

"""From an array to the counts of one block: which part of it, and what is no count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath
from napari_petlut.formats.arrays.entries import EXPECTED, MOST_PIXELS, is_numeric
from napari_petlut.formats.map_layout import MapLayout, SeveralBlocksError

ONE_TILE = (1, 1)
"""Tiles of an array that is one block, whatever it looks like."""
_MOST_NEGATIVE = 0.5
"""Share of the counts above zero that may be below; noise about zero has as much on both sides."""


def one_block(path: StrPath, values: npt.NDArray[Any], layout: MapLayout) -> npt.NDArray[Any]:
    """Return the 2-D part of an array that a layout names.

    Parameters
    ----------
    path : path-like
        For errors.
    values : ndarray
        A map, tiles of a mosaic, or a stack of maps along its first axes, or its last if that is shortest.
    layout : MapLayout
        `transposed`, `tiles` and `block` are used, in this order.

    Raises
    ------
    FormatError
        If there are several blocks and none is named, or there is no such block.
    """
    if not is_numeric(values.dtype):
        raise FormatError(path, EXPECTED, f"{values.ndim}-D of {values.dtype}", "save one 2-D map of counts")
    if values.ndim > 2:
        values = values.reshape([n for n in values.shape[:-2] if n > 1] + list(values.shape[-2:]))
    if layout.transposed and values.ndim >= 2:
        values = values.swapaxes(-1, -2)
    if values.ndim == 3 and values.shape[2] < min(values.shape[:2]):
        values = np.moveaxis(values, 2, 0)
    if layout.tiles is not None and layout.tiles != ONE_TILE:
        values = _tiled(path, values, layout.tiles)
    blocks = values.shape[:-2]
    if values.ndim not in (2, 3, 4):
        found = f"{values.ndim}-D of {values.dtype}, shape {values.shape}"
        raise FormatError(path, EXPECTED, found, "save one 2-D map of counts")
    if not blocks:
        if layout.block is not None:
            raise FormatError(
                path,
                f"block {_written(layout.block)}",
                "a single map",
                "leave the block out, or give --tiles",
            )
        return values
    return _chosen(path, values, blocks, layout)


def _tiled(path: StrPath, values: npt.NDArray[Any], tiles: tuple[int, int]) -> npt.NDArray[Any]:
    """Return tiles as an array of shape (tiles along axis 0, tiles along axis 1, pixels, pixels)."""
    rows, cols = tiles
    if values.ndim != 2 or values.shape[0] % rows or values.shape[1] % cols:
        found = " x ".join(map(str, values.shape))
        raise FormatError(path, f"a map that {rows} x {cols} tiles fill evenly", found, "correct --tiles")
    n0, n1 = values.shape[0] // rows, values.shape[1] // cols
    return values.reshape(rows, n0, cols, n1).swapaxes(1, 2)


def _chosen(
    path: StrPath, values: npt.NDArray[Any], blocks: tuple[int, ...], layout: MapLayout
) -> npt.NDArray[Any]:
    block = layout.block
    number = " x ".join(map(str, blocks))
    last = _written([n - 1 for n in blocks])
    first = _written([0] * len(blocks))
    what = f"a stack of {number} maps" if len(blocks) == 1 else f"{number} tiles"
    if block is None:
        each = tuple(replace(layout, block=index) for index in np.ndindex(blocks))
        raise SeveralBlocksError(
            path, "one block", what, f"choose one: --block {first} to --block {last}", each
        )
    if len(block) != len(blocks) or any(b >= n for b, n in zip(block, blocks, strict=True)):
        raise FormatError(path, f"block {_written(block)}", what, f"choose from --block {first} to {last}")
    return np.asarray(values[block])


def _written(block: Sequence[int]) -> str:
    return ",".join(map(str, block))


def cropped(
    path: StrPath, values: npt.NDArray[Any], crop: tuple[int, int, int, int] | None
) -> npt.NDArray[Any]:
    """Return the pixels ``[first0:end0, first1:end1]`` of a map.

    Raises
    ------
    FormatError
        If they do not lie inside.
    """
    if crop is None:
        return values
    first0, end0, first1, end1 = crop
    if end0 > values.shape[0] or end1 > values.shape[1]:
        found = f"{values.shape[0]} x {values.shape[1]} pixels"
        raise FormatError(path, f"pixels up to {end0} x {end1}", found, "correct --crop")
    return values[first0:end0, first1:end1]


def as_counts(path: StrPath, values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Return an array as counts, and what had to be done for it, one line each.

    NaN, where nothing was counted, becomes zero; so does what is below zero after subtracting a background.

    Raises
    ------
    FormatError
        If the values are no counts: infinite, mostly negative, all zero, or far too many pixels.
    """
    if values.ndim != 2 or not 0 < values.size <= MOST_PIXELS:
        found = f"{values.ndim}-D of {values.dtype}, shape {values.shape}"
        raise FormatError(path, EXPECTED, found, "save one 2-D map of counts")
    with np.errstate(all="ignore"):
        counts = np.array(values, dtype=np.float64, order="C")
    notes = []
    empty = np.isnan(counts)
    if empty.any():
        counts[empty] = 0
        notes.append(f"{int(empty.sum()):,} pixels without a number (NaN) are taken for zero counts")
    endless = ~np.isfinite(counts)
    if endless.any():
        i, j = (int(k) for k in np.argwhere(endless)[0])
        raise FormatError(path, "finite counts", f"{counts[i, j]:g} at [{i}, {j}]", "correct the array")
    below = counts < 0
    if below.any():
        with np.errstate(all="ignore"):
            lost = float(-counts[below].sum())
            share = lost / max(float(counts[~below].sum()), np.finfo(np.float64).tiny)
        if not share <= _MOST_NEGATIVE:
            i, j = (int(k) for k in np.argwhere(below)[0])
            found = f"as much below zero as above, {counts[i, j]:g} at [{i}, {j}]"
            raise FormatError(path, "counts, not negative", found, "correct the array")
        counts[below] = 0
        notes.append(
            f"{int(below.sum()):,} pixels below zero, as after subtracting a background, are set to zero "
            f"({100 * share:.2g} % of the counts)"
        )
    if not counts.any():
        raise FormatError(path, "counts in the flood map", "none at all", "record the block again")
    return counts, tuple(notes)

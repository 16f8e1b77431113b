"""From a file of any kind that holds a flood map to its counts, and how they were read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath, one_line
from napari_petlut.formats.arrays.colours import brightness, intensity
from napari_petlut.formats.arrays.entries import ArrayEntry, Pixels, choose_entry
from napari_petlut.formats.arrays.figures import Crop, flood_in_figure
from napari_petlut.formats.arrays.mosaics import blocks_side_by_side
from napari_petlut.formats.arrays.parts import as_counts, cropped, one_block
from napari_petlut.formats.map_layout import MapLayout, SeveralBlocksError
from napari_petlut.model import FloodMap

Entries = Callable[[StrPath], list[ArrayEntry]]
ReadEntry = Callable[[StrPath, ArrayEntry], Pixels]


@dataclass(frozen=True, eq=False)
class MapReading:
    """A flood map as it was read.

    Parameters
    ----------
    flood : FloodMap
    layout : MapLayout
        How: what was told, and what was found out. Reading with it gives the same counts.
    notes : tuple of str
        What a person should know of it, one line each.
    """

    flood: FloodMap
    layout: MapLayout
    notes: tuple[str, ...] = ()


def read_contained(path: StrPath, layout: MapLayout, entries: Entries, read: ReadEntry) -> MapReading:
    """Read the map of a file that holds one or more arrays.

    Parameters
    ----------
    path : path-like
    layout : MapLayout
        Which array, which block of it, and which pixels.
    entries, read : callable
        List the arrays of a file of this kind, and read one.

    Raises
    ------
    FormatError
        If the file cannot be read, or what is meant has to be told.
    """
    entry = choose_entry(path, entries(path), layout.name)
    pixels = read(path, entry)
    if entry.name and layout.name is None and len(entry.shape) >= 2:
        layout = replace(layout, name=entry.name)
    return reading_of_pixels(path, pixels, layout)


def reading_of_pixels(path: StrPath, pixels: Pixels, layout: MapLayout) -> MapReading:
    """Return the map of an array: one block of it, its pixels in a figure, its colours as counts.

    Raises
    ------
    FormatError
        If it is no map, or what is meant has to be told.
    """
    notes = (*pixels.notes, *(["a picture: its brightness is taken for counts"] if pixels.picture else []))
    values = pixels.values
    colours = pixels.picture and values.ndim >= 3 and values.shape[-1] == 3
    if colours:
        values = _one_picture(path, values, layout)
        crop, more = _crop_of_picture(path, brightness(values), layout)
        values, colour_notes = intensity(cropped(path, values, crop))
        notes += more + colour_notes
    else:
        values = one_block(path, values, layout)
        _refuse_several(path, values, layout)
        crop, more = _crop_of_picture(path, values, layout) if pixels.picture else (layout.crop, ())
        values = cropped(path, values, crop)
        notes += more
    counts, cleaned = as_counts(path, values)
    flood = _flood(path, counts)
    return MapReading(flood, replace(layout, crop=crop), notes + cleaned)


def _refuse_several(path: StrPath, values: npt.NDArray[Any], layout: MapLayout) -> None:
    """Raise `FormatError` if a map of which no part is told looks like several blocks."""
    if layout.tiles is not None or layout.block is not None or layout.crop is not None:
        return
    with np.errstate(all="ignore"):
        rows, cols = blocks_side_by_side(np.nan_to_num(np.maximum(values, 0), posinf=0))
    if rows * cols > 1:
        raise SeveralBlocksError(
            path,
            "one block",
            f"what looks like {rows} x {cols} blocks side by side",
            f"choose one: --tiles {rows} {cols} --block 0,0 to {rows - 1},{cols - 1}; "
            "or --tiles 1 1 if it is one",
            tuple(replace(layout, tiles=(rows, cols), block=at) for at in np.ndindex(rows, cols)),
        )


def _one_picture(path: StrPath, values: npt.NDArray[Any], layout: MapLayout) -> npt.NDArray[Any]:
    """Return one block of an array of colours, by the rules for arrays of numbers."""
    planes = [one_block(path, values[..., channel], layout) for channel in range(3)]
    return np.stack(planes, axis=-1)


def _crop_of_picture(
    path: StrPath, values: npt.NDArray[Any], layout: MapLayout
) -> tuple[Crop | None, tuple[str, ...]]:
    """Return the told crop, or that to the flood of a figure, and what to say about it."""
    if layout.crop is not None:
        return layout.crop, ()
    figure = flood_in_figure(values)
    if figure.others:
        boxes = ", ".join(_written(box) for box in (figure.crop, *figure.others) if box)
        found = f"{1 + len(figure.others)} pictures in a figure"
        raise FormatError(path, "one flood map", found, f"choose one: --crop, one of {boxes}")
    if figure.crop is None:
        return None, ()
    note = f"a figure with something around the map: read with --crop {_written(figure.crop)}"
    return figure.crop, (note,)


def _written(crop: Crop) -> str:
    return " ".join(map(str, crop))


def _flood(path: StrPath, counts: npt.NDArray[np.float64]) -> FloodMap:
    try:
        return FloodMap(counts, source=Path(path).name)
    except ParameterError as error:
        raise FormatError(path, "a flood map", one_line(error), "correct the array") from None

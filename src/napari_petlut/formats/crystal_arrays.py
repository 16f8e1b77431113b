"""Crystal arrays that are no rectangle, as people give them: a few words, a small TOML file, a CSV table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError, GeometryError, ParameterError
from napari_petlut.formats._files import StrPath, atomic_write, one_line
from napari_petlut.formats._settings import read_settings, text, whole
from napari_petlut.formats._tables import Entry, read_table
from napari_petlut.geometry import BlockGeometry
from napari_petlut.places import (
    LARGEST_NUMBER,
    Places,
    hexagonal_places,
    layered_places,
    masked_places,
    round_places,
    staggered_places,
)

__all__ = ["ARRAY_COLUMNS", "crystal_array", "read_places", "write_places"]

ARRAY_COLUMNS = ("place_row", "place_col", "layer", "row", "col", "number")
"""Columns of a table of places; those from `layer` on may be left out."""

_EXPECTED = "a crystal array (TOML, or CSV with columns place_row and place_col)"
_WORDS = re.compile(r"(?P<kind>[a-z]+):(?P<rows>\d{1,3})x(?P<cols>\d{1,3})(?::(?P<layers>\d))?")
_LAYER = re.compile(r"(\d{1,3})x(\d{1,3})(?:@(\d+(?:\.\d+)?),(\d+(?:\.\d+)?))?")
_KEYS = ("name", "array", "rows", "cols", "layers", "layer", "places")
_MARKS = {"#": True, ".": False}


def crystal_array(words: str) -> BlockGeometry:
    """Return a crystal array by a few words, or by the file that describes it.

    Parameters
    ----------
    words : str
        ``ROWSxCOLS`` for a rectangle, ``staggered:ROWSxCOLS`` or ``staggered:ROWSxCOLS:3`` for two or three
        layers, ``hexagonal:ROWSxCOLS``, ``round:ROWSxCOLS``, ``layers:16x16+15x15@0.5,0.5`` with the shift of
        each layer in pitches, or the name of a .toml or .csv file.

    Raises
    ------
    ParameterError
        If the words mean nothing.
    GeometryError
        If there is no such array.
    FormatError
        If the file does not describe one.

    Examples
    --------
    >>> print(crystal_array("staggered:24x24:3"))
    24 x 24 + 24 x 23 + 23 x 22
    >>> print(crystal_array("layers:16x16+15x15@0.5,0.5").crystals)
    481
    """
    if Path(words).suffix.lower() in (".toml", ".csv"):
        return _geometry(read_places(words))
    if words.startswith("layers:"):
        return _geometry(_layers_in_words(words))
    plain = _LAYER.fullmatch(words)
    if plain and plain[3] is None:
        return BlockGeometry(int(plain[1]), int(plain[2]))
    told = _WORDS.fullmatch(words)
    if told is None or told["kind"] not in _PRESETS:
        raise ParameterError(
            f"{words!r} is no crystal array: write 16x16, staggered:24x24:3, hexagonal:12x12, round:14x14, "
            "layers:16x16+15x15@0.5,0.5, or name a .toml or .csv file"
        )
    return _geometry(_preset(told["kind"], int(told["rows"]), int(told["cols"]), told["layers"]))


def _geometry(places: Places) -> BlockGeometry:
    return BlockGeometry(*places.shape, places=places)


def _preset(kind: str, rows: int, cols: int, layers: str | int | None) -> Places:
    if kind == "staggered":
        return staggered_places(rows, cols, int(layers or 2))
    if layers is not None:
        raise ParameterError(f"only a staggered array has a number of layers, not a {kind} one")
    return _PRESETS[kind](rows, cols)


_PRESETS: Mapping[str, Callable[[int, int], Places]] = {
    "staggered": staggered_places,
    "hexagonal": hexagonal_places,
    "round": round_places,
}


def _layers_in_words(words: str) -> Places:
    parts = [_LAYER.fullmatch(part) for part in words.removeprefix("layers:").split("+")]
    if not all(parts):
        raise ParameterError(f"{words!r} names no layers: write layers:16x16+15x15@0.5,0.5")
    known = [part for part in parts if part is not None]
    return layered_places(
        [(int(part[1]), int(part[2])) for part in known],
        [(float(part[3] or 0), float(part[4] or 0)) for part in known],
    )


def read_places(path: StrPath) -> Places:
    """Read which places of an array hold a crystal, and how each is numbered.

    A CSV table has a line for each crystal with the columns place_row and place_col, and layer, row, col and
    number as far as the array numbers its crystals otherwise. A TOML file has either ``array`` (staggered,
    hexagonal or round) with ``rows``, ``cols`` and ``layers``; or a table ``[[layer]]`` with ``rows``,
    ``cols`` and ``shift`` for each layer; or ``places``, a text for each row of places, ``#`` for a crystal
    and ``.`` for none. ``name`` says what the array is called.

    Raises
    ------
    FormatError
        If the file describes no array.
    """
    try:
        if Path(path).suffix.lower() == ".csv":
            return _places_of_table(path)
        return _places_of_settings(read_settings(path, _KEYS, _EXPECTED))
    except (GeometryError, ParameterError) as error:
        raise FormatError(path, _EXPECTED, one_line(error), "correct the file") from None


def _places_of_settings(table: Mapping[str, Any]) -> Places:
    name = text("name", table.get("name", ""))
    told = [key for key in ("array", "layer", "places") if key in table]
    if len(told) != 1:
        raise ParameterError(f"tell an array by one of array, layer and places, not by {len(told)} of them")
    if told == ["places"]:
        return masked_places(_mask(table["places"]), name)
    if told == ["layer"]:
        sizes, shifts = zip(*map(_layer_of, _tables("layer", table["layer"])), strict=True)
        return layered_places(sizes, shifts, name)
    kind = text("array", table["array"])
    if kind not in _PRESETS:
        raise ParameterError(f"array is one of {', '.join(_PRESETS)}, not {kind!r}")
    layers = whole("layers", table["layers"]) if "layers" in table else None
    made = _preset(kind, whole("rows", table.get("rows")), whole("cols", table.get("cols")), layers)
    return Places(made.table, name or made.name)


def _tables(key: str, value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - whatever TOML can hold
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise ParameterError(f"{key} is a table for each, as in [[{key}]]")
    return value


def _layer_of(layer: Mapping[str, Any]) -> tuple[tuple[int, int], tuple[float, float]]:
    unknown = sorted(set(layer) - {"rows", "cols", "shift"})
    if unknown:
        raise ParameterError(f"a layer has rows, cols and shift, not {unknown[0]!r}")
    shift = layer.get("shift", [0, 0])
    numbers = isinstance(shift, list) and all(type(value) in (int, float) for value in shift)
    if not numbers or len(shift) != 2:
        raise ParameterError("shift is two numbers of pitches, as in shift = [0.5, 0.5]")
    size = whole("rows", layer.get("rows")), whole("cols", layer.get("cols"))
    return size, (float(shift[0]), float(shift[1]))


def _mask(rows: Any) -> list[list[bool]]:  # noqa: ANN401 - whatever TOML can hold
    if not isinstance(rows, list) or not rows or not all(isinstance(row, str) for row in rows):
        raise ParameterError('places is a text for each row of places, as in places = ["##.", "###"]')
    if len({len(row) for row in rows}) != 1 or set("".join(rows)) - set(_MARKS):
        raise ParameterError("rows of places are of one length, # for a crystal and . for none")
    return [[_MARKS[mark] for mark in row] for row in rows]


def _places_of_table(path: StrPath) -> Places:
    table: list[tuple[int, int, int, int, int, int]] = []
    for entry in read_table(path, {"place_row", "place_col"}, _EXPECTED):
        place_row, place_col = (_count(entry, name) for name in ARRAY_COLUMNS[:2])
        default = {"layer": 0, "row": place_row, "col": place_col, "number": len(table)}
        more = [_count(entry, name, value) for name, value in default.items()]
        table.append((place_row, place_col, more[0], more[1], more[2], more[3]))
    return Places(tuple(table))


def _count(entry: Entry, name: str, default: int | None = None) -> int:
    expected = f"a whole number from 0 to {LARGEST_NUMBER:,}"
    value = entry.number(name, expected)
    if np.isnan(value) and default is not None:
        return default
    if not (0 <= value <= LARGEST_NUMBER and value == int(value)):
        raise entry.refuse(name, expected)
    return int(value)


def write_places(path: StrPath, geometry: BlockGeometry, *, overwrite: bool = False) -> None:
    """Write the places of an array as a CSV table, a line for each crystal.

    Raises
    ------
    FormatError
        If the file cannot be written.
    """
    row, col = geometry.row_col(np.arange(len(geometry)))
    columns = (row, col, geometry.layers, *geometry.layer_rows_cols, geometry.numbers)
    held = geometry.present.ravel()
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(ARRAY_COLUMNS)
    writer.writerows(zip(*(column[held].tolist() for column in columns), strict=True))
    atomic_write(path, lines.getvalue().encode(), overwrite=overwrite)

"""Peak tables: CSV that napari opens as points too."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError, GeometryError
from napari_petlut.formats._files import StrPath, atomic_write, read_bytes
from napari_petlut.formats._tables import Entry, read_table
from napari_petlut.formats.arrays.text import decode_text, parse_table
from napari_petlut.formats.kinds import CERTAIN, TEXT, Content, Finding, IdentifiedFile, Kind, Look
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model import Peaks, PeakStatus

__all__ = ["PEAK_COLUMNS", "PEAK_TABLE", "read_peaks", "write_peaks"]

PEAK_COLUMNS = ("index", "axis-0", "axis-1", "crystal", "row", "col", "status", "confidence")
"""Columns of a peak table; napari's own point columns come first."""

PLACE_COLUMNS = ("layer", "layer_row", "layer_col", "number")
"""More columns for an array that is no rectangle: how its table numbers the crystal. Crystal, row and col are
of its place then."""

_EXPECTED_POINTS = "a table with two columns of positions"
_LIMIT = 2**26
_EXPECTED = "a peak table (CSV with columns axis-0 and axis-1)"


def write_peaks(
    path: StrPath, peaks: Peaks, geometry: BlockGeometry | None = None, *, overwrite: bool = False
) -> None:
    """Write a peak table as CSV.

    Numbers are written so that reading gives exactly the same ones; "no crystal" is -1, an unknown confidence
    ``nan``.

    Parameters
    ----------
    path : path-like
    peaks : Peaks
    geometry : BlockGeometry, optional
        Needed for the columns row and col; without it they are -1.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file cannot be written.
    GeometryError
        If a crystal id does not exist in the geometry.
    """
    row = col = np.full(len(peaks), NO_CRYSTAL)
    if geometry is not None:
        if len(peaks) and peaks.crystal.max() >= len(geometry):
            raise GeometryError(
                f"peaks name crystal {peaks.crystal.max()}; a {geometry} block has no such one"
            )
        row, col = geometry.row_col(peaks.crystal)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    numbered = geometry is not None and geometry.places is not None
    writer.writerow((*PEAK_COLUMNS, *(PLACE_COLUMNS if numbered else ())))
    columns = (peaks.positions, peaks.crystal, row, col, peaks.status, peaks.confidence)
    for index, (position, crystal, r, c, status, confidence) in enumerate(zip(*columns, strict=True)):
        place = (repr(float(value)) for value in position)
        more = _numbering(geometry, int(crystal)) if geometry is not None else ()
        fields = (index, *place, int(crystal), int(r), int(c), str(status), repr(float(confidence)))
        writer.writerow((*fields, *more))
    atomic_write(path, text.getvalue().encode(), overwrite=overwrite)


def _numbering(geometry: BlockGeometry, crystal: int) -> tuple[int, ...]:
    """Return the fields of `PLACE_COLUMNS`; none of a rectangle."""
    if geometry.places is None:
        return ()
    row, col = geometry.layer_rows_cols
    columns = (geometry.layers, row, col, geometry.numbers)
    return tuple(int(column[crystal]) if crystal >= 0 else NO_CRYSTAL for column in columns)


def read_peaks(path: StrPath) -> Peaks:
    """Read a peak table, or the CSV that napari saves for a points layer.

    Only the columns axis-0 and axis-1 are needed; columns of other names are passed over.

    Raises
    ------
    FormatError
        If the file is no such table, or holds values that cannot be.
    """
    positions, crystals, statuses, confidences = [], [], [], []
    cols: int | None = None
    for entry in read_table(path, {"axis-0", "axis-1"}, _EXPECTED):
        positions.append(_position(entry))
        crystals.append(entry.crystal_number("crystal"))
        statuses.append(_status(entry))
        confidences.append(_confidence(entry))
        cols = entry.check_place(cols)
    return Peaks(
        np.array(positions, dtype=np.float64).reshape(-1, 2),
        np.array(crystals, dtype=np.intp),
        np.array(statuses, dtype="<U8"),
        np.array(confidences, dtype=np.float64),
    )


def read_points(path: StrPath) -> Peaks:
    """Read the positions of peaks from any table as text: two columns of positions, with or without names.

    A peak table of this program is read as such. Elsewhere columns called ``axis-0`` and ``axis-1``, ``x``
    and ``y``, or ``row`` and ``col`` are taken, x being axis 0; without such names the first two columns,
    after one that only numbers the lines. Delimiter, decimal mark and encoding are found by looking.

    Raises
    ------
    FormatError
        If the file has no two columns of numbers.
    """
    text = decode_text(path, read_bytes(path, _EXPECTED_POINTS, limit=_LIMIT))
    first = next((line for line in text.splitlines() if line.strip()), "")
    if {"axis-0", "axis-1"} <= {name.strip(' "') for name in first.split(",")}:
        return read_peaks(path)
    table = parse_table(path, text)
    names = [name.strip(' "').lower() for name in table.names]
    columns = _position_columns(names, table.values.shape[1])
    if columns is None:
        found = f"the columns {', '.join(names)}"[:200] if names else f"{table.values.shape[1]} column(s)"
        raise FormatError(path, _EXPECTED_POINTS, found, "name two columns x and y")
    positions = table.values[:, list(columns)]
    if not np.isfinite(positions).all():
        line = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        raise FormatError(
            path, "two positions in each line", f"none in line {line + 1} of them", "correct it"
        )
    return Peaks(positions)


_POSITION_NAMES = (("axis-0", "axis-1"), ("x", "y"), ("row", "col"), ("row", "column"), ("x0", "x1"))


def _position_columns(names: Sequence[str], columns: int) -> tuple[int, int] | None:
    """Return which columns hold the positions along axis 0 and axis 1."""
    bare = [re.sub(r"[\s\[(].*", "", name) for name in names]
    for first, second in _POSITION_NAMES:
        if bare.count(first) == 1 and bare.count(second) == 1:
            return bare.index(first), bare.index(second)
    endings = [[k for k, name in enumerate(bare) if name.endswith(letter)] for letter in ("x", "y")]
    if all(len(found) == 1 for found in endings):
        return endings[0][0], endings[1][0]
    return (0, 1) if columns >= 2 and (not names or columns == 2) else None


def _position(entry: Entry) -> list[float]:
    if entry.text("axis-2"):
        raise entry.refuse("axis-2", "points in 2 dimensions")
    position = []
    for name in ("axis-0", "axis-1"):
        value = entry.number(name, "a position")
        if math.isnan(value):
            raise entry.refuse(name, "a position")
        position.append(value)
    return position


def _status(entry: Entry) -> str:
    word = entry.text("status") or PeakStatus.FOUND
    if word not in set(PeakStatus):
        raise entry.refuse("status", f"one of {', '.join(PeakStatus)}")
    return word


def _confidence(entry: Entry) -> float:
    expected = "a probability from 0 to 1 or nan"
    value = entry.number("confidence", expected)
    if value < 0 or value > 1:
        raise entry.refuse("confidence", expected)
    return value


def _recognise(look: Look) -> Iterator[Finding]:
    if look.columns >= {"axis-0", "axis-1"}:
        yield Finding(CERTAIN)


def _facts(file: IdentifiedFile) -> dict[str, Any]:
    peaks = file.read()
    statuses, numbers = np.unique(peaks.status, return_counts=True)
    return {
        "peaks": len(peaks),
        "numbered": int(np.count_nonzero(peaks.crystal >= 0)),
        "status": dict(zip(statuses.tolist(), numbers.tolist(), strict=True)),
    }


PEAK_TABLE = Kind(
    "peaks",
    Content.PEAKS,
    "a table of peaks",
    (".csv",),
    "text: columns axis-0 and axis-1",
    _recognise,
    read_peaks,
    _facts,
    forms=(TEXT,),
)

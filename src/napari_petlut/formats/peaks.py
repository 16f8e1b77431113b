"""Peak tables: CSV that napari opens as points too."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from napari_petlut.errors import FormatError, GeometryError, ParameterError
from napari_petlut.formats._files import StrPath, atomic_write, one_line, read_bytes
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model import Peaks, PeakStatus

__all__ = ["PEAK_COLUMNS", "read_peaks", "write_peaks"]

PEAK_COLUMNS = ("index", "axis-0", "axis-1", "crystal", "row", "col", "status", "confidence")
"""Columns of a peak table; napari's own point columns come first."""

_EXPECTED = "a peak table (CSV with columns axis-0 and axis-1)"
_LIMIT = 2**26
_MAX_CRYSTALS = 255 * 255


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
    writer.writerow(PEAK_COLUMNS)
    columns = (peaks.positions, peaks.crystal, row, col, peaks.status, peaks.confidence)
    for index, (position, crystal, r, c, status, confidence) in enumerate(zip(*columns, strict=True)):
        place = (repr(float(value)) for value in position)
        writer.writerow((index, *place, int(crystal), int(r), int(c), str(status), repr(float(confidence))))
    atomic_write(path, text.getvalue().encode(), overwrite=overwrite)


def read_peaks(path: StrPath) -> Peaks:
    """Read a peak table, or the CSV that napari saves for a points layer.

    Only the columns axis-0 and axis-1 are needed; columns of other names are passed over.

    Raises
    ------
    FormatError
        If the file is no such table, or holds values that cannot be.
    """
    data = read_bytes(path, _EXPECTED, limit=_LIMIT)
    positions, crystals, statuses, confidences = [], [], [], []
    cols: int | None = None
    try:
        for entry in _entries(path, data):
            positions.append([entry.number("axis-0"), entry.number("axis-1")])
            crystals.append(entry.whole("crystal"))
            statuses.append(entry.status())
            confidences.append(entry.confidence())
            cols = entry.check_place(cols)
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(path, _EXPECTED, f"an error ({one_line(error)})", "correct the file") from None
    try:
        return Peaks(
            np.array(positions, dtype=np.float64).reshape(-1, 2),
            np.array(crystals, dtype=np.intp),
            np.array(statuses, dtype="<U8"),
            np.array(confidences, dtype=np.float64),
        )
    except ParameterError as error:
        raise FormatError(path, _EXPECTED, one_line(error), "correct the file") from None


def _entries(path: StrPath, data: bytes) -> Iterator[_Entry]:
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    header = [name.strip() for name in islice(next(reader, []), 1000)]
    if not {"axis-0", "axis-1"} <= set(header):
        found = one_line(ValueError(", ".join(header) or "no header"))
        raise FormatError(path, _EXPECTED, found, "name the columns in the first line")
    if "axis-2" in header:
        raise FormatError(path, "points in 2 dimensions", "a column axis-2", "save the points of one map")
    for line, fields in enumerate(reader, start=2):
        if fields:
            if len(fields) != len(header):
                found = f"{len(fields)} fields in line {line}"
                raise FormatError(path, f"{len(header)} fields in each line", found, "correct the line")
            yield _Entry(path, line, dict(zip(header, fields, strict=True)))


class _Entry:
    """One line of a peak table, and the checks of its fields."""

    def __init__(self, path: StrPath, line: int, fields: Mapping[str, str]) -> None:
        self._path, self._line, self._fields = path, line, fields

    def _refuse(self, name: str, expected: str) -> FormatError:
        found = f"{one_line(ValueError(repr(self._fields.get(name, ''))))} in column {name}"
        return FormatError(self._path, f"{expected} in line {self._line}", found, "correct the line")

    def number(self, name: str) -> float:
        try:
            value = float(self._fields[name])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._refuse(name, "a position")
        return value

    def whole(self, name: str) -> int:
        """Return an id, row or column; napari may have made a float of it."""
        text = self._fields.get(name, "").strip()
        if text.lower() in ("", "nan"):
            return NO_CRYSTAL
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if value != value // 1 or not NO_CRYSTAL <= value < _MAX_CRYSTALS:
            raise self._refuse(name, "a whole number, -1 for no crystal,")
        return int(value)

    def status(self) -> str:
        word = self._fields.get("status", "").strip() or PeakStatus.FOUND
        if word not in set(PeakStatus):
            raise self._refuse("status", f"one of {', '.join(PeakStatus)}")
        return word

    def confidence(self) -> float:
        text = self._fields.get("confidence", "").strip()
        try:
            value = float(text) if text else math.nan
        except ValueError:
            value = math.inf
        if not (math.isnan(value) or 0 <= value <= 1):
            raise self._refuse("confidence", "a probability from 0 to 1 or nan")
        return value

    def check_place(self, cols: int | None) -> int | None:
        """Check that crystal = row * cols + col with the same cols in every line; return cols once known."""
        crystal, row, col = (self.whole(name) for name in ("crystal", "row", "col"))
        if crystal < 0 or row < 0 or col < 0:
            return cols
        rest = crystal - col
        if row > 0 and cols is None:
            cols = rest // row
        if rest != row * (cols or 0) or (cols is not None and col >= cols):
            raise self._refuse("crystal", f"crystal = row * columns + col, of row {row} and col {col},")
        return cols

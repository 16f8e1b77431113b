"""Energy LUT files: each crystal's photopeak, as CSV or as binary numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from napari_petlut.errors import FormatError, GeometryError, ParameterError
from napari_petlut.formats._files import StrPath, atomic_write, one_line, read_bytes
from napari_petlut.formats._lut_codes import counted_from
from napari_petlut.formats._tables import read_table
from napari_petlut.formats.kinds import CERTAIN, TEXT, Content, Finding, IdentifiedFile, Kind, Look
from napari_petlut.formats.lut_encoding import Corner, Order
from napari_petlut.geometry import BlockGeometry, IntArray
from napari_petlut.model import PHOTOPEAK_KEV, EnergyLUT, FloatArray

__all__ = [
    "ENERGY_LUT_COLUMNS",
    "ENERGY_LUT_PRESETS",
    "ENERGY_TABLE",
    "EnergyLUTEncoding",
    "decode_energy_lut",
    "encode_energy_lut",
    "energy_lut_encoding",
    "read_energy_lut",
    "write_energy_lut",
]

ENERGY_LUT_COLUMNS = ("crystal", "row", "col", "photopeak", "gain")
"""Columns of an energy LUT as CSV: photopeak in ADC channels, gain in keV per channel."""

_EXPECTED_CSV = "an energy LUT (CSV with columns crystal and photopeak)"
_EXPECTED = "an energy LUT"
_LIMIT = 2**26
_Quantity = Literal["gain", "photopeak"]


@dataclass(frozen=True)
class EnergyLUTEncoding:
    """How a binary energy LUT stores each crystal: one whole number, in the order of the crystals.

    Parameters
    ----------
    name : str
        Shown to people and written into records.
    quantity : {"gain", "photopeak"}
        What is stored: ``scale * 511 / photopeak``, or ``scale * photopeak``, rounded.
    scale : float
        Factor before rounding.
    dtype : str
        NumPy dtype of an entry with its byte order, for example ``"<u2"``.
    entries : int
        Entries of a block; those beyond its crystals hold `missing`.
    missing : int
        Value of a crystal whose photopeak is not known.
    header_bytes : int
        Bytes before the first entry.
    origin : {"top-left", "top-right", "bottom-left", "bottom-right"}
        Corner of crystal (0, 0) in the file's own count: top is the small end of axis 0, left that of axis 1.
    order : {"row-major", "column-major"}
        Column-major counts down the columns.

    Raises
    ------
    ParameterError
        If something of this cannot be.
    """

    name: str = "cpm"
    quantity: _Quantity = "gain"
    scale: float = 65536.0
    dtype: str = "<u2"
    entries: int = 1024
    missing: int = 0
    header_bytes: int = 0
    origin: Corner = "bottom-left"
    order: Order = "row-major"

    def __post_init__(self) -> None:
        for field, words in (
            ("quantity", get_args(_Quantity)),
            ("origin", get_args(Corner)),
            ("order", get_args(Order)),
        ):
            if getattr(self, field) not in words:
                raise ParameterError(
                    f"energy LUT {field} is one of {', '.join(words)}, not {getattr(self, field)!r}"
                )
        if not 0 < self.scale < math.inf or not 1 <= self.entries <= 2**20 or self.header_bytes < 0:
            raise ParameterError(
                "energy LUT scale is positive, entries 1 to 2**20, and header_bytes 0 or more"
            )
        try:
            entry = np.dtype(self.dtype)
        except (TypeError, ValueError, SyntaxError):
            entry = np.dtype(object)
        if entry.kind not in "iu":
            raise ParameterError(f"energy LUT dtype must be a whole number such as '<u2', not {self.dtype!r}")
        if not np.iinfo(entry).min <= self.missing <= np.iinfo(entry).max:
            raise ParameterError(f"energy LUT missing {self.missing} does not fit into {self.dtype}")

    @property
    def block_bytes(self) -> int:
        """Bytes of one block's entries."""
        return self.entries * np.dtype(self.dtype).itemsize


ENERGY_LUT_PRESETS: Mapping[str, EnergyLUTEncoding] = MappingProxyType({"cpm": EnergyLUTEncoding()})
"""Known layouts by name. "cpm": ``round(2**16 * 511 / photopeak)`` of the CPM_Project tools, 1024 entries per
block, crystals counted as in its position LUT; photopeaks up to channel 511 do not fit into its 16 bits."""


def energy_lut_encoding(encoding: EnergyLUTEncoding | str) -> EnergyLUTEncoding:
    """Return an energy LUT encoding by name, or as it is.

    Raises
    ------
    ParameterError
        If there is no such name.
    """
    if isinstance(encoding, EnergyLUTEncoding):
        return encoding
    if encoding not in ENERGY_LUT_PRESETS:
        known = ", ".join(ENERGY_LUT_PRESETS)
        raise ParameterError(f"there is no energy LUT encoding {encoding!r}; known are {known}")
    return ENERGY_LUT_PRESETS[encoding]


def encode_energy_lut(
    lut: EnergyLUT, encoding: EnergyLUTEncoding | str = "cpm", *, path: StrPath = "energy LUT"
) -> bytes:
    """Return the bytes of one block in a file, without a header.

    Raises
    ------
    FormatError
        If a photopeak does not fit into the encoding; `path` is what it calls the LUT.
    ParameterError
        If the encoding has an unknown name.
    """
    encoding = energy_lut_encoding(encoding)
    places = _places(path, encoding, lut.geometry)
    with np.errstate(over="ignore"):
        exact = encoding.scale * (lut.gains if encoding.quantity == "gain" else lut.photopeaks)
    known = ~np.isnan(exact)
    values = np.where(known, np.rint(exact), encoding.missing)
    bad = known & ((values > np.iinfo(encoding.dtype).max) | (values < 1) | (values == encoding.missing))
    if bad.any():
        crystal = int(np.flatnonzero(bad)[0])
        raise FormatError(
            path,
            f"values from 1 to {np.iinfo(encoding.dtype).max} ({encoding.name})",
            f"{values[crystal]:.0f} for crystal {crystal}, photopeak {lut.photopeaks[crystal]:g}",
            "write CSV or choose another scale",
        )
    entries = np.full(encoding.entries, encoding.missing, encoding.dtype)
    entries[places] = values
    return entries.tobytes()


def decode_energy_lut(
    data: bytes | memoryview,
    encoding: EnergyLUTEncoding | str,
    geometry: BlockGeometry,
    *,
    path: StrPath = "energy LUT",
) -> EnergyLUT:
    """Return the energy LUT of one block's bytes; photopeaks are as exact as the rounded numbers allow.

    Raises
    ------
    FormatError
        If the bytes are no such LUT; `path` is what it calls the LUT.
    ParameterError
        If the encoding has an unknown name.
    """
    encoding = energy_lut_encoding(encoding)
    places = _places(path, encoding, geometry)
    if len(data) != encoding.block_bytes:
        raise FormatError(
            path, f"{encoding.block_bytes:,} bytes ({encoding.name})", f"{len(data):,}", "check the encoding"
        )
    stored = np.frombuffer(data, encoding.dtype)
    beyond = np.delete(stored, places)
    if (beyond != encoding.missing).any():
        found = f"{np.count_nonzero(beyond != encoding.missing)} more values"
        raise FormatError(path, f"values of a {geometry} block", found, "check rows, cols and encoding")
    values = stored[places].astype(np.float64)
    known = stored[places] != encoding.missing
    if (values[known] <= 0).any():
        raise FormatError(path, "positive values", f"{values[known].min():.0f}", "check the encoding")
    if not known.any():
        raise FormatError(path, "a photopeak", "none at all", "check the encoding")
    values[~known] = np.nan
    peaks = (
        encoding.scale * PHOTOPEAK_KEV / values if encoding.quantity == "gain" else values / encoding.scale
    )
    return EnergyLUT(peaks, geometry)


def _places(path: StrPath, encoding: EnergyLUTEncoding, geometry: BlockGeometry) -> IntArray:
    """Return the entry of each crystal, by id."""
    if len(geometry) > encoding.entries:
        raise FormatError(
            path, f"at most {encoding.entries} crystals ({encoding.name})", f"{len(geometry)}", "write CSV"
        )
    row, col, cols = counted_from(geometry, encoding.origin, encoding.order)
    return row * cols + col


def write_energy_lut(
    path: StrPath, lut: EnergyLUT, encoding: EnergyLUTEncoding | str = "cpm", *, overwrite: bool = False
) -> None:
    """Write an energy LUT: exact numbers as CSV if the suffix is ``.csv``, else binary.

    Parameters
    ----------
    path : path-like
    lut : EnergyLUT
    encoding : EnergyLUTEncoding or str
        Of a binary file; a header is written as zeros.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If a photopeak does not fit into the encoding, or the file cannot be written.
    ParameterError
        If the encoding has an unknown name.
    """
    if Path(path).suffix.lower() == ".csv":
        data = _csv_of(lut).encode()
    else:
        encoding = energy_lut_encoding(encoding)
        data = bytes(encoding.header_bytes) + encode_energy_lut(lut, encoding, path=path)
    atomic_write(path, data, overwrite=overwrite)


def _csv_of(lut: EnergyLUT) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ENERGY_LUT_COLUMNS)
    row, col = lut.geometry.row_col(np.arange(len(lut.geometry)))
    for crystal, entry in enumerate(zip(row, col, lut.photopeaks, lut.gains, strict=True)):
        if lut.geometry.numbers[crystal] < 0:
            continue  # no crystal there
        r, c, photopeak, gain = entry
        writer.writerow((crystal, int(r), int(c), repr(float(photopeak)), repr(float(gain))))
    return text.getvalue()


def read_energy_lut(
    path: StrPath,
    geometry: BlockGeometry | None = None,
    encoding: EnergyLUTEncoding | str = "cpm",
    *,
    block: int | None = None,
) -> EnergyLUT:
    """Read an energy LUT: CSV if the suffix is ``.csv``, else binary.

    Parameters
    ----------
    path : path-like
    geometry : BlockGeometry, optional
        The block. A CSV tells it by its largest row and column, a binary file does not.
    encoding : EnergyLUTEncoding or str
        Of a binary file.
    block : int, optional
        Which block of a binary file of several, from 0.

    Raises
    ------
    FormatError
        If the file is no such energy LUT, or `geometry` or `block` is needed.
    ParameterError
        If the encoding has an unknown name.
    """
    if Path(path).suffix.lower() == ".csv":
        return _read_csv(path, geometry)
    encoding = energy_lut_encoding(encoding)
    data = memoryview(read_bytes(path, _EXPECTED, limit=_LIMIT))[encoding.header_bytes :]
    count, rest = divmod(len(data), encoding.block_bytes)
    if rest or not count:
        expected = f"one or more times {encoding.block_bytes:,} bytes ({encoding.name})"
        raise FormatError(path, expected, f"{len(data):,}", "check the file and the encoding")
    if geometry is None:
        raise FormatError(path, "the block's geometry", "numbers that do not tell it", "give rows and cols")
    if (block is None and count > 1) or not 0 <= (block or 0) < count:
        raise FormatError(path, "one block", f"{count} blocks", f"say which one, 0 to {count - 1}")
    start = (block or 0) * encoding.block_bytes
    return decode_energy_lut(data[start : start + encoding.block_bytes], encoding, geometry, path=path)


def _read_csv(path: StrPath, geometry: BlockGeometry | None) -> EnergyLUT:
    peaks: dict[int, float] = {}
    rows, cols = 0, 0
    columns = None if geometry is None else geometry.cols
    for entry in read_table(path, {"crystal", "photopeak"}, _EXPECTED_CSV):
        crystal = entry.crystal_number("crystal")
        if crystal < 0 or crystal in peaks or (geometry is not None and crystal >= len(geometry)):
            raise entry.refuse("crystal", "each crystal of the block once,")
        peaks[crystal] = entry.number("photopeak", "a positive channel or nan")
        if peaks[crystal] <= 0:
            raise entry.refuse("photopeak", "a positive channel or nan")
        rows = max(rows, entry.crystal_number("row") + 1)
        columns = entry.check_place(columns)
        cols = max(cols, entry.crystal_number("col") + 1)
    try:
        geometry = geometry or BlockGeometry(rows, cols)
        table: FloatArray = np.full(len(geometry), np.nan)
        table[list(peaks)] = list(peaks.values())
        return EnergyLUT(table, geometry)
    except (GeometryError, IndexError) as error:
        raise FormatError(path, "the block's geometry", one_line(error), "give rows and cols") from None


def _recognise(look: Look) -> Iterator[Finding]:
    if look.columns >= {"crystal", "photopeak"}:
        yield Finding(CERTAIN)


def _read(file: IdentifiedFile) -> EnergyLUT:
    return read_energy_lut(file, file.hints.geometry)


ENERGY_TABLE = Kind(
    "energy_lut",
    Content.ENERGY_LUT,
    "an energy LUT",
    (".csv",),
    "text: columns crystal and photopeak",
    _recognise,
    _read,
    forms=(TEXT,),
)

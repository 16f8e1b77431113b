"""FITS images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line, read_bytes
from napari_petlut.formats._libraries import library
from napari_petlut.formats.arrays.entries import (
    MOST_BYTES,
    SAVE_AGAIN,
    ArrayEntry,
    Pixels,
    check_size,
    quiet,
)

FITS_MAGIC = b"SIMPLE  ="
_EXPECTED = "a FITS file with an image, not compressed"
_MOST_UNITS = 1000


def fits_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the images of a FITS file by the number of their unit, the first one being 0.

    Raises
    ------
    FormatError
        If the file cannot be read, or the library astropy is missing.
    """
    with _opened(path) as units:
        return [ArrayEntry(str(i), shape) for i, unit in enumerate(units) if (shape := _shape(unit))]


def read_fits(path: StrPath, entry: ArrayEntry) -> Pixels:
    """Read one image of a FITS file; the axis that the file names last comes first.

    Raises
    ------
    FormatError
        If it is larger than a map, or damaged.
    """
    with _opened(path) as units:
        unit = units[int(entry.name)]
        check_size(path, _shape(unit))
        return Pixels(np.array(unit.data))


def _shape(unit: Any) -> tuple[int, ...]:  # noqa: ANN401 - astropy is not typed
    """Return the shape that a unit's header claims; empty if it holds no plain image."""
    header = unit.header
    if header.get("XTENSION", "IMAGE").strip() != "IMAGE" or header.get("ZIMAGE"):
        return ()
    return tuple(int(header[f"NAXIS{k}"]) for k in range(int(header.get("NAXIS", 0)), 0, -1))


@contextmanager
def _opened(path: StrPath) -> Iterator[list[Any]]:
    fits = library("astropy.io.fits", path, _EXPECTED)
    data = read_bytes(path, _EXPECTED, limit=MOST_BYTES)
    try:
        with quiet("astropy"), fits.open(io.BytesIO(data), disable_image_compression=True) as units:
            yield [units[i] for i in range(min(len(units), _MOST_UNITS))]
    except FormatError:
        raise
    except Exception as error:
        # The parser meets arbitrary bytes here; whatever it trips over, the file cannot be used.
        raise FormatError(path, _EXPECTED, f"an error ({one_line(error)})", SAVE_AGAIN) from None

"""PNG and JPEG: screenshots and figures of maps."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, one_line, read_bytes
from napari_petlut.formats.arrays.entries import MOST_BYTES, SAVE_AGAIN, ArrayEntry, Pixels, check_size, quiet

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
_EXPECTED = "a PNG or JPEG picture"
# Grey of 8 or 16 bits; everything else is brought to colours.
_GREY = {"1", "L", "I", "I;16", "I;16L", "I;16B", "F"}


def picture_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the image of a PNG or JPEG file.

    Raises
    ------
    FormatError
        If the file is no such picture.
    """
    with _opened(path) as image:
        return [ArrayEntry("", (image.height, image.width))]


def read_picture(path: StrPath, entry: ArrayEntry) -> Pixels:
    """Read a picture, grey or in colours; that of a JPEG is changed by its compression, and a note says so.

    Raises
    ------
    FormatError
        If it is larger than a map, or damaged.
    """
    check_size(path, entry.shape)
    notes: tuple[str, ...] = ()
    with _opened(path) as image:
        if image.format == "JPEG":
            notes = ("a JPEG picture: its compression has changed the counts a little",)
        if image.mode in _GREY:
            return Pixels(np.asarray(image), notes, picture=True)
        return Pixels(np.asarray(image.convert("RGB")), notes, picture=True)


@contextmanager
def _opened(path: StrPath) -> Iterator[Any]:
    from PIL import Image

    data = read_bytes(path, _EXPECTED, limit=MOST_BYTES)
    try:
        with quiet("PIL"), Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            yield image
    except FormatError:
        raise
    except Exception as error:
        # The parser meets arbitrary bytes here; whatever it trips over, the file cannot be used.
        text = one_line(error) if "BytesIO" not in str(error) else "none that can be read"
        raise FormatError(path, _EXPECTED, text, SAVE_AGAIN) from None

"""Telling text from other bytes, and in which encoding it is."""

from __future__ import annotations

import codecs
import re

import numpy as np

CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
"""What text does not hold."""
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ZEROS = 0.9
_PRINTABLE = 0.98
_SAMPLE = 4096


def wide_encoding(head: bytes) -> str | None:
    """Return the encoding of text with more than one byte a character; None if it is of another kind.

    Without a mark it is told by the zero byte that UTF-16 has beside each plain character.

    Examples
    --------
    >>> wide_encoding("1;2;3;4".encode("utf-16-le")), wide_encoding(b"1;2;3;4")
    ('utf-16-le', None)
    """
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked is not None or len(head) < 2:
        return marked
    pairs = np.frombuffer(head[: 2 * (min(len(head), _SAMPLE) // 2)], np.uint8).reshape(-1, 2)
    for plain, encoding in ((0, "utf-16-le"), (1, "utf-16-be")):
        letters = pairs[:, plain]
        printable = ((letters >= 32) & (letters < 127)) | np.isin(letters, (9, 10, 13))
        if (pairs[:, 1 - plain] == 0).mean() > _ZEROS and printable.mean() > _PRINTABLE:
            return encoding
    return None


def text_of_head(head: bytes) -> str | None:
    """Return the beginning of a text file in UTF-8, UTF-16, UTF-32 or Latin-1; None if it is none."""
    encoding = wide_encoding(head)
    if encoding is None and b"\0" in head:
        return None
    text = head.decode(encoding, "ignore") if encoding else _narrow(head)
    return None if CONTROL_CHARACTER.search(text) else text


def _narrow(head: bytes) -> str:
    for cut in range(4):
        # The last character may be cut in the middle.
        try:
            return head[: len(head) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    return head.decode("latin-1")

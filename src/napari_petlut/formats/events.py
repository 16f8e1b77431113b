"""List-mode event files: one unsigned word per event, packed as an `EventFormat` says."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, ParameterError, TruncatedFileWarning
from napari_petlut.formats._files import StrPath, atomic_write, file_size, open_along, open_binary
from napari_petlut.model import EventFormat

__all__ = [
    "CHUNK_EVENTS",
    "TruncatedFileWarning",
    "event_count",
    "iter_words",
    "pack_words",
    "write_events",
    "write_words",
]

CHUNK_EVENTS = 4_194_304
"""Events read at once; 16 MiB of the lab's words."""

Words = npt.NDArray[np.unsignedinteger[Any]]


def event_count(path: StrPath, fmt: EventFormat = EventFormat()) -> int:
    """Return the number of complete events in a file, from its size alone.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat
        Layout of the file.

    Raises
    ------
    FormatError
        If the file is missing, not readable, or holds no complete event.
    """
    expected = f"list-mode events of {fmt.word_bytes} bytes"
    size = file_size(path, expected)
    count = max(size - fmt.header_bytes, 0) // fmt.word_bytes
    if count == 0:
        after = f" after a header of {fmt.header_bytes}" if fmt.header_bytes else ""
        raise FormatError(path, f"{expected}{after}", f"{size} bytes", "check the file and the event format")
    return count


def iter_words(
    path: StrPath,
    fmt: EventFormat = EventFormat(),
    *,
    chunk_events: int = CHUNK_EVENTS,
) -> Iterator[Words]:
    """Read the event words of a file, some at a time.

    The file is checked at the call, before the first chunk is asked for. Memory is that of the chunks the
    caller keeps.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat
        Layout of the file.
    chunk_events : int
        Most events in a chunk.

    Yields
    ------
    ndarray of unsigned int, shape (k,)
        Words in the machine's byte order, 1 <= k <= `chunk_events`, in the order of the file.

    Warns
    -----
    TruncatedFileWarning
        If the file ends in the middle of an event; its complete events are used.

    Raises
    ------
    FormatError
        If the file is missing, not readable, or holds no complete event, or becomes shorter while it is read.
    ParameterError
        If `chunk_events` is below 1.
    """
    if chunk_events < 1:
        raise ParameterError(f"chunk_events must be 1 or more, not {chunk_events}")
    count = event_count(path, fmt)
    # Opened here and not in the generator, so that a file that may not be read is known at the call.
    with open_binary(path, "list-mode events"):
        pass
    return _words(path, fmt, count, chunk_events)


def _words(path: StrPath, fmt: EventFormat, count: int, chunk_events: int) -> Iterator[Words]:
    stored = np.dtype(fmt.dtype)
    left_over = (file_size(path, "list-mode events") - fmt.header_bytes) % stored.itemsize
    with open_along(path, "list-mode events") as reader:
        reader.skip(fmt.header_bytes)
        done = 0
        while done < count:
            chunk = np.empty(min(chunk_events, count - done), stored)
            complete = reader.fill(chunk.view(np.uint8).data) // stored.itemsize
            if complete < len(chunk):
                raise became_shorter(path, count, done + complete)
            yield chunk.astype(stored.newbyteorder("="), copy=False)
            done += complete
    if left_over:
        warnings.warn(
            f"{path}: the file ends {left_over} bytes into an event of {stored.itemsize} bytes; "
            f"its {count:,} complete events are used",
            TruncatedFileWarning,
            stacklevel=2,
        )


def became_shorter(path: StrPath, promised: int, read: int) -> FormatError:
    """Return the error for a file with fewer events than its size or header promised: none is lost unsaid."""
    return FormatError(
        path, f"{promised:,} events, as at first", f"{read:,}: it became shorter", "copy it again, try again"
    )


def pack_words(
    energy: npt.ArrayLike,
    ex: npt.ArrayLike,
    ey: npt.ArrayLike,
    fmt: EventFormat = EventFormat(),
) -> Words:
    """Pack event fields into words.

    Parameters
    ----------
    energy, ex, ey : array_like of int, shape (n,)
        E, Ex and Ey of each event, in ADC channels.
    fmt : EventFormat
        Layout of the words.

    Returns
    -------
    ndarray of unsigned int, shape (n,)
        In the machine's byte order.

    Raises
    ------
    ParameterError
        If a value does not fit into its field, or the arrays differ in length.

    Examples
    --------
    >>> hex(int(pack_words([500], [250], [125])[0]))
    '0x1f41f4fa'
    """
    fields = _fields(energy, ex, ey)
    word = np.dtype(fmt.dtype).newbyteorder("=")
    packed = np.zeros(fields[0].shape, word)
    for name, array, bits in zip(("E", "Ex", "Ey"), fields, (fmt.energy, fmt.x, fmt.y), strict=True):
        if array.size and (array.min() < 0 or array.max() > bits.mask):
            raise ParameterError(
                f"{name} runs from {array.min()} to {array.max()}; its {bits.bits} bits hold 0 to {bits.mask}"
            )
        packed |= array.astype(word) << word.type(bits.shift)
    return packed


def _fields(*columns: npt.ArrayLike) -> list[npt.NDArray[Any]]:
    arrays = [np.asarray(column) for column in columns]
    if len({array.shape for array in arrays}) > 1 or arrays[0].ndim != 1:
        lengths = ", ".join(str(array.shape) for array in arrays)
        raise ParameterError(f"E, Ex and Ey need one value each for every event, not shapes {lengths}")
    return arrays


def write_events(
    path: StrPath,
    energy: npt.ArrayLike,
    ex: npt.ArrayLike,
    ey: npt.ArrayLike,
    fmt: EventFormat = EventFormat(),
    *,
    overwrite: bool = False,
) -> None:
    """Write a list-mode event file from the fields of its events.

    Parameters
    ----------
    path : path-like
    energy, ex, ey : array_like of int, shape (n,)
        E, Ex and Ey of each event, in ADC channels.
    fmt : EventFormat
        Layout of the file; a header is written as zeros.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file cannot be written.
    ParameterError
        If a value does not fit into its field, or the arrays differ in length.
    """
    e, x, y = _fields(energy, ex, ey)
    chunks = (
        pack_words(e[part], x[part], y[part], fmt)
        for part in (slice(i, i + CHUNK_EVENTS) for i in range(0, len(e), CHUNK_EVENTS))
    )
    write_words(path, chunks, fmt, overwrite=overwrite)


def write_words(
    path: StrPath,
    chunks: Iterable[npt.NDArray[Any]],
    fmt: EventFormat = EventFormat(),
    *,
    overwrite: bool = False,
) -> None:
    """Write a list-mode event file from packed words, the inverse of `iter_words`.

    Parameters
    ----------
    path : path-like
    chunks : iterable of ndarray of unsigned int
        Words as `pack_words` gives them, some at a time.
    fmt : EventFormat
        Layout of the file; a header is written as zeros.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file cannot be written.
    """
    stored = np.dtype(fmt.dtype)

    def write(handle: BinaryIO) -> None:
        handle.write(bytes(fmt.header_bytes))
        for chunk in chunks:
            handle.write(np.ascontiguousarray(chunk, dtype=stored).view(np.uint8).data)

    atomic_write(path, write, overwrite=overwrite)

"""Where the whole signals of events lie in memory, so that a compiled loop reads them from there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_petlut.model import EventColumns
from napari_petlut.model.event_columns import Column

_MOST_BITS = 16
"""Of a signal, so that sums of many fit into 32 bits."""


class WholeFields(NamedTuple):
    """Whole numbers of up to 16 bits at places that come again with every event.

    Parameters
    ----------
    memory : ndarray of uint8, shape (bytes,)
        Read-only.
    step : int
        Bytes from one event to the next.
    fields : ndarray of int64, shape (fields, 6)
        Of each field its first byte in the first event, how many bytes are read (1, 2 or 4), whether the
        highest comes first, and then ``(((value >> shift) & mask) ^ sign) - sign``: shift, mask and sign.
    """

    memory: npt.NDArray[np.uint8]
    step: int
    fields: npt.NDArray[np.int64]


def are_whole(events: EventColumns, names: Sequence[str]) -> bool:
    """Say whether columns hold whole numbers of up to 16 bits."""
    return all(_is_whole(*events.stored(name)) for name in names)


def fields_in_records(events: EventColumns, names: Sequence[str]) -> WholeFields | None:
    """Return where whole columns lie, None if they are no fields of records.

    Parameters
    ----------
    events : EventColumns
        At least one; nothing is copied.
    names : sequence of str
        Columns for which `are_whole` holds.
    """
    stored = [events.stored(name) for name in names]
    addresses = [column.__array_interface__["data"][0] for column, _ in stored]
    lowest = addresses.index(min(addresses))
    begin, step = addresses[lowest], stored[lowest][0].strides[0]
    span = max(at + column.itemsize for at, (column, _) in zip(addresses, stored, strict=True)) - begin
    if step < span or any(column.strides[0] != step for column, _ in stored):
        return None
    first_byte = stored[lowest][0][:1].view(np.uint8)
    memory = np.lib.stride_tricks.as_strided(
        first_byte, ((events.rows - 1) * step + span,), (1,), writeable=False
    )
    fields = [_field(at - begin, *one) for at, one in zip(addresses, stored, strict=True)]
    return WholeFields(memory, step, np.array(fields, np.int64))


def fields_of_rows(rows: npt.NDArray[np.int32]) -> WholeFields:
    """Return where the numbers of an array lie, shape (fields, events), which hold 32 bits each."""
    memory = rows.view(np.uint8).reshape(-1)
    memory.flags.writeable = False
    size, swapped = rows.itemsize, int(sys.byteorder == "big")
    fields = [(place * rows.strides[0], size, swapped, 0, -1, 0) for place in range(len(rows))]
    return WholeFields(memory, size, np.array(fields, np.int64))


def _is_whole(column: Column, cut: tuple[int, int] | None) -> bool:
    if column.dtype.kind not in "biu":
        return False
    if cut is not None:
        return column.dtype.kind == "u" and cut[1].bit_length() <= _MOST_BITS
    return 8 * column.dtype.itemsize <= _MOST_BITS


def _field(place: int, column: Column, cut: tuple[int, int] | None) -> tuple[int, ...]:
    """Return a row of `WholeFields.fields`."""
    size = column.dtype.itemsize
    swapped = column.dtype != column.dtype.newbyteorder("<")
    if cut is None:
        sign = 2 ** (8 * size - 1) if column.dtype.kind == "i" else 0
        return place, size, int(swapped), 0, 2 ** (8 * size) - 1, sign
    shift, mask = cut
    # Of a number of eight bytes, those four are read that hold the bits.
    skipped = min(shift // 8, size - 4) if size > 4 else 0
    place += size - 4 - skipped if swapped and size > 4 else skipped
    return place, min(size, 4), int(swapped), shift - 8 * skipped, mask, 0

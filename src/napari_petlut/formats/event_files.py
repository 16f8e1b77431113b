"""Files of events of any description: opening, reading in whole events, and the blocks that are in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath, open_binary
from napari_petlut.formats.event_tables.arrow import ArrowTable, ParquetTable
from napari_petlut.formats.event_tables.hdf5 import HDF5Table
from napari_petlut.formats.event_tables.numpy_files import NumpyTable
from napari_petlut.formats.event_tables.records import RecordTable
from napari_petlut.formats.event_tables.root import RootTable
from napari_petlut.formats.event_tables.table import EXPECTED, Column, EventTable
from napari_petlut.formats.event_tables.text import TextTable
from napari_petlut.formats.events import CHUNK_EVENTS, Words, became_shorter, event_count, iter_words
from napari_petlut.model import (
    BlockOfEvent,
    EventColumns,
    EventContainer,
    EventFormat,
    EventSource,
    HitJoin,
)
from napari_petlut.model.event_sources import ContainerKind

ROWS_AT_ONCE = 1_048_576
"""Rows of a table read at once."""
MOST_BLOCKS = 100_000
"""A scanner has thousands of blocks at most."""
_MOST_CODES = 2**16
"""Possible blocks up to which they are counted."""
_LONGEST_EVENT = 2**22
"""Rows; hits that go on for longer are joined by the wrong column."""
_MAGICS: tuple[tuple[bytes, ContainerKind], ...] = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"root", "root"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (b"\x93NUMPY", "numpy"),
    (b"PK", "numpy"),
)

Block = tuple[int, ...]
EventChunks = Iterator[Words] | Iterator[EventColumns]


def container_kind(path: StrPath) -> ContainerKind:
    """Return the kind of container that the first bytes of a file tell; "text" if they tell none.

    Raises
    ------
    FormatError
        If the file is missing, not readable or empty.
    """
    with open_binary(path, EXPECTED) as handle:
        head = handle.read(16)
    return next((kind for magic, kind in _MAGICS if head.startswith(magic)), "text")


def open_table(path: StrPath, container: EventContainer, columns: Iterable[str] = ()) -> EventTable:
    """Open a file of events as a table.

    Parameters
    ----------
    path : path-like
    container : EventContainer
    columns : iterable of str
        Columns that are needed; they decide where a file holds several tables.

    Raises
    ------
    FormatError
        If the file cannot be used, a column is missing, or the library that reads it is.
    """
    wanted = tuple(columns)
    kind = container_kind(path) if container.kind == "auto" else container.kind
    table: EventTable
    if kind == "records":
        table = RecordTable(path, container)
    elif kind == "numpy":
        table = NumpyTable(path, container, wanted)
    elif kind == "hdf5":
        table = HDF5Table(path, container, wanted)
    elif kind == "root":
        table = RootTable(path, container, wanted)
    elif kind == "parquet":
        table = ParquetTable(path)
    elif kind == "arrow":
        table = ArrowTable(path)
    else:
        table = TextTable(path, container)
    table.require(wanted)
    return table


def count_events(path: StrPath, fmt: EventFormat) -> int | None:
    """Return how many events a file holds, None if only reading them tells.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat

    Raises
    ------
    FormatError
        If the file cannot be used.
    """
    if fmt.source is None:
        return event_count(path, fmt)
    source = fmt.source
    chosen = source.block is not None and source.block.chosen is not None
    table = open_table(path, source.container, source.columns)
    return None if source.join or source.keep or chosen else table.rows


def iter_events(path: StrPath, fmt: EventFormat, *, chunk_events: int | None = None) -> EventChunks:
    """Read the events of a file, some at a time.

    The file is opened at the call, before the first chunk is asked for. Memory is that of the chunks that the
    caller keeps, and of one piece of a compressed file.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat
        What the file is like; only the events of its chosen block are read, if it has one.
    chunk_events : int, optional
        Most rows in a chunk, or words.

    Yields
    ------
    ndarray of unsigned int or EventColumns
        Words as `iter_words` gives them, or columns where the format has a source; an event is never cut.

    Warns
    -----
    TruncatedFileWarning
        If a binary file ends in the middle of an event; its complete events are used.

    Raises
    ------
    FormatError
        If the file cannot be used.
    ParameterError
        If `chunk_events` is below 1.
    """
    if fmt.source is None:
        return iter_words(path, fmt, chunk_events=chunk_events or CHUNK_EVENTS)
    source = fmt.source
    chosen = None if source.block is None else source.block.chosen
    events = _opened(path, source, ROWS_AT_ONCE if chunk_events is None else chunk_events)
    return events if chosen is None else _of_block(events, source.block, chosen)


def iter_blocks(
    path: StrPath, fmt: EventFormat, *, chunk_events: int = ROWS_AT_ONCE
) -> Iterator[tuple[Block, EventColumns]]:
    """Read the events of a whole scanner in one pass: yield a block and some of its events.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat
        With a source that tells the block of an event.
    chunk_events : int
        Most rows read at once.

    Yields
    ------
    block : tuple of int
    events : EventColumns
        In the order of the file; a block comes again with each part of the file that has events of it.

    Raises
    ------
    FormatError
        If the file cannot be used.
    ParameterError
        If the events do not say which block they are of.
    """
    for events, blocks, which in iter_scanner(path, fmt, chunk_events=chunk_events):
        for number, block in enumerate(blocks):
            yield block, events if len(blocks) == 1 else events.of_events(which == number)


def iter_scanner(
    path: StrPath, fmt: EventFormat, *, chunk_events: int = ROWS_AT_ONCE
) -> Iterator[tuple[EventColumns, list[Block], npt.NDArray[np.integer[Any]]]]:
    """Read the events of a whole scanner in one pass, as they come.

    Parameters
    ----------
    path, fmt, chunk_events
        As for `iter_blocks`.

    Yields
    ------
    events : EventColumns
    blocks : list of tuple of int
        Those that are among them, in ascending order.
    which : ndarray of int, shape (events,)
        Which of them each event is of.

    Raises
    ------
    FormatError, ParameterError
        As `iter_blocks`.
    """
    if fmt.source is None or fmt.source.block is None:
        raise ParameterError("these events do not say which block they are of")
    for events in _opened(path, fmt.source, chunk_events):
        if events.size:
            found, which = _distinct(_blocks_of(events, fmt.source.block))
            yield events, [tuple(block) for block in found.tolist()], which


def _distinct(numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.integer[Any]]]:
    """Return the distinct rows of numbers (n, k) in ascending order, and which of them each row is.

    The same as ``numpy.unique(numbers, axis=0, return_inverse=True)``; small whole numbers are counted
    instead of sorted.
    """
    low = numbers.min(axis=0)
    spans = [int(span) for span in numbers.max(axis=0) - low + 1]
    if prod(spans) > _MOST_CODES:
        found, which = np.unique(numbers, axis=0, return_inverse=True)
        return found, which.reshape(-1)
    code = np.ravel_multi_index(tuple((numbers - low).T), spans)
    there = np.bincount(code, minlength=prod(spans)) > 0
    place = (np.cumsum(there) - 1).astype(np.uint16)  # short numbers are sorted by their digits
    found = np.stack(np.unravel_index(np.flatnonzero(there), spans), axis=1) + low
    return found.astype(np.int64), place[code]


def count_blocks(path: StrPath, fmt: EventFormat) -> dict[Block, int]:
    """Return how many events each block of a file has, by block.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat

    Raises
    ------
    FormatError
        If the file cannot be used, or the column holds so many numbers that it tells no block.
    ParameterError
        If the events do not say which block they are of.
    """
    if fmt.source is None or fmt.source.block is None:
        raise ParameterError("these events do not say which block they are of")
    source, block = fmt.source, fmt.source.block
    counts: dict[Block, int] = {}
    for events in _opened(path, source, ROWS_AT_ONCE, only_blocks=True):
        found, numbers = np.unique(_blocks_of(events, block), axis=0, return_counts=True)
        for one, number in zip(found.tolist(), numbers.tolist(), strict=True):
            counts[tuple(one)] = counts.get(tuple(one), 0) + number
        if len(counts) > MOST_BLOCKS:
            what = f"blocks in {', '.join(block.columns)}"
            raise FormatError(path, what, f"more than {MOST_BLOCKS:,} numbers", "choose another column")
    return dict(sorted(counts.items()))


def _blocks_of(events: EventColumns, block: BlockOfEvent) -> npt.NDArray[np.int64]:
    """Return the block of each event, shape (events, numbers): that of its first row."""
    columns = [_whole(events.column(name)) for name in block.columns]
    columns[-1] = columns[-1] // block.divide
    numbers = np.stack(columns, axis=1)
    return numbers if events.starts is None else numbers[events.starts]


def _whole(column: Column) -> npt.NDArray[np.int64]:
    """Return whole numbers; -1 for what is no number, or none that a block could have."""
    if column.dtype.kind != "f":
        return column.astype(np.int64)
    return np.where(np.abs(column) < 2.0**53, column, -1).astype(np.int64)


def _of_block(
    chunks: Iterator[EventColumns], block: BlockOfEvent | None, chosen: Block
) -> Iterator[EventColumns]:
    assert block is not None
    for events in chunks:
        kept = events.of_events((_blocks_of(events, block) == chosen).all(axis=1))
        if kept.size:
            yield kept


def _opened(
    path: StrPath, source: EventSource, rows: int, *, only_blocks: bool = False
) -> Iterator[EventColumns]:
    """Open a file and return its whole events, some rows at a time, those that are not kept left out."""
    if rows < 1:
        raise ParameterError(f"chunk_events must be 1 or more, not {rows}")
    columns = source.columns
    if source.block is not None and source.container.packet_blocks:
        columns = (*columns, *source.block.columns)
    if only_blocks and source.block is not None:
        needed = (*source.block.columns, *(name for name, _ in source.keep))
        columns = tuple(dict.fromkeys((*needed, *([source.join.field] if source.join else []))))
    table = open_table(path, source.container, columns)
    chunks = _all_promised(path, table, columns, rows)
    if source.keep:
        chunks = _kept(chunks, source)
    return chunks if source.join is None else _whole_events(path, chunks, source.join)


def _all_promised(
    path: StrPath, table: EventTable, columns: Sequence[str], at_once: int
) -> Iterator[EventColumns]:
    """Yield the rows of a table; refuse it at its end if there were fewer than it promised at first."""
    read = 0
    for events in table.chunks(columns, at_once):
        read += events.rows
        yield events
    if read < table.rows:
        raise became_shorter(path, table.rows, read)


def _kept(chunks: Iterator[EventColumns], source: EventSource) -> Iterator[EventColumns]:
    for events in chunks:
        mask = np.ones(events.rows, np.bool_)
        for name, values in source.keep:
            mask &= np.isin(events.column(name), values)
        if mask.any():
            yield events if mask.all() else events.kept(mask)


def _whole_events(path: StrPath, chunks: Iterator[EventColumns], join: HitJoin) -> Iterator[EventColumns]:
    """Cut chunks between events: the last one waits for the hits in the next chunk."""
    held: list[EventColumns] = []
    for rows in chain(chunks, [None]):
        if rows is not None:
            held.append(rows)
        if not held:
            return
        together = EventColumns.joined(held)
        starts = _starts(together, join)
        if rows is None:
            yield together.grouped(starts)
        elif len(starts) > 1:
            yield together.rows_between(0, int(starts[-1])).grouped(starts[:-1])
            held = [together.rows_between(int(starts[-1]), together.rows)]
        elif together.rows > _LONGEST_EVENT:
            raise FormatError(
                path, "hits of many events", f"one event in {together.rows:,} rows", "join by another column"
            )


def _starts(hits: EventColumns, join: HitJoin) -> npt.NDArray[np.intp]:
    """Return where events begin; the first row begins one whatever it says."""
    values = hits.column(join.field)
    if join.by == "count":
        first = values == 0
    elif join.by == "number":
        first = np.concatenate([[True], values[1:] != values[:-1]])
    else:
        times = values.astype(np.float64) if values.dtype.kind == "u" else values
        first = np.concatenate([[True], np.abs(np.diff(times)) > join.gap])
    first[:1] = True
    return np.flatnonzero(first)


def settled_container(path: StrPath, source: EventSource) -> EventSource:
    """Return the source with the kind of its container told from the file.

    Raises
    ------
    FormatError
        If the file is missing, not readable or empty.
    """
    if source.container.kind != "auto":
        return source
    return replace(source, container=replace(source.container, kind=container_kind(path)))

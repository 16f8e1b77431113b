"""Events in HDF5: one dataset a column, a table of records, rows and columns, or packets of bytes."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, file_size
from napari_petlut.formats._libraries import library
from napari_petlut.formats.event_tables.records import columns_of_records
from napari_petlut.formats.event_tables.table import (
    LARGEST_PIECE,
    MOST_NAMES,
    EventTable,
    choose_table,
    explained,
    is_number,
)
from napari_petlut.model import EventColumns, EventContainer

_EXPECTED = "an HDF5 file with a table of events"
_MOST_COLUMNS = 10_000
_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_FILTERS = {_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF}
_MOST_DEFLATION = 1032
PACKET_BLOCK = "block"
"""Name of the column that says which block a packet is of."""


@dataclass(frozen=True)
class _Column:
    """One column: its dataset, and how it is taken out of the rows."""

    dataset: str
    place: str | int | None = None


class HDF5Table(EventTable):
    """An HDF5 file.

    Parameters
    ----------
    path : path-like
    container : EventContainer
        `table` names the dataset, or the group whose datasets are the columns.
    wanted : sequence of str
        Columns that are needed.

    Raises
    ------
    FormatError
        If the file holds no table of numbers, or the library h5py is missing.
    """

    def __init__(self, path: StrPath, container: EventContainer, wanted: Sequence[str] = ()) -> None:
        super().__init__(path)
        self._h5py = library("h5py", path, _EXPECTED)
        self._container = container
        file_size(path, _EXPECTED)
        with explained(path, _EXPECTED), self._h5py.File(os.fspath(path), "r") as file:
            tables = _packets(file) if container.packet_blocks else _tables(file)
            name = choose_table(path, {k: list(v) for k, v in tables.items()}, container.table, wanted)
            self._columns, self._table = tables[name], name
            self._rows = min(int(file[one.dataset].shape[0]) for one in self._columns.values())
            for one in {column.dataset for column in self._columns.values()}:
                _check_storage(path, file[one])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        if self._container.packet_blocks:
            return (*(one.name for one in self._container.fields), PACKET_BLOCK)
        return tuple(self._columns)

    @property
    def rows(self) -> int:
        """Rows of the table; of packets the records in all of them, counted by reading."""
        if not self._container.packet_blocks:
            return self._rows
        first = self._container.fields[0].name
        return sum(chunk.rows for chunk in self.chunks([first], 2**20))

    def chunks(self, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:
        """Yield the columns some rows at a time."""
        with explained(self.path, _EXPECTED), self._h5py.File(os.fspath(self.path), "r") as file:
            if self._container.packet_blocks:
                yield from self._packet_chunks(file, columns, at_once)
                return
            chosen = {name: self._columns[name] for name in columns}
            for start in range(0, self._rows, at_once):
                end = min(start + at_once, self._rows)
                parts = {name: file[name][start:end] for name in {one.dataset for one in chosen.values()}}
                yield EventColumns(
                    {
                        name: parts[one.dataset]
                        if one.place is None
                        else parts[one.dataset][one.place]
                        if isinstance(one.place, str)
                        else parts[one.dataset][:, one.place]
                        for name, one in chosen.items()
                    }
                )

    def _packet_chunks(self, file: Any, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:  # noqa: ANN401
        dataset, size = file[self._table], self._container.record_bytes
        fields = [name for name in columns if name != PACKET_BLOCK] or [self._container.fields[0].name]
        for packet in range(self._rows):
            content = np.ascontiguousarray(dataset[packet], np.uint8)
            content = content[self._container.header_bytes :]
            content = content[: len(content) // size * size]
            for start in range(0, len(content), at_once * size):
                part = content[start : start + at_once * size]
                found = columns_of_records(part, self._container, fields)
                if PACKET_BLOCK in columns:
                    block = np.full(found.rows, packet % self._container.packet_blocks)
                    found = found.with_column(PACKET_BLOCK, block)
                yield found


def _tables(file: Any) -> dict[str, dict[str, _Column]]:  # noqa: ANN401 - h5py is not typed
    """Return the columns of every table: of records, of rows, and of the datasets in a group."""
    tables: dict[str, dict[str, _Column]] = {}

    def visit(name: str, item: Any) -> bool | None:  # noqa: ANN401
        if not hasattr(item, "dtype") or not item.shape:
            return None
        group, _, last = name.rpartition("/")
        if item.dtype.names is not None and len(item.shape) == 1:
            fields = [field for field in item.dtype.names if is_number(item.dtype[field])]
            tables[name] = {field: _Column(name, field) for field in fields}
        elif not is_number(item.dtype):
            return None
        elif len(item.shape) == 1:
            tables.setdefault(f"{group or '/'} of {item.shape[0]:,}", {})[last] = _Column(name)
        elif len(item.shape) == 2 and 2 <= item.shape[1] <= min(item.shape[0], _MOST_COLUMNS):
            tables[name] = {str(place + 1): _Column(name, place) for place in range(item.shape[1])}
        return True if len(tables) > MOST_NAMES else None

    file.visititems(visit)
    groups = {name.partition(" of ")[0] for name in tables}
    unique = {group: [name for name in tables if name.partition(" of ")[0] == group] for group in groups}
    return {
        group if len(names) == 1 else name: tables[name] for group, names in unique.items() for name in names
    }


def _packets(file: Any) -> dict[str, dict[str, _Column]]:  # noqa: ANN401 - h5py is not typed
    """Return the datasets that are lists of packets of bytes."""
    from h5py import check_vlen_dtype

    found: dict[str, dict[str, _Column]] = {}

    def visit(name: str, item: Any) -> None:  # noqa: ANN401
        if hasattr(item, "dtype") and len(item.shape or ()) == 1 and check_vlen_dtype(item.dtype) == np.uint8:
            found[name] = {PACKET_BLOCK: _Column(name)}

    file.visititems(visit)
    return found


def _check_storage(path: StrPath, dataset: Any) -> None:  # noqa: ANN401 - h5py is not typed
    """Refuse what lies in other files, and what would unpack to more than its chunks hold."""
    if dataset.is_virtual or dataset.external:
        raise FormatError(path, _EXPECTED, "a table that lies in another file", "save it in one file")
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if set(filters) - _FILTERS:
        raise FormatError(path, _EXPECTED, f"compression {filters}", "save it with gzip or not compressed")
    if dataset.chunks is None:
        return
    room = int(np.prod(dataset.chunks, dtype=object)) * dataset.dtype.itemsize + 16
    if room > LARGEST_PIECE:
        raise FormatError(path, _EXPECTED, f"pieces of {room:,} bytes", "save it in smaller chunks")
    if _DEFLATE not in filters:
        return
    for i in range(dataset.id.get_num_chunks()):
        info = dataset.id.get_chunk_info(i)
        # Only what could unpack to more than is allowed has to be looked into.
        if info.size * _MOST_DEFLATION <= LARGEST_PIECE:
            continue
        _, content = dataset.id.read_direct_chunk(info.chunk_offset)
        if len(zlib.decompressobj().decompress(content, room + 1)) > room:
            raise FormatError(path, _EXPECTED, "a chunk with more data than it has rows", "save it again")

"""Events in Parquet and Arrow files (Feather is Arrow)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, file_size, open_binary
from napari_petlut.formats._libraries import library
from napari_petlut.formats.event_tables.table import LARGEST_PIECE, Column, EventTable, explained
from napari_petlut.model import EventColumns

_PARQUET = "a Parquet file with a table of events"
_ARROW = "an Arrow file with a table of events"


class ParquetTable(EventTable):
    """A Parquet file.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    FormatError
        If it cannot be read, or the library pyarrow is missing.
    """

    def __init__(self, path: StrPath) -> None:
        super().__init__(path)
        self._parquet = library("pyarrow.parquet", path, _PARQUET)
        file_size(path, _PARQUET)
        with explained(path, _PARQUET), self._opened() as file:
            self._names = _numbers(file.schema_arrow)
            self._rows = int(file.metadata.num_rows)
            for group in range(file.metadata.num_row_groups):
                for place in range(file.metadata.num_columns):
                    size = file.metadata.row_group(group).column(place).total_uncompressed_size
                    if not 0 <= size <= 4 * LARGEST_PIECE:
                        raise FormatError(
                            path, _PARQUET, f"a column of {size:,} bytes", "save smaller row groups"
                        )

    def _opened(self) -> Any:  # noqa: ANN401 - pyarrow is not typed
        return self._parquet.ParquetFile(os.fspath(self.path), memory_map=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of numbers."""
        return self._names

    @property
    def rows(self) -> int:
        """Rows by the file's own account."""
        return self._rows

    def chunks(self, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:
        """Yield the columns some rows at a time; what is null is NaN."""
        with explained(self.path, _PARQUET), self._opened() as file:
            for batch in file.iter_batches(batch_size=at_once, columns=list(columns)):
                if batch.num_rows:
                    yield EventColumns({name: _column(batch.column(name)) for name in columns})


class ArrowTable(EventTable):
    """An Arrow file, or a stream of Arrow batches.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    FormatError
        If it cannot be read, or the library pyarrow is missing.
    """

    def __init__(self, path: StrPath) -> None:
        super().__init__(path)
        self._arrow = library("pyarrow", path, _ARROW)
        self._ipc = library("pyarrow.ipc", path, _ARROW)
        file_size(path, _ARROW)
        with open_binary(path, _ARROW) as handle:
            self._is_file = handle.read(6) == b"ARROW1"
        with explained(path, _ARROW), self._arrow.memory_map(os.fspath(path)) as source:
            self._names = _numbers(self._reader(source).schema)

    def _reader(self, source: Any) -> Any:  # noqa: ANN401 - pyarrow is not typed
        return self._ipc.open_file(source) if self._is_file else self._ipc.open_stream(source)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of numbers."""
        return self._names

    @property
    def rows(self) -> int:
        """Rows of all batches; counted by reading."""
        with explained(self.path, _ARROW), self._arrow.memory_map(os.fspath(self.path)) as source:
            return sum(batch.num_rows for batch in self._batches(source))

    def _batches(self, source: Any) -> Iterator[Any]:  # noqa: ANN401
        reader = self._reader(source)
        if self._is_file:
            yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            yield from reader

    def chunks(self, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:
        """Yield the columns some rows at a time; what is null is NaN."""
        with explained(self.path, _ARROW), self._arrow.memory_map(os.fspath(self.path)) as source:
            for batch in self._batches(source):
                batch.validate()
                for start in range(0, batch.num_rows, at_once):
                    part = batch.slice(start, at_once)
                    yield EventColumns({name: _column(part.column(name)) for name in columns})


def _numbers(schema: Any) -> tuple[str, ...]:  # noqa: ANN401 - pyarrow is not typed
    from pyarrow import types

    return tuple(
        field.name
        for field in schema
        if types.is_integer(field.type) or types.is_floating(field.type) or types.is_boolean(field.type)
    )


def _column(array: Any) -> Column:  # noqa: ANN401 - pyarrow is not typed
    values: Column = np.asarray(array.to_numpy(zero_copy_only=False))
    return values if values.dtype.kind in "biuf" else values.astype(np.float64)

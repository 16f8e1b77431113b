"""Events in NumPy files: a structured array, a table of rows and columns, or one array a column (.npz)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, open_binary
from napari_petlut.formats.event_tables.table import (
    EXPECTED,
    MOST_NAMES,
    Column,
    EventTable,
    choose_table,
    explained,
    is_number,
)
from napari_petlut.model import EventColumns, EventContainer

_LONGEST_HEADER = 100_000
_MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class _Array:
    """An array in a file: where, and what its header says."""

    entry: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def columns(self) -> dict[str, str | int | None]:
        """Columns by name, and how each is taken out of the rows."""
        if self.dtype.names is not None:
            fields = [name for name in self.dtype.names if is_number(self.dtype[name])]
            return {name: name for name in fields} if len(self.shape) == 1 else {}
        if not is_number(self.dtype):
            return {}
        if len(self.shape) == 1:
            return {self.entry or "1": None}
        if len(self.shape) == 2 and 2 <= self.shape[1] <= _MOST_COLUMNS:
            return {str(place + 1): place for place in range(self.shape[1])}
        return {}


class NumpyTable(EventTable):
    """An .npy or .npz file.

    Parameters
    ----------
    path : path-like
    container : EventContainer
        `table` names the array of an archive; without it arrays of one length are the columns. `names` are
        for the columns of a plain array.
    wanted : sequence of str
        Columns that are needed.

    Raises
    ------
    FormatError
        If the file holds no table of numbers.
    """

    def __init__(self, path: StrPath, container: EventContainer, wanted: Sequence[str] = ()) -> None:
        super().__init__(path)
        with open_binary(path, EXPECTED) as handle:
            self._archive = handle.read(2) == b"PK"
        arrays = self._arrays()
        self._places = self._chosen(arrays, container, wanted)
        self._rows = min(array.shape[0] for array, _ in self._places.values())

    def _arrays(self) -> list[_Array]:
        if not self._archive:
            with open_binary(self.path, EXPECTED) as handle, explained(self.path):
                return [_header(self.path, "", handle)]
        arrays = []
        with open_binary(self.path, EXPECTED) as handle, explained(self.path), _archive(handle) as archive:
            for name in archive.namelist()[:MOST_NAMES]:
                if name.endswith(".npy"):
                    with archive.open(name) as entry:
                        arrays.append(_header(self.path, name.removesuffix(".npy"), entry))
        return arrays

    def _chosen(
        self, arrays: Sequence[_Array], container: EventContainer, wanted: Sequence[str]
    ) -> dict[str, tuple[_Array, str | int | None]]:
        """Return array and place of each column."""
        tables: dict[str, dict[str, tuple[_Array, str | int | None]]] = {}
        for array in arrays:
            single = len(array.shape) == 1 and array.dtype.names is None and self._archive
            key = f"arrays of {array.shape[0]:,}" if single else array.entry or "the array"
            for name, place in array.columns.items():
                tables.setdefault(key, {})[name] = array, place
        chosen = tables[
            choose_table(self.path, {k: list(v) for k, v in tables.items()}, container.table, wanted)
        ]
        if container.names and len(container.names) == len(chosen):
            return dict(zip(container.names, chosen.values(), strict=True))
        return chosen

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._places)

    @property
    def rows(self) -> int:
        """Rows by the header."""
        return self._rows

    def chunks(self, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:
        """Yield the columns some rows at a time; each array is read along, never as a whole."""
        arrays = list({self._places[name][0].entry: self._places[name][0] for name in columns}.values())
        with ExitStack() as stack:
            files = [stack.enter_context(self._opened(array)) for array in arrays]
            for start in range(0, self._rows, at_once):
                count = min(at_once, self._rows - start)
                with explained(self.path):
                    parts = {
                        array.entry: _rows(self.path, file, array, count)
                        for array, file in zip(arrays, files, strict=True)
                    }
                yield EventColumns({name: self._column(parts, name) for name in columns})

    def _column(self, parts: dict[str, Column], name: str) -> Column:
        array, place = self._places[name]
        part = parts[array.entry]
        if place is None:
            return part
        return part[place] if isinstance(place, str) else part[:, place]

    @contextmanager
    def _opened(self, array: _Array) -> Iterator[IO[bytes]]:
        """Open an array's file just behind its header."""
        with ExitStack() as stack:
            file: IO[bytes]
            if self._archive:
                handle = stack.enter_context(open_binary(self.path, EXPECTED))
                with explained(self.path):
                    archive = stack.enter_context(_archive(handle))
                    file = stack.enter_context(archive.open(f"{array.entry}.npy"))
            else:
                file = stack.enter_context(open_binary(self.path, EXPECTED))
            with explained(self.path):
                _header(self.path, array.entry, file)
            yield file


def _archive(handle: BinaryIO) -> zipfile.ZipFile:
    return zipfile.ZipFile(handle)


def _header(path: StrPath, entry: str, file: IO[bytes]) -> _Array:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    if version not in ((1, 0), (2, 0)):
        raise FormatError(path, EXPECTED, f"an array of version {version}", "save it again with numpy.save")
    shape, fortran, dtype = read(file, max_header_size=_LONGEST_HEADER)
    if fortran and len(shape) > 1:
        raise FormatError(
            path, EXPECTED, "an array that keeps columns together", "save numpy.ascontiguousarray(array)"
        )
    if dtype.hasobject or not shape or not all(type(n) is int and n >= 1 for n in shape):
        return _Array(entry, np.dtype("V0"), (0,))
    return _Array(entry, dtype, shape)


def _rows(path: StrPath, file: IO[bytes], array: _Array, count: int) -> Column:
    """Read the next rows of an array."""
    row = array.dtype.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
    content = bytearray()
    while len(content) < count * row:
        piece = file.read(min(count * row - len(content), 2**24))
        if not piece:
            raise FormatError(
                path, f"{array.shape[0]:,} rows", "an end before", "copy or record the file again"
            )
        content += piece
    return np.frombuffer(content, array.dtype).reshape(count, *array.shape[1:])

"""HDF5, and MATLAB's files from version 7.3 on, which are HDF5 too."""

from __future__ import annotations

import io
import zlib
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
    is_numeric,
    quiet,
)

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MAT73_MAGIC = b"MATLAB 7.3 MAT-file"
_EXPECTED = "an HDF5 file with an array of numbers"
_MOST_DATASETS = 10_000
_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_FILTERS = {_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF}


def hdf5_entries(path: StrPath) -> list[ArrayEntry]:
    """Return the arrays of numbers in an HDF5 file, by their full names.

    Raises
    ------
    FormatError
        If the file cannot be read, or the library h5py is missing.
    """
    entries: list[ArrayEntry] = []

    def visit(name: str, item: Any) -> bool | None:  # noqa: ANN401 - h5py is not typed
        if hasattr(item, "dtype") and item.shape and is_numeric(item.dtype):
            shape = item.shape[::-1] if _of_matlab(item) else item.shape
            entries.append(ArrayEntry(name, tuple(map(int, shape))))
        return True if len(entries) >= _MOST_DATASETS else None

    with _opened(path) as file:
        file.visititems(visit)
    return entries


def read_hdf5(path: StrPath, entry: ArrayEntry) -> Pixels:
    """Read one array of an HDF5 file; MATLAB's are turned, as it keeps columns together.

    Raises
    ------
    FormatError
        If it is larger than a map, compressed in an unusual way, or in another file.
    """
    with _opened(path) as file:
        dataset = file[entry.name]
        check_size(path, dataset.shape, dataset.dtype.itemsize)
        _check_storage(path, dataset)
        values = np.asarray(dataset[()])
        return Pixels(values.T if _of_matlab(dataset) else values)


def _of_matlab(dataset: Any) -> bool:  # noqa: ANN401 - h5py is not typed
    return "MATLAB_class" in dataset.attrs


def _check_storage(path: StrPath, dataset: Any) -> None:  # noqa: ANN401 - h5py is not typed
    """Refuse what lies in other files, and what would unpack to more than its chunks hold."""
    if dataset.is_virtual or dataset.external:
        raise FormatError(path, _EXPECTED, "an array that lies in another file", "save it in one file")
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if set(filters) - _FILTERS:
        raise FormatError(path, _EXPECTED, f"compression {filters}", "save it with gzip or not compressed")
    if dataset.chunks is None:
        return
    check_size(path, dataset.chunks, dataset.dtype.itemsize)
    if _DEFLATE in filters:
        room = int(np.prod(dataset.chunks)) * dataset.dtype.itemsize + 16
        for i in range(dataset.id.get_num_chunks()):
            offset = dataset.id.get_chunk_info(i).chunk_offset
            _, content = dataset.id.read_direct_chunk(offset)
            if len(zlib.decompressobj().decompress(content, room + 1)) > room:
                found = "a chunk with more data than it has values"
                raise FormatError(path, _EXPECTED, found, SAVE_AGAIN)


@contextmanager
def _opened(path: StrPath) -> Iterator[Any]:
    h5py = library("h5py", path, _EXPECTED)
    data = io.BytesIO(read_bytes(path, _EXPECTED, limit=MOST_BYTES))
    try:
        with quiet(), h5py.File(data, "r") as file:
            yield file
    except FormatError:
        raise
    except Exception as error:
        # The parser meets arbitrary bytes here; whatever it trips over, the file cannot be used.
        raise FormatError(path, _EXPECTED, f"an error ({one_line(error)})", SAVE_AGAIN) from None

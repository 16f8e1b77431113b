"""Binary records of any size, each field at its own offset."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, TruncatedFileWarning
from napari_petlut.formats._files import StrPath, file_size, open_along, open_binary
from napari_petlut.formats.event_tables.table import EventTable
from napari_petlut.formats.events import became_shorter
from napari_petlut.model import EventColumns, EventContainer


class RecordTable(EventTable):
    """A file of binary records.

    Parameters
    ----------
    path : path-like
    container : EventContainer
        Of the kind "records".

    Raises
    ------
    FormatError
        If the file is missing, not readable, or holds no complete record.
    """

    def __init__(self, path: StrPath, container: EventContainer) -> None:
        super().__init__(path)
        self._container, self._dtype = container, container.record_dtype()
        self._expected = f"events of {container.record_bytes} bytes"
        size = file_size(path, self._expected)
        self._rows, self._left_over = divmod(max(size - container.header_bytes, 0), container.record_bytes)
        if not self._rows:
            after = f" after a header of {container.header_bytes}" if container.header_bytes else ""
            found = f"{size} bytes"
            raise FormatError(path, self._expected + after, found, "check the file and the event format")
        with open_binary(path, self._expected):
            # So that a file that may not be read is known here and not at the first chunk.
            pass

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields."""
        return tuple(one.name for one in self._container.fields)

    @property
    def rows(self) -> int:
        """Complete records in the file, from its size."""
        return self._rows

    def chunks(self, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:
        """Yield the fields some records at a time, as views of the records.

        Raises
        ------
        FormatError
            If the file becomes shorter while it is read.

        Warns
        -----
        TruncatedFileWarning
            If the file ends in the middle of a record; its complete records are used.
        """
        size, done = self._container.record_bytes, 0
        with open_along(self.path, self._expected) as reader:
            reader.skip(self._container.header_bytes)
            while done < self._rows:
                chunk = np.empty(min(at_once, self._rows - done) * size, np.uint8)
                complete = reader.fill(chunk.data) // size
                if complete * size < len(chunk):
                    raise became_shorter(self.path, self._rows, done + complete)
                yield columns_of_records(chunk, self._container, columns)
                done += complete
        if self._left_over:
            warnings.warn(
                f"{self.path}: the file ends {self._left_over} bytes into a record of {size} bytes; "
                f"its {done:,} complete records are used",
                TruncatedFileWarning,
                stacklevel=2,
            )


def columns_of_records(
    content: npt.NDArray[np.uint8], container: EventContainer, columns: Sequence[str]
) -> EventColumns:
    """Return fields of records that lie one after the other in `content`, as views of it."""
    records = content.view(container.record_dtype())
    bits = {name: cut for name, cut in container.record_bits().items() if name in columns}
    return EventColumns({name: records[name] for name in columns}, bits)

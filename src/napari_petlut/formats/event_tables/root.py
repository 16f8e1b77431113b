"""Events in trees of ROOT files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, file_size
from napari_petlut.formats._libraries import library
from napari_petlut.formats.event_tables.table import (
    LARGEST_PIECE,
    MOST_NAMES,
    EventTable,
    choose_table,
    explained,
    is_number,
)
from napari_petlut.model import EventColumns, EventContainer

_EXPECTED = "a ROOT file with a tree of events"


class RootTable(EventTable):
    """A tree of a ROOT file; its branches of one number an entry are the columns.

    Parameters
    ----------
    path : path-like
    container : EventContainer
        `table` names the tree.
    wanted : sequence of str
        Columns that are needed.

    Raises
    ------
    FormatError
        If the file holds no such tree, or the library uproot is missing.
    """

    def __init__(self, path: StrPath, container: EventContainer, wanted: Sequence[str] = ()) -> None:
        super().__init__(path)
        self._uproot = library("uproot", path, _EXPECTED)
        file_size(path, _EXPECTED)
        with explained(path, _EXPECTED), self._opened() as file:
            keys = file.keys(recursive=True, cycle=False, filter_classname="TTree")
            trees = {name: _columns(file[name]) for name in list(dict.fromkeys(keys))[:MOST_NAMES]}
            self._tree = choose_table(path, trees, container.table, wanted)
            self._names = tuple(trees[self._tree])
            self._rows = int(file[self._tree].num_entries)

    def _opened(self) -> Any:  # noqa: ANN401 - uproot is not typed
        # A path and no text: in a text a colon would part the file from what is meant in it.
        return self._uproot.open(Path(self.path), object_cache=None, array_cache=None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the branches of one number an entry."""
        return self._names

    @property
    def rows(self) -> int:
        """Entries of the tree."""
        return self._rows

    def chunks(self, columns: Sequence[str], at_once: int) -> Iterator[EventColumns]:
        """Yield the branches some entries at a time."""
        with explained(self.path, _EXPECTED), self._opened() as file:
            tree = file[self._tree]
            for name in columns:
                _check_baskets(self.path, tree[name])
            for arrays in tree.iterate(list(columns), step_size=at_once, library="np"):
                parts = {name: np.asarray(arrays[name]) for name in columns}
                if len(parts[columns[0]]):
                    yield EventColumns(parts)


def _columns(tree: Any) -> list[str]:  # noqa: ANN401 - uproot is not typed
    names = []
    for branch in tree.branches[:MOST_NAMES]:
        dtype = getattr(branch.interpretation, "numpy_dtype", None)
        if isinstance(dtype, np.dtype) and is_number(dtype):
            names.append(branch.name)
    return names


def _check_baskets(path: StrPath, branch: Any) -> None:  # noqa: ANN401 - uproot is not typed
    """Refuse baskets that say they hold far more than a part of a file should."""
    for basket in range(branch.num_baskets):
        size = int(branch.basket_uncompressed_bytes(basket))
        if not 0 <= size <= LARGEST_PIECE:
            raise FormatError(path, _EXPECTED, f"a basket of {size:,} bytes", "save the tree again")

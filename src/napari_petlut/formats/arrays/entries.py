"""The arrays inside a file: what is there, how large it may be, and which one is meant."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath

EXPECTED = "a 2-D array of numbers"
SAVE_AGAIN = "save the array again"
MOST_PIXELS = 4096 * 4096
"""A flood map has at most a few million pixels; a larger image is something else."""
MOST_VALUES = 2 * MOST_PIXELS
"""Of all blocks of a stack together."""
MOST_BYTES = 16 * MOST_PIXELS
"""Of a file that holds arrays."""
_SMALLEST_SIDE = 8
LONGEST = 32
"""The sides of a map are not more unequal than this; a longer array is a table of something else."""
_MOST_NAMED = 12


@dataclass(frozen=True)
class ArrayEntry:
    """An array of numbers inside a file, not read yet.

    Parameters
    ----------
    name : str
        How the file calls it; empty where it holds a single one without a name.
    shape : tuple of int
        As it will be returned.
    """

    name: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        size = " x ".join(map(str, self.shape))
        return f"{self.name} ({size})" if self.name else size


class Pixels(NamedTuple):
    """An array as it is read.

    Parameters
    ----------
    values : ndarray
        Colours have a last axis of length 3.
    notes : tuple of str
        What a person should know of how it was read, one line each.
    picture : bool
        Whether it is a picture of a map, with or without colours, and may be a figure.
    """

    values: npt.NDArray[Any]
    notes: tuple[str, ...] = ()
    picture: bool = False


def choose_entry(path: StrPath, entries: Sequence[ArrayEntry], name: str | None = None) -> ArrayEntry:
    """Return the one array that is meant.

    Parameters
    ----------
    path : path-like
        For errors.
    entries : sequence of ArrayEntry
    name : str, optional
        Its name; without it the only 2-D array is taken, or the only stack where there is no 2-D one. Vectors
        and tables of a few columns beside it do not count.

    Raises
    ------
    FormatError
        If there is no such array, or several could be meant.
    """
    if name is not None:
        named = [e for e in entries if e.name == name] or [
            e for e in entries if e.name.rpartition("/")[2] == name
        ]
        if len(named) == 1:
            return named[0]
        remedy = "name it in full" if named else "name one of these (--array-name)"
        raise FormatError(path, f"an array of the name {name!r}"[:200], _listed(named or entries), remedy)
    for dimensions in (2, 3, 4):
        fitting = [e for e in entries if len(e.shape) == dimensions]
        large = [e for e in fitting if _could_be_map(e.shape)] or fitting
        if len(large) == 1:
            return large[0]
        if large:
            raise FormatError(path, "one map", _listed(large), "name the one that is meant (--array-name)")
    raise FormatError(path, EXPECTED, _listed(entries), "save one 2-D map of counts")


def _could_be_map(shape: Sequence[int]) -> bool:
    short, long = sorted(shape[-2:])
    return short >= _SMALLEST_SIDE and long <= LONGEST * short


def _listed(entries: Sequence[ArrayEntry]) -> str:
    if not entries:
        return "no array of numbers"
    more = f" and {len(entries) - _MOST_NAMED} more" if len(entries) > _MOST_NAMED else ""
    return " ".join((", ".join(map(str, entries[:_MOST_NAMED])) + more).split())[:600]


def check_size(path: StrPath, shape: Sequence[int], itemsize: int = 8) -> None:
    """Refuse an array that is too large for a map or a stack of maps, before anything of its size is made.

    Raises
    ------
    FormatError
        If it has more values or bytes than any such array.
    """
    values = math.prod(shape)
    if min(shape, default=0) < 0 or values > MOST_VALUES or values * max(itemsize, 1) > MOST_BYTES:
        size = " x ".join(map(str, shape))[:100]
        raise FormatError(path, EXPECTED, f"an array of {size}", "check that it is the right file")


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """Say whether values of a dtype can be counts."""
    return dtype.kind in "biuf" and dtype.itemsize > 0


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Keep a library's log and warnings off the person's screen; its errors are reported as ours."""

    def nothing(_: logging.LogRecord) -> bool:
        return False

    for name in loggers:
        logging.getLogger(name).addFilter(nothing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in loggers:
            logging.getLogger(name).removeFilter(nothing)

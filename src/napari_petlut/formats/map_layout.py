"""How a flood map lies in a file that does not say so itself, as a value."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath
from napari_petlut.formats._settings import read_settings, text, whole

__all__ = ["MapLayout", "SeveralBlocksError", "load_map_layout", "map_layout_of_text", "save_map_layout"]

_DTYPE = re.compile(r"[<>|=]?[iuf][1248]|u?int(8|16|32|64)|float(32|64)")
_TEXT = re.compile(r"\s*(\S+)\s+(\d+(?:\s*[xX*,]\s*\d+){1,2})(?:\s+header\s*=\s*(\d+))?\s*")
_MOST = 2**31


@dataclass(frozen=True)
class MapLayout:
    """Where in a file a flood map lies, and how.

    Parameters
    ----------
    dtype : str, optional
        Of a file without a header: NumPy dtype of a count with its byte order, such as ``"<i4"``.
    shape : tuple of int, optional
        Of a file without a header: pixels along axis 0 and axis 1, and maps of a stack before them.
    header_bytes : int
        Bytes before the first count of such a file.
    name : str, optional
        Of the array that is meant, in a file that holds several.
    tiles : tuple of int, optional
        Blocks along axis 0 and axis 1 of an array in which they lie side by side.
    block : tuple of int, optional
        Which block: row and column of a tile, or the place in a stack; they count from 0.
    crop : tuple of int, optional
        Rows and columns of pixels that are kept, as first and end along axis 0, first and end along axis 1:
        ``[first0:end0, first1:end1]``. Applied last.
    transposed : bool
        Exchange axis 0 and axis 1, before everything else.

    Raises
    ------
    ParameterError
        If something of this cannot be.
    """

    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    header_bytes: int = 0
    name: str | None = None
    tiles: tuple[int, int] | None = None
    block: tuple[int, ...] | None = None
    crop: tuple[int, int, int, int] | None = None
    transposed: bool = False

    def __post_init__(self) -> None:
        if (self.dtype is None) != (self.shape is None):
            raise ParameterError('a map without a header needs both its type and its shape: "<i4 512x512"')
        if self.dtype is not None and not _DTYPE.fullmatch(self.dtype):
            raise ParameterError(f"the type of a count is such as '<u2' or '>f4', not {self.dtype!r}")
        self._check("shape", self.shape, (2, 3), 1)
        self._check("tiles", self.tiles, (2,), 1)
        self._check("block", self.block, (1, 2), 0)
        self._check("crop", self.crop, (4,), 0)
        if self.shape is not None and math.prod(self.shape) >= _MOST:
            raise ParameterError(f"a map is not as large as {self.shape}")
        if not 0 <= self.header_bytes < _MOST:
            raise ParameterError(f"a header has 0 bytes or more, not {self.header_bytes}")
        if self.crop is not None and not (self.crop[0] < self.crop[1] and self.crop[2] < self.crop[3]):
            raise ParameterError(
                f"a crop is FIRST0 END0 FIRST1 END1, each end behind its first, not {self.crop}"
            )
        if self.tiles is not None and self.block is not None:
            inside = len(self.block) == 2 and all(b < n for b, n in zip(self.block, self.tiles, strict=True))
            if not inside:
                raise ParameterError(
                    f"of {self.tiles[0]} x {self.tiles[1]} tiles a block is ROW,COL from 0, not {self.block}"
                )

    @staticmethod
    def _check(name: str, values: tuple[int, ...] | None, lengths: tuple[int, ...], least: int) -> None:
        if values is None:
            return
        whole_numbers = all(isinstance(v, int) and least <= v < _MOST for v in values)
        if len(values) not in lengths or not whole_numbers:
            wanted = " or ".join(map(str, lengths))
            raise ParameterError(f"{name} is {wanted} whole numbers from {least}, not {values!r}")

    @property
    def headerless(self) -> bool:
        """Whether type and shape are given, as of a file without a header."""
        return self.dtype is not None

    @property
    def array_text(self) -> str:
        """Type, shape and header in one text, as `map_layout_of_text` takes it; empty where not given."""
        if self.dtype is None or self.shape is None:
            return ""
        header = f" header={self.header_bytes}" if self.header_bytes else ""
        return f"{self.dtype} {'x'.join(map(str, self.shape))}{header}"


class SeveralBlocksError(FormatError):
    """A file holds several blocks, and nobody has said which is meant.

    Parameters
    ----------
    path, expected, found, remedy
        As for `FormatError`.
    layouts : tuple of MapLayout
        How each of them is read, in their order.
    """

    def __init__(
        self, path: StrPath, expected: str, found: str, remedy: str, layouts: tuple[MapLayout, ...] = ()
    ) -> None:
        super().__init__(path, expected, found, remedy)
        self.layouts = layouts


def map_layout_of_text(described: str, base: MapLayout = MapLayout()) -> MapLayout:
    """Return a layout with type, shape and header from a text such as ``"<i4 512x512 header=0"``.

    Parameters
    ----------
    described : str
    base : MapLayout
        Everything else.

    Raises
    ------
    ParameterError
        If the text says something else.

    Examples
    --------
    >>> map_layout_of_text(">u4 1024x1024 header=64").header_bytes
    64
    """
    found = _TEXT.fullmatch(described)
    if found is None:
        raise ParameterError(
            f'a map without a header is described as "<i4 512x512 header=0", not {described!r}'
        )
    try:
        shape = tuple(int(n) for n in re.split(r"\s*[xX*,]\s*", found[2]))
        return replace(base, dtype=found[1], shape=shape, header_bytes=int(found[3] or 0))
    except ValueError as error:
        raise ParameterError(str(error)) from None


def _numbers(key: str, value: Any) -> tuple[int, ...]:  # noqa: ANN401 - whatever TOML can hold
    if not isinstance(value, list) or len(value) > 4:
        raise ParameterError(f"{key} is a list of whole numbers, as in {key} = [4, 4]")
    return tuple(whole(key, item) for item in value)


def _truth(key: str, value: Any) -> bool:  # noqa: ANN401 - whatever TOML can hold
    if not isinstance(value, bool):
        raise ParameterError(f"{key} is true or false")
    return value


def _words(_: str, value: Any) -> str:  # noqa: ANN401 - whatever TOML can hold
    return text("name", value)


_KEYS = {
    "dtype": _words,
    "shape": _numbers,
    "header_bytes": whole,
    "name": text,
    "tiles": _numbers,
    "block": _numbers,
    "crop": _numbers,
    "transposed": _truth,
}


def load_map_layout(path: StrPath) -> MapLayout:
    """Return the layout that a TOML file describes, with the names of `MapLayout` as its keys.

    Raises
    ------
    FormatError
        If the file is no such one.
    """
    table = read_settings(path, _KEYS, "a map layout (TOML)")
    try:
        values: dict[str, Any] = {key: _KEYS[key](key, value) for key, value in table.items()}
        return MapLayout(**values)
    except ParameterError as error:
        raise FormatError(path, "a map layout", str(error), "correct the file") from None


def save_map_layout(path: StrPath, layout: MapLayout, *, overwrite: bool = False) -> None:
    """Write a layout as TOML; what is not given is left out.

    Raises
    ------
    FormatError
        If the file exists and `overwrite` is off, or cannot be written.
    """
    import json

    from napari_petlut.formats._files import atomic_write

    lines = ["# How the flood map lies in the file beside this one.\n"]
    for key in _KEYS:
        value = getattr(layout, key)
        if value != getattr(MapLayout(), key):
            # Texts, lists of numbers and truths are written alike in JSON and TOML.
            lines.append(f"{key} = {json.dumps(list(value) if isinstance(value, tuple) else value)}\n")
    atomic_write(path, "".join(lines).encode(), overwrite=overwrite)

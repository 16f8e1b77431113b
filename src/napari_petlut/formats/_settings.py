"""Layouts that people give in small TOML files: reading, and the checks of single values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from typing import Any

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath, one_line, read_bytes

_LIMIT = 65_536
_DTYPE = re.compile(r"[<>|=]?[iu][1248]|u?int(8|16|32|64)")


def read_settings(path: StrPath, keys: Collection[str], expected: str) -> dict[str, Any]:
    """Return the table of a TOML file that has no other keys than `keys`.

    Raises
    ------
    FormatError
        If the file is no TOML, or has other keys.
    """
    data = read_bytes(path, expected, limit=_LIMIT)
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise FormatError(path, expected, f"an error ({one_line(error)})", "correct the file") from None
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise FormatError(
            path, f"the keys {', '.join(keys)}", one_line(ValueError(repr(unknown[0]))), "remove it"
        )
    return table


def whole(key: str, value: Any) -> int:  # noqa: ANN401 - whatever TOML can hold
    """Return a whole number that fits into 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**62) <= value < 2**62:
        raise ParameterError(f"{key} is a whole number, not {_shown(value)}")
    return value


def text(key: str, value: Any) -> str:  # noqa: ANN401
    """Return a text; that of a dtype must name a whole number."""
    if not isinstance(value, str):
        raise ParameterError(f"{key} is a text in quotes, not {_shown(value)}")
    if key == "dtype" and not _DTYPE.fullmatch(value):
        raise ParameterError(f"dtype is a word such as '<u4', not {_shown(value)}")
    return value


def truth(key: str, value: Any) -> bool:  # noqa: ANN401
    """Return true or false."""
    if not isinstance(value, bool):
        raise ParameterError(f"{key} is true or false, not {_shown(value)}")
    return value


def positive(key: str, value: Any) -> float:  # noqa: ANN401
    """Return a positive number below 1e9."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e9:
        raise ParameterError(f"{key} is a positive number, not {_shown(value)}")
    return float(value)


def pair(key: str, value: Any) -> tuple[int, int]:  # noqa: ANN401
    """Return two whole numbers."""
    if not isinstance(value, list) or len(value) != 2:
        raise ParameterError(f"{key} is two numbers, as in {key} = [512, 512], not {_shown(value)}")
    return whole(key, value[0]), whole(key, value[1])


def _shown(value: Any) -> str:  # noqa: ANN401
    try:
        return one_line(ValueError(repr(value)))
    except ValueError:
        # A whole number with thousands of digits.
        return "such a number"

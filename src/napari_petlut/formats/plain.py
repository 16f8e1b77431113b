"""Plain values - dict, list, text, numbers - as JSON files hold them, and dataclasses made of them again."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath, atomic_write, one_line, read_bytes

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["from_plain", "plain", "read_json", "write_json"]

_EXPECTED = "a record (a JSON object)"
_LIMIT = 2**24
_DEEPEST = 32
_Value = TypeVar("_Value")


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a record may hold
    """Return `value` made of what JSON knows: dict, list, str, int, float, bool and None.

    Arrays and tuples become lists, dataclasses and mappings dicts, paths and enums text, and numbers that are
    not finite None.

    Raises
    ------
    ParameterError
        If something has no such form.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise ParameterError(f"a record cannot hold {type(value).__name__}")


def from_plain(kind: type[_Value], values: object, name: str = "parameters") -> _Value:
    """Return a dataclass made of plain values, the one strict way back from `plain`.

    Parameters
    ----------
    kind : type
        A dataclass; its fields may be dataclasses themselves. Fields with a default may be left out.
    values : mapping
        By field name.
    name : str
        What it is, for the error line.

    Raises
    ------
    ParameterError
        If a value is missing, unknown, of the wrong kind or out of range.

    Examples
    --------
    >>> from napari_petlut.geometry import BlockGeometry
    >>> from_plain(BlockGeometry, {"rows": 4, "cols": 5})
    BlockGeometry(rows=4, cols=5)
    """
    from pydantic import ValidationError

    if not isinstance(values, Mapping):
        raise ParameterError(f"{name}: expected names with values, found {type(values).__name__}")
    try:
        made: _Value = _adapter(kind).validate_python(dict(values))  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        place = ": ".join(filter(None, (name, ".".join(map(str, first["loc"])))))
        raise ParameterError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from error
    unknown = _unknown_keys(values, plain(made))
    if unknown:
        raise ParameterError(f"{name}: {', '.join(unknown)}: unknown to this version")
    return made


@cache
def _adapter(kind: type[_Value]) -> TypeAdapter[_Value]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _unknown_keys(given: Mapping[str, Any], known: Mapping[str, Any], above: str = "") -> list[str]:
    """Return the dotted names in `given` that `known` does not have."""
    names = [f"{above}{key}" for key in given if key not in known]
    for key in given.keys() & known.keys():
        if isinstance(given[key], Mapping) and isinstance(known[key], Mapping):
            names += _unknown_keys(given[key], known[key], f"{above}{key}.")
    return sorted(names)


def write_json(path: StrPath, content: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write plain values as JSON with sorted keys; the same content always gives the same bytes.

    Parameters
    ----------
    path : path-like
    content : mapping
        Anything that `plain` can take apart.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file cannot be written.
    ParameterError
        If the content holds something that JSON cannot.
    """
    text = json.dumps(plain(content), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    atomic_write(path, text.encode("utf-8", "replace") + b"\n", overwrite=overwrite)


def read_json(path: StrPath) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    FormatError
        If the file is no JSON object, or its values lie in each other deeper than any of this program.
    """
    data = read_bytes(path, _EXPECTED, limit=_LIMIT)
    try:
        content = json.loads(data.decode("utf-8-sig"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise FormatError(path, _EXPECTED, f"an error ({one_line(error)})", "check the file") from None
    if not isinstance(content, dict):
        raise FormatError(path, _EXPECTED, f"JSON of type {type(content).__name__}", "check the file")
    if _deeper_than(content, _DEEPEST):
        found = f"values in values, more than {_DEEPEST} deep"
        raise FormatError(path, _EXPECTED, found, "check the file")
    return content


def _deeper_than(content: dict[str, Any], depth: int) -> bool:
    """Say whether lists and names lie in each other deeper than `depth`; without recursion, to find out."""
    level: list[Any] = [content]
    for _ in range(depth + 1):
        inner = (value.values() if isinstance(value, dict) else value for value in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True

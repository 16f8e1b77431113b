"""Records: JSON that says how a result was made."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath, atomic_write, one_line, open_binary, read_bytes

__all__ = ["plain", "read_record", "sha256_of", "write_record"]

_EXPECTED = "a record (a JSON object)"
_LIMIT = 2**24


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


def write_record(path: StrPath, record: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write a record as JSON with sorted keys; the same record always gives the same bytes.

    Parameters
    ----------
    path : path-like
    record : mapping
        Anything that `plain` can take apart.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file cannot be written.
    ParameterError
        If the record holds something that JSON cannot.
    """
    text = json.dumps(plain(record), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    atomic_write(path, text.encode("utf-8", "replace") + b"\n", overwrite=overwrite)


def read_record(path: StrPath) -> dict[str, Any]:
    """Read a record.

    Raises
    ------
    FormatError
        If the file is no JSON object.
    """
    data = read_bytes(path, _EXPECTED, limit=_LIMIT)
    try:
        record = json.loads(data.decode("utf-8-sig"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise FormatError(path, _EXPECTED, f"an error ({one_line(error)})", "check the file") from None
    if not isinstance(record, dict):
        raise FormatError(path, _EXPECTED, f"JSON of type {type(record).__name__}", "check the file")
    return record


def sha256_of(path: StrPath) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits.

    Raises
    ------
    FormatError
        If the file is missing, not readable or empty.
    """
    with open_binary(path, "a file") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]

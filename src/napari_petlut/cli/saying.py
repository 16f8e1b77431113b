"""Values as one line that is safe to print, whatever a file name, a record or a TIFF holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_petlut.errors import LONGEST_TEXT, printable

_DEEPEST = 6
_MOST_ITEMS = 200


def shown(value: Any) -> str:  # noqa: ANN401 - whatever a table holds
    """Return a value of a table as one safe line."""
    return f"{value:.5g}" if isinstance(value, float) else printable(str(value))


def fact(value: Any, depth: int = 0) -> str:  # noqa: ANN401 - whatever a record may hold
    """Return a value, or nested ones, as one safe line of bounded length."""
    if isinstance(value, (Mapping, list, tuple)):
        if depth >= _DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            parts = (f"{printable(str(name))} {fact(part, depth + 1)}" for name, part in value.items())
        else:
            parts = (fact(part, depth + 1) for part in value)
        return _joined(parts, len(value))
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1
    return f"{int(value):,}" if whole else shown(value)


def _joined(parts: Any, number: int) -> str:  # noqa: ANN401 - any iterator of text
    kept: list[str] = []
    length = 0
    for part in parts:
        if len(kept) == _MOST_ITEMS or length > LONGEST_TEXT:
            return ", ".join([*kept, f"… ({number:,} in all)"])
        kept.append(part)
        length += len(part)
    return ", ".join(kept)

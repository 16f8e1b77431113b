"""Text that is safe to print, whatever a file name, a record or a TIFF holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

LONGEST = 2000
"""Characters of one value."""
_DEEPEST = 6
_MOST_ITEMS = 200
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories that a terminal obeys or does not show: controls, directions, surrogates, line ends."""


def safe(text: str) -> str:
    r"""Return one line of text without anything that a terminal would obey.

    Examples
    --------
    >>> safe("a\x1b[31mred\nand \u202eback")
    'a\\x1b[31mred\\nand \\u202eback'
    """
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    if cut.isprintable():  # almost always
        return cut
    return "".join(_escaped(c) if unicodedata.category(c) in _HIDDEN else c for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def shown(value: Any) -> str:  # noqa: ANN401 - whatever a table holds
    """Return a value of a table as one safe line."""
    return f"{value:.5g}" if isinstance(value, float) else safe(str(value))


def fact(value: Any, depth: int = 0) -> str:  # noqa: ANN401 - whatever a record may hold
    """Return a value, or nested ones, as one safe line of bounded length."""
    if isinstance(value, (Mapping, list, tuple)):
        if depth >= _DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            parts = (f"{safe(str(name))} {fact(part, depth + 1)}" for name, part in value.items())
        else:
            parts = (fact(part, depth + 1) for part in value)
        return _joined(parts, len(value))
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1
    return f"{int(value):,}" if whole else shown(value)


def _joined(parts: Any, number: int) -> str:  # noqa: ANN401 - any iterator of text
    kept: list[str] = []
    length = 0
    for part in parts:
        if len(kept) == _MOST_ITEMS or length > LONGEST:
            return ", ".join([*kept, f"… ({number:,} in all)"])
        kept.append(part)
        length += len(part)
    return ", ".join(kept)

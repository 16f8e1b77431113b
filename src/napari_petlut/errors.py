"""Errors a person can act on: one line that says what was expected, what was found, what to do."""

from __future__ import annotations

import unicodedata
from os import PathLike, fspath

LONGEST_TEXT = 2000
"""Characters that are shown of a name or a value of somebody else."""
_OBEYED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories that a terminal obeys or does not show: controls, directions, surrogates, line ends."""


def printable(text: str) -> str:
    r"""Return one line of text without anything that a terminal or a page would obey.

    Examples
    --------
    >>> printable("a\x1b[31mred\nand \u202eback")
    'a\\x1b[31mred\\nand \\u202eback'
    """
    cut = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    if cut.isprintable():  # almost always
        return cut
    return "".join(_escaped(c) if unicodedata.category(c) in _OBEYED else c for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class PetlutError(Exception):
    """Base of every error this package raises on purpose."""


class FormatError(PetlutError):
    """A file cannot be read or written as asked.

    Parameters
    ----------
    path : str or path-like
        The file in question.
    expected, found, remedy : str
        What was expected, what is there instead, and what the person can do.
    """

    def __init__(self, path: str | PathLike[str], expected: str, found: str, remedy: str) -> None:
        self.path, self.expected, self.found, self.remedy = fspath(path), expected, found, remedy
        super().__init__(f"{printable(self.path)}: expected {expected}, found {found}; {remedy}")

    @property
    def problem(self) -> str:
        """The line without the name of the file."""
        return f"expected {self.expected}, found {self.found}; {self.remedy}"

    def __reduce__(self) -> tuple[type[FormatError], tuple[str, str, str, str]]:
        # Errors travel between processes; by default they are made anew from the message alone.
        return type(self), (self.path, self.expected, self.found, self.remedy)


class ParameterError(PetlutError, ValueError):
    """A parameter is outside its range, or parameters contradict each other."""


class GeometryError(PetlutError, ValueError):
    """Peaks, maps or tables do not fit the block's geometry."""


class Cancelled(PetlutError):
    """The person asked a long computation to stop."""


class PetlutWarning(UserWarning):
    """Base of every warning this package gives on purpose."""


class TruncatedFileWarning(PetlutWarning):
    """A file ends in the middle of an entry; the complete entries before it are used."""


class ForeignOutputWarning(PetlutWarning):
    """A file beside a record is not the one that was written with it."""


class MapReadingWarning(PetlutWarning):
    """What had to be found out or changed to read a flood map."""


class LUTNotWrittenWarning(PetlutWarning):
    """A LUT's encoding cannot hold it; what belongs to it was written without it."""

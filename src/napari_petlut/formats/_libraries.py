"""Libraries that only some files need: loaded on first use, and a missing one named with its remedy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath

INSTALL = "pip install 'napari-petlut[formats]'"
"""The line that installs all of them."""


def library(name: str, path: StrPath, expected: str) -> Any:  # noqa: ANN401 - modules are not typed
    """Return a library that reads a kind of file.

    Parameters
    ----------
    name : str
        Of the module.
    path : path-like
        The file that needs it.
    expected : str
        What is read from it, for the error line.

    Raises
    ------
    FormatError
        If the library is not installed; the error names the line that installs it.
    """
    try:
        return import_module(name)
    except ImportError:
        found = f"no library {name.split('.')[0]} to read it with"
        raise FormatError(path, expected, found, f"install it: {INSTALL}") from None

"""Files that a command is going to write: where they go, and that nothing is lost by it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import refuse_special

MORE_ENDINGS = {"picture": ".png"}
"""Of what can be written with a calibrated block, by kind."""


def output_paths(directory: Path, stem: str) -> dict[str, Path]:
    """Return where the files of a calibrated block go."""
    return {
        "lut": directory / f"{stem}.lut",
        "peaks": directory / f"{stem}_peaks.csv",
        "record": directory / f"{stem}_record.json",
    }


def check_outputs(
    outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]] = (), *, overwrite: bool
) -> None:
    """Make sure that files can be written before any work is done for them.

    Parameters
    ----------
    outputs : iterable of Path
        Files to write.
    inputs : iterable of path-like
        Files that are read; an output that is one of them, by whatever name, would destroy it.
    overwrite : bool
        Whether files that exist may be replaced.

    Raises
    ------
    FormatError
        If an output is an input, or exists and may not be replaced, or is a device, a pipe or a directory.
    """
    outputs = list(outputs)
    refuse_inputs(outputs, inputs)
    for path in outputs:
        refuse_special(path)
    if not overwrite:
        refuse_existing(outputs)


def refuse_existing(paths: Iterable[Path]) -> None:
    """Raise `FormatError` for the first of `paths` that exists."""
    for path in paths:
        if path.exists():
            raise FormatError(
                path, "no file of this name", "one", "choose another place or allow overwriting (--force)"
            )


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise `FormatError` for the first of `outputs` that is one of `inputs`: it would destroy it."""
    read = [Path(path) for path in inputs]
    for path in outputs:
        if any(_same(path, other) for other in read):
            raise FormatError(path, "a file to write", "the input itself", "choose another name")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)  # also by another link to it
    except (OSError, ValueError):
        return Path(os.path.realpath(one)) == Path(os.path.realpath(other))


def make_directory(directory: Path) -> None:
    """Make `directory` with its parents; a `FormatError` says why it cannot be made."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        require_writable(directory)
        raise FormatError(
            directory, "a directory to write into", f"an error ({error.strerror})", "choose another one"
        ) from error


def require_writable(directory: Path) -> None:
    """Raise `FormatError` if `directory` cannot be written into, or cannot be made."""
    there = next((p for p in (directory, *directory.absolute().parents) if p.exists()), directory)
    if not there.is_dir():
        raise FormatError(directory, "a directory to write into", "a file in its place", "choose another one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise FormatError(
            directory, "a directory to write into", "no permission to write there", "choose another one"
        )

"""What became of one block of a run, as a value and as the file beside its LUT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.plain import from_plain, plain, read_json, write_json
from napari_petlut.formats.record import OutputFile, sha256_of

RESULT_ENDING = "_result.json"
_EXPECTED = "the result of a block"


class State(StrEnum):
    """What became of a block."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class BlockResult:
    """What became of one block.

    Parameters
    ----------
    name : str
    state : State
    key : str
        Hash of all that decides the result: content of the input, parameters, versions. A block whose key is
        the same need not be calibrated again.
    source : str
        Name of its file.
    part, place : tuple of int
        As in `BatchBlock`; empty if not given.
    verdict : str
        "pass", "review" or "fail"; empty if it failed before there was one.
    error : str
        Why it failed, one line; empty if it is done.
    notes : tuple of str
        Doubts about the block, reasons of the verdict and warnings, one line each.
    figures : mapping of str to float
        Figures of merit of the block by name, see `napari_petlut.analysis.quality`; rows, columns, suspects;
        None where a block has none.
    outputs : mapping of str to OutputFile
        Written files by kind.
    thumbnail : str
        Its flood map as a small PNG, in base64.
    """

    name: str
    state: State
    key: str
    source: str
    part: tuple[int, ...] = ()
    place: tuple[int, ...] = ()
    verdict: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()
    figures: Mapping[str, float | None] = field(default_factory=dict)
    outputs: Mapping[str, OutputFile] = field(default_factory=dict)
    thumbnail: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is no LUT."""
        return self.state is State.FAILED

    def write(self, directory: Path) -> None:
        """Write it beside the block's files; it comes last and says that they are complete."""
        write_json(result_path(directory, self.name), plain(self), overwrite=True)


def result_path(directory: Path, name: str) -> Path:
    """Return where the result of a block is kept."""
    return directory / f"{name}{RESULT_ENDING}"


def read_result(path: Path) -> BlockResult:
    """Read the result of a block.

    Raises
    ------
    FormatError
        If the file is no such one.
    """
    try:
        return from_plain(BlockResult, read_json(path), "the result")
    except ParameterError as error:
        raise FormatError(path, _EXPECTED, str(error), "run the block again") from None


def earlier_result(directory: Path, name: str) -> BlockResult | None:
    """Return the result of a block from an earlier run; None if there is none.

    Raises
    ------
    FormatError
        If a file of it is not as it was written: a person's work on it must not be lost.
    """
    path = result_path(directory, name)
    if not path.is_file():
        return None
    result = read_result(path)
    for file in result.outputs.values():
        written = directory / file.name
        if written.is_file() and sha256_of(written) != file.sha256:
            remedy = "keep it elsewhere or allow overwriting (--force)"
            raise FormatError(written, "the file as the run wrote it", "another content", remedy)
    return result


def is_finished(result: BlockResult, directory: Path, key: str) -> bool:
    """Whether the work with this key is done, and all its files are there."""
    there = all((directory / file.name).is_file() for file in result.outputs.values())
    return not result.failed and result.key == key and there


def without_files(result: BlockResult, error: str) -> BlockResult:
    """Return the result of a block that failed in the end."""
    return replace(result, state=State.FAILED, error=error, outputs={}, verdict="")


def as_row(result: BlockResult) -> dict[str, Any]:
    """Return a result as a line of the table of all blocks, the figures by their names."""
    return {
        "name": result.name,
        "place": "-".join(map(str, result.place)),
        "source": result.source,
        "part": ",".join(map(str, result.part)),
        "state": str(result.state),
        "verdict": result.verdict,
        "notes": "; ".join(result.notes),
        "error": result.error,
        # In an order that does not depend on whether it comes from the work or from its file.
        **dict(sorted(result.figures.items())),
    }

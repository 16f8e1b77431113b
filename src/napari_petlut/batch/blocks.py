"""The blocks of a run: their names and places in the scanner, and where each one's map or events are."""

from __future__ import annotations

import csv
import io
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import read_bytes
from napari_petlut.geometry import BlockGeometry
from napari_petlut.workflow.calibration import CalibrationParameters

OUTPUT_ENDINGS = (
    ".lut",
    "_peaks.csv",
    "_energy.csv",
    "_record.json",
    "_result.json",
    "batch.json",
    "blocks.csv",
    "blocks.parquet",
    ".html",
    ".pdf",
    ".toml",
)
"""Endings of files that runs write or that describe them: a folder's other files are blocks."""
PLACE = ("ring", "module", "block")
"""Columns of a table that say where in the scanner a block is, from the outside in."""
_TABLE = "a table of blocks"
_LARGEST_TABLE = 2**26
_UNSAFE = re.compile(r"[^\w.+=@-]+")


@dataclass(frozen=True)
class BatchBlock:
    """One block of a run.

    Parameters
    ----------
    name : str
        Beginning of the names of its files; no two blocks of a run share one.
    path : Path
        File of its events or its map.
    part : tuple of int, optional
        Which block of that file: of a list-mode file by its block field, of a stack, or of a mosaic in row
        and column; they count as in the file.
    tiles : tuple of int, optional
        Blocks along axis 0 and axis 1 of an array in which they lie side by side.
    place : tuple of int
        Ring, module and block, as far as they are known; the order of a run's results.
    geometry : BlockGeometry, optional
        The crystal array; that of the run, or proposed, without it.
    settings : tuple of str
        In what its parameters differ from those of the run, each ``NAME=VALUE`` as in
        `CalibrationParameters.changed`.

    Raises
    ------
    ParameterError
        If the name cannot be the beginning of a file name.
    """

    name: str
    path: Path
    part: tuple[int, ...] | None = None
    tiles: tuple[int, int] | None = None
    place: tuple[int, ...] = ()
    geometry: BlockGeometry | None = None
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith(".") or _UNSAFE.search(self.name):
            raise ParameterError(f"a block is named by letters, digits and . _ - + = @, not {self.name!r}")

    def parameters(self, common: CalibrationParameters) -> CalibrationParameters:
        """Return the parameters of this block from those of the run.

        Raises
        ------
        ParameterError
            If a setting is unknown or cannot be, or the file's format has no blocks.
        """
        layout = replace(common.map_layout, tiles=self.tiles or common.map_layout.tiles)
        events = common.event_format
        if self.part is not None:
            layout = replace(layout, block=self.part)
            if events.source is not None and events.source.block is not None:
                events = replace(events, source=events.source.with_block(self.part))
        return replace(common, map_layout=layout, event_format=events).changed(self.settings)


def safe_name(text: str) -> str:
    """Return a text as the name of a block: what a file name should not hold becomes ``_``.

    Examples
    --------
    >>> safe_name("ring 1/block 3")
    'ring_1_block_3'
    """
    return _UNSAFE.sub("_", text).strip("._") or "block"


def find_blocks(
    sources: Iterable[str | os.PathLike[str]],
    *,
    tiles: tuple[int, int] | None = None,
    stack: int | None = None,
) -> list[BatchBlock]:
    """Return the blocks of folders and files, in the order of their names as people count.

    Parameters
    ----------
    sources : iterable of path-like
        Files, each of one block or, with `tiles` or `stack`, of several; and folders, whose files are taken
        but for those that a run writes. A single ``.csv`` or ``.toml`` table of blocks is read by
        `read_block_table`.
    tiles : tuple of int, optional
        Blocks along axis 0 and axis 1 of each map.
    stack : int, optional
        Maps in each file.

    Raises
    ------
    FormatError
        If a source is missing, or there is none.
    ParameterError
        If both `tiles` and `stack` are given.
    """
    if tiles is not None and stack is not None:
        raise ParameterError("blocks lie in tiles or in a stack, not both")
    files = [file for source in sources for file in _files_of(Path(source))]
    names = _distinct_names(files)
    blocks = [BatchBlock(name, file, tiles=tiles) for name, file in zip(names, files, strict=True)]
    if tiles is not None:
        return [one for block in blocks for one in _parts(block, product(range(tiles[0]), range(tiles[1])))]
    if stack is not None:
        return [one for block in blocks for one in _parts(block, ((n,) for n in range(stack)))]
    return blocks


def _parts(block: BatchBlock, parts: Iterable[tuple[int, ...]]) -> Iterator[BatchBlock]:
    for part in parts:
        name = f"{block.name}_{'_'.join(map(str, part))}"
        yield replace(block, name=name, part=part, place=(*block.place, *part))


def _files_of(source: Path) -> list[Path]:
    if not source.exists():
        raise FormatError(source, "a file or a folder of blocks", "nothing", "check the path")
    if not source.is_dir():
        return [source]
    found = [
        path
        for path in source.iterdir()
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(OUTPUT_ENDINGS)
    ]
    if not found:
        raise FormatError(source, "a folder of events or flood maps", "none in it", "choose another folder")
    return sorted(found, key=lambda path: natural_order(path.name))


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts names with numbers in them as people count.

    Examples
    --------
    >>> sorted(["block10", "block9"], key=natural_order)
    ['block9', 'block10']
    """
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def _distinct_names(files: Sequence[Path]) -> list[str]:
    """Return a name for each file: its stem, with its ending or its folder where stems are the same."""
    for named in (
        lambda path: path.stem,
        lambda path: path.name,
        lambda path: f"{path.parent.name}_{path.stem}",
        lambda path: f"{path.parent.name}_{path.name}",
    ):
        names = [safe_name(named(path)) for path in files]
        # On some systems names that differ by case only are the same file.
        if len({name.casefold() for name in names}) == len(files):
            return names
    folded = [name.casefold() for name in names]
    twice = next(path for k, path in enumerate(files) if folded[k] in folded[:k])
    raise FormatError(twice, "blocks of different names", "one twice", "name them in a table of blocks")


def read_block_table(path: str | os.PathLike[str]) -> list[BatchBlock]:
    """Return the blocks that a table lists, in its order.

    A CSV with a header, or a TOML with one ``[[block]]`` for each; columns or keys: ``path`` (relative to the
    table), ``name``, ``ring``, ``module``, ``block`` (the place), ``rows`` and ``cols``, ``part`` and
    ``tiles`` (as ``3`` or ``1,2``, and ``4,4``). Every other one with a dot in its name is a parameter, such
    as ``flood.window``; empty fields say nothing.

    Raises
    ------
    FormatError
        If it is no such table.
    """
    path = Path(path)
    entries = _csv_entries(path) if path.suffix.lower() == ".csv" else _toml_entries(path)
    blocks: list[BatchBlock] = []
    taken: set[str] = set()
    for number, entry in enumerate(entries, 1):
        try:
            block = _block_of_entry(entry, path.parent)
        except (ParameterError, ValueError) as error:
            raise FormatError(path, _TABLE, f"block {number}: {error}", "correct the table") from None
        if block.name.casefold() in taken:
            found = f"block {number} is named {block.name} as another one"
            raise FormatError(path, "blocks of different names", found, "correct the table")
        taken.add(block.name.casefold())
        blocks.append(block)
    if not blocks:
        raise FormatError(path, _TABLE, "no block in it", "add a line for each block")
    return blocks


def is_block_table(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a table of blocks: TOML, or a CSV whose header has a path."""
    path = Path(path)
    if path.suffix.lower() == ".toml":
        return path.is_file()
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as handle:
        header = handle.readline(4096).decode("utf-8-sig", "replace")
    return "path" in [name.strip(' "\r\n') for name in re.split("[,;\t]", header)]


def _csv_entries(path: Path) -> Iterator[dict[str, str]]:
    try:
        text = read_bytes(path, _TABLE, limit=_LARGEST_TABLE).decode("utf-8-sig")
        delimiter = ";" if ";" in text.partition("\n")[0] else ","
        yield from csv.DictReader(io.StringIO(text), delimiter=delimiter, restkey="", strict=True)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(path, _TABLE, f"no CSV ({error})", "save it as UTF-8 CSV") from None


def _toml_entries(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        table = tomllib.loads(read_bytes(path, _TABLE, limit=_LARGEST_TABLE).decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise FormatError(path, _TABLE, f"no TOML ({error})", "correct the file") from None
    entries = table.get("block")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FormatError(path, _TABLE, "no [[block]] in it", "add one for each block")
    yield from entries


def _block_of_entry(entry: Mapping[str, Any], folder: Path) -> BatchBlock:
    told = {name.strip(): value for name, value in entry.items() if name and value not in ("", None)}
    if "path" not in told:
        raise ParameterError("it has no path")
    file = folder / str(told.pop("path"))
    part, tiles = _numbers(told.pop("part", None)), _numbers(told.pop("tiles", None))
    if tiles is not None and len(tiles) != 2:
        raise ParameterError("tiles are two numbers: 4,4")
    place = tuple(_whole(name, told.pop(name)) for name in PLACE if name in told)
    default = safe_name(file.stem + "".join(f"_{n}" for n in part or ()))
    name = str(told.pop("name", default))
    geometry = None
    if "rows" in told or "cols" in told:
        if not {"rows", "cols"} <= told.keys():
            raise ParameterError("it needs both rows and cols, or neither")
        geometry = BlockGeometry(_whole("rows", told.pop("rows")), _whole("cols", told.pop("cols")))
    settings = tuple(f"{key}={_setting(value)}" for key, value in _flat(told))
    unknown = [key for key, _ in _flat(told) if "." not in key]
    if unknown:
        raise ParameterError(f"{unknown[0]!r} is no column of such a table")
    return BatchBlock(name, file, part, tiles and (tiles[0], tiles[1]), place, geometry, settings)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _setting(value: Any) -> str:  # noqa: ANN401 - whatever a table can hold
    import json

    return value if isinstance(value, str) else json.dumps(value)


def _numbers(value: Any) -> tuple[int, ...] | None:  # noqa: ANN401 - whatever a table can hold
    if value is None:
        return None
    parts = value if isinstance(value, list) else re.split(r"[,x ]+", str(value).strip())
    return tuple(_whole("part", part) for part in parts)


def _whole(name: str, value: Any) -> int:  # noqa: ANN401 - whatever a table can hold
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} is a whole number, not {value!r}") from None

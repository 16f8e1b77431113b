"""The command `petlut batch`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_petlut.cli import ending, terminal
from napari_petlut.cli.options import AsJSON, Block, CellOptions, FloodOptions, Force, OutDir, Reading
from napari_petlut.errors import ParameterError

if TYPE_CHECKING:
    from napari_petlut.batch import BatchBlock, BatchResult

MOST_LISTED = 20
"""Longer lists of blocks go into the files only."""


@dataclass(frozen=True)
class _Cluster:
    """Where the blocks are calibrated."""

    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes on this machine; one a core when left out.")
    ] = None
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A running Dask scheduler instead, as in tcp://host:8786."),
    ] = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.scheduler is not None:
            raise ParameterError("the workers of a scheduler are its own: give --workers or --scheduler")


def batch(
    *,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders and files of events or flood maps, or one .csv or .toml table of blocks.",
            readable=False,
        ),
    ],
    out: OutDir,
    block: Block,
    flood: FloodOptions,
    cells: CellOptions,
    cluster: _Cluster,
    stack: Annotated[int | None, typer.Option(metavar="N", help="Maps in each file, a stack.")] = None,
    encoding: Annotated[
        str, typer.Option(help="How the LUTs code a crystal: packed, linear ... or a .toml file.")
    ] = "packed",
    prior: Annotated[
        Path | None,
        typer.Option(metavar="PEAKS.csv", help="Lattice of the design to start from.", readable=False),
    ] = None,
    reading: Reading,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 unless every block has the verdict pass.")
    ] = False,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Calibrate many blocks, and write their LUTs, a table, an overview page and one LUT file of all.

    What an earlier run into the same folder has done is not done again.
    """
    from napari_petlut.batch import calibrate_many
    from napari_petlut.workflow.calibration import CalibrationParameters

    if reading.block is not None:
        raise ParameterError("a run takes every block; leave --block out")
    blocks = _scanner(sources, reading, flood, out, force=force, quiet=as_json)
    blocks = blocks or _blocks(sources, reading, stack)
    plain = CalibrationParameters(event_format=reading.layout, map_layout=reading.map_layout)
    parameters = replace(
        plain, flood=replace(plain.flood, **flood), segmentation=replace(plain.segmentation, **cells)
    )
    with terminal.CountProgress("blocks", quiet=as_json) as progress:
        result = calibrate_many(
            blocks,
            out,
            block.geometry,
            parameters,
            encoding=encoding,
            prior=prior,
            workers=cluster.workers,
            scheduler=cluster.scheduler,
            overwrite=force,
            progress=progress,
        )
    _show(result, as_json=as_json)
    if result.failed:
        raise typer.Exit(ending.EXIT_ERROR)
    if strict and len(result.with_verdict("pass")) < len(result.blocks):
        raise typer.Exit(ending.EXIT_DOUBT)


def _scanner(
    sources: list[Path], reading: Reading, flood: dict[str, Any], out: Path, *, force: bool, quiet: bool
) -> list[BatchBlock]:
    """Return the blocks of a scanner's events, split into maps; none where events tell no block."""
    source = reading.layout.source
    if source is None or source.block is None:
        return []
    from napari_petlut.analysis.flood import FloodParameters
    from napari_petlut.batch import find_blocks, split_scanner

    files = [block.path for block in find_blocks(sources)]
    with terminal.StepProgress(quiet=quiet) as progress:
        made = split_scanner(
            files,
            reading.layout,
            out / "maps",
            FloodParameters(**flood),
            overwrite=force,
            progress=progress.of("flood maps"),
        )
    for note in made.notes:
        terminal.warn(note)
    return list(made.blocks)


def _blocks(sources: list[Path], reading: Reading, stack: int | None) -> list[BatchBlock]:
    from napari_petlut.batch.blocks import find_blocks, is_block_table, read_block_table

    if len(sources) == 1 and is_block_table(sources[0]):
        if stack is not None or reading.tiles is not None:
            raise ParameterError("a table of blocks tells the parts itself; leave --stack and --tiles out")
        return read_block_table(sources[0])
    return find_blocks(sources, tiles=reading.tiles, stack=stack)


def _show(result: BatchResult, *, as_json: bool) -> None:
    verdicts = {verdict: len(result.with_verdict(verdict)) for verdict in ("pass", "review", "fail")}
    facts: dict[str, Any] = {
        "blocks": len(result.blocks),
        **verdicts,
        "without a LUT": len(result.failed),
        "done before": result.taken_over,
        **{kind: str(path) for kind, path in result.files.items()},
    }
    if as_json:
        failed = {block.name: block.error for block in result.failed}
        terminal.print_json(facts | {"failed": failed, "notes": list(result.notes)})
        return
    for note in result.notes:
        terminal.warn(note)
    for block in result.failed[:MOST_LISTED]:
        terminal.warn(f"{block.name}: {block.error}")
    if len(result.failed) > MOST_LISTED:
        terminal.warn(f"and {len(result.failed) - MOST_LISTED} more without a LUT: see the table")
    terminal.print_facts("Blocks", facts)

"""Commands of `petlut` that make blocks with known truth."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from napari_petlut.cli import terminal
from napari_petlut.cli.options import AsJSON, Force, OutDir, Seed, SimulationOptions


def demo(
    *,
    out: OutDir = Path("petlut-demo"),
    seed: Seed = 1,
    window: Annotated[bool, typer.Option(help="Open napari with the result, if there is a display.")] = True,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Simulate a 16 x 16 block, find its crystals, and hold the result against the truth."""
    from napari_petlut.cli.demo import run_demo

    with terminal.StepProgress(quiet=as_json) as progress:
        result = run_demo(out, seed=seed, overwrite=force, progress=progress)
    if as_json:
        terminal.print_json(result.as_dict())
        return
    columns, rows = result.table()
    terminal.print_table("Found against the simulation's truth", columns, rows)
    terminal.print_facts(f"Written to {out}", result.files)
    if window:
        _open_window(result.files_to_open(out))


def _open_window(paths: list[Path]) -> None:
    """Open napari on the demo's result where it is installed and has a display."""
    try:
        launch = import_module("napari_petlut.plugin.launch")
    except ImportError:
        return
    launch.open_if_possible(paths)


def simulate(
    *,
    out: OutDir,
    preset: Annotated[
        str, typer.Option(help='Kind of block: typical, easy, hard or "small 8x8".')
    ] = "typical",
    changes: SimulationOptions,
    events: Annotated[int, typer.Option(help="Events in the raw file, all energies.")] = 5_000_000,
    seed: Seed = 0,
    stem: Annotated[str, typer.Option(help="Beginning of the file names.")] = "block",
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Simulate a block with known truth: STEM_raw.dat, STEM_map.dat and STEM_truth.npz."""
    from napari_petlut.cli.demo import simulation_parameters, write_simulation

    with terminal.StepProgress(quiet=as_json) as progress:
        chosen = simulation_parameters(preset, seed=seed, **changes)
        files = write_simulation(chosen, events, out, stem=stem, overwrite=force, progress=progress)
    terminal.print_written(files, as_json=as_json)

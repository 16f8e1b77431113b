"""How many crystals the lattice search gets right over hundreds of random blocks, and what makes it fail.

    uv run python benchmarks/lattice_sweep.py [--blocks 100] [--level typical ...] [--jobs 2] [--write]
    uv run python benchmarks/lattice_sweep.py --level hard --seed 17 --blocks 1 --draw failed/
    uv run python benchmarks/lattice_sweep.py --level hard --only-factor turn --blocks 50
    uv run python benchmarks/lattice_sweep.py --final --write        the judgement, on seeds nobody tunes on

A crystal is right when its own peak lies within half the local spacing of the true centre (2.5 px at least)
and has the right row and column, up to the symmetries of the grid; dead crystals are not counted.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import _one_thread  # noqa: F401 - before anything that loads NumPy
import _sweep_report as tables
from _common import Report, finish
from _sweep_blocks import FIRST_RESERVED_SEED, Result, Task, run_all, run_all_changes
from _sweep_draw import draw_failures
from napari_petlut.errors import ParameterError
from napari_petlut.simulation import Level

DEFAULT_LEVELS = (Level.EASY, Level.TYPICAL, Level.HARD, Level.BEYOND)


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--blocks", type=int, default=100, help="blocks per level (default 100)")
    add("--level", action="append", choices=list(Level), help="may be given several times; default all four")
    add("--seed", type=int, default=0, help=f"seed of the first block, below {FIRST_RESERVED_SEED}")
    add("--only-factor", action="append", help="factors that the hard or beyond blocks shall have")
    add("--jobs", type=int, default=1, help="processes")
    add(
        "--invariance", type=int, default=0, metavar="N", help="also check N blocks per level on changed maps"
    )
    add("--lut", action="store_true", help="also compare the LUTs with the ideal ones")
    add("--json", type=Path, help="write every block's result here")
    add("--draw", type=Path, metavar="DIR", help="draw the blocks that are not perfect")
    add("--write", action="store_true", help="keep the tables in benchmarks/results/")
    add("--final", action="store_true", help="judge on the reserved seeds; failed blocks are not listed")
    chosen = parser.parse_args(arguments)
    if chosen.blocks < 1 or chosen.jobs < 1:
        parser.error("--blocks and --jobs must be at least 1")
    if not 0 <= chosen.seed <= FIRST_RESERVED_SEED - chosen.blocks:
        parser.error(f"seeds from {FIRST_RESERVED_SEED} on are reserved for --final")
    if chosen.final and (chosen.draw or chosen.json or chosen.seed):
        parser.error("--final goes without --seed, --draw and --json, so that nobody tunes on its blocks")
    chosen.level = chosen.level or list(DEFAULT_LEVELS)
    return chosen


def tasks(chosen: argparse.Namespace, number: int) -> list[Task]:
    """Return the first `number` blocks of every level."""
    first = FIRST_RESERVED_SEED if chosen.final else chosen.seed
    factors = tuple(chosen.only_factor) if chosen.only_factor else None
    return [
        Task(seed, level, factors, chosen.lut)
        for level in chosen.level
        for seed in range(first, first + number)
    ]


def _tell(result: Result) -> None:
    mark = "." if result.perfect else ("E" if result.error else "x")
    print(mark, end="", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run a sweep from the command line."""
    chosen = options(arguments)
    todo = tasks(chosen, chosen.blocks)
    try:
        for task in todo[:: chosen.blocks]:
            task.block()
    except ParameterError as error:
        sys.exit(f"lattice_sweep: {error}")
    results = run_all(todo, chosen.jobs, tell=_tell)
    print(file=sys.stderr)
    name = "lattice_sweep_final" if chosen.final else "lattice_sweep"
    report = Report(name, "Lattice search over random blocks")
    first = "reserved seeds" if chosen.final else f"seeds from {chosen.seed}"
    report.note(f"{chosen.blocks} blocks per level, {first}.")
    tables.fill(report, results, list_failures=not chosen.final)
    if chosen.invariance:
        rows = run_all_changes(tasks(chosen, chosen.invariance), chosen.jobs)
        report.table("Same result on a changed map", tables.invariance(rows))
    finish(report, write=chosen.write)
    if chosen.json:
        chosen.json.write_text(json.dumps([result.as_json() for result in results]) + "\n")
    if chosen.draw:
        for path in draw_failures(results, chosen.draw):
            print(path)


if __name__ == "__main__":
    main()

"""How often the rows and columns of a block are told right from its map, and how sure that is.

    uv run python benchmarks/geometry.py [--blocks 300] [--seed 0] [--lattice 100] [--json FILE] [--write]
    uv run python benchmarks/geometry.py --final --write       the judgement, on seeds nobody tunes on

`--lattice N` also solves the first N blocks with the right size, and with one row or column more or less: is
the right one wrongly contradicted, is the wrong one noticed, and is the right one named instead?
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _common import Report, finish
from _geometry_blocks import Outcome, run_block
from _sweep_blocks import FIRST_RESERVED_SEED
from _sweep_report import percent

CONFIDENCE_EDGES = (0.0, 0.3, 0.5, 0.7, 0.85, 0.95, 0.98, 1.0)
CRYSTAL_EDGES = (0, 10, 40, 120, 300, 2000)
COUNT_EDGES = (0, 1_000, 10_000, 100_000, 1e9)


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--blocks", type=int, default=300, help="blocks whose size is proposed (default 300)")
    add("--lattice", type=int, default=0, help="blocks that are also solved with a right and a wrong size")
    add("--seed", type=int, default=0, help=f"seed of the first block, below {FIRST_RESERVED_SEED}")
    add("--json", type=Path, help="write every block's outcome here")
    add("--write", action="store_true", help="keep the tables in benchmarks/results/")
    add("--final", action="store_true", help="judge on the reserved seeds; failed blocks are not listed")
    chosen = parser.parse_args(arguments)
    if not 0 <= chosen.seed <= FIRST_RESERVED_SEED - chosen.blocks:
        parser.error(f"seeds from {FIRST_RESERVED_SEED} on are reserved for --final")
    if chosen.final and (chosen.json or chosen.seed):
        parser.error("--final goes without --seed and --json, so that nobody tunes on its blocks")
    return chosen


def _proposal_row(name: str, some: Sequence[Outcome]) -> dict[str, Any]:
    seconds = sorted(r.seconds for r in some)
    return {
        "blocks": f"{name} ({len(some)})",
        "first right, %": percent(sum(r.place == 0 for r in some), len(some)),
        "in first three, %": percent(sum(r.place < 3 for r in some), len(some)),
        "none proposed": sum(not r.proposed for r in some),
        "s median / p95 / max": " / ".join(
            f"{s:.2f}" for s in (median(seconds), np.percentile(seconds, 95), seconds[-1])
        ),
    }


def groups(results: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """Return named groups of blocks: all, by level, size, counts, factor and canvas."""
    found = [("all", list(results))]
    found += [(str(v), [r for r in results if r.level == v]) for v in ("easy", "typical", "hard")]
    for name, edges in (("crystals", CRYSTAL_EDGES), ("counts per crystal", COUNT_EDGES)):
        for low, high in pairwise(edges):
            some = [r for r in results if low <= (r.rows * r.cols if name == "crystals" else r.counts) < high]
            found.append((f"{name} {low:g} to {high:g}", some))
    found += [
        (f"hard: {v}", [r for r in results if r.factor == v])
        for v in sorted({r.factor for r in results} - {""})
    ]
    found += [
        (f"canvas {v}", [r for r in results if r.canvas == v]) for v in sorted({r.canvas for r in results})
    ]
    return [(name, some) for name, some in found if some]


def reliability(results: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return how often first proposals of a confidence are right."""
    sure = np.array([r.proposed[0][2] for r in results if r.proposed])
    right = np.array([r.place == 0 for r in results if r.proposed])
    rows = []
    for low, high in pairwise(CONFIDENCE_EDGES):
        some = (sure >= low) & ((sure < high) | (high == CONFIDENCE_EDGES[-1]))
        if some.any():
            rows.append(
                {
                    "confidence": f"{low:g} to {high:g}",
                    "blocks": int(some.sum()),
                    "mean confidence, %": f"{100 * sure[some].mean():.1f}",
                    "right, %": percent(int(right[some].sum()), int(some.sum())),
                }
            )
    return rows


def contradictions(results: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return how a right size fares, and a wrong one."""
    rows = []
    for name, group in groups([r for r in results if r.noticed is not None]):
        n, truth = len(group), [(r.rows, r.cols) for r in group]
        wondered = [r.doubted or (False, (0, 0)) for r in group]
        noticed = [r.noticed or (False, (0, 0)) for r in group]
        rows.append(
            {
                "blocks": f"{name} ({n})",
                "right size contradicted, %": percent(sum(s != (0, 0) for _, s in wondered), n),
                "right size wondered at, %": percent(sum(w for w, _ in wondered), n),
                "wrong size noticed, %": percent(sum(w for w, _ in noticed), n),
                "right one named, %": percent(
                    sum(s == t for (_, s), t in zip(noticed, truth, strict=True)), n
                ),
                "another wrong one named": sum(
                    s not in (t, (0, 0)) for (_, s), t in zip(noticed, truth, strict=True)
                ),
                "s right / wrong, median": f"{median(r.seconds_right for r in group):.2f} / "
                f"{median(r.seconds_wrong for r in group):.2f}",
            }
        )
    return rows


def failures(results: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the blocks whose first proposal is wrong, the surest first."""
    failed = [r for r in results if r.place]
    failed.sort(key=lambda r: -(r.proposed[0][2] if r.proposed else 0))
    return [
        {
            "block": f"--seed {r.seed} --blocks 1",
            "kind": f"{r.level} {r.factor} {r.canvas}",
            "size": f"{r.rows} x {r.cols}",
            "counts": f"{r.counts:.0f}",
            "k": f"{r.resolution:.2f}",
            "proposed": ", ".join(f"{a} x {b} ({c:.2f})" for a, b, c in r.proposed[:4]),
        }
        for r in failed
    ]


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    chosen = options(arguments)
    first = FIRST_RESERVED_SEED if chosen.final else chosen.seed
    run_block(0, with_lattice=False)  # compiles and loads everything
    results = []
    for number in range(chosen.blocks):
        results.append(run_block(first + number, number < chosen.lattice))
        print("x" if results[-1].place else ".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    report = Report("geometry_final" if chosen.final else "geometry", "Rows and columns told from the map")
    report.note(f"{chosen.blocks} blocks, {'reserved seeds' if chosen.final else f'seeds from {first}'}.")
    report.note("Shares are in percent with Wilson's 95 % interval; time is processor time on one thread.")
    report.table("Proposals", [_proposal_row(name, some) for name, some in groups(results)])
    report.table("Reliability of the first proposal's confidence", reliability(results))
    if chosen.lattice:
        report.table(
            "`find_lattice` told the right size, and one row or column more or less", contradictions(results)
        )
    if not chosen.final:
        report.table("First proposal wrong, the surest first", failures(results))
    finish(report, write=chosen.write)
    if chosen.json:
        chosen.json.write_text(json.dumps([r.as_json() for r in results]) + "\n")


if __name__ == "__main__":
    main()

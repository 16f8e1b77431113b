"""Fit everything that the lattice search has learned anew, in the order in which one depends on the other.

    uv run python benchmarks refit [--jobs 2] [--first STEP] [--last STEP]

Every step is a process of its own and sees the files that the steps before have written. Trees are written
into the package; weights are printed beside those in use, to be put where the line above them says. It takes
hours. `src/napari_petlut/analysis/lattice/README.md` says what is to be chosen again afterwards, and
`tests/golden_lattices.py` what has changed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STEPS: Mapping[str, tuple[str, bool]] = {
    "objective": ("fit_lattice_ranking.py", False),
    "dead": ("fit_lattice_darkness.py", True),
    "confidence": ("fit_lattice_confidence.py", True),
    "sizes": ("fit_geometry.py", False),
}
"""What is fitted, by which command, and whether that takes several processes."""


def chosen_steps(first: str, last: str) -> list[str]:
    """Return the steps from one to another, both included."""
    names = list(STEPS)
    return names[names.index(first) : names.index(last) + 1]


def commands(steps: Sequence[str], jobs: int) -> list[list[str]]:
    """Return the command of each step."""
    folder = Path(__file__).parent
    told = [STEPS[step] for step in steps]
    return [
        [sys.executable, str(folder / script), *(["--jobs", str(jobs)] if parallel else [])]
        for script, parallel in told
    ]


def main(arguments: list[str]) -> None:
    """Run the steps one after the other; the first that fails ends it."""
    parser = argparse.ArgumentParser(
        prog="benchmarks refit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(STEPS)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--first", choices=names, default=names[0], help="step to begin with")
    parser.add_argument("--last", choices=names, default=names[-1], help="step to end with")
    chosen = parser.parse_args(arguments)
    if names.index(chosen.first) > names.index(chosen.last):
        parser.error(f"{chosen.first} comes after {chosen.last}")
    steps = chosen_steps(chosen.first, chosen.last)
    for step, command in zip(steps, commands(steps, chosen.jobs), strict=True):
        print(f"== {step}: {Path(command[1]).name}", flush=True)
        subprocess.run(command, check=True)

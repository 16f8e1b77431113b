"""Fit everything that the lattice search has learned anew, in the order in which one depends on the other.

    uv run python benchmarks refit [--jobs 2] [--first STEP] [--last STEP]

Every step is a process of its own and sees what the steps before have written into the package: trees into
files of their own, numbers into `fitted.json`. Then the golden master of the lattices is written, since the
search has changed, and what was fitted is stamped with it; stamps of steps before the first, if they were not
stale, go along. It takes hours. `src/napari_petlut/analysis/lattice/README.md` says what is to be looked at
afterwards; the sweep on the reserved seeds decides whether the fits are committed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STEPS: Mapping[str, tuple[str, bool]] = {
    "objective": ("fit_lattice_ranking.py", True),
    "dead": ("fit_lattice_darkness.py", True),
    "confidence": ("fit_lattice_confidence.py", True),
    "sizes": ("fit_geometry.py", False),
}
"""What is fitted, by which command, and whether that takes several processes."""
TESTS = Path(__file__).parent.parent / "tests"


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


def stamp(steps: Sequence[str], fresh: Sequence[str]) -> None:
    """Keep what the search finds now, and stamp what was fitted and what was not stale before."""
    golden, stamps = str(TESTS / "golden_lattices.py"), str(TESTS / "fitted_stamps.py")
    subprocess.run([sys.executable, golden, "--write"], check=True)
    along = [step for step in fresh if step not in steps]
    subprocess.run([sys.executable, stamps, "--write", *along, *steps], check=True)


def fresh_steps() -> list[str]:
    """Return the steps whose stamps are those of the search in force."""
    sys.path.append(str(TESTS))
    from fitted_stamps import stale

    return [step for step in STEPS if step not in stale()]


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
    steps, fresh = chosen_steps(chosen.first, chosen.last), fresh_steps()
    for step, command in zip(steps, commands(steps, chosen.jobs), strict=True):
        print(f"== {step}: {Path(command[1]).name}", flush=True)
        subprocess.run(command, check=True)
    stamp(steps, [step for step in fresh if names.index(step) < names.index(chosen.first)])

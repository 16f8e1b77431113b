"""Arrays that are no rectangle: how many crystals of simulated blocks are right, and which are marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import process_time
from typing import Any

import numpy as np

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _common import Report, main
from _sweep_report import percent
from napari_petlut.analysis.lattice import find_lattice
from napari_petlut.formats.crystal_arrays import crystal_array
from napari_petlut.simulation import BlockSimulation, random_block, simulate_block
from napari_petlut.workflow.scoring import LatticeScore, score_lattice

ARRAYS = (
    "staggered:10x10",
    "staggered:16x16",
    "staggered:12x12:3",
    "staggered:20x20:3",
    "hexagonal:12x12",
    "round:14x14",
)
JUDGED_SEEDS = range(1_700_000, 1_700_040)
"""Not looked at while the search was made."""
RESOLUTIONS = ((1.3, 2.2), (1.0, 1.3))
"""Ranges of k, distance over FWHM of the nearest crystals."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One block, held against its truth."""

    score: LatticeScore
    seconds: float


def block_of(words: str, seed: int, resolution: tuple[float, float]) -> BlockSimulation:
    """Return a block of an array with the faults, gains and counts of a random typical one.

    Its orientation is told: which way an array without symmetry lies, a person knows.
    """
    typical = random_block(seed, "typical").params
    numbers = {
        name: value if isinstance(value, int) else len(value)
        for name in ("dead", "dim", "merged")
        for value in [getattr(typical, name)]
    }
    k = float(np.random.default_rng(seed).uniform(*resolution))
    places = crystal_array(words).places
    return replace(typical, places=places, resolution=k, mirror=False, **numbers)


def judge(words: str, seed: int, resolution: tuple[float, float]) -> Judged:
    """Simulate a block, find its lattice, and score it."""
    block = simulate_block(block_of(words, seed, resolution))
    begin = process_time()
    lattice = find_lattice(block.flood.counts, block.params.geometry)
    seconds = process_time() - begin
    return Judged(score_lattice(lattice, block.centres, block.live, merged=block.merged), seconds)


def row(words: str, judged: Sequence[Judged]) -> dict[str, Any]:
    """Return a line of the table."""
    scores = [one.score for one in judged]
    live, wrong = (sum(int(part(s).sum()) for s in scores) for part in (lambda s: s.live, lambda s: s.wrong))
    marked = sum(int((s.wrong & s.marked).sum()) for s in scores)
    marks = sum(int((s.marked & s.right).sum()) for s in scores)
    seconds = sorted(one.seconds for one in judged)
    return {
        "array": words,
        "crystals right, %": percent(live - wrong, live),
        "blocks perfect, %": percent(sum(s.perfect for s in scores), len(scores)),
        "wrong": wrong,
        "wrong and marked": marked,
        "marks on right ones per block": round(marks / len(scores), 2),
        "s median / max": f"{seconds[len(seconds) // 2]:.2f} / {seconds[-1]:.2f}",
    }


def run(quick: bool) -> Report:
    """Judge every array at every resolution."""
    report = Report("arrays", "Arrays that are no rectangle")
    seeds = JUDGED_SEEDS[:3] if quick else JUDGED_SEEDS
    judge(ARRAYS[0], JUDGED_SEEDS[0] - 1, RESOLUTIONS[0])  # compiles
    for low, high in RESOLUTIONS:
        rows = [row(words, [judge(words, seed, (low, high)) for seed in seeds]) for words in ARRAYS]
        report.table(f"k {low} to {high}, {len(seeds)} blocks of each", rows)
    report.note("Faults, gains, bends, counts and background are those of random typical blocks.")
    report.note(
        "k is the distance of nearest crystals over the width of their spots (FWHM), median of a block."
    )
    report.note("Time is processor time of `find_lattice` on one thread, after warm-up.")
    return report


if __name__ == "__main__":
    main(run)

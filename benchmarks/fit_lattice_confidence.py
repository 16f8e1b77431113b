"""Fit how sure the lattice search is of each crystal, on random blocks.

    uv run python benchmarks/fit_lattice_confidence.py [--typical 300] [--hard 800] [--beyond 600] [--jobs 2]

Writes the trees beside `napari_petlut/analysis/lattice/sureness/confidence.py`, and the gates of the search
into `fitted.json`. Every block is judged by trees that have not seen it before the reliability is printed: of
the confidence that a lattice holds in the end, after all rules, over as many blocks of every level. The last
lines help to choose `suspect_below` in `parameters.py`.

Some blocks have factors that are named: those whose lattices are most often wrong as a whole, because what
counts is the number of such blocks. They are learned from, but not judged on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _boosted_trees import write_trees
from _confidence_trees import (
    Judged,
    fit_trees,
    judged_blocks,
    levelled_out_of_fold,
    levelling,
    mean_doubts,
    out_of_fold,
    print_judgement,
)
from _fitted_file import write_group
from _lattice_pools import FIRST_SEED, Searched, Task, in_processes, searched_block
from napari_petlut.analysis.lattice.concluding import alternatives, limits
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.sureness import confidence
from napari_petlut.analysis.lattice.sureness.confidence import FEATURES, crystal_features
from napari_petlut.analysis.lattice.sureness.dead import dead_probability
from napari_petlut.analysis.lattice.sureness.merged import ALONE
from napari_petlut.model import PeakStatus

NUMBERS = {"easy": 100, "typical": 300, "hard": 800, "beyond": 600}
"""Blocks of every level with factors as they are drawn."""
NAMED = (
    ("hard", ("distortion", "gains")),
    ("beyond", ("distortion", "very low counts")),
    ("hard", ("gains", "lines")),
    ("beyond", ("very low counts",)),
    ("hard", ("lines", "resolution")),
    ("beyond", ("distortion",)),
    ("hard", ("gains", "resolution")),
    ("beyond", ("gains", "very low counts")),
    ("hard", ("distortion", "low counts")),
    ("beyond", ("distortion", "resolution")),
    ("hard", ("low counts", "walls")),
    ("hard", ("resolution", "yield")),
    ("hard", ("gains", "low counts")),
    ("hard", ("distortion", "lines")),
    ("hard", ("distortion", "resolution")),
)
"""Levels and factors of the other blocks, one after the other: pairs that made lattices wrong as a whole."""
NAMED_NUMBER = 240
FIRST_NAMED_SEED = FIRST_SEED + 90_000
SEARCHED_ON = ("typical", "hard")
NOT_CLEAR, DOUBTFUL = 0.07, 0.14
"""Shares of the blocks of these levels above either gate: how many are searched on decides how long a sweep
takes, and was chosen once. Counted on 150 blocks of each (seeds from 730,000) with the gates of that time."""
LEAST_SURE = 1e-9
"""A confidence that no rule holds below, to see by which factor it is lowered."""


def sample(task: Task) -> Judged:
    """Search one block and return its crystals as the trees are to see them."""
    level, seed, factors = task
    return judged_sample(searched_block(level, seed, factors), named=factors is not None)


def judged_sample(block: Searched, *, named: bool) -> Judged:
    """Return a block's crystals as the trees are to see them."""
    factor, ceiling = rules(block)
    return Judged(
        block.level,
        named,
        crystal_features(block.contest, block.best),
        block.right,
        block.live,
        (block.lattice.status == PeakStatus.MISSING).reshape(block.shape),
        factor,
        ceiling,
    )


def rules(block: Searched) -> tuple[np.ndarray, np.ndarray]:
    """Return what the rules after the trees make of the confidence: a factor, and the most that is left."""
    best, contest = block.best, block.contest
    rivals = alternatives.competitors(contest, best, LatticeParameters().max_alternatives)
    lost = dead_probability(contest, best)
    gone, partner, likely = limits.lightless(contest, best, lost, LatticeParameters().missing_above)
    noisy = limits.only_noise(contest.scene.strength, len(contest.geometry))

    def after(sure: float) -> np.ndarray:
        lowered = limits.limit_by_rivals(np.full(block.shape, sure), rivals, best)
        shared = limits.limit_by_noise_and_sharing(lowered, noisy, partner != ALONE, likely)
        return limits.limit_to_the_living(shared, lost, gone)

    return after(LEAST_SURE) / LEAST_SURE, after(1.0)


def samples(numbers: dict[str, int], named: int, jobs: int) -> Iterator[Judged]:
    """Return the crystals of so many blocks of every level, and of blocks with named factors."""
    tasks: list[Task] = [(level, FIRST_SEED + k, None) for level, n in numbers.items() for k in range(n)]
    for k in range(named):
        level, factors = NAMED[k % len(NAMED)]
        tasks.append((level, FIRST_NAMED_SEED + k, factors))
    return in_processes(sample, tasks, jobs)


def main() -> None:
    """Search random blocks, fit, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for level, number in NUMBERS.items():
        parser.add_argument(f"--{level}", type=int, default=number, help=f"blocks (default {number})")
    parser.add_argument("--named", type=int, default=NAMED_NUMBER, help="blocks with named factors")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    chosen = parser.parse_args()
    numbers = {level: getattr(chosen, level) for level in NUMBERS}
    found = list(samples(numbers, chosen.named, chosen.jobs))
    fit_confidence(found, Path(confidence.__file__).with_name(confidence.CONFIDENCE_TREES))


def fit_confidence(blocks: Sequence[Judged], path: Path) -> None:
    """Judge trees on blocks that they have not seen, then fit them on all and write them."""
    odds = out_of_fold(blocks)
    print_judgement(blocks, levelled_out_of_fold(blocks, odds))
    slope, shift = levelling(blocks, odds, judged_blocks(blocks))
    print(f"log-odds of unseen blocks times {slope:.3f}, {shift:+.3f}")
    write_trees(fit_trees(blocks), FEATURES, path, slope, shift)
    print(f"wrote {path.name}, {path.stat().st_size} bytes")
    write_group("gates", gates(blocks, odds, (slope, shift)))


def gates(
    blocks: Sequence[Judged], odds: Sequence[np.ndarray], levelled: tuple[float, float]
) -> dict[str, float]:
    """Return the mean doubts above which the search goes on: quantiles, as many of either level."""
    doubts = []
    for level in SEARCHED_ON:
        which = [n for n in judged_blocks(blocks) if blocks[n].level == level]
        doubts.append(mean_doubts(blocks, odds, levelled, which))
    least = min(len(some) for some in doubts)
    both = np.concatenate([some[:least] for some in doubts])
    return {
        name: float(np.quantile(both, 1 - share))
        for name, share in (("clear mean", NOT_CLEAR), ("doubtful", DOUBTFUL))
    }


if __name__ == "__main__":
    main()

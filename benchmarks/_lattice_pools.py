"""Random blocks searched with everything the search learned kept, for fitting its weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from napari_petlut.analysis.lattice.concluding.conclusion import conclude
from napari_petlut.analysis.lattice.finding import refine, solve
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.seeing.scene import look_at
from napari_petlut.analysis.lattice.seeing.squaring import stretched_lattice
from napari_petlut.analysis.lattice.wishes import Wishes
from napari_petlut.model import FloatArray, Lattice
from napari_petlut.simulation import SimulatedBlock, random_block, simulate_block
from napari_petlut.workflow.scoring import score_lattice

FIRST_SEED = 700_000
"""Seeds from here on are for fitting; sweeps start at 0, the final judgement at 1,000,000."""

Task = tuple[str, int, tuple[str, ...] | None]
"""Level, seed, and the factors that the block shall have instead of random ones."""


@dataclass(frozen=True, eq=False)
class Searched:
    """A block and everything its search learned; arrays are in the order of the lattice found.

    `truth` are the true centres in pixels of the prepared map, `cpu_seconds` is the processor time of the
    search.
    """

    level: str
    block: SimulatedBlock
    contest: Contest
    best: Hypothesis
    lattice: Lattice
    right: np.ndarray
    live: np.ndarray
    truth: FloatArray
    cpu_seconds: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.lattice.geometry.shape


def searched_blocks(levels: list[str], number: int) -> Iterator[Searched]:
    """Yield `number` searched blocks of every level."""
    for level in levels:
        for seed in range(FIRST_SEED, FIRST_SEED + number):
            yield searched_block(level, seed)


def searched_block(
    level: str, seed: int, factors: Collection[str] | None = None, without: Collection[str] = ()
) -> Searched:
    """Simulate and search one block; its factors are drawn unless they are named.

    `without` names steps of the search that are left out.
    """
    params = LatticeParameters()
    block = simulate_block(random_block(seed, level, factors=factors).params)
    geometry = block.params.geometry
    start = time.process_time()
    scene = look_at(block.flood.counts, geometry)
    solution = solve(scene, Wishes(geometry), params.max_hypotheses, without=without)
    contest, best = solution.contest, solution.best
    lattice = conclude(contest, best, refine(contest, best), params)
    lattice = stretched_lattice(lattice, scene.factors)
    seconds = time.process_time() - start
    score = score_lattice(lattice, block.centres, block.live, merged=block.merged)
    shape = geometry.shape
    right, live = np.zeros(len(geometry), bool), np.zeros(len(geometry), bool)
    truth = np.zeros((len(geometry), 2))
    right[score.ids], live[score.ids] = score.right, score.live
    truth[score.ids] = scene.to_scene(block.centres)
    return Searched(
        level,
        block,
        contest,
        best,
        lattice,
        right.reshape(shape),
        live.reshape(shape),
        truth.reshape(*shape, 2),
        seconds,
    )


def in_processes(function: Callable[[Task], Any], tasks: Sequence[Task], jobs: int) -> Iterator[Any]:
    """Yield what a function makes of the tasks, in order."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(function, tasks, chunksize=4)

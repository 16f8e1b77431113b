"""Running the lattice search on random blocks and holding each against its truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy import ndimage
from threadpoolctl import threadpool_limits

from napari_petlut.analysis.lattice import find_lattice
from napari_petlut.analysis.segmentation import segment
from napari_petlut.errors import PetlutError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, FloatArray, Lattice, PeakStatus
from napari_petlut.simulation import Level, RandomBlock, SimulatedBlock, random_block, simulate_block
from napari_petlut.workflow.scoring import LatticeScore, score_lattice, symmetric_ids

FIRST_RESERVED_SEED = 1_000_000
"""Seeds from here on are for the final judgement; nothing is developed or tuned on them."""
DENSE_SHARE = 0.99
"""Share of the counts whose pixels a LUT is compared on."""


@dataclass(frozen=True)
class Result:
    """What became of one block."""

    seed: int
    level: str
    factors: tuple[str, ...]
    rows: int
    cols: int
    resolution: float
    counts_per_crystal: float
    live: int
    right: int
    wrong_marked: int
    right_marked: int
    dead: int
    dead_missing: int
    cpu_seconds: float
    live_missing: int = 0
    doubts: tuple[str, ...] = ()
    error: str = ""
    lut_agreement: float | None = None
    lut_agreement_possible: float | None = None
    confidence: list[float] = field(default_factory=list, repr=False)
    is_right: list[bool] = field(default_factory=list, repr=False)

    @property
    def wrong(self) -> int:
        """Live crystals that are not right."""
        return self.live - self.right

    @property
    def perfect(self) -> bool:
        """Whether every live crystal is right."""
        return self.right == self.live

    @property
    def name(self) -> str:
        """The options that run this block again."""
        return f"--level {self.level} --seed {self.seed} --blocks 1"

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Task:
    """Which random block to run."""

    seed: int
    level: str
    factors: tuple[str, ...] | None = None
    with_lut: bool = False

    def block(self) -> RandomBlock:
        """Return the block's parameters."""
        return random_block(self.seed, self.level, factors=self.factors)


def solve(counts: FloatArray, geometry: BlockGeometry) -> tuple[Lattice | None, float, str]:
    """Return the lattice, the processor time it took in seconds, and the error if there is none."""
    start = time.process_time()
    try:
        lattice, error = find_lattice(counts, geometry), ""
    except PetlutError as problem:
        lattice, error = None, str(problem)
    return lattice, time.process_time() - start, error


def run_block(task: Task) -> Result:
    """Simulate a block, search its lattice, and score it."""
    chosen = task.block()
    simulated = simulate_block(chosen.params)
    lattice, seconds, error = solve(simulated.flood.counts, chosen.params.geometry)
    known = {
        "seed": task.seed,
        "level": str(chosen.level),
        "factors": chosen.factors,
        "rows": chosen.params.rows,
        "cols": chosen.params.cols,
        "resolution": chosen.params.resolution,
        "counts_per_crystal": chosen.params.counts_per_crystal,
        "live": int(simulated.live.sum()),
        "dead": int((~simulated.live).sum()),
        "cpu_seconds": seconds,
        "error": error,
    }
    if lattice is None:
        # No lattice is no wrong lattice: everything counts as marked.
        return Result(right=0, wrong_marked=known["live"], right_marked=0, dead_missing=0, **known)
    if task.with_lut:
        known |= _lut_agreements(lattice, simulated)
    return Result(**known, **_counted(_score(lattice, simulated)), doubts=lattice.doubts)


def _lut_agreements(lattice: Lattice, block: SimulatedBlock) -> dict[str, float]:
    """Return how the default segmentation agrees with the ideal LUT, from the lattice and from the truth."""
    counts, geometry = block.flood.counts, lattice.geometry
    true_centres = np.where(block.live[:, None], block.centres, np.nan)
    found = CrystalLUT(segment(counts, lattice.positions, geometry=geometry).labels, geometry)
    found = found.without(np.flatnonzero(lattice.status == PeakStatus.MISSING))
    possible = CrystalLUT(segment(counts, true_centres, geometry=geometry).labels, geometry)
    return {
        "lut_agreement": agreement(found, block),
        "lut_agreement_possible": agreement(possible, block),
    }


def agreement(lut: CrystalLUT, block: SimulatedBlock) -> float:
    """Return the share of counts in pixels that a LUT gives to the same crystal as the ideal one.

    Over the densest pixels, which hold 99 % of the counts, and up to the symmetries of the grid.
    """
    counts = block.flood.counts.ravel()
    order = np.argsort(-ndimage.gaussian_filter(block.flood.counts, 2.0), axis=None)
    last = int(np.searchsorted(np.cumsum(counts[order]), DENSE_SHARE * counts.sum()))
    dense = order[: last + 1]
    ideal, given, weights = block.ideal_lut.ids.ravel()[dense], lut.ids.ravel()[dense], counts[dense]
    renumbered = [np.append(np.argsort(ids), -1) for ids in symmetric_ids(lut.geometry)]
    return max(float(weights[ids[given] == ideal].sum() / weights.sum()) for ids in renumbered)


def _counted(score: LatticeScore) -> dict[str, Any]:
    return {
        "right": int(score.right.sum()),
        "wrong_marked": int((score.wrong & score.marked).sum()),
        "right_marked": int((score.right & score.marked).sum()),
        "dead_missing": int((score.missing & ~score.live).sum()),
        "live_missing": int((score.missing & score.live).sum()),
        "confidence": np.round(score.confidence[score.live], 5).tolist(),
        "is_right": score.right[score.live].tolist(),
    }


def run_all(
    tasks: Iterable[Task], jobs: int, *, tell: Callable[[Result], None] | None = None
) -> list[Result]:
    """Run blocks in order on `jobs` processes with one thread each."""
    results = []
    for result in _in_processes(run_block, list(tasks), jobs):
        results.append(result)
        if tell is not None:
            tell(result)
    return results


def warm_up() -> None:
    """Compile and load everything, so that the first block's time is like the others'."""
    threadpool_limits(1)
    # A clear block and a doubtful one, so that every loop has run.
    for level in (Level.EASY, Level.BEYOND):
        block = simulate_block(random_block(0, level).params)
        solve(block.flood.counts, block.params.geometry)


def _in_processes(function: Callable[[Any], Any], items: list[Any], jobs: int) -> Iterator[Any]:
    if jobs == 1:
        warm_up()
        yield from map(function, items)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=warm_up) as pool:
        yield from pool.map(function, items)


Place = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Change:
    """A change of the map that must not change what is found.

    `counts` maps the map, `place` the positions; with `transposed`, rows and columns change places.
    """

    name: str
    counts: Callable[[FloatArray], FloatArray]
    place: Place
    transposed: bool = False


def _embedded(counts: FloatArray) -> FloatArray:
    canvas = np.zeros((2 * counts.shape[0], 2 * counts.shape[1]))
    canvas[: counts.shape[0], : counts.shape[1]] = counts
    return canvas


def _rebinned(counts: FloatArray) -> FloatArray:
    n0, n1 = counts.shape
    return np.asarray(counts.reshape(n0 // 2, 2, n1 // 2, 2).sum(axis=(1, 3)))


CHANGES = (
    Change("mirrored along axis 0", lambda m: m[::-1], lambda p: np.array([511.0, 0.0]) + p * [-1.0, 1.0]),
    Change("transposed", lambda m: m.T, lambda p: p[:, ::-1], transposed=True),
    Change("counts x 0.5", lambda m: m * 0.5, lambda p: p),
    Change("counts x 100", lambda m: m * 100.0, lambda p: p),
    Change("in a 1024 canvas", _embedded, lambda p: p),
    Change("rebinned to 256", _rebinned, lambda p: (p - 0.5) / 2),
)
"""The changes of issue 3; all keep the crystals where they are on the block."""


@dataclass(frozen=True)
class Invariance:
    """How the result on a changed map agrees with that on the map as it was."""

    seed: int
    level: str
    change: str
    crystals: int
    same: int
    right_before: int
    right_after: int


def run_changes(task: Task) -> list[Invariance]:
    """Search one block's lattice before and after each change."""
    simulated = simulate_block(task.block().params)
    before, _, _ = solve(simulated.flood.counts, simulated.params.geometry)
    return [_compare(task, simulated, before, change) for change in CHANGES]


def _compare(task: Task, block: SimulatedBlock, before: Lattice | None, change: Change) -> Invariance:
    geometry = block.params.geometry
    renumber = np.arange(len(geometry)).reshape(geometry.shape)
    if change.transposed:
        geometry, renumber = BlockGeometry(geometry.cols, geometry.rows), renumber.T
    order, merged = renumber.ravel(), np.array(block.merged, np.intp).reshape(-1, 2)
    after, _, _ = solve(np.ascontiguousarray(change.counts(block.flood.counts)), geometry)

    def agreeing(centres: FloatArray) -> int:
        if after is None:
            return 0
        pairs = np.argsort(order)[merged].tolist()
        score = score_lattice(after, change.place(centres)[order], block.live[order], merged=pairs)
        return int(score.right.sum())

    return Invariance(
        seed=task.seed,
        level=task.level,
        change=change.name,
        crystals=int(block.live.sum()),
        same=0 if before is None else agreeing(before.positions),
        right_before=0 if before is None else int(_score(before, block).right.sum()),
        right_after=agreeing(block.centres),
    )


def _score(lattice: Lattice, block: SimulatedBlock) -> LatticeScore:
    return score_lattice(lattice, block.centres, block.live, merged=block.merged)


def run_all_changes(tasks: Iterable[Task], jobs: int) -> list[Invariance]:
    """Run the changes on blocks in order, on `jobs` processes."""
    return [row for rows in _in_processes(partial(run_changes), list(tasks), jobs) for row in rows]

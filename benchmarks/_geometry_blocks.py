"""Random blocks whose rows and columns are to be told from the map, and what is told."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from napari_petlut.analysis.lattice import find_lattice, propose_geometry
from napari_petlut.errors import PetlutError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray
from napari_petlut.simulation import BlockSimulation, Level, crystal_run, random_block, simulate_block

SHAPES = (
    *((n, n) for n in (2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 32)),
    *((35, 12), (18, 9), (9, 18), (5, 6), (2, 8), (3, 9), (12, 16), (20, 15)),
)
"""Arrays that blocks have; every one is drawn as often as the others."""
LEVELS = (Level.EASY, Level.TYPICAL, Level.HARD)
COUNTS = (200.0, 300_000.0)
"""Range of the counts per crystal, drawn evenly in the logarithm."""
SIDE = 16
"""Crystals along the side of the block that k is scaled from, as in the simulation's random blocks."""
ASKED_AGAIN = re.compile(r"looks like (\d+) x (\d+) rather than")
WONDERING = re.compile(r"looks like|two in one|are rows and columns right")

Block = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What was told about one block.

    `proposed` holds rows, columns and confidence; `doubted` what `find_lattice` said when it was told the
    right size, `noticed` when it was told the `wrong` one: whether it wondered, and the size it named.
    """

    seed: int
    level: str
    factor: str
    canvas: str
    rows: int
    cols: int
    counts: float
    resolution: float
    proposed: tuple[tuple[int, int, float], ...]
    seconds: float
    wrong: tuple[int, int] = (0, 0)
    doubted: tuple[bool, tuple[int, int]] | None = None
    noticed: tuple[bool, tuple[int, int]] | None = None
    seconds_right: float = 0.0
    seconds_wrong: float = 0.0

    @property
    def place(self) -> int:
        """Place of the true size among the proposals, 0 the first; a large number if it is not there."""
        sizes = [p[:2] for p in self.proposed]
        return sizes.index((self.rows, self.cols)) if (self.rows, self.cols) in sizes else 99

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as plain values."""
        return asdict(self)


def _nothing(rng: np.random.Generator, block: Block) -> None:
    pass


def _dead_line(rng: np.random.Generator, block: Block) -> None:
    """Kill a line inside the block; without an outer line the true size could not be seen by anybody."""
    geometry = BlockGeometry(block["rows"], block["cols"])
    if min(geometry.shape) > 3:
        block["dead"] = crystal_run(geometry, "row" if rng.random() < 0.5 else "col", rng)


def _dead(rng: np.random.Generator, block: Block) -> None:
    crystals = block["rows"] * block["cols"]
    block["dead"] = int(rng.integers(1, max(2, min(6, crystals // 8))))


def _merged_edges(rng: np.random.Generator, block: Block) -> None:
    """Push outer rows together: reflecting walls on one to three sides."""
    sides = rng.permutation(4) < rng.integers(1, 4)
    block["walls"] = tuple(float(rng.uniform(0.6, 1.6)) if side else 0.0 for side in sides)


def _merged_pairs(rng: np.random.Generator, block: Block) -> None:
    block["merged"] = int(rng.integers(1, max(2, min(8, block["rows"] * block["cols"] // 10))))


def _background(rng: np.random.Generator, block: Block) -> None:
    block["background"] = float(rng.uniform(0.2, 0.5))


def _blurred(rng: np.random.Generator, block: Block) -> None:
    block["resolution"] = float(rng.uniform(0.9, 1.1))


def _turned(rng: np.random.Generator, block: Block) -> None:
    block["turn"] = float(rng.choice([-1, 1]) * rng.uniform(3, 9))


def _gains(rng: np.random.Generator, block: Block) -> None:
    block["gains"] = tuple(float(g) for g in np.exp(rng.uniform(-0.3, 0.3, 4)))


def _hot(rng: np.random.Generator, block: Block) -> None:
    block |= {"hot_bins": int(rng.integers(3, 31)), "hot_level": float(rng.uniform(2, 20))}
    block |= {"lines": int(rng.integers(0, 6))}


FACTORS: dict[str, Callable[[np.random.Generator, Block], None]] = {
    "dead line": _dead_line,
    "dead crystals": _dead,
    "merged edges": _merged_edges,
    "merged pairs": _merged_pairs,
    "background": _background,
    "blurred": _blurred,
    "turned": _turned,
    "gains": _gains,
    "hot bins": _hot,
}
"""What makes the hard blocks hard, one of them each."""

CANVASES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "512": lambda m: m,
    "256 bins": lambda m: np.asarray(m.reshape(256, 2, 256, 2).sum(axis=(1, 3))),
    "in 1024": lambda m: np.pad(m, ((200, 312), (100, 412))),
}


def drawn(seed: int) -> tuple[BlockSimulation, str, str, str]:
    """Return the parameters, level, factor and canvas of a seed's block."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 20]))
    level = LEVELS[int(rng.integers(len(LEVELS)))]
    rows, cols = SHAPES[int(rng.integers(len(SHAPES)))]
    blank = random_block(seed, Level.EASY if level == Level.EASY else Level.TYPICAL).params
    k = float(np.clip(1.42 * (SIDE / np.sqrt(rows * cols)) ** 0.7, 1.05, 2.8) * rng.uniform(0.94, 1.1))
    block: Block = {
        "rows": rows,
        "cols": cols,
        "counts_per_crystal": float(np.exp(rng.uniform(*np.log(COUNTS)))),
        "resolution": k * float(rng.uniform(1.5, 2.2)) if level == Level.EASY else k,
        "dead": 0,
        "dim": 0,
        "merged": 0,
    }
    factor = sorted(FACTORS)[int(rng.integers(len(FACTORS)))] if level == Level.HARD else ""
    FACTORS.get(factor, _nothing)(rng, block)
    canvas = list(CANVASES)[int(rng.choice(3, p=[0.6, 0.2, 0.2]))]
    if max(rows, cols) > SIDE + 4 and canvas == "256 bins":
        canvas = "512"  # seven pixels per pitch of the map are few, but fair; five are not
    return replace(blank, **block), str(level), factor, canvas


def _told(counts: FloatArray, geometry: BlockGeometry) -> tuple[tuple[bool, tuple[int, int]], float]:
    """Return whether `find_lattice` wonders about a size, the size it names instead, and its seconds."""
    start = time.process_time()
    try:
        doubts = " / ".join(find_lattice(counts, geometry).doubts)
    except PetlutError as error:
        doubts = str(error)
    named = ASKED_AGAIN.search(doubts)
    size = (int(named[1]), int(named[2])) if named else (0, 0)
    return (WONDERING.search(doubts) is not None, size), time.process_time() - start


def run_block(seed: int, with_lattice: bool = True) -> Outcome:
    """Simulate a block, propose its size, and solve it with the right and a wrong one."""
    params, level, factor, canvas = drawn(seed)
    counts = CANVASES[canvas](simulate_block(params).flood.counts)
    start = time.process_time()
    try:
        proposals = propose_geometry(counts)
    except PetlutError:
        proposals = []
    known = {
        "seed": seed,
        "level": level,
        "factor": factor,
        "canvas": canvas,
        "rows": params.rows,
        "cols": params.cols,
        "counts": params.counts_per_crystal,
        "resolution": params.resolution,
        "proposed": tuple((*p.geometry.shape, p.confidence) for p in proposals),
        "seconds": time.process_time() - start,
    }
    if not with_lattice:
        return Outcome(**known)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 21]))
    wrong = np.array([params.rows, params.cols])
    axis = int(rng.integers(2))
    wrong[axis] += 1 if wrong[axis] < 3 else rng.choice([-1, 1])
    doubted, seconds_right = _told(counts, params.geometry)
    noticed, seconds_wrong = _told(counts, BlockGeometry(*wrong.tolist()))
    return Outcome(
        **known,
        wrong=(int(wrong[0]), int(wrong[1])),
        doubted=doubted,
        noticed=noticed,
        seconds_right=seconds_right,
        seconds_wrong=seconds_wrong,
    )

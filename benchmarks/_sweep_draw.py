"""Pictures of the blocks that a sweep did not get right."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from _sweep_blocks import Result, Task, solve
from napari_petlut.simulation import simulate_block
from napari_petlut.workflow.scoring import score_lattice


def draw_failures(results: Iterable[Result], folder: Path, *, most: int = 40) -> list[Path]:
    """Draw the imperfect blocks with what is true and what was found; return the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    failed = [r for r in results if not r.perfect]
    return [_draw(r, folder / f"{r.level}_{r.seed}.png") for r in failed[:most]]


def _draw(result: Result, path: Path) -> Path:
    from matplotlib.figure import Figure

    params = Task(result.seed, result.level, result.factors).block().params
    block = simulate_block(params)
    lattice, _, _ = solve(block.flood.counts, params.geometry)
    figure = Figure(figsize=(11, 11), layout="constrained")
    axes = figure.subplots()
    counts = block.flood.counts
    axes.imshow(counts, cmap="gray", vmax=np.percentile(counts[counts > 0], 99.5))
    axes.plot(*block.centres[block.live].T[::-1], "c+", ms=6, label="true")
    axes.plot(*block.centres[~block.live].T[::-1], "bx", ms=6, label="dead")
    if lattice is not None:
        score = score_lattice(lattice, block.centres, block.live, merged=block.merged)
        for line in (lattice.grid, np.swapaxes(lattice.grid, 0, 1)):
            for places in line:
                axes.plot(places[:, 1], places[:, 0], "-", color="orange", lw=0.5)
        found = lattice.positions
        axes.plot(*found[lattice.doubtful].T[::-1], "o", mfc="none", mec="orange", ms=9, label="marked")
        axes.plot(*block.centres[score.wrong].T[::-1], "o", mfc="none", mec="red", ms=7, label="wrong")
    axes.set_title(
        f"{result.level} {result.seed}: {result.right} of {result.live} right; {', '.join(result.factors)}"
    )
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=90)
    return path

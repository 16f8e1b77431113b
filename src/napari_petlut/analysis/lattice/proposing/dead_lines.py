"""Rows and columns of dead crystals: the lattice without the line, and the places where it may be put back.

A dead line leaves a gap of two pitches inside the block, or nothing at all at its edge. A search for all
lines fills the gap from somewhere else, so that half the block is numbered wrongly. Solved with one
line less, the map shows where the gap is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import gaussian_filter1d

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import Budget, Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import BoolArray, log_gaps
from napari_petlut.analysis.lattice.numbering.matching import MOSTLY, best_match
from napari_petlut.analysis.lattice.proposing.regions import DARK
from napari_petlut.analysis.lattice.proposing.ridges import LOCK_WEIGHTS, grow_lines, put_on_ridges
from napari_petlut.analysis.lattice.proposing.waves import WINDOW, put_on_waves
from napari_petlut.analysis.lattice.sureness.merged import relative_weight
from napari_petlut.analysis.lattice.wishes import Wishes
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

FEWEST_LINES = 4
"""Blocks with fewer lines than this along an axis show no gap that could be told from their distortion."""
LINE_LESS_FITS = 5
"""Mixtures that may be fitted for the lattice with one line less."""
LINE_LESS_WORSE = 0.1
"""How much worse the lattice with one line less may be, in the objective, for the line to be put back."""
WIDEST = 2
"""Gaps inside the block that are tried, widest against their neighbours first."""
FEW_CRYSTALS = 150
"""Up to so many crystals spots are joined and lines traced for a lattice with a line less; in larger arrays
waves are as good and faster, in small ones they have too few lines."""
OUTER_STEP = 0.8
"""Pitches from the outermost line to a dead one beyond it: edges crowd."""
EVENED = 2.0
"""Width of the blur, in crystals, of the steps to a line beside the block."""


def dead_line_moves(contest: Contest) -> Iterator[Candidate]:
    """Yield lattices with one dead row or column.

    Parameters
    ----------
    contest : Contest
    """
    for axis, name in ((0, "row"), (1, "column")):
        if contest.geometry.shape[axis] < FEWEST_LINES:
            continue
        rest = without_line(contest, axis)
        if rest is None or rest.score > contest.best.score + LINE_LESS_WORSE:
            continue
        for line in open_places(rest.grid, axis):
            grid, dark = with_dead_line(rest.grid, axis, line)
            inside = 0 < line < rest.grid.shape[axis]
            # Light from both sides makes up to 0.25 of what is around, and between merged lines it is about
            # as bright as on them.
            if inside and np.median(relative_weight(contest.scene.brightness(grid))[dark]) > DARK:
                continue
            yield Candidate(grid, f"a dead {name} {line}", dark)


def edge_line_moves(best: Hypothesis) -> Iterator[Candidate]:
    """Yield a lattice without an outermost line that gives no light and with a dead one at the opposite edge.

    Where an outer line is dead, all others are easily numbered one off and the last is put beside the block.
    What this makes is then right, and explains the map about as well, if `best` has to take the line that is
    taken out for dead, too.

    Parameters
    ----------
    best : Hypothesis
    """
    for axis, name in ((0, "row"), (1, "column")):
        lines = best.grid.shape[axis]
        held = np.median(best.fit.weight, axis=1 - axis)
        for out, line in ((lines - 1, 0), (0, lines - 1)):
            # In the tails of the next line one beside the block looks as if it held a little.
            if lines < FEWEST_LINES or held[out] > DARK * np.median(held):
                continue
            here = best.dark.copy()
            np.moveaxis(here, axis, 0)[out] = True
            grid, dark = with_dead_line(np.delete(best.grid, out, axis), axis, line)
            there = dark | np.insert(np.delete(best.dark, out, axis), line, False, axis)
            origin = f"all {name}s shifted by one, {name} {line} dead"
            yield Candidate(grid, origin, there, Gate.NONE, known=here)


def without_line(contest: Contest, axis: int) -> Hypothesis | None:
    """Return the best lattice with one line less along an axis, None where none was found."""
    shape = list(contest.geometry.shape)
    shape[axis] -= 1
    geometry = BlockGeometry(shape[0], shape[1])
    # Fits with a line less are not counted as effort of the search.
    budget = Budget(LINE_LESS_FITS, cancelled=contest.budget.cancelled)
    rest = Contest(contest.scene, Wishes(geometry), budget)
    if len(geometry) <= FEW_CRYSTALS:
        match = best_match(contest.scene.spots, geometry) if len(contest.scene.spots) >= 4 else None
        if match is not None and (match.owner >= 0).mean() >= MOSTLY:
            rest.judge(Candidate(match.grid, "spots joined to a grid with a line less"))
        grow_lines(rest, with_lines(contest.best.grid, axis, shape[axis]), "lines traced with a line less", 1)
    else:
        grid = put_on_waves(rest, with_lines(contest.best.grid, axis, shape[axis]), WINDOW)
        rest.judge(Candidate(grid, "lines put where their waves are with a line less"))
    if not rest.pool:
        return None
    rest.judge(Candidate(put_on_ridges(rest, rest.best.grid, LOCK_WEIGHTS[1:]), rest.best.origin))
    return rest.best


def with_lines(grid: FloatArray, axis: int, lines: int) -> FloatArray:
    """Return a lattice with so many lines along an axis that covers the same place evenly."""
    view = np.moveaxis(grid, axis, 0)
    at = np.linspace(0, len(view) - 1, lines)
    low = np.minimum(at.astype(np.intp), len(view) - 2)
    part = (at - low)[:, None, None]
    return np.ascontiguousarray(np.moveaxis(view[low] * (1 - part) + view[low + 1] * part, 0, axis))


def open_places(grid: FloatArray, axis: int) -> list[int]:
    """Return the places where a line may be put into a lattice: its widest gaps, then both edges.

    Place k lies between the lines k - 1 and k.
    """
    gap = np.median(log_gaps(grid)[axis], axis=1 - axis)
    beside = np.pad(gap, 1, mode="reflect")
    wider = gap - 0.5 * (beside[:-2] + beside[2:])
    inner = np.argsort(-wider, kind="stable")[:WIDEST] + 1
    return [*inner.tolist(), 0, grid.shape[axis]]


def with_dead_line(grid: FloatArray, axis: int, line: int) -> tuple[FloatArray, BoolArray]:
    """Return a lattice with one more line, which becomes number `line`, and that line marked."""
    view = np.moveaxis(grid, axis, 0)
    if line == 0:
        new = view[0] + OUTER_STEP * _even_step(view[0] - view[1])
    elif line == len(view):
        new = view[-1] + OUTER_STEP * _even_step(view[-1] - view[-2])
    else:
        new = 0.5 * (view[line - 1] + view[line])
    out = np.ascontiguousarray(np.moveaxis(np.insert(view, line, new, axis=0), 0, axis))
    dark = np.zeros(out.shape[:2], bool)
    np.moveaxis(dark, axis, 0)[line] = True
    return out, dark


def _even_step(step: FloatArray) -> FloatArray:
    """Return the steps to a line beside the block, (across, 2), without what single crystals are off."""
    return np.asarray(gaussian_filter1d(step, EVENED, axis=0, mode="nearest"))

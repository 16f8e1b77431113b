"""The lattices that a winner won against: which are kept for a person, how plausible, and in what words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from napari_petlut.analysis.lattice.fitting.contest import SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import BoolArray, node_distance, steps
from napari_petlut.analysis.lattice.sureness.rivals import GLOBAL_SHARE, WHOLE_BLOCK
from napari_petlut.model import FloatArray, LatticeAlternative

RIVAL_MOST, RIVAL_HALF, RIVAL_WIDTH = 0.6, 0.035, 0.015
"""How plausible a rival lattice is against its distance in the objective: a logistic curve through simulated
blocks. With a rival within 0.02 the winner was globally wrong in four blocks of five, within 0.02 to 0.05 in
two of ten, beyond 0.15 in three of sixty."""
OPEN_PART = 0.05
"""A competitor of a part of the block is reported when it is at least this plausible."""
WORTH_SHOWING = 0.01
"""A competitor is kept as an alternative when it is at least this plausible."""
WHOLE_BLOCK_GAP = 0.15
"""One of the whole block is kept and reported up to this distance in the objective: a shift of all numbers is
the most dangerous mistake, and a person sees from the two pictures what the map alone does not decide."""


def plausibility(gap: float) -> float:
    """Return how plausible a lattice is whose objective is worse than the best by `gap`."""
    return RIVAL_MOST * float(expit((RIVAL_HALF - max(gap, 0.0)) / RIVAL_WIDTH))


def competitors(contest: Contest, best: Hypothesis, most: int) -> list[tuple[Hypothesis, float]]:
    """Return the best distinct competitors and their plausibility, those of the whole block first."""
    near = [
        (h, plausibility(h.score - best.score), float((node_distance(h.grid, best.grid) > SAME).mean()))
        for h in sorted(contest.pool, key=lambda h: h.score)
    ]
    near = [
        (h, plausible, share)
        for h, plausible, share in near
        if plausible >= WORTH_SHOWING or (share > WHOLE_BLOCK and h.score < best.score + WHOLE_BLOCK_GAP)
    ]
    out: list[tuple[Hypothesis, float]] = []
    kept = [best]
    # What questions all numbers comes before what questions a corner.
    for low, high in ((WHOLE_BLOCK, 1.1), (GLOBAL_SHARE, WHOLE_BLOCK)):
        for h, plausible, share in near:
            if len(out) == most:
                return out
            if low < share <= high and all((node_distance(h.grid, k.grid) > SAME).mean() > low for k in kept):
                kept.append(h)
                out.append((h, plausible))
    return out


def alternatives(
    rivals: list[tuple[Hypothesis, float]], best: FloatArray, origin: FloatArray
) -> tuple[LatticeAlternative, ...]:
    """Return the competitors as alternatives in pixels of the original map."""
    return tuple(
        LatticeAlternative((h.grid + origin).reshape(-1, 2), describe_difference(h.grid, best), plausible)
        for h, plausible in rivals
    )


def describe_difference(grid: FloatArray, best: FloatArray) -> str:
    """Return in words how a lattice differs from the chosen one."""
    moved = node_distance(grid, best) > SAME
    down, right = steps(best)
    det = down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0]
    det = np.where(np.abs(det) < 1e-9, 1e-9, det)
    offset = grid - best
    along0 = (offset[..., 0] * right[..., 1] - offset[..., 1] * right[..., 0]) / det
    along1 = (down[..., 0] * offset[..., 1] - down[..., 1] * offset[..., 0]) / det
    axis = 0 if np.abs(along0[moved]).mean() > np.abs(along1[moved]).mean() else 1
    name = ("rows", "columns")[axis]
    typical = float(np.median((along0, along1)[axis][moved]))
    way = (("down", "right") if typical > 0 else ("up", "left"))[axis]
    if moved.mean() > 0.6:
        return f"{name} shifted {way} by about {abs(typical):.1f}"
    number = int(moved.sum())
    crystals = "1 crystal" if number == 1 else f"{number} crystals"
    return f"{crystals} {where(moved)} moved {way} by about {abs(typical):.1f} {name}"


def where(mask: BoolArray) -> str:
    """Return in words in which part of the block marked crystals lie."""
    rows, cols = mask.shape
    place = np.argwhere(mask).mean(axis=0) / np.maximum(np.array([rows, cols]) - 1, 1)
    vertical = "top" if place[0] < 0.35 else "bottom" if place[0] > 0.65 else ""
    level = "left" if place[1] < 0.35 else "right" if place[1] > 0.65 else ""
    return f"at the {' '.join(w for w in (vertical, level) if w)}" if vertical or level else "in the middle"


Rivals = list[tuple[Hypothesis, float]]


def open_questions(shown: Sequence[LatticeAlternative], rivals: Rivals, best: Hypothesis) -> list[str]:
    """Return in words which competitors leave a block open; those of the whole block always do."""
    notes = []
    for told, (rival, plausible) in zip(shown, rivals, strict=True):
        if plausible >= OPEN_PART:
            words = "explains the map almost as well"
        elif (node_distance(rival.grid, best.grid) > SAME).mean() > WHOLE_BLOCK:
            words = "cannot be excluded"
        else:
            continue
        notes.append(f"open: {told.description} {words} (plausibility {plausible:.2f})")
    return notes

"""Say what was found: statuses, reasons in words, block doubts and competing lattices."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from napari_petlut.analysis.lattice.confidence import FEATURES
from napari_petlut.analysis.lattice.contradiction import GLOBAL_SHARE, WHOLE_BLOCK
from napari_petlut.analysis.lattice.grids import BoolArray, node_distance, steps
from napari_petlut.analysis.lattice.hypotheses import SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.merging import ALONE
from napari_petlut.analysis.lattice.objective import nobodys_spots
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.model import FloatArray, IntArray, LatticeAlternative, PeakStatus, StatusArray

RIVAL_MOST, RIVAL_HALF, RIVAL_WIDTH = 0.6, 0.035, 0.015
"""How plausible a rival lattice is against its distance in the objective: a logistic curve through simulated
blocks. With a rival within 0.02 the winner was globally wrong in four blocks of five, within 0.02 to 0.05 in
two of ten, beyond 0.15 in three of sixty."""
OPEN = 0.05
"""A competitor of a part of the block is reported when it is at least this plausible."""
WORTH_SHOWING = 0.01
"""A competitor is kept as an alternative when it is at least this plausible."""
WHOLE_BLOCK_GAP = 0.15
"""One of the whole block is kept and reported up to this distance in the objective: a shift of all numbers is
the most dangerous mistake, and a person sees from the two pictures what the map alone does not decide."""

CLEAR_SPOT = 0.3
"""Strength, as a share of strong spots, from which a spot of no crystal is reported."""

DOUBLE_LINE = 1.45
"""A row or column whose crystals hold this many times the counts of the others may be two."""

RIVAL_WORDS, DIM_WORDS, BRIGHT_WORDS = 0.3, -0.7, 0.5
MERGED_WORDS, BAD_WORDS, SPOT_WORDS = 0.85, 0.5, 0.3
"""Values of the features from which they are named as a reason."""


def statuses(
    features: FloatArray, sure: FloatArray, dark: BoolArray, params: LatticeParameters
) -> StatusArray:
    """Return the status of every crystal, shape (rows, cols)."""
    no_spot = features[..., FEATURES.index("no spot")] > 0
    out = np.full(sure.shape, PeakStatus.FOUND, dtype="<U8")
    out[no_spot] = PeakStatus.INFERRED
    out[sure < params.suspect_below] = PeakStatus.SUSPECT
    out[dark] = PeakStatus.MISSING
    return out


def reasons(features: FloatArray, status: StatusArray, partner: IntArray) -> tuple[str, ...]:
    """Return why each crystal is doubted, by id; empty where it is not."""
    value = {name: features[..., k].ravel() for k, name in enumerate(FEATURES)}
    words = (
        (value["rival"] > RIVAL_WORDS, "another lattice puts it elsewhere"),
        (value["no spot"] > 0, "no spot of its own"),
        (value["resolution"] < MERGED_WORDS, "merged with a neighbour"),
        (value["dim"] < DIM_WORDS, "few counts"),
        (value["bright"] > BRIGHT_WORDS, "more counts than its neighbours"),
        (value["badness"] > BAD_WORDS, "uneven pitch around it"),
        (
            (value["spot distance"] > SPOT_WORDS) & (value["no spot"] == 0),
            "off the spot that is nearest to it",
        ),
    )
    out = []
    for k, word in enumerate(status.ravel()):
        if partner.flat[k] != ALONE:
            out.append(
                f"no spot of its own; crystal {partner.flat[k]} beside it holds the counts of two: merged"
            )
            continue
        if word == PeakStatus.MISSING:
            out.append("almost no counts: a dead crystal?")
        elif word == PeakStatus.FOUND:
            out.append("")
        elif word == PeakStatus.INFERRED:
            out.append("no spot of its own; placed by its neighbours and the counts around it")
        else:
            told = [text for which, text in words if which[k]]
            out.append("; ".join(told) if told else "the evidence around it is weak")
    return tuple(out)


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


def double_lines(weight: FloatArray) -> list[tuple[int, int, float]]:
    """Return lines that hold far more counts than the others, as (axis, index, ratio).

    A line that stands for two because the geometry has one too few holds the counts of both.
    """
    out = []
    for axis in (0, 1):
        held = np.median(weight, axis=1 - axis)
        ratio = held / max(float(np.median(held)), 1e-9)
        out += [(axis, int(k), float(ratio[k])) for k in np.flatnonzero(ratio > DOUBLE_LINE)]
    return out


def unused_spots(grid: FloatArray, spots: FloatArray, strength: FloatArray) -> FloatArray:
    """Return the clear spots that are no crystal's own, shape (k, 2)."""
    _, far = nobodys_spots(grid, spots)
    return np.asarray(spots[far & (strength > CLEAR_SPOT)]).reshape(-1, 2)

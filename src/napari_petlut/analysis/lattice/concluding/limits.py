"""What lowers the confidence below what the trees say: rivals, noise, shared spots, maybe no light at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_petlut.analysis.lattice.concluding.alternatives import WORTH_SHOWING, Rivals
from napari_petlut.analysis.lattice.fitting.contest import SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import BoolArray, node_distance
from napari_petlut.analysis.lattice.seeing.spots import own_spots
from napari_petlut.analysis.lattice.sureness.merged import ALONE, merged_partners
from napari_petlut.analysis.lattice.sureness.rivals import WHOLE_BLOCK
from napari_petlut.model import FloatArray, IntArray, Lattice, PeakStatus

SHARING_DOUBT = 0.1
"""How likely a crystal must share a neighbour's spot for that to be a doubt about its place."""
NOISY = 0.25
"""Strength of the strongest spots (90th percentile of as many as crystals) below which nothing stands out of
the noise: about three times its standard deviation, as pure noise has."""
NOISE_CONFIDENCE = 0.9
"""Most confidence of a crystal there: with about 200 counts per crystal most are right all the same, and all
are to be looked at. At 0.5, as it was, nine in ten of those crystals were right
(`benchmarks/fit_lattice_confidence.py`)."""
MAYBE_DEAD = 0.05
"""Probability of being dead from which a crystal that is not called so is not surer than the rest of it: its
place may be right, but there may be nothing to place. Hardly any live crystal is above it."""
SURELY_DEAD = 0.5
"""Probability from which a dead crystal is not taken for one that is merged with a neighbour: hardly any
merged one is as likely dead."""
DOUBLE_LINE_DOUBT = 0.5
"""Factor on the confidence of a line that may be two."""
DOUBLE_LINE = 1.45
"""A row or column whose crystals hold this many times the counts of the others may be two."""


def lightless(
    contest: Contest, best: Hypothesis, lost: FloatArray, missing_above: float
) -> tuple[BoolArray, IntArray, FloatArray]:
    """Return which crystals are dead, whose spots the merged ones share, and how likely each shares one.

    A dead crystal beside a bright one looks like a merged one and the other way round; no crystal is both.

    Parameters
    ----------
    contest : Contest
    best : Hypothesis
    lost : ndarray of float64, shape (rows, cols)
        How likely each crystal is dead, 0 to 1.
    missing_above : float
        How likely makes it dead.

    Returns
    -------
    dead : ndarray of bool, shape (rows, cols)
    partner : ndarray of intp, shape (rows, cols)
        Crystal ids, `ALONE` where there is none.
    likely : ndarray of float64, shape (rows, cols)
        0 to 1; also of crystals that are taken for dead.
    """
    own = own_spots(best.grid, contest.scene.spots)[1]
    partner, likely = merged_partners(best.fit.weight, best.grid, own)
    partner = np.where(lost > max(SURELY_DEAD, missing_above), ALONE, partner)
    return (lost > missing_above) & (partner == ALONE), partner, likely


def only_noise(strength: FloatArray, crystals: int) -> bool:
    """Say whether the spots of a map are no stronger than noise alone would make them."""
    strongest = np.sort(strength)[::-1][:crystals]
    return not len(strongest) or float(np.percentile(strongest, 90)) < NOISY


def limit_by_rivals(sure: FloatArray, rivals: Rivals, best: Hypothesis) -> FloatArray:
    """Return the confidence, no higher than rivals of the whole block and lines that may be two allow."""
    sure = sure.copy()
    for rival, plausible in rivals:
        moved = node_distance(rival.grid, best.grid) > SAME
        if moved.mean() > WHOLE_BLOCK and plausible >= WORTH_SHOWING:
            sure = np.where(moved, np.minimum(sure, 1 - plausible), sure)
    for axis, line, _ in double_lines(best.fit.weight):
        np.moveaxis(sure, axis, 0)[line] *= DOUBLE_LINE_DOUBT
    return sure


def limit_by_noise_and_sharing(
    sure: FloatArray, noisy: bool, shared: BoolArray, likely: FloatArray
) -> FloatArray:
    """Return the confidence, no higher than noise and spots that may be shared allow.

    Parameters
    ----------
    sure : ndarray of float64, shape (rows, cols)
    noisy : bool
        Whether nothing stands out of the noise.
    shared : ndarray of bool, shape (rows, cols)
        Crystals that are put on a neighbour's spot.
    likely : ndarray of float64, shape (rows, cols)
        How likely each crystal shares a neighbour's spot.
    """
    if noisy:
        sure = np.minimum(sure, NOISE_CONFIDENCE)
    sharing = np.where(shared, likely, 1 - likely)
    return np.where(likely > SHARING_DOUBT, np.minimum(sure, sharing), sure)


def limit_to_the_living(sure: FloatArray, lost: FloatArray, dead: BoolArray) -> FloatArray:
    """Return the confidence, no higher than that a crystal which is not called dead gives light at all.

    Parameters
    ----------
    sure : ndarray of float64, shape (rows, cols)
    lost : ndarray of float64, shape (rows, cols)
        How likely each crystal is dead.
    dead : ndarray of bool, shape (rows, cols)
        Which ones are called so: there the confidence is that of the place.
    """
    return np.where((lost > MAYBE_DEAD) & ~dead, np.minimum(sure, 1 - lost), sure)


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


def of_unsure_size(lattice: Lattice, sure: float) -> Lattice:
    """Return a lattice whose rows and columns are proposed and not sure: no crystal is surer than they are.

    Parameters
    ----------
    lattice : Lattice
    sure : float
        How likely rows and columns are right.
    """
    seen = np.isin(lattice.status, (PeakStatus.FOUND, PeakStatus.INFERRED))
    reason = f"rows and columns are not sure ({sure:.0%})"
    return replace(
        lattice,
        status=np.where(seen, PeakStatus.SUSPECT, lattice.status),
        confidence=np.minimum(lattice.confidence, sure),
        reasons=tuple(reason if new else why for new, why in zip(seen, lattice.reasons, strict=True)),
    )

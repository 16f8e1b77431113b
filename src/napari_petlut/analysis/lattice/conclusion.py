"""From the winner of a contest to the lattice that is handed out: how sure, which status, what stays open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_petlut.analysis.lattice import verdict
from napari_petlut.analysis.lattice.confidence import confidence, crystal_features
from napari_petlut.analysis.lattice.contradiction import WHOLE_BLOCK
from napari_petlut.analysis.lattice.darkness import dead_probability
from napari_petlut.analysis.lattice.dead_lines import dead_lines
from napari_petlut.analysis.lattice.geometry_proposal import finer_doubts, second_thoughts
from napari_petlut.analysis.lattice.grids import BoolArray, node_distance
from napari_petlut.analysis.lattice.hypotheses import SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.merging import ALONE, merged_partners
from napari_petlut.analysis.lattice.objective import own_spots
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.search import DOUBTFUL
from napari_petlut.model import FloatArray, IntArray, Lattice, LatticeAlternative

GEOMETRY_DOUBT = 0.02
"""Mean doubt of the crystals from which other geometries are tried."""
SPARE_SPOTS = 0.3
"""Clear spots of no crystal, as a share of the shorter side, from which other geometries are tried."""
SHARING_DOUBT = 0.1
"""How likely a crystal must share a neighbour's spot for that to be a doubt about its place."""
LARGE = 400
"""In blocks with more crystals other geometries are only tried where lines are dead or double: every size
takes a fit that takes long, and spots of noise are many."""
SPOT_BLUR, UNEXPLAINED = 0.15, 1.05
"""A spot beside its crystal is none of its own where the counts there, blurred by the first in pitches,
exceed what the lattice explains by this factor. Otherwise the flanks of merged outer rows and noise are spots
without a crystal; those of a line that was left out hold clearly more."""
NOISY = 0.25
"""Strength of the strongest spots (90th percentile of as many as crystals) below which nothing stands out of
the noise: about three times its standard deviation, as pure noise has."""
NOISE_CONFIDENCE = 0.9
"""Most confidence of a crystal there: with about 200 counts per crystal most are right all the same, and all
are to be looked at."""
MISTAKEN_CONFIDENCE = 0.05
"""Most confidence of a crystal where a map shows about twice as many spots as rows and columns allow, or
more: none has its right number then."""
SMALL = 25
"""In blocks with at most so many crystals much smaller spots are looked for too."""
MAYBE_DEAD = 0.05
"""Probability of being dead from which a crystal that is not called so is not surer than the rest of it: its
place may be right, but there may be nothing to place. Hardly any live crystal is above it."""
SURELY_DEAD = 0.5
"""Probability from which a dead crystal is not taken for one that is merged with a neighbour: hardly any
merged one is as likely dead."""
STOPPED = "the search was stopped before all was tried: a prior or peaks placed by hand settle what is open"
DOUBLE_LINE_DOUBT = 0.5
"""Factor on the confidence of a line that may be two."""

Rivals = list[tuple[Hypothesis, float]]


def conclude(
    contest: Contest, best: Hypothesis, grid: FloatArray, params: LatticeParameters, strength: FloatArray
) -> Lattice:
    """Return the lattice of a contest's winner.

    Parameters
    ----------
    contest : Contest
    best : Hypothesis
    grid : ndarray of float64, shape (rows, cols, 2)
        Final positions in pixels of the prepared map.
    params : LatticeParameters
    strength : ndarray of float64, shape (n,)
        Strength of the contest's spots.
    """
    origin = contest.ready.origin
    features = crystal_features(contest, best)
    rivals = verdict.competitors(contest, best, params.max_alternatives)
    noisy = only_noise(strength, len(contest.geometry))
    lost = dead_probability(contest, best)
    dead, partner, likely = lightless(contest, best, lost, params.missing_above)
    shared = partner != ALONE
    grid = grid.copy()
    grid[shared] = grid.reshape(-1, 2)[partner[shared]]
    sure = ruled(lowered(confidence(features), rivals, best), noisy, shared, likely)
    sure = if_alive(sure, lost, dead)
    extra = verdict.unused_spots(grid, contest.spots, strength * unexplained(contest, best))
    notes = ["hardly any spot stands out of the noise: does the map show a block?"] if noisy else []
    doubts, mistaken = geometry_doubts(contest, best, sure, len(extra))
    notes += doubts
    if mistaken:
        sure = np.minimum(sure, MISTAKEN_CONFIDENCE)
    if contest.effort.left <= 0 and float((1 - sure).mean()) > DOUBTFUL:
        notes.append(STOPPED)
    shown = verdict.alternatives(rivals, best.grid, origin)
    notes += open_questions(shown, rivals, best)
    status = verdict.statuses(features, sure, dead, params)
    reasons = verdict.reasons(features, status, partner)
    return Lattice(
        geometry=contest.geometry,
        positions=(grid + origin).reshape(-1, 2),
        status=status.ravel(),
        confidence=sure.ravel(),
        reasons=tuple(doubts[0] for _ in reasons) if mistaken else reasons,
        doubts=tuple(notes),
        extra=extra + origin,
        alternatives=shown,
    )


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
    own = own_spots(best.grid, contest.spots)[1]
    partner, likely = merged_partners(best.fit.weight, best.grid, own)
    partner = np.where(lost > max(SURELY_DEAD, missing_above), ALONE, partner)
    return (lost > missing_above) & (partner == ALONE), partner, likely


def unexplained(contest: Contest, best: Hypothesis) -> BoolArray:
    """Return which of the contest's spots hold more counts than the lattice explains, shape (n,)."""
    scene = contest.scene
    at = scene.to_bins(contest.spots).T
    seen, model = (
        map_coordinates(gaussian_filter(counts, SPOT_BLUR * scene.pitch), at, order=1, mode="nearest")
        for counts in (scene.counts, best.fit.model)
    )
    return np.asarray(seen > UNEXPLAINED * model)


def only_noise(strength: FloatArray, crystals: int) -> bool:
    """Say whether the spots of a map are no stronger than noise alone would make them."""
    strongest = np.sort(strength)[::-1][:crystals]
    return not len(strongest) or float(np.percentile(strongest, 90)) < NOISY


def lowered(sure: FloatArray, rivals: Rivals, best: Hypothesis) -> FloatArray:
    """Return the confidence, no higher than rivals of the whole block and lines that may be two allow."""
    sure = sure.copy()
    for rival, plausible in rivals:
        moved = node_distance(rival.grid, best.grid) > SAME
        if moved.mean() > WHOLE_BLOCK and plausible >= verdict.WORTH_SHOWING:
            sure = np.where(moved, np.minimum(sure, 1 - plausible), sure)
    for axis, line, _ in verdict.double_lines(best.fit.weight):
        np.moveaxis(sure, axis, 0)[line] *= DOUBLE_LINE_DOUBT
    return sure


def ruled(sure: FloatArray, noisy: bool, shared: BoolArray, likely: FloatArray) -> FloatArray:
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


def if_alive(sure: FloatArray, lost: FloatArray, dead: BoolArray) -> FloatArray:
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


def open_questions(shown: Sequence[LatticeAlternative], rivals: Rivals, best: Hypothesis) -> list[str]:
    """Return in words which competitors leave a block open; those of the whole block always do."""
    notes = []
    for told, (rival, plausible) in zip(shown, rivals, strict=True):
        if plausible >= verdict.OPEN:
            words = "explains the map almost as well"
        elif (node_distance(rival.grid, best.grid) > SAME).mean() > WHOLE_BLOCK:
            words = "cannot be excluded"
        else:
            continue
        notes.append(f"open: {told.description} {words} (plausibility {plausible:.2f})")
    return notes


def geometry_doubts(
    contest: Contest, best: Hypothesis, sure: FloatArray, extra: int
) -> tuple[list[str], bool]:
    """Return what speaks against the number of rows and columns, and whether they are surely mistaken."""
    notes = []
    double = verdict.double_lines(best.fit.weight)
    for axis, line, ratio in double:
        name = ("row", "column")[axis]
        notes.append(f"{name} {line} holds {ratio:.1f} times the counts of others: two in one?")
    spare = extra > SPARE_SPOTS * min(contest.geometry.shape) + 1
    if spare:
        notes.append(f"{extra} clear spots belong to no crystal: are rows and columns right?")
    # A line too many is found as a dead one.
    dead = dead_lines(best.dark) if best.dark is not None else []
    for axis, line in dead:
        name = ("row", "column")[axis]
        notes.append(f"{name} {line} gives no light at all: dead, or one {name} too many?")
    if contest.expected is not None or contest.pinned is not None:
        return notes, False
    counts = contest.ready.counts
    if len(contest.geometry) <= SMALL:
        finer = finer_doubts(counts, contest.geometry)
        if finer:
            return finer + notes, True
    doubtful = spare or float((1 - sure).mean()) > GEOMETRY_DOUBT
    if double or dead or (doubtful and len(contest.geometry) <= LARGE):
        notes += second_thoughts(counts, contest.geometry, doubted=bool(double) or spare)
    return notes, False

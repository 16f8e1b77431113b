"""From the winner of a contest to the lattice that is handed out: how sure, which status, what stays open."""

from __future__ import annotations

import numpy as np

from napari_petlut.analysis.lattice.concluding.alternatives import alternatives, competitors, open_questions
from napari_petlut.analysis.lattice.concluding.limits import (
    lightless,
    limit_by_noise_and_sharing,
    limit_by_rivals,
    limit_to_the_living,
    only_noise,
)
from napari_petlut.analysis.lattice.concluding.sizes_doubted import geometry_doubts, unexplained, unused_spots
from napari_petlut.analysis.lattice.concluding.statuses import doubts_in_words, statuses
from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.sureness.completing import as_if_complete
from napari_petlut.analysis.lattice.sureness.confidence import confidence, crystal_features
from napari_petlut.analysis.lattice.sureness.dead import dead_probability
from napari_petlut.analysis.lattice.sureness.gates import DOUBTFUL
from napari_petlut.analysis.lattice.sureness.merged import ALONE
from napari_petlut.model import FloatArray, Lattice, PeakStatus

MISTAKEN_CONFIDENCE = 0.05
"""Most confidence of a crystal where a map shows about twice as many spots as rows and columns allow, or
more: none has its right number then."""
STOPPED = "the search was stopped before all was tried: a prior or peaks placed by hand settle what is open"


def conclude(contest: Contest, best: Hypothesis, grid: FloatArray, params: LatticeParameters) -> Lattice:
    """Return the lattice of a contest's winner.

    Parameters
    ----------
    contest : Contest
    best : Hypothesis
    grid : ndarray of float64, shape (rows, cols, 2)
        Final positions in pixels of the prepared map.
    params : LatticeParameters
    """
    scene, present = contest.scene, contest.geometry.present
    origin = scene.ready.origin
    features = crystal_features(contest, best)
    seen, winner = as_if_complete(contest, best)
    rivals = competitors(contest, best, params.max_alternatives)
    noisy = only_noise(scene.strength, contest.geometry.crystals)
    lost = dead_probability(contest, best)
    dead, partner, likely = lightless(seen, winner, lost, params.missing_above)
    shared = partner != ALONE
    grid = grid.copy()
    grid[shared] = grid.reshape(-1, 2)[partner[shared]]
    sure = limit_by_noise_and_sharing(
        limit_by_rivals(confidence(features), rivals, winner), noisy, shared, likely
    )
    sure = np.where(present, limit_to_the_living(sure, lost, dead), 1.0)
    extra = unused_spots(grid, scene.spots, scene.strength * unexplained(contest, best), present)
    notes = ["hardly any spot stands out of the noise: does the map show a block?"] if noisy else []
    doubts, mistaken = geometry_doubts(contest, winner, sure, len(extra))
    notes += doubts
    if mistaken:
        sure = np.minimum(sure, MISTAKEN_CONFIDENCE)
    if contest.budget.effort.left <= 0 and float((1 - sure)[present].mean()) > DOUBTFUL:
        notes.append(STOPPED)
    shown = alternatives(rivals, best.grid, origin)
    notes += open_questions(shown, rivals, best)
    status = np.where(present, statuses(features, sure, dead, params), PeakStatus.ABSENT)
    told = doubts_in_words(features, status, partner)
    return Lattice(
        geometry=contest.geometry,
        positions=(grid + origin).reshape(-1, 2),
        status=status.ravel(),
        confidence=sure.ravel(),
        reasons=tuple(doubts[0] for _ in told) if mistaken else told,
        doubts=tuple(notes),
        extra=extra + origin,
        alternatives=shown,
    )

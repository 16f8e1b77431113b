"""How sure the best lattice of a contest is, and so whether the search goes on."""

from __future__ import annotations

from napari_petlut.analysis.lattice.fitted import fitted_number
from napari_petlut.analysis.lattice.fitting.contest import Contest
from napari_petlut.analysis.lattice.sureness.completing import as_if_complete
from napari_petlut.analysis.lattice.sureness.confidence import confidence, crystal_features
from napari_petlut.analysis.lattice.sureness.regularity import doubt_map

DOUBTFUL = fitted_number("gates", "doubtful")
"""Mean doubt of the crystals from which waves are seen through every window, lines are tried as dead and
phases are followed. It goes with the trees of the confidence, as does `CLEAR_MEAN`: trees that doubt more let
more blocks be searched. Both are quantiles, chosen anew by each fit of the trees so that as many blocks as
before are above them (`benchmarks/fit_lattice_confidence.py`)."""
CLEAR_MEAN, CLEAR_WORST = fitted_number("gates", "clear mean"), 0.8
"""A block is clear when the mean doubt of its crystals is below the first and every confidence above the
second."""
CLEAR_DOUBT = 0.55
"""Largest doubt about a crystal's place (see `regularity.doubt_map`) in a clear block."""


def mean_doubt(contest: Contest) -> float:
    """Return the mean doubt of the crystals of the best lattice."""
    return float((1 - confidence(crystal_features(contest, contest.best))).mean())


def is_clear(contest: Contest) -> bool:
    """Whether the best lattice is so sure that further moves are not worth their time."""
    seen, best = as_if_complete(contest, contest.best)
    if best.dark.any() or doubt_map(seen, best).max() > CLEAR_DOUBT:
        return False
    sure = confidence(crystal_features(contest, contest.best))
    return bool((1 - sure).mean() < CLEAR_MEAN and sure.min() > CLEAR_WORST)

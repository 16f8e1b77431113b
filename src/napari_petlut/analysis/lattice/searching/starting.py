"""Where a search starts: a prior lattice, spots joined to a grid, counts taken to where the waves say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import folded_cells, grid_of_places, node_distance
from napari_petlut.analysis.lattice.numbering.matching import (
    MOSTLY,
    STRAY,
    WEAKEST,
    GridMatch,
    best_match,
)
from napari_petlut.analysis.lattice.numbering.place_matching import match_places
from napari_petlut.analysis.lattice.numbering.spreading import spread_spots
from napari_petlut.analysis.lattice.proposing.even_counts import spread_counts, spread_evenly
from napari_petlut.analysis.lattice.proposing.ridges import LOCK_WEIGHTS, put_on_ridges
from napari_petlut.analysis.lattice.proposing.waves import WINDOW, put_on_waves
from napari_petlut.maps.grids import fill_holes, spans
from napari_petlut.model import FloatArray

WINDOWS = (WINDOW, 3.5, 2.0)
"""Standard deviations, in pitches, of the windows through which waves are seen, one after the other until the
block is clear. Narrow ones see noise, wide ones miss swirls. `benchmarks ablation` says
what the further ones are worth."""

MOST_MATCHES = 4
"""Ways to join the same spots to places that are judged: the fullest, and others shifted by a period."""


def judge_prior(contest: Contest) -> None:
    """Judge the lattice of a block of the same design, as it is and put onto the ridges."""
    prior = contest.wishes.prior
    contest.judge(Candidate(prior, "the prior lattice"))
    contest.judge(Candidate(put_on_ridges(contest, prior), "the prior lattice, put onto the ridges"))


def judge_spot_grid(contest: Contest) -> bool:
    """Judge the spots joined to a grid where that has hardly a hole; return whether it is complete."""
    match = best_match(contest.scene.spots, contest.geometry) if len(contest.scene.spots) >= 4 else None
    if match is None:
        return False
    if is_complete(match, contest):
        contest.judge(Candidate(match.grid, "spots joined to a grid"))
        return True
    if (match.owner >= 0).mean() >= MOSTLY:
        contest.judge(Candidate(match.grid, "spots joined to a grid, its holes filled"))
    return False


def judge_places(contest: Contest) -> bool:
    """Judge the spots joined to the places of an array that is no rectangle; return whether that is clear.

    Joined are the spots where the counts, and then they themselves, are when spread evenly, which undoes
    crowded edges, and as they lie. It is clear where every crystal has its spot in one way only.
    """
    scene, present = contest.scene, contest.geometry.present
    counted = spread_counts(scene.ready, contest.geometry, scene.ready.pitch, scene.spots)
    clear = _judge_matches(contest, counted.places, grid_of_places(present.shape))
    if clear or len(scene.spots) < 2:
        return clear
    evenly = spread_spots(scene.spots, np.ones(len(scene.spots)), contest.geometry)
    _judge_matches(contest, evenly.places, grid_of_places(present.shape))
    _judge_matches(contest, scene.spots, counted.grid)
    return False


def _judge_matches(contest: Contest, points: FloatArray, rough: FloatArray) -> bool:
    present, spots = contest.geometry.present, contest.scene.spots
    matches = list(islice(match_places(points, present, rough), MOST_MATCHES))
    for match in matches:
        known = match.owner >= 0
        if spans(known):
            places = np.where(known[..., None], spots[np.maximum(match.owner, 0)], 0.0)
            contest.judge(Candidate(fill_holes(places, ~known), "spots joined to the places"))
    whole = [match for match in matches if match.held == contest.geometry.crystals]
    return len(whole) == 1 and bool(contest.pool)


def is_complete(match: GridMatch, contest: Contest) -> bool:
    """Whether every crystal has its spot, hardly any spot is left over, and no lines cross."""
    n = len(contest.geometry)
    stray = len(contest.scene.spots) - n
    if not (match.owner >= 0).all():
        return False
    used = contest.scene.strength[match.owner.ravel()]
    if used.min() < WEAKEST * np.median(used):
        return False
    return bool(match.outside == 0 and stray <= STRAY * n and not folded_cells(match.grid).any())


def follow_waves(contest: Contest, *, further: bool = True) -> Iterator[bool]:
    """Judge the evenly spread counts taken to where the waves of the lines say, window by window.

    Parameters
    ----------
    contest : Contest
    further : bool
        Whether waves are seen through more than the first window.

    Yields
    ------
    bool
        Whether the last window showed nothing else than the one before, or nothing that could be fitted.
    """
    start = spread_evenly(contest)
    seen: Hypothesis | None = None
    for window in WINDOWS if further else WINDOWS[:1]:
        put = put_on_waves(contest, start, window)
        new = contest.judge(Candidate(put, "lines put where their waves are"))
        if new is not None:
            contest.judge(Candidate(put_on_ridges(contest, new.grid, LOCK_WEIGHTS[1:]), new.origin))
        yield new is None or (seen is not None and bool(node_distance(new.grid, seen.grid).max() < SAME))
        seen = new


def judge_even_counts(contest: Contest) -> None:
    """Judge the evenly spread counts as they are."""
    contest.judge(Candidate(spread_evenly(contest), "counts spread evenly", gate=Gate.NONE))

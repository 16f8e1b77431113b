"""The phases of lines: offsets are measured, unwrapped, and lattices follow them."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from contests import contest_of, swirl
from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.contest import SAME
from napari_petlut.analysis.lattice.grids import node_distance
from napari_petlut.analysis.lattice.proposing.phases import (
    APPROACHES,
    PER_PITCH,
    PHASE_MARGIN,
    line_offsets,
    meet_offsets,
    put_on_phases,
)
from napari_petlut.analysis.lattice.searching.following import follow_phases, unlike_lattices
from napari_petlut.analysis.lattice.seeing.index_space import RectifiedMap, sample_places
from napari_petlut.simulation import BlockSimulation


def test_offsets_of_bent_lines_are_measured_over_several_pitches():
    rows, cols = 14, 12
    v, u = np.meshgrid(sample_places(rows), sample_places(cols), indexing="ij")
    # Rows are bent by 1.2 pitches to either side, columns lie a quarter to the right.
    down, right = 1.2 * np.sin(np.pi * (u + 0.5) / cols - np.pi / 2), 0.25
    wave = np.cos(2 * np.pi * (v - down)) + np.cos(2 * np.pi * (u - right))
    found_down, found_right = line_offsets(RectifiedMap(1 + wave, wave), 0.6)
    at = np.arange((cols - 1 + 2 * PHASE_MARGIN) * PER_PITCH + 1) / PER_PITCH - PHASE_MARGIN
    wanted = 1.2 * np.sin(np.pi * (at + 0.5) / cols - np.pi / 2)
    inner = slice(2, -2)
    assert np.abs(found_down - wanted)[inner, inner].max() < 0.1
    assert np.abs(found_right - 0.25)[inner, inner].max() < 0.02
    assert np.ptp(found_down) > 2.0


def test_meeting_the_offsets_equals_its_plain_twin():
    down, right = np.random.default_rng(3).normal(0, 0.8, (2, 11, 13))
    found = np.empty((2, 5, 6))
    meet_offsets(down, right, found)
    i, j = np.indices((5, 6), dtype=float)
    v, u = i, j
    for _ in range(APPROACHES):
        at = [(v + PHASE_MARGIN) * PER_PITCH, (u + PHASE_MARGIN) * PER_PITCH]
        off0, off1 = (ndimage.map_coordinates(d, at, order=1, mode="nearest") for d in (down, right))
        v, u = 0.5 * (v + i + off0), 0.5 * (u + j + off1)
    np.testing.assert_allclose(found, [v, u], rtol=1e-9, atol=1e-12)


def test_a_lattice_with_a_region_one_line_off_follows_the_phases_back():
    contest, truth = contest_of(BlockSimulation(rows=14, cols=14, resolution=1.6, distortion=0.1, seed=2), 20)
    wrong = truth.copy()
    wrong[2:-2, 2:6] = truth[3:-1, 2:6]
    assert (node_distance(wrong, truth) > SAME).mean() > 0.2
    back = min(
        (put_on_phases(contest, wrong, smoothing, 0.8) for smoothing in (7.0, 20.0)),
        key=lambda grid: (node_distance(grid, truth) > SAME).sum(),
    )
    assert (node_distance(back, truth) > SAME).mean() < 0.02


def test_a_swirled_start_is_brought_back_where_moves_of_lines_do_not_get():
    params = BlockSimulation(rows=16, cols=16, resolution=1.5, counts_per_crystal=500, distortion=0.1, seed=7)
    contest, truth = contest_of(params, 300)
    contest.judge(Candidate(swirl(truth, 1.5), "swirled"))
    off = (node_distance(contest.best.grid, truth) > SAME).mean()
    follow_phases(contest)
    assert off > 0.2
    assert (node_distance(contest.best.grid, truth) > SAME).mean() < 0.01


def test_following_keeps_to_its_budget_and_loses_nothing():
    contest, truth = contest_of(BlockSimulation(rows=6, cols=6, resolution=1.5, seed=4), 9)
    first = contest.judge(Candidate(truth, "the truth"))
    follow_phases(contest)
    assert contest.budget.fits == 0
    assert first is contest.pool[0]
    assert contest.best.score <= first.score


def test_lattices_that_are_like_others_are_not_followed_again():
    contest, truth = contest_of(BlockSimulation(rows=6, cols=6, seed=4), 3)
    best = contest.judge(Candidate(truth, "the truth", gate=Gate.NONE))
    assert best is not None
    other = replace(best, fit=replace(best.fit, grid=best.grid + 40.0), score=best.score + 0.1)
    far = replace(other, score=best.score + 1.0)
    twin = replace(best, score=best.score + 0.05)
    assert unlike_lattices([other, twin, best, far], [], best.score + 0.5, 2) == [best, other]
    assert unlike_lattices([other, twin, best], [best], best.score + 0.5, 2) == [other]

"""Rows and columns that are dead as a whole."""

import numpy as np
import pytest

from napari_petlut.analysis.lattice import find_lattice
from napari_petlut.analysis.lattice.fitting.contest import Hypothesis
from napari_petlut.analysis.lattice.fitting.mixture import fit_mixture
from napari_petlut.analysis.lattice.fitting.objective import edge_asymmetry, terms
from napari_petlut.analysis.lattice.grids import dead_lines, log_gaps
from napari_petlut.analysis.lattice.proposing.dead_lines import (
    edge_line_moves,
    open_places,
    with_dead_line,
    with_lines,
)
from napari_petlut.analysis.lattice.seeing.binned import BinnedMap
from napari_petlut.model import PeakStatus
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.workflow.scoring import score_lattice


def even(rows: int, cols: int, pitch: float = 10.0) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"), -1) * pitch + pitch


def test_a_lattice_with_a_line_less_covers_the_same_place():
    fewer = with_lines(even(5, 3), 0, 4)
    assert fewer.shape == (4, 3, 2)
    np.testing.assert_allclose(fewer[:, 0, 0], np.linspace(10, 50, 4))
    np.testing.assert_allclose(with_lines(even(5, 4), 1, 3)[2, :, 1], np.linspace(10, 40, 3))


def test_dead_lines_are_those_that_are_dark_as_a_whole():
    dark = np.zeros((4, 5), bool)
    dark[2] = dark[:, 4] = dark[0, 0] = True
    assert dead_lines(dark) == [(0, 2), (1, 4)]


def test_the_gap_of_a_dead_line_is_the_first_place_that_is_tried():
    grid = np.delete(even(8, 6), 3, axis=0)
    assert open_places(grid, 0)[0] == 3
    assert open_places(grid, 0)[-2:] == [0, 7]
    assert open_places(np.swapaxes(grid, 0, 1)[..., ::-1], 1)[0] == 3


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("line", [1, 3])
def test_a_dead_line_goes_into_the_middle_of_its_gap(axis, line):
    whole = even(6, 6)
    grid, dark = with_dead_line(np.delete(whole, line, axis=axis), axis, line)
    np.testing.assert_allclose(grid, whole)
    assert np.array_equal(np.flatnonzero(dark.all(axis=1 - axis)), [line])
    assert dark.sum() == 6


def test_a_dead_line_at_an_edge_goes_a_little_less_than_a_pitch_outside():
    grid, dark = with_dead_line(even(4, 4), 0, 4)
    np.testing.assert_allclose(grid[4, :, 0], 48.0)
    assert dark[4].all()
    np.testing.assert_allclose(with_dead_line(even(4, 4), 1, 0)[0][:, 0, 1], 2.0)


def test_a_jagged_outer_line_gives_a_dead_one_an_even_start():
    grid = even(4, 40)
    grid[3, ::2, 0] += 3.0
    outer = with_dead_line(grid, 0, 4)[0][4, :, 0] - grid[3, :, 0]
    np.testing.assert_allclose(outer[8:-8], 0.8 * 11.5, atol=0.02)


def test_a_line_beside_the_block_may_as_well_be_at_the_other_side():
    """A column without light at the left: the others may be those from 1 on, or all of them but the last."""
    grid, axis = even(5, 6), np.arange(80)
    bump = np.exp(-((axis[:, None] - grid[:, 0, 0]) ** 2) / 8)
    across = np.exp(-((axis[:, None] - grid[0, 1:, 1]) ** 2) / 8)
    counts = 100 * np.einsum("ai,bj->ab", bump, across)
    best = Hypothesis(fit_mixture(grid, BinnedMap.from_counts(counts, 10.0, 10.0)), 0.0, "a lattice")
    (shifted,) = edge_line_moves(best)
    assert dead_lines(shifted.known) == [(1, 0)]
    assert dead_lines(shifted.dark) == [(1, 5)]
    np.testing.assert_allclose(shifted.grid[:, :5], best.grid[:, 1:])
    np.testing.assert_allclose(shifted.grid[:, 5, 1], 68.0, atol=0.5)
    assert shifted.origin == "all columns shifted by one, column 5 dead"


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_dead_line_at_an_edge_leaves_open_at_which(mirrored):
    params = BlockSimulation(
        rows=9, cols=10, resolution=1.7, counts_per_crystal=20_000, dead=tuple(range(0, 90, 10)), seed=8
    )
    counts = simulate_block(params).flood.counts
    lattice = find_lattice(counts[:, ::-1] if mirrored else counts, params.geometry)
    assert any("columns shifted" in told.description for told in lattice.alternatives)
    assert any(doubt.startswith("open: columns shifted") for doubt in lattice.doubts)


def test_edges_that_crowd_alike_have_no_asymmetry_and_a_shifted_lattice_has():
    place = np.array([0.0, 6.0, 14.0, 24.0, 32.0, 38.0])
    grid = np.stack(np.meshgrid(place, place, indexing="ij"), -1)
    assert edge_asymmetry(log_gaps(grid)[0]) == pytest.approx(0.0)
    shifted = np.concatenate([grid[1:], grid[-1:] + np.array([6.0, 0.0])])
    gaps = np.array([8.0, 10.0, 8.0, 6.0, 6.0]) / 8.0
    each = np.abs(np.log(gaps[:2] + 0.1) - np.log(gaps[::-1][:2] + 0.1))
    assert edge_asymmetry(log_gaps(shifted)[0]) == pytest.approx(each.mean())


def test_a_dark_crystal_neither_dims_its_neighbours_nor_makes_the_block_uneven():
    grid, axis = even(5, 5), np.arange(70)
    lit = np.ones((5, 5), bool)
    lit[2] = False
    bump = np.exp(-((axis[:, None] - grid[:, 0, 0]) ** 2) / 8)
    counts = 100 * np.einsum("ai,bj,ij->ab", bump, bump, lit.astype(float))
    fit = fit_mixture(grid, BinnedMap.from_counts(counts, 10.0, 10.0), dark=~lit)
    assert (fit.weight[2] == 0).all()
    assert np.ptp(fit.weight[lit]) < 0.1 * fit.weight[lit].mean()
    assert terms(fit, ~lit)[3] < 0.05 < terms(fit)[3]


@pytest.mark.parametrize("dead", [tuple(range(44, 55)), tuple(range(3, 110, 11))], ids=["row", "column"])
def test_a_block_with_a_dead_line_inside_is_numbered_right_and_the_line_is_missing(dead):
    params = BlockSimulation(rows=10, cols=11, resolution=1.7, counts_per_crystal=20_000, dead=dead, seed=46)
    truth = simulate_block(params)
    lattice = find_lattice(truth.flood.counts, params.geometry)
    score = score_lattice(lattice, truth.centres, truth.live)
    assert score.perfect
    assert score.missing[~truth.live].all()
    assert (lattice.status == PeakStatus.MISSING).sum() == len(dead)

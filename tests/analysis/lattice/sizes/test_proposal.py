"""Rows and columns told from the map: exact grids, blocks that were once told wrong, and doubt in words."""

import numpy as np
import pytest

from napari_petlut.analysis.lattice import GeometryProposal, find_lattice, propose_geometry
from napari_petlut.analysis.lattice.concluding.limits import of_unsure_size
from napari_petlut.analysis.lattice.seeing.preparing import prepare_map
from napari_petlut.analysis.lattice.seeing.spots import find_significant_spots
from napari_petlut.analysis.lattice.sizes import proposal
from napari_petlut.analysis.lattice.sizes.evidence import (
    SIGNS,
    SIZE_FEATURES,
    fill_widest_gap,
    line_gaps,
    shares,
    suggestion,
    widest_gap,
)
from napari_petlut.analysis.lattice.sizes.layers import Layer, spot_layers
from napari_petlut.analysis.lattice.sizes.proposal import FIRST_GUESS, finer_doubts, second_thoughts
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import PeakStatus
from napari_petlut.simulation import PRESETS, BlockSimulation, simulate_block


def even_grid(rows, cols, pitch=(40.0, 35.0)):
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    return np.stack([60.0 + pitch[0] * r, 50.0 + pitch[1] * c], axis=-1)


def clear_map(grid, shape=(300, 320), height=50.0):
    i, j = np.indices(shape, dtype=float)
    places = grid.reshape(-1, 2)
    return sum(height * np.exp(-((i - p[0]) ** 2 + (j - p[1]) ** 2) / 50) for p in places)


def simulated(**settings):
    return simulate_block(BlockSimulation(**settings)).flood.counts


@pytest.mark.parametrize(("rows", "cols"), [(2, 2), (2, 6), (3, 3), (4, 4), (5, 7)])
def test_clear_spots_are_counted_without_doubt(rows, cols):
    best = propose_geometry(clear_map(even_grid(rows, cols)))[0]
    assert best.geometry == BlockGeometry(rows, cols)
    assert best.confidence > 0.9
    assert best.reason == f"the spots form a complete grid of {rows} x {cols}"


@pytest.mark.parametrize("counts", [300.0, 200_000.0])
@pytest.mark.parametrize("side", [2, 3])
def test_small_arrays_are_told_from_few_and_many_counts(side, counts):
    for seed in (1, 2):
        flood = simulated(rows=side, cols=side, counts_per_crystal=counts, resolution=2.9, seed=seed)
        assert propose_geometry(flood)[0].geometry == BlockGeometry(side, side)


def test_maxima_of_noise_do_not_beat_a_perfect_grid():
    from dataclasses import replace

    easy = replace(PRESETS["easy"], rows=5, cols=6, counts_per_crystal=5_000, seed=6)
    best = propose_geometry(simulate_block(easy).flood.counts)[0]
    assert best.geometry == BlockGeometry(5, 6)
    assert best.confidence > 0.9


def test_a_long_array_is_told():
    flood = simulated(rows=18, cols=6, counts_per_crystal=20_000, resolution=2.2, distortion=0.05, seed=3)
    assert propose_geometry(flood)[0].geometry == BlockGeometry(18, 6)


def test_the_proposal_does_not_depend_on_the_way_the_map_lies():
    flood = simulated(rows=7, cols=9, counts_per_crystal=8_000, resolution=2.5, seed=41)
    assert propose_geometry(flood[::-1])[0].geometry == BlockGeometry(7, 9)
    assert propose_geometry(flood.T)[0].geometry == BlockGeometry(9, 7)
    assert propose_geometry(np.pad(flood, ((200, 312), (100, 412))))[0].geometry == BlockGeometry(7, 9)


def test_flat_noise_has_no_rows_and_columns():
    noise = np.random.default_rng(0).poisson(20.0, (256, 256)).astype(float)
    with pytest.raises(GeometryError, match="no grid of spots"):
        propose_geometry(noise)


def test_an_open_proposal_says_so_and_names_the_others():
    blurred = simulated(rows=12, cols=12, counts_per_crystal=400, resolution=0.95, seed=5)
    proposals = propose_geometry(blurred)
    assert proposals[0].confidence < 0.8
    assert "open" in proposals[0].reason
    assert str(proposals[1].geometry) in proposals[0].reason
    assert sum(p.confidence for p in proposals) <= 1 + 1e-9
    assert [p.confidence for p in proposals] == sorted((p.confidence for p in proposals), reverse=True)
    lattice = find_lattice(blurred, None)
    assert "open" in lattice.doubts[0]
    assert lattice.doubtful.all()
    assert lattice.confidence.max() <= proposals[0].confidence


def test_no_crystal_is_surer_than_its_rows_and_columns():
    flood = simulated(rows=7, cols=9, counts_per_crystal=8_000, resolution=2.5, seed=41)
    lattice = find_lattice(flood, BlockGeometry(7, 9))
    assert (lattice.status == PeakStatus.FOUND).all()
    unsure = of_unsure_size(lattice, 0.6)
    assert (unsure.status == PeakStatus.SUSPECT).all()
    assert unsure.confidence.max() == 0.6
    assert set(unsure.reasons) == {"rows and columns are not sure (60%)"}


def test_a_wrong_size_is_contradicted_and_a_right_one_is_not():
    flood = simulated(rows=7, cols=9, counts_per_crystal=8_000, resolution=2.5, seed=41)
    assert second_thoughts(flood, BlockGeometry(7, 9)) == []
    for told in (BlockGeometry(7, 10), BlockGeometry(6, 9)):
        assert second_thoughts(flood, told) == [f"the map looks like 7 x 9 rather than {told}"]


def test_far_smaller_spots_than_asked_for_are_seen():
    flood = clear_map(even_grid(8, 8, (22.0, 24.0)))
    assert finer_doubts(flood, BlockGeometry(4, 4)) == ["the map looks like 8 x 8 rather than 4 x 4"]
    assert finer_doubts(flood, BlockGeometry(8, 8)) == []


@pytest.mark.parametrize("told", [(2, 2), (3, 3), (4, 4)])
def test_no_crystal_is_sure_where_far_more_are_seen_than_asked_for(told):
    flood = simulated(rows=16, cols=15, counts_per_crystal=20_000, resolution=1.7, seed=7)
    lattice = find_lattice(flood, BlockGeometry(*told))
    assert any("rather than" in doubt and "15" in doubt for doubt in lattice.doubts)
    assert lattice.confidence.max() < 0.1
    assert all("rather than" in reason for reason in lattice.reasons)


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (5, 5)])
@pytest.mark.parametrize("resolution", [1.2, 3.0])
def test_few_large_crystals_are_not_taken_for_more(shape, resolution):
    flood = simulated(rows=shape[0], cols=shape[1], counts_per_crystal=20_000, resolution=resolution, seed=3)
    assert finer_doubts(flood, BlockGeometry(*shape)) == []


def test_spots_that_noise_makes_are_not_significant():
    noise = np.random.default_rng(1).poisson(30.0, (200, 200)).astype(float)
    places, significance = find_significant_spots(noise, np.ones((200, 200), bool), 20.0, 4.5)
    assert len(places) == len(significance) == 0
    grid = even_grid(3, 3)
    places, significance = find_significant_spots(clear_map(grid), np.ones((300, 320), bool), 37.0, 4.5)
    np.testing.assert_allclose(
        sorted(map(tuple, places.round(1))), sorted(map(tuple, grid.reshape(-1, 2))), atol=0.3
    )
    assert (np.diff(significance) <= 0).all()


def test_layers_suggest_the_lines_of_an_even_block():
    layers = spot_layers(prepare_map(clear_map(even_grid(5, 7)), FIRST_GUESS))
    assert [layer.weight for layer in layers] == sorted((layer.weight for layer in layers), reverse=True)
    np.testing.assert_allclose(layers[0].suggested, (5, 7), atol=0.7)


def test_a_left_out_line_is_a_wide_gap_and_is_filled():
    whole = even_grid(6, 5)
    holed = np.delete(whole, 2, axis=0)
    assert widest_gap(whole) == 0
    assert widest_gap(holed) == pytest.approx(np.log(2))
    np.testing.assert_allclose(line_gaps(holed, 1), 0)
    np.testing.assert_allclose(fill_widest_gap(holed, 0), whole)
    assert fill_widest_gap(holed, 1) is None


def test_the_likeliest_size_has_the_largest_share():
    best, share = shares(np.array([1.0, 3.0, 1.0 - np.inf]))
    assert best == 1
    np.testing.assert_allclose(share, [1 / (1 + np.e**2), np.e**2 / (1 + np.e**2), 0])


def test_sizes_that_no_layer_suggests_count_little():
    nothing = np.empty((0, 2))
    layer = Layer(nothing, np.empty(0), np.zeros((1, 1), np.intp), 1.0, 5.0, (7.6, 8.5))
    assert suggestion([layer], BlockGeometry(8, 9)) > 0.5
    assert suggestion([layer], BlockGeometry(6, 9)) < 0.02
    assert suggestion([], BlockGeometry(6, 9)) == 0
    assert len(SIZE_FEATURES) == len(SIGNS)


def test_a_proposal_without_a_lattice_has_no_score():
    assert np.isnan(GeometryProposal(BlockGeometry(2, 2), 0.5, "").score)


def test_a_row_too_many_is_not_taken_for_a_dead_one_without_a_word():
    flood = simulated(rows=7, cols=9, counts_per_crystal=8_000, resolution=2.5, seed=41)
    assert "the map looks like 7 x 9 rather than 8 x 9" in find_lattice(flood, BlockGeometry(8, 9)).doubts


def test_a_right_size_with_a_dead_row_is_not_contradicted():
    dead = tuple(range(24, 32))
    flood = simulated(rows=8, cols=8, resolution=1.9, counts_per_crystal=20_000, distortion=0.06, dead=dead)
    assert not any("looks like" in doubt for doubt in find_lattice(flood, BlockGeometry(8, 8)).doubts)


def test_the_next_likely_size_is_named_only_where_the_lattice_speaks_against_the_one_that_was_told(
    monkeypatch,
):
    ranked = [GeometryProposal(BlockGeometry(18, 19), 0.8, "", 0.0)]
    monkeypatch.setattr(proposal, "proposals", lambda comparison, told: ranked)
    counts = simulate_block(BlockSimulation(rows=6, cols=6, seed=1)).flood.counts
    assert second_thoughts(counts, BlockGeometry(18, 19), doubted=True) == []
    ranked.append(GeometryProposal(BlockGeometry(19, 19), 0.2, "", 0.0))
    assert second_thoughts(counts, BlockGeometry(18, 19)) == []
    assert second_thoughts(counts, BlockGeometry(18, 19), doubted=True) == [
        "if it is not 18 x 19, the map looks most like 19 x 19"
    ]

"""The whole search on simulated blocks with known truth; seeds far from those of the reports."""

from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from contests import contest_of
from napari_petlut.analysis.lattice import (
    LatticeParameters,
    find_lattice,
    finding,
    number_peaks,
    propose_geometry,
)
from napari_petlut.analysis.lattice.concluding.conclusion import STOPPED
from napari_petlut.analysis.lattice.finding import refine
from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.grids import node_distance, shifted_grid
from napari_petlut.analysis.lattice.searching import schedule
from napari_petlut.errors import Cancelled, GeometryError, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.grids import fill_holes
from napari_petlut.simulation import BlockSimulation, SimulatedBlock, simulate_block
from napari_petlut.workflow.scoring import score_lattice

SHARP = BlockSimulation(rows=7, cols=9, resolution=3.0, counts_per_crystal=8_000, distortion=0.04, seed=41)
TYPICAL = BlockSimulation(rows=12, cols=12, resolution=1.55, counts_per_crystal=30_000, seed=42)
DEAD = BlockSimulation(rows=10, cols=11, resolution=1.7, counts_per_crystal=20_000, dead=(38, 71), seed=43)
FEW = BlockSimulation(rows=9, cols=9, resolution=1.8, counts_per_crystal=400, distortion=0.05, seed=44)
TURNED = BlockSimulation(rows=11, cols=8, resolution=1.8, counts_per_crystal=10_000, turn=6.0, seed=45)


@contextmanager
def patched_fit(fit):
    """Make the last fit come to a given result."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "fit_mixture", lambda *_: fit)
        yield


@cache
def block(params: BlockSimulation) -> SimulatedBlock:
    return simulate_block(params)


@cache
def found(params: BlockSimulation):
    return find_lattice(block(params).flood.counts, params.geometry)


@pytest.mark.parametrize("params", [SHARP, TYPICAL, DEAD, FEW, TURNED], ids=lambda p: f"{p.rows}x{p.cols}")
def test_every_live_crystal_of_the_regression_blocks_is_right(params):
    truth, lattice = block(params), found(params)
    score = score_lattice(lattice, truth.centres, truth.live)
    assert score.perfect
    assert ((lattice.confidence >= 0) & (lattice.confidence <= 1)).all()
    assert (score.marked & truth.live).sum() <= 3


def test_dead_crystals_are_missing_and_say_why():
    lattice = found(DEAD)
    score = score_lattice(lattice, block(DEAD).centres, block(DEAD).live)
    assert score.missing[[38, 71]].all()
    assert any("dead" in reason for reason in lattice.reasons)


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (lambda m: m[::-1], lambda g: np.stack([511 - g[::-1, :, 0], g[::-1, :, 1]], -1)),
        (lambda m: m[:, ::-1], lambda g: np.stack([g[:, ::-1, 0], 511 - g[:, ::-1, 1]], -1)),
        (lambda m: m.T, lambda g: g.transpose(1, 0, 2)[..., ::-1]),
        (lambda m: 25.0 * m, lambda g: g),
        (lambda m: np.pad(m, ((200, 312), (100, 412))), lambda g: g - [200, 100]),
    ],
    ids=["mirrored", "mirrored across", "transposed", "more counts", "larger canvas"],
)
def test_the_same_block_gives_the_same_lattice(change, undo):
    changed = find_lattice(np.ascontiguousarray(change(block(TYPICAL).flood.counts)), TYPICAL.geometry)
    assert np.abs(undo(changed.grid) - found(TYPICAL).grid).max() < 3.0


def test_a_crystal_with_hardly_any_light_is_put_where_its_neighbours_lines_pass():
    contest, truth = contest_of(TYPICAL)
    best = contest.judge(Candidate(truth, "the truth", gate=Gate.NONE))
    assert best is not None
    drawn = best.grid.copy()
    drawn[5, 6] += (0.0, 0.4 * contest.scene.ready.pitch)
    weight = best.fit.weight.copy()
    weight[5, 6] *= 0.01
    lit = refine(contest, best)
    with patched_fit(replace(best.fit, grid=drawn, weight=weight)):
        grid = refine(contest, replace(best, fit=replace(best.fit, grid=drawn)))
    hole = np.zeros(truth.shape[:2], bool)
    hole[5, 6] = True
    np.testing.assert_allclose(grid, fill_holes(drawn, hole))
    assert node_distance(grid, lit)[5, 6] < 0.3


@pytest.mark.parametrize(("resolution", "moved"), [(0.95, True), (1.5, False)])
def test_where_spots_barely_resolve_steady_crystals_go_where_the_inner_parts_of_the_spots_put_them(
    monkeypatch, resolution, moved
):
    contest, truth = contest_of(BlockSimulation(rows=6, cols=6, seed=4), 5)
    best = contest.judge(Candidate(truth, "the truth", gate=Gate.NONE))
    down = truth[1:2, :1] - truth[:1, :1]
    inner = best.grid + 0.03 * down
    inner[2, 3] = best.grid[2, 3] + 0.2 * down[0, 0]

    def fit(grid, scene, schedule, *_):
        return replace(best.fit, grid=inner if schedule is finding.INNER_SCHEDULE else best.grid)

    monkeypatch.setattr(finding, "fit_mixture", fit)
    monkeypatch.setattr(finding, "resolutions", lambda _: (np.full((6, 6), resolution), None))
    wanted = inner.copy() if moved else best.grid.copy()
    wanted[2, 3] = best.grid[2, 3]
    np.testing.assert_allclose(refine(contest, best), wanted)


def test_a_fixed_crystal_stays_and_decides_the_numbering():
    lattice = found(TYPICAL)
    wrong = shifted_grid(lattice.grid, 1, 1).reshape(-1, 2)
    fixed = {65: tuple(wrong[65])}
    pulled = find_lattice(block(TYPICAL).flood.counts, TYPICAL.geometry, fixed=fixed)
    np.testing.assert_array_equal(pulled.positions[65], wrong[65])
    assert pulled.status[65] == "manual"
    assert pulled.confidence[65] == 1


def test_a_prior_of_the_same_design_keeps_a_right_lattice_right():
    truth = block(TYPICAL)
    prior = truth.centres.reshape(12, 12, 2) + np.random.default_rng(0).normal(0, 3, (12, 12, 2))
    lattice = find_lattice(truth.flood.counts, TYPICAL.geometry, prior=prior)
    assert score_lattice(lattice, truth.centres, truth.live).perfect


@pytest.mark.parametrize("params", [SHARP, TYPICAL], ids=["sharp", "typical"])
def test_the_geometry_is_proposed_from_the_map(params):
    best = propose_geometry(block(params).flood.counts)[0]
    assert best.geometry == params.geometry
    assert 0 < best.confidence <= 1
    lattice = find_lattice(block(params).flood.counts, None)
    assert lattice.geometry == params.geometry
    assert "proposed" in lattice.doubts[0]


def test_a_geometry_with_a_column_too_many_is_noticed():
    lattice = find_lattice(block(SHARP).flood.counts, BlockGeometry(7, 10))
    assert "the map looks like 7 x 9 rather than 7 x 10" in lattice.doubts


def test_a_geometry_with_a_row_too_few_is_noticed():
    lattice = find_lattice(block(TYPICAL).flood.counts, BlockGeometry(11, 12))
    assert any("two in one" in d or "12 x 12" in d for d in lattice.doubts)


def test_the_found_points_alone_give_the_same_numbers():
    lattice = found(SHARP)
    numbered = number_peaks(lattice.positions[::-1], SHARP.geometry)
    np.testing.assert_allclose(numbered.positions, lattice.positions)


def test_the_same_map_gives_the_same_bytes():
    again = find_lattice(block(DEAD).flood.counts.copy(), DEAD.geometry)
    np.testing.assert_array_equal(again.positions, found(DEAD).positions)
    np.testing.assert_array_equal(again.confidence, found(DEAD).confidence)
    assert again.reasons == found(DEAD).reasons


def test_progress_rises_to_one_and_cancelling_stops():
    seen: list[float] = []
    find_lattice(block(SHARP).flood.counts, SHARP.geometry, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    with pytest.raises(Cancelled):
        find_lattice(block(SHARP).flood.counts, SHARP.geometry, cancelled=lambda: True)


def test_a_search_that_is_stopped_by_its_effort_says_so(monkeypatch):
    blurred = block(BlockSimulation(rows=9, cols=9, resolution=0.85, counts_per_crystal=5_000, seed=5))
    whole = find_lattice(blurred.flood.counts, blurred.params.geometry)
    monkeypatch.setattr(schedule, "LARGEST_EFFORT", 30 * 81)
    lattice = find_lattice(blurred.flood.counts, blurred.params.geometry)
    assert STOPPED in lattice.doubts
    assert STOPPED not in whole.doubts
    assert lattice.doubtful.any()


@pytest.mark.parametrize(
    "counts",
    [np.zeros((64, 64)), np.full((64, 64), np.nan), -np.ones((64, 64)), np.ones(64), np.ones((3, 64))],
    ids=["empty", "nan", "negative", "one axis", "too small"],
)
def test_maps_that_are_none_are_refused(counts):
    with pytest.raises(ParameterError):
        find_lattice(counts, BlockGeometry(4, 4))


def test_a_map_without_any_spot_is_all_doubt_or_refused():
    counts = np.random.default_rng(0).poisson(20.0, (128, 128)).astype(float)
    lattice = find_lattice(counts, BlockGeometry(8, 8))
    assert lattice.doubtful.mean() > 0.5


@pytest.mark.parametrize("fixed", [{900: (1.0, 1.0)}, {3: (np.nan, 1.0)}])
def test_impossible_fixed_crystals_are_refused(fixed):
    with pytest.raises(GeometryError):
        find_lattice(block(SHARP).flood.counts, SHARP.geometry, fixed=fixed)


def test_a_prior_of_another_size_is_refused():
    with pytest.raises(GeometryError, match="prior"):
        find_lattice(block(SHARP).flood.counts, SHARP.geometry, prior=np.zeros((3, 3, 2)))


@pytest.mark.parametrize("wrong", [{"suspect_below": 1.5}, {"max_hypotheses": 0}, {"max_alternatives": -1}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError):
        LatticeParameters(**wrong)


@pytest.mark.parametrize(("rows", "cols"), [(2, 6), (3, 3), (4, 4), (2, 2)])
def test_small_arrays_of_clear_spots_are_found(rows, cols):
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    grid = np.stack([60.0 + 40 * r, 50.0 + 35 * c], axis=-1)
    i, j = np.indices((260, 300), dtype=float)
    counts = sum(50 * np.exp(-((i - p[0]) ** 2 + (j - p[1]) ** 2) / 50) for p in grid.reshape(-1, 2))
    lattice = find_lattice(counts, BlockGeometry(rows, cols))
    assert np.abs(lattice.grid - grid).max() < 1.0


def test_a_map_of_noise_alone_is_a_doubt_about_every_crystal():
    noise = np.random.default_rng(1).poisson(3.0, (256, 256))
    lattice = find_lattice(noise, BlockGeometry(12, 12))
    assert lattice.doubtful.all()
    assert any("noise" in doubt for doubt in lattice.doubts)


@pytest.mark.parametrize("shape", [(1, 8), (8, 1)])
def test_a_single_row_or_column_is_refused_in_one_line(shape):
    with pytest.raises(GeometryError, match="at least 2 x 2") as caught:
        find_lattice(np.ones((64, 64)), BlockGeometry(*shape))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("shape", "told"),
    [((8, 8), (255, 255)), ((255, 509), (255, 255)), ((64, 64), (2, 33)), ((9, 64), (5, 5))],
)
def test_more_crystals_than_the_map_has_room_for_are_refused_before_any_search(monkeypatch, shape, told):
    monkeypatch.setattr(finding, "look_at", None)
    counts = np.random.default_rng(0).poisson(50, shape)
    with pytest.raises(GeometryError, match=f"cannot be told apart on {shape[0]} x {shape[1]} pixels"):
        find_lattice(counts, BlockGeometry(*told))

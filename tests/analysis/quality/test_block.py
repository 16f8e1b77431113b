import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from napari_petlut.analysis.quality import (
    QualityThresholds,
    Verdict,
    block_quality,
    judge,
    lattice_residual,
    misassignment,
    pair_quality,
)
from napari_petlut.analysis.quality._profiles import sample_profiles
from napari_petlut.analysis.quality.pairs import neighbour_ids
from napari_petlut.analysis.segmentation import fit_mixture
from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, Lattice

GEOMETRY = BlockGeometry(5, 6)
FWHM = 2 * np.sqrt(2 * np.log(2))


def lattice_of(block, missing=(), suspect=(), geometry=GEOMETRY):
    status = np.full(len(geometry), "found", "<U8")
    status[list(missing)], status[list(suspect)] = "missing", "suspect"
    return Lattice(geometry, block.centres, status, np.ones(len(geometry)), ("",) * len(geometry))


def quality_of(block, **choices):
    lut = CrystalLUT(block.ideal.astype(np.int32), GEOMETRY)
    return block_quality(block.counts, lattice_of(block, **choices), lut)


@given(st.integers(0, 2**32 - 1))
def test_profiles_equal_scipys_interpolation(seed):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 9, (20, 31))
    start, stop = rng.uniform(4, 15, (2, 3, 2))
    places, across = np.linspace(-0.1, 1.1, 9), np.linspace(-0.2, 0.2, 5)
    step = stop - start
    side = np.stack([-step[:, 1], step[:, 0]], axis=1)
    points = (
        start[:, None, None]
        + places[:, None, None] * step[:, None, None]
        + across[:, None] * side[:, None, None]
    )
    expected = (
        map_coordinates(values, points.reshape(-1, 2).T, order=1, cval=np.nan).reshape(3, 9, 5).mean(axis=2)
    )
    assert np.allclose(sample_profiles(values, start, stop, places, across), expected, equal_nan=True)


def test_profiles_outside_the_map_are_unknown():
    line = sample_profiles(
        np.ones((5, 5)), np.array([[2.0, 2.0]]), np.array([[2.0, 9.0]]), np.array([0, 1.0]), np.zeros(1)
    )
    assert line[0, 0] == 1 and np.isnan(line[0, 1])


def test_widths_distances_and_k_are_those_simulated(spots):
    block = spots(per_crystal=1e6, sigma=0.28, noise=False)
    quality = quality_of(block)
    true = FWHM * np.sqrt(np.diagonal(block.covariances, axis1=1, axis2=2))
    # No background at all is slow to be believed, and narrows the spots meanwhile.
    assert np.allclose(quality.crystals.fwhm, true, rtol=0.07)
    for axis, pairs in enumerate((quality.rows, quality.cols)):
        first, second = neighbour_ids(GEOMETRY, axis)
        distance = np.hypot(*(block.centres[second] - block.centres[first]).T)
        assert np.allclose(pairs.distance, distance, atol=0.3)
        # Nearly along the axis, so nearly the width along it.
        assert np.allclose(pairs.k, distance / true[0, axis], rtol=0.08)
    assert len(quality.rows) == 4 * 6 and len(quality.cols) == 5 * 5


def test_peak_to_valley_ratio_of_two_spots_has_its_known_value():
    i, j = np.indices((61, 101))
    sigma, gap = 8.0, 30.0
    centres = np.array([[30.0, 35.0], [30.0, 65.0]])
    counts = sum(np.exp(-((i - p) ** 2 + (j - q) ** 2) / (2 * sigma**2)) for p, q in centres) * 100
    covariances = np.repeat(np.eye(2)[None] * sigma**2, 2, axis=0)
    labels = (j > 50).astype(np.int32)
    pairs = pair_quality(counts, counts, labels, centres, covariances, neighbour_ids(BlockGeometry(1, 2), 1))
    peak = 1 + np.exp(-(gap**2) / (2 * sigma**2))
    valley = 2 * np.exp(-(gap**2) / (8 * sigma**2))
    assert pairs.distance == pytest.approx([gap])
    assert pairs.k == pytest.approx([gap / (FWHM * sigma)])
    # Peak and valley are means over 5 % along and 10 % across the line.
    assert pairs.pvr_line == pytest.approx([peak / valley], rel=0.04)
    assert pairs.pvr_border > pairs.pvr_line


def test_empty_valleys_and_unknown_pairs_are_told_apart():
    counts = np.zeros((11, 60))
    counts[5, 10] = counts[5, 30] = 50
    centres = np.array([[5.0, 10.0], [5.0, 30.0], [np.nan, np.nan]])
    covariances = np.repeat(np.eye(2)[None], 3, axis=0)
    labels = np.repeat(np.arange(60)[None] // 20, 11, axis=0).astype(np.int32)
    pairs = pair_quality(
        counts, counts + 1, labels, centres, covariances, neighbour_ids(BlockGeometry(1, 3), 1)
    )
    assert np.isinf(pairs.pvr_line[0]) and np.isinf(pairs.pvr_border[0])
    assert np.isnan([pairs.k[1], pairs.pvr_line[1], pairs.pvr_border[1], pairs.distance[1]]).all()


def test_misassignment_is_the_mass_outside_the_cell(spots):
    block = spots(rows=2, cols=3, noise=False)
    mixture = fit_mixture(block.counts, block.centres)
    labels = mixture.labels()
    offset = np.indices(labels.shape).transpose(1, 2, 0)[:, :, None] - mixture.means
    inverse = np.linalg.inv(mixture.covariances)
    density = np.exp(-0.5 * np.einsum("ijnk,nkl,ijnl->ijn", offset, inverse, offset))
    own = [density[..., k][labels == k].sum() for k in range(6)]
    assert np.allclose(misassignment(mixture, labels), 1 - own / density.sum(axis=(0, 1)), atol=1e-4)


def test_counts_and_uniformity_are_those_of_the_cells(spots):
    block = spots()
    quality = quality_of(block)
    expected = [block.counts[block.ideal == k].sum() for k in range(30)]
    assert quality.crystals.counts.tolist() == expected
    assert quality.crystals.relative_counts.mean() == pytest.approx(1)
    assert quality.figures["counts"] == pytest.approx(np.mean(expected))


def test_quadratic_lattices_have_no_residual():
    row, col = np.mgrid[0:6, 0:7].astype(float)
    grid = np.stack([20 * row + 0.5 * row**2 + 0.3 * col * row, 18 * col - 0.4 * col**2 + row], axis=-1)
    assert np.allclose(lattice_residual(grid), 0, atol=1e-9)
    grid[3, 3] += [0, 5]
    residual = lattice_residual(grid).reshape(6, 7)
    assert residual.argmax() == 3 * 7 + 3
    # In pitches of about 22 px along axis 0 and 16 px along axis 1.
    assert residual[3, 3] == pytest.approx(5 / np.sqrt(23.5 * 15.6), rel=0.1)


def test_residual_knows_arrays_of_few_lines_and_holes():
    line = np.stack([np.zeros((1, 8)), 10.0 * np.arange(8)[None]], axis=-1)
    assert np.allclose(lattice_residual(line), 0, atol=1e-9)
    assert np.isnan(lattice_residual(line[:, :2])).all()
    grid = np.stack(np.mgrid[0:5, 0:5].astype(float), axis=-1) * 10
    grid[2, 2] = np.nan
    residual = lattice_residual(grid)
    assert np.isnan(residual[12]) and np.allclose(np.delete(residual, 12), 0, atol=1e-9)


def test_missing_crystals_take_no_part(spots):
    block = spots(weights={7: 0.0})
    quality = quality_of(block, missing=[7])
    assert np.isnan(quality.crystals.fwhm[7]).all() and np.isnan(quality.crystals.misassigned[7])
    touched = (quality.rows.first == 7) | (quality.rows.second == 7)
    assert np.isnan(quality.rows.k[touched]).all() and np.isfinite(quality.rows.k[~touched]).all()
    assert quality.figures["missing"] == 1
    assert quality.verdict == Verdict.REVIEW and "crystal 7" in quality.reasons[0]


def test_a_good_block_passes(spots):
    quality = quality_of(spots())
    assert quality.verdict == Verdict.PASS and quality.reasons == ()


def test_table_and_dictionary_hold_every_figure(spots):
    quality = quality_of(spots(weights={7: 0.0}), missing=[7])
    table = quality.crystal_table()
    assert {len(column) for column in table.values()} == {30}
    assert table["row"].tolist() == [k // 6 for k in range(30)]
    pairs = (quality.rows, quality.cols)
    own = [part.k[(part.first == 8) | (part.second == 8)] for part in pairs]
    assert table["k"][8] == np.nanmin(np.concatenate(own))
    as_text = json.loads(json.dumps(quality.to_dict(), allow_nan=False))
    assert as_text["verdict"] == "review" and as_text["crystals"]["fwhm_0"][7] is None
    assert as_text["pairs"]["rows"]["k"][0] == quality.rows.k[0]


def test_the_worst_of_empty_valleys_is_an_empty_valley(spots):
    quality = quality_of(spots())
    rows, cols = (
        replace(pairs, pvr_line=np.full(len(pairs), np.inf)) for pairs in (quality.rows, quality.cols)
    )
    rows.pvr_line[0] = 2.0
    rows.pvr_line[1] = np.nan
    worst = replace(quality, rows=rows, cols=cols).worst_of_pairs("pvr_line")
    assert worst[rows.first[0]] == worst[rows.second[0]] == 2
    assert np.isinf(np.delete(worst, [rows.first[0], rows.second[0]])).all()


def test_mixture_can_be_given(spots):
    block = spots()
    mixture = fit_mixture(block.counts, block.centres)
    lut = CrystalLUT(mixture.labels(), GEOMETRY)
    quality = block_quality(block.counts, lattice_of(block), lut, mixture=mixture)
    assert np.array_equal(quality.crystals.fwhm, mixture.fwhm)


def test_verdict_names_every_figure_beyond_its_limit():
    limits = QualityThresholds(k_review=1.2, k_fail=0.9)
    assert judge({"k": 1.3}, limits, {}) == (Verdict.PASS, ())
    assert judge({"k": float("nan")}, limits, {}) == (Verdict.PASS, ())
    verdict, reasons = judge({"k": 1.0, "drift": 0.5}, limits, {"drift": "crystal 4"})
    assert verdict == Verdict.REVIEW
    assert reasons[0] == "review: median k of neighbouring crystals is 1.00, below 1.20"
    assert reasons[1].endswith("above 0.40 (crystal 4)")
    verdict, reasons = judge({"k": 0.5, "drift": 0.5}, limits, {})
    assert verdict == Verdict.FAIL and reasons[0].startswith("fail: median k") and len(reasons) == 2


@pytest.mark.parametrize(
    "values",
    [{"k_review": 0.8, "k_fail": 0.9}, {"drift_review": 2.0}, {"dim_review": -1}, {"pvr_fail": np.nan}],
)
def test_thresholds_that_cannot_be_are_refused(values):
    with pytest.raises(ParameterError):
        QualityThresholds(**values)


def test_parts_that_do_not_belong_together_are_refused(spots):
    block = spots()
    lut = CrystalLUT(block.ideal.astype(np.int32), GEOMETRY)
    lattice = lattice_of(block)
    with pytest.raises(GeometryError):
        block_quality(block.counts[:-1], lattice, lut)
    with pytest.raises(GeometryError):
        block_quality(block.counts, lattice, CrystalLUT(lut.ids, BlockGeometry(6, 5)))
    with pytest.raises(ParameterError):
        block_quality(block.counts, replace(lattice, status=np.full(30, "missing")), lut)

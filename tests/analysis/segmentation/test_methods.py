import numpy as np
import pytest

from napari_petlut.analysis.segmentation import (
    KMeansParameters,
    MixtureParameters,
    SegmentationParameters,
    WatershedParameters,
    fit_kmeans,
    nearest_peak_cells,
    segment,
    watershed_cells,
)
from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.geometry import BlockGeometry

METHODS = ["mixture", "nearest", "watershed", "kmeans"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_most_counts_to_the_right_crystal(spots, method):
    block = spots(sigma=0.25)
    result = segment(block.counts, block.centres, SegmentationParameters(method=method))
    right = (block.expected * (result.labels == block.ideal)).sum() / block.expected.sum()
    assert right > 0.97
    assert result.method == method
    assert result.labels.dtype == np.int32 and result.labels.shape == block.counts.shape
    assert result.centres.shape == (30, 2) and result.drift.shape == (30,)
    assert np.nanmax(result.drift) < 2 and result.warnings == ()
    assert result.inertia > 0 and result.seconds > 0


@pytest.mark.parametrize("method", METHODS)
def test_inertia_is_the_weighted_sum_of_squares(spots, method):
    block = spots(rows=2, cols=3)
    result = segment(block.counts, block.centres, SegmentationParameters(method=method))
    pixels = np.indices(block.counts.shape).transpose(1, 2, 0)
    squares = ((pixels - result.centres[result.labels]) ** 2).sum(axis=-1)
    assert result.inertia == pytest.approx((block.counts * squares).sum())


@pytest.mark.parametrize("method", METHODS)
def test_far_pixels_can_belong_to_nobody(spots, method):
    block = spots()
    params = SegmentationParameters(method=method, max_distance=5)
    result = segment(block.counts, block.centres, params)
    pixels = np.indices(block.counts.shape).transpose(1, 2, 0)
    distance = np.hypot(*(pixels[:, :, None] - result.centres).transpose(3, 0, 1, 2)).min(axis=-1)
    assert (result.labels[distance > 5] == -1).all()
    inside = result.labels >= 0
    assert inside.any()
    own = np.hypot(*(pixels - result.centres[np.maximum(result.labels, 0)]).transpose(2, 0, 1))
    assert own[inside].max() <= 5


@pytest.mark.parametrize("method", METHODS)
def test_crystals_without_position_keep_their_id_and_get_no_cell(spots, method):
    block = spots()
    positions = block.centres.copy()
    positions[11] = np.nan
    result = segment(block.counts, positions, SegmentationParameters(method=method))
    assert not (result.labels == 11).any() and (result.labels == 12).any()
    assert np.isnan(result.drift[11])


def test_nearest_has_no_drift_and_is_the_voronoi_diagram(spots):
    block = spots()
    result = segment(block.counts, block.centres, SegmentationParameters(method="nearest"))
    assert np.array_equal(result.labels, nearest_peak_cells(block.counts.shape, block.centres))
    assert result.iterations == 0 and (result.drift == 0).all()


def test_watershed_meets_in_the_valley():
    profile = np.array([9, 5, 1, 2, 3, 4, 5, 6, 7.0])
    labels = watershed_cells(np.tile(profile, (5, 1)), [[2, 0], [2, 8]], WatershedParameters(sigma=0))
    assert (labels == np.array([0, 0, 0, 1, 1, 1, 1, 1, 1])).all(axis=0)[[0, 1, 3, 8]].all()
    doubled = watershed_cells(np.tile(profile, (5, 1)), [[2, 0], [2, 0]], WatershedParameters(sigma=0))
    assert (doubled == 0).all()


def test_centres_that_leave_their_peaks_are_reported(spots):
    block = spots()
    wrong = block.centres.copy()
    wrong[3] += [6, 5]
    quiet = segment(block.counts, block.centres, SegmentationParameters(method="kmeans"))
    loud = segment(
        block.counts,
        wrong,
        SegmentationParameters(method="kmeans", kmeans=KMeansParameters(max_iterations=100)),
    )
    assert quiet.warnings == ()
    assert "1 of 30 centres" in loud.warnings[0] and "crystal 3 " in loud.warnings[0]
    assert "px" in loud.warnings[0] and "pitch" in loud.warnings[0]


def test_dead_crystals_are_reported_by_number(spots):
    dark = (2, 5, 9, 12, 15, 19, 22, 25, 28)
    block = spots(weights=dict.fromkeys(dark, 0.0), background=1.0)
    (line,) = segment(block.counts, block.centres).warnings
    assert "no cell: crystals 2, 5, 9, 12, 15, 19, 22, 25 and 1 more" in line


def test_a_fit_that_did_not_converge_is_reported(spots):
    block = spots()
    params = SegmentationParameters(mixture=MixtureParameters(max_iterations=2, tolerance=0))
    assert "did not converge within 2 iterations" in segment(block.counts, block.centres, params).warnings[0]


def test_kmeans_from_grid_or_drawn_needs_no_peaks(spots):
    block = spots()
    for start in ("grid", "k-means++"):
        params = SegmentationParameters(
            method="kmeans", kmeans=KMeansParameters(start=start, grid_offset=(0.5, 0.5), max_iterations=30)
        )
        result = segment(block.counts, None, params, geometry=BlockGeometry(5, 6))
        assert np.unique(result.labels).size == 30 and np.isnan(result.drift).all()
    assert any("numbered" in line for line in result.warnings)


def test_segment_and_fitted_model_agree(spots):
    block = spots()
    result = segment(block.counts, block.centres, SegmentationParameters(method="kmeans"))
    model = fit_kmeans(block.counts, block.centres)
    assert np.array_equal(result.labels, model.labels(block.counts.shape))
    assert result.inertia == model.inertia


@pytest.mark.parametrize("method", ["mixture", "kmeans"])
def test_long_methods_report_progress_and_stop(spots, method):
    block, seen = spots(), []
    segment(block.counts, block.centres, SegmentationParameters(method=method), progress=seen.append)
    assert seen[-1] == 1
    with pytest.raises(Cancelled):
        segment(block.counts, block.centres, SegmentationParameters(method=method), cancelled=lambda: True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SegmentationParameters(method="odd"),
        lambda: SegmentationParameters(max_distance=0),
        lambda: SegmentationParameters(drift_limit=0),
        lambda: WatershedParameters(sigma=-1),
        lambda: segment(np.zeros((5, 5)), [[1, 1]]),
        lambda: segment(np.ones((5, 5)), None),
        lambda: segment(np.ones((5, 5)), np.empty((0, 2))),
        lambda: segment(np.ones(5), [[1, 1]]),
    ],
)
def test_values_that_cannot_be_are_refused(make):
    with pytest.raises(ParameterError):
        make()

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_petlut.analysis.segmentation import cell_borders, nearest_peak_cells, update_nearest_cells
from napari_petlut.errors import ParameterError


def compare_all(shape, positions, bound=np.inf):
    """Every pixel against every peak, in plain numpy."""
    i, j = np.indices(shape, dtype=float)
    points = np.where(np.isfinite(positions), positions, 1e200)
    d0, d1 = i[..., None] - points[:, 0], j[..., None] - points[:, 1]
    with np.errstate(over="ignore"):
        squared = d0 * d0 + d1 * d1
    return np.where(squared.min(-1) <= bound**2, squared.argmin(-1), -1)


# Whole and half pixels give many ties, odd values give none.
coordinates = st.one_of(st.integers(-20, 80).map(lambda v: v / 2), st.floats(-1e4, 1e4, width=32))
points = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=40)


@given(st.tuples(st.integers(1, 50), st.integers(1, 50)), points)
def test_cells_equal_the_comparison_of_all(shape, peaks):
    assert np.array_equal(nearest_peak_cells(shape, peaks), compare_all(shape, np.array(peaks)))


@given(points, st.floats(0.5, 60))
def test_bound_leaves_far_pixels_to_nobody(peaks, bound):
    labels = nearest_peak_cells((30, 41), peaks, max_distance=bound)
    assert np.array_equal(labels, compare_all((30, 41), np.array(peaks), bound))


@given(points, st.data(), st.one_of(st.none(), st.floats(0.5, 60)))
def test_updated_cells_equal_those_made_anew(peaks, data, bound):
    before = np.array(peaks)
    after = before.copy()
    for peak in data.draw(st.lists(st.integers(0, len(peaks) - 1), max_size=4)):
        after[peak] = data.draw(st.one_of(st.tuples(coordinates, coordinates), st.just((np.nan, np.nan))))
    if np.isnan(after).all():
        after[0] = (3.0, 4.0)
    for old, new in ((before, after), (after, before)):
        labels = nearest_peak_cells((37, 41), old, bound)
        update_nearest_cells(labels, old, new, bound)
        assert np.array_equal(labels, nearest_peak_cells((37, 41), new, bound))


def test_cells_of_other_ids_cannot_be_updated():
    with pytest.raises(ParameterError, match="each id must be in both"):
        update_nearest_cells(np.zeros((4, 4), np.int32), [[1, 1]], [[1, 1], [2, 2]])


def test_crystals_without_position_take_no_part_and_others_keep_their_id():
    labels = nearest_peak_cells((4, 8), [[np.nan, np.nan], [1, 1], [1, 6]])
    assert labels.dtype == np.int32
    assert set(np.unique(labels)) == {1, 2}


@pytest.mark.parametrize(
    ("positions", "bound"),
    [(np.empty((0, 2)), None), ([[np.nan, 1.0]], None), ([1, 2, 3], None), ([[1, 1]], 0)],
)
def test_cells_that_cannot_be_are_refused(positions, bound):
    with pytest.raises(ParameterError):
        nearest_peak_cells((4, 4), positions, bound)


def notebook_grid(labels):
    """The plain double loop that draws the notebook's pictures, pixel pair by pixel pair."""
    marked = np.zeros(labels.shape, bool)
    for i in range(labels.shape[0] - 1):
        for j in range(labels.shape[1] - 1):
            for other in ((i + 1, j), (i, j + 1)):
                if labels[i, j] != labels[other]:
                    marked[i, j] = marked[other] = True
    return marked


@given(
    hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(-1, 2))
)
def test_borders_equal_the_notebooks_loop(labels):
    assert np.array_equal(cell_borders(labels), notebook_grid(labels))


def test_borders_of_something_else_are_refused():
    with pytest.raises(ParameterError):
        cell_borders(np.zeros(5))

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_petlut.maps.cells import cell_centres, cell_counts, squared_distances

SHAPE = (5, 7)
LABELS = arrays(np.int32, SHAPE, elements=st.integers(-1, 3))
COUNTS = arrays(np.float64, SHAPE, elements=st.integers(0, 50).map(float))


@given(LABELS, COUNTS)
def test_counts_and_centres_are_those_of_each_cells_own_pixels(labels, counts):
    held, centres = cell_centres(labels, counts, 5)
    np.testing.assert_array_equal(held, cell_counts(labels, counts, 5))
    for cell in range(5):
        own = labels == cell
        assert held[cell] == counts[own].sum()
        if held[cell]:
            middle = [(place * counts[own]).sum() / held[cell] for place in np.nonzero(own)]
            np.testing.assert_allclose(centres[cell], middle)
        else:
            assert np.isnan(centres[cell]).all()


@given(LABELS)
def test_distances_are_those_from_the_centre_of_the_own_cell(labels):
    centres = np.array([[0.0, 0.0], [2.5, 3.0], [4.0, 6.0], [-1.0, 9.0]])
    squared = squared_distances(labels, centres)
    for i, j in np.argwhere(labels >= 0):
        assert squared[i, j] == ((np.array([i, j]) - centres[labels[i, j]]) ** 2).sum()

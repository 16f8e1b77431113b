import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry

sizes = st.integers(1, 40)


@given(sizes, sizes.filter(lambda n: n > 1))
def test_ids_and_places_are_inverse(rows, cols):
    block = BlockGeometry(rows, cols)
    ids = np.arange(len(block))
    np.testing.assert_array_equal(block.ids(*block.row_col(ids)), ids)


def test_no_crystal_stays_no_crystal():
    row, col = BlockGeometry(3, 4).row_col([-1, 5])
    assert row.tolist() == [-1, 1]
    assert col.tolist() == [-1, 1]
    assert BlockGeometry(3, 4).ids([-1, 3, 2], [0, 0, 4]).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(("rows", "cols"), [(0, 4), (4, 256), (1, 1), (2.5, 4)])
def test_impossible_arrays_are_refused(rows, cols):
    with pytest.raises(GeometryError):
        BlockGeometry(rows, cols)


def test_a_place_outside_is_refused():
    with pytest.raises(GeometryError, match=r"crystal \(3, 0\) is outside the 3 x 4 array"):
        BlockGeometry(3, 4).crystal_id(3, 0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_petlut.analysis.comparison import compare_luts, disagreement
from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT

BLOCK = BlockGeometry(2, 2)
A = CrystalLUT(np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, -1, -1], [2, 2, -1, -1]]), BLOCK)
B = CrystalLUT(np.array([[0, 1, 1, 1], [0, 0, 1, 1], [2, 2, -1, -1], [2, -1, 2, 3]]), BLOCK)
COUNTS = np.array([[4, 1, 0, 0], [3, 2, 0, 0], [5, 5, 0, 10], [5, 5, 7, 3]])


def test_shares_by_pixels_and_counts_have_exact_values():
    found = compare_luts(A, B, COUNTS)
    assert found.pixels == 12 / 16
    assert found.claimed_pixels == 10 / 14
    assert found.counts == (50 - 1 - 5 - 7 - 3) / 50
    np.testing.assert_array_equal(found.crystal_pixels, [3 / 4, 1, 3 / 4, np.nan])
    np.testing.assert_array_equal(found.crystal_counts, [9 / 10, np.nan, 15 / 20, np.nan])
    assert found.confusion.sum() == 50
    assert found.confusion[0, 1] == 1
    assert found.confusion[4, 2] == 7
    assert (found.only_a, found.only_b) == (5 / 50, (7 + 3) / 50)


def test_the_worst_crystals_come_first_with_who_took_them():
    worst = compare_luts(A, B, COUNTS).worst()
    assert [entry.crystal for entry in worst] == [2, 0]
    assert (worst[0].row, worst[0].col, worst[0].taken_by, worst[0].taken) == (1, 0, -1, 0.25)
    assert (worst[1].taken_by, worst[1].taken) == (1, 0.1)
    assert len(compare_luts(A, B, COUNTS).worst(1)) == 1


def test_without_a_map_pixels_rank():
    found = compare_luts(A, B)
    assert np.isnan(found.counts)
    assert np.isnan(found.crystal_counts).all()
    assert [entry.crystal for entry in found.worst()] == [0, 2]
    assert found.of_crystal(0).taken == 0.25


def test_a_lut_agrees_with_itself():
    found = compare_luts(A, A, COUNTS)
    assert (found.pixels, found.claimed_pixels, found.counts) == (1, 1, 1)
    assert found.worst() == []
    assert found.of_crystal(0).taken_by == -1
    assert not disagreement(A, A).any()


def test_luts_without_any_crystal_leave_the_claimed_share_unknown():
    empty = CrystalLUT(np.full((2, 2), -1), BLOCK)
    found = compare_luts(empty, empty)
    assert found.pixels == 1
    assert np.isnan(found.claimed_pixels)


@pytest.mark.parametrize(
    ("other", "counts", "error", "text"),
    [
        (CrystalLUT(A.ids, BlockGeometry(1, 4)), None, GeometryError, "2 x 2 and 1 x 4"),
        (CrystalLUT(A.ids[:2], BLOCK), None, GeometryError, "4 x 4 and 2 x 4 pixels"),
        (A, COUNTS[:2], GeometryError, "flood map has shape"),
        (A, np.zeros((4, 4)), ParameterError, "not all zero"),
        (A, np.full((4, 4), np.nan), ParameterError, "finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(other, counts, error, text):
    with pytest.raises(error, match=text):
        compare_luts(A, other, counts)


ids = hnp.arrays(np.int32, (5, 6), elements=st.integers(-1, 3))


@given(first=ids, second=ids, counts=hnp.arrays(np.int64, (5, 6), elements=st.integers(0, 9)))
def test_shares_are_those_counted_pixel_by_pixel(first, second, counts):
    counts[0, 0] += 1
    found = compare_luts(CrystalLUT(first, BLOCK), CrystalLUT(second, BLOCK), counts)
    same = first == second
    assert found.pixels == pytest.approx(same.mean())
    assert found.counts == pytest.approx(counts[same].sum() / counts.sum())
    for crystal in range(4):
        mine = first == crystal
        if counts[mine].sum():
            assert found.crystal_counts[crystal] == pytest.approx(
                counts[mine & same].sum() / counts[mine].sum()
            )

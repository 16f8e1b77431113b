import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.maps.parabola import top_of_parabola, tops_of_maxima


@given(st.floats(-0.5, 0.5), st.floats(0.1, 100), st.floats(-1000, 1000))
def test_the_top_of_a_parabola_is_found_exactly(top, bend, height):
    before, here, after = (height - bend * (x - top) ** 2 for x in (-1, 0, 1))
    assert top_of_parabola(before, here, after) == pytest.approx(top, abs=1e-9)


def test_three_values_without_a_top_have_none():
    assert top_of_parabola([1.0, 3.0, 2.0], [1.0, 2.0, 0.0], [1.0, 1.0, 2.0]).tolist() == [0.0, 0.0, 0.0]
    assert top_of_parabola(0.0, 1e-3, 0.0, flattest=0.1) == 0.0


def test_a_top_is_never_further_away_than_allowed():
    assert top_of_parabola(4.0, 5.0, 5.9) == 0.5
    assert top_of_parabola(5.9, 5.0, 4.0, furthest=0.8) == -0.8


def test_tops_of_maxima_lie_between_the_pixels_and_at_the_edge_on_them():
    i, j = np.indices((9, 11))
    image = 100 - (i - 4.3) ** 2 - 2 * (j - 6.6) ** 2
    np.testing.assert_allclose(tops_of_maxima(image, np.array([[4, 7]])), [[0.3, -0.4]], atol=1e-12)
    edge = 100.0 - i**2 - (j - 10.0) ** 2
    assert tops_of_maxima(edge, np.array([[0, 10], [0, 5]])).tolist() == [[0, 0], [0, 0.5]]

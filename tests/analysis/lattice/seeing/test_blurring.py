"""The compiled blur against SciPy's."""

import numpy as np
import pytest
from scipy import ndimage

from napari_petlut.analysis.lattice.seeing.blurring import TRUNCATE, blur


@pytest.mark.parametrize("width", [0.7, 1.28, 7.2])
@pytest.mark.parametrize("shape", [(40, 40), (25, 61)])
def test_a_blur_equals_that_of_scipy(shape, width):
    values = np.random.default_rng(1).random(shape) * 1000
    plain = ndimage.gaussian_filter(values, width, truncate=TRUNCATE)
    np.testing.assert_allclose(blur(values, width), plain, rtol=1e-5)


def test_a_single_place_is_spread_evenly_to_all_sides():
    values = np.zeros((11, 13))
    values[5, 6] = 1.0
    found = blur(values, 1.0)
    assert found.sum() == pytest.approx(1.0, rel=1e-6)
    np.testing.assert_allclose(found, found[::-1, ::-1])

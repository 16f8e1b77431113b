import numpy as np

from napari_petlut.maps.support import lit_part


def test_the_lit_part_depends_neither_on_the_canvas_nor_on_one_bright_pixel():
    block = np.zeros((40, 40))
    block[10:30, 12:32] = 50.0
    lit = lit_part(block, 0.12, percentile=98, darkest=0.01)
    np.testing.assert_array_equal(lit, block > 0)
    wide = lit_part(np.pad(block, 100), 0.12, percentile=98, darkest=0.01)
    assert wide.sum() == lit.sum()
    block[20, 20] = 400.0
    np.testing.assert_array_equal(lit_part(block, 0.12, percentile=98, darkest=0.01), lit)


def test_the_level_is_a_percentile_of_what_is_not_dark():
    smooth = np.array([[0.0, 1.0, 10.0, 20.0, 30.0, 40.0]])
    assert lit_part(smooth, 0.5, percentile=50).tolist() == [[False, False, False, True, True, True]]
    # Without the pixel of 1 the median is 25, without those up to 20 it is 35.
    assert lit_part(smooth, 0.5, percentile=50, darkest=0.1)[0].sum() == 3
    assert lit_part(smooth, 0.58, percentile=50, darkest=0.5)[0].sum() == 2


def test_an_empty_map_has_no_lit_part():
    assert not lit_part(np.zeros((4, 5)), 0.1, percentile=75, darkest=0.02).any()

import numpy as np

from napari_petlut.analysis.quality.lines import LINE_FIGURES, line_table
from napari_petlut.analysis.quality.pairs import PairQuality, neighbour_ids
from napari_petlut.geometry import BlockGeometry

GEOMETRY = BlockGeometry(2, 3)


def pairs_of(axis, k, line, border):
    first, second = neighbour_ids(GEOMETRY, axis)
    return PairQuality(first, second, np.ones(len(first)), *(np.array(v, float) for v in (k, line, border)))


ROWS = pairs_of(0, [1, 2, 3], [2, 4, 8], [3, 5, 9])
COLS = pairs_of(1, [1.0, 3.0, np.nan, np.nan], [2.0, np.inf, np.nan, np.nan], [1, 2, np.nan, np.nan])


def test_pairs_belong_to_the_line_that_both_crystals_lie_in():
    table = line_table(ROWS, COLS, GEOMETRY)
    assert table["line"].tolist() == ["row"] * 2 + ["column"] * 3
    assert table["number"].tolist() == [0, 1, 0, 1, 2]
    assert table["pairs"].tolist() == [2, 0, 1, 1, 1]
    assert table["k_mean"].tolist()[2:] == [1, 2, 3]
    assert table["pvr_border"].tolist()[2:] == [3, 5, 9]


def test_means_medians_and_smallest_are_those_of_the_line():
    row = {name: column[0] for name, column in line_table(ROWS, COLS, GEOMETRY).items()}
    assert (row["k_mean"], row["k_sd"], row["k_min"]) == (2, 1, 1)
    # An empty valley is the best there is, and no median is made of half of one.
    assert (row["pvr"], row["pvr_min"], row["pvr_border"]) == (2, 2, 1.5)


def test_a_line_without_pairs_has_no_figures():
    table = line_table(ROWS, COLS, GEOMETRY)
    assert all(np.isnan(table[name][1]) for name in LINE_FIGURES)
    single = BlockGeometry(1, 2)
    rows, cols = (
        PairQuality(*neighbour_ids(single, axis), *np.ones((4, 1 if axis else 0))) for axis in (0, 1)
    )
    assert line_table(rows, cols, single)["pairs"].tolist() == [1, 0, 0]

from types import SimpleNamespace

import numpy as np

from napari_petlut.analysis.lattice.concluding import alternatives, limits, sizes_doubted, statuses
from napari_petlut.analysis.lattice.fitting.contest import Hypothesis
from napari_petlut.analysis.lattice.grids import shifted_grid
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.proposing.regions import slip
from napari_petlut.analysis.lattice.seeing.spots import OWN_SPOT, own_spots
from napari_petlut.analysis.lattice.sureness.confidence import FEATURES
from napari_petlut.analysis.lattice.sureness.merged import ALONE


def even(rows=6, cols=7, pitch=20.0) -> np.ndarray:
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    return 50.0 + pitch * np.stack([r, c], axis=-1)


def features(rows=2, cols=3, **values) -> np.ndarray:
    out = np.zeros((rows, cols, len(FEATURES)))
    out[..., FEATURES.index("resolution")] = 1.5
    for name, value in values.items():
        out[..., FEATURES.index(name.replace("_", " "))] = value
    return out


def test_statuses_and_reasons_say_what_is_seen():
    values = features(no_spot=0.0)
    values[0, 1, FEATURES.index("no spot")] = 1.0
    values[0, 2, FEATURES.index("rival")] = 0.9
    sure, dark = np.full((2, 3), 0.999), np.zeros((2, 3), bool)
    sure[0, 2], dark[1, 0] = 0.4, True
    status = statuses.statuses(values, sure, dark, LatticeParameters())
    assert status.tolist() == [["found", "inferred", "suspect"], ["missing", "found", "found"]]
    partner = np.full((2, 3), ALONE, np.intp)
    partner[1, 2] = 4
    told = statuses.doubts_in_words(values, status, partner)
    assert told[0] == ""
    assert "no spot" in told[1]
    assert "another lattice" in told[2]
    assert "dead" in told[3]
    assert "crystal 4" in told[5]


def test_differences_are_told_by_direction_size_and_place():
    grid = even()
    assert (
        alternatives.describe_difference(shifted_grid(grid, 1, 1), grid)
        == "columns shifted right by about 1.0"
    )
    assert alternatives.describe_difference(shifted_grid(grid, 0, -1), grid) == "rows shifted up by about 1.0"
    local = grid.copy()
    local[:2, :2, 0] += 15.0
    assert alternatives.describe_difference(local, grid) == (
        "4 crystals at the top left moved down by about 0.8 rows"
    )


def test_competitors_of_the_whole_block_come_before_those_of_a_corner():
    grid = even()
    corner, middle = grid.copy(), grid.copy()
    corner[:2, :2] += 15.0
    middle[3:5, 3:5] += 15.0
    pool = [
        Hypothesis(SimpleNamespace(grid=g), score, "")
        for g, score in (
            (grid, 0.0),
            (corner, 0.01),
            (shifted_grid(grid, 1, 1), 0.02),
            (middle, 0.03),
            (shifted_grid(grid, 0, 1), 1.0),
        )
    ]
    found = alternatives.competitors(SimpleNamespace(pool=pool), pool[0], 2)
    assert [h for h, _ in found] == [pool[2], pool[1]]
    assert found[0][1] == alternatives.plausibility(0.02) < found[1][1]


def test_a_shift_of_the_whole_block_is_kept_where_a_corner_would_be_too_implausible():
    grid = even()
    corner = grid.copy()
    corner[:2, :2] += 15.0
    gap = 0.8 * alternatives.WHOLE_BLOCK_GAP
    assert alternatives.plausibility(gap) < alternatives.WORTH_SHOWING
    pool = [
        Hypothesis(SimpleNamespace(grid=g), score, "")
        for g, score in (
            (grid, 0.0),
            (corner, gap),
            (shifted_grid(grid, 1, 1), gap),
            (shifted_grid(grid, 1, 1) + 0.5, gap + 0.001),
            (shifted_grid(grid, 0, 1), 1.2 * alternatives.WHOLE_BLOCK_GAP),
        )
    ]
    found = alternatives.competitors(SimpleNamespace(pool=pool), pool[0], 3)
    assert [h for h, _ in found] == [pool[2]]


def test_a_line_that_holds_the_counts_of_two_is_found():
    weight = np.full((5, 6), 100.0)
    weight[:, 5] = 190.0
    assert limits.double_lines(weight) == [(1, 5, 1.9)]
    assert limits.double_lines(np.full((5, 6), 100.0)) == []


def test_only_clear_spots_away_from_crystals_are_unused():
    grid = even()
    all_there = np.ones(grid.shape[:2], bool)
    spots = np.array([[50.0, 50.0], [10.0, 10.0], [12.0, 200.0]])
    unused = sizes_doubted.unused_spots(grid, spots, np.array([1.0, 1.0, 0.1]), all_there)
    np.testing.assert_array_equal(unused, [[10.0, 10.0]])
    assert len(sizes_doubted.unused_spots(grid, np.empty((0, 2)), np.empty(0), all_there)) == 0


def test_a_spot_belongs_to_the_nearest_crystal_only():
    grid = even(3, 3)
    distance, own = own_spots(grid, np.array([[52.0, 50.0], [70.0, 79.0]]))
    assert own.sum() == 1
    assert own[0, 0]
    assert distance[0, 0] == 0.1
    assert OWN_SPOT < distance[1, 1] < 1 or OWN_SPOT < distance[1, 2] < 1


def test_a_slipped_region_moves_by_one_line_and_the_rest_stays():
    grid = even()
    low, high = np.array([0, 1]), np.array([1, 2])
    moved = slip(grid, low, high, 0, 1)
    np.testing.assert_array_equal(moved[0, 1:3], grid[1, 1:3])
    untouched = np.ones((6, 7), bool)
    untouched[:2, 1:3] = False
    np.testing.assert_array_equal(moved[untouched], grid[untouched])

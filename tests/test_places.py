"""Arrays that are no rectangle: which places hold a crystal, and how each is numbered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT
from napari_petlut.places import (
    Places,
    hexagonal_places,
    layered_places,
    masked_places,
    round_places,
    staggered_places,
)


def array(places):
    return BlockGeometry(*places.shape, places=places)


def drawn(places):
    return ["".join(".#"[there] for there in row) for row in array(places).present.tolist()]


def test_two_layers_lie_between_each_other():
    two = array(staggered_places(3, 3))
    assert drawn(two.places) == ["#.#.#", ".#.#.", "#.#.#", ".#.#.", "#.#.#"]
    assert (two.crystals, len(two), str(two)) == (13, 25, "3 x 3 + 2 x 2")
    assert two.numbers.reshape(5, 5)[1].tolist() == [-1, 9, -1, 10, -1]
    assert two.layers.reshape(5, 5)[:2].tolist() == [[0, -1, 0, -1, 0], [-1, 1, -1, 1, -1]]
    row, col = two.layer_rows_cols
    assert (row.reshape(5, 5)[3, 1], col.reshape(5, 5)[3, 1]) == (1, 0)


def test_three_layers_are_those_of_published_blocks():
    three = array(staggered_places(24, 24, 3))
    assert three.crystals == 24 * 24 + 24 * 23 + 23 * 22 == 1634
    assert drawn(staggered_places(3, 3, 3)) == ["#####", ".#...", "#####", ".#...", "#####"]
    assert np.bincount(three.layers[three.layers >= 0]).tolist() == [576, 552, 506]


def test_four_layers_that_interleave_fill_the_grid():
    four = array(layered_places([(2, 2)] * 4, [(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)]))
    assert four.present.all()
    assert four.layers.reshape(4, 4)[:2].tolist() == [[0, 1, 0, 1], [2, 3, 2, 3]]


def test_hexagonal_and_round_arrays():
    assert drawn(hexagonal_places(3, 2)) == ["#.#.", ".#.#", "#.#."]
    assert drawn(round_places(6, 6)) == [".####.", "######", "######", "######", "######", ".####."]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=60, unique=True))
def test_any_places_are_numbered_row_by_row(where):
    mask = np.zeros((31, 31), bool)
    mask[tuple(np.array(where).T)] = True
    geometry = BlockGeometry(31, 31, masked_places(mask))
    np.testing.assert_array_equal(geometry.present, mask)
    held = geometry.numbers[mask.ravel()]
    np.testing.assert_array_equal(held, np.arange(len(where)))
    assert (geometry.numbers[~mask.ravel()] == -1).all()
    for turned in (geometry.turned(True, False), geometry.turned(False, True, True)):
        assert turned.crystals == geometry.crystals
    np.testing.assert_array_equal(geometry.turned(True, True).present, mask[::-1, ::-1])
    np.testing.assert_array_equal(geometry.turned(False, False, True).present, mask.T)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (((0, 0, 0, 0, 0, 0),), "2 to 65,025 crystals, not 1"),
        (((0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 1, 1)), "the same place: 0, 0"),
        (((0, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 1)), "the same crystal of a layer: 0, 0, 0"),
        (((0, 0, 0, 0, 0, 5), (0, 1, 0, 0, 1, 5)), "the same number: 5"),
        (((0, -1, 0, 0, 0, 5), (0, 1, 0, 0, 1, 5)), "numbers are 0 to"),
    ],
)
def test_impossible_tables_are_refused(table, said):
    with pytest.raises(GeometryError, match=said):
        Places(table)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layered_places([(2, 2)], []),
        lambda: layered_places([(2, 2), (2, 2)], [(0, 0), (0, 0.37)]),
        lambda: layered_places([(2, 2), (2, 2), (2, 2)], [(0, 0), (0, 1 / 3), (0, 0.5)]),
        lambda: layered_places([(2, 2), (2, 2)], [(0, 0), (-0.5, 0)]),
        lambda: layered_places([(2, 2), (2, 2)], [(0, 0), (0, 1)]),
        lambda: staggered_places(4, 4, 4),
        lambda: staggered_places(2, 2, 3),
        lambda: hexagonal_places(0, 4),
        lambda: round_places(300, 4),
        lambda: BlockGeometry(3, 3, staggered_places(3, 3)),
    ],
)
def test_what_is_no_array_is_refused(make):
    with pytest.raises(GeometryError):
        make()


def test_neighbours_of_a_rectangle_and_of_layers():
    down, along = BlockGeometry(2, 3).neighbours
    assert down.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert along.tolist() == [[0, 1], [1, 2], [3, 4], [4, 5]]
    falling, rising = array(staggered_places(2, 2)).neighbours
    assert falling.tolist() == [[0, 4], [4, 8]]
    assert rising.tolist() == [[2, 4], [4, 6]]


def test_the_lut_of_a_layer_is_that_of_a_rectangle():
    two = array(staggered_places(2, 2))
    lut = CrystalLUT(np.array([[0, 4, 2], [-1, 6, 8]]), two)
    assert lut.layer(0).ids.tolist() == [[0, -1, 1], [-1, 2, 3]]
    assert lut.layer(0).geometry == BlockGeometry(2, 2)
    with pytest.raises(GeometryError, match="layers 0 to 1, none 2"):
        lut.layer(2)
    with pytest.raises(GeometryError, match="places that hold no crystal"):
        CrystalLUT(np.array([[1]]), two)

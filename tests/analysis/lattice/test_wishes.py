"""What is wished of a lattice."""

import numpy as np

from napari_petlut.analysis.lattice.wishes import Wishes
from napari_petlut.geometry import BlockGeometry

SIZE = BlockGeometry(3, 4)


def test_nothing_is_wished_but_rows_and_columns():
    wishes = Wishes(SIZE)
    assert not wishes.more_than_size
    assert not wishes.has_prior
    assert wishes.pinned.shape == (3, 4)
    assert not wishes.pinned.any()


def test_pinned_crystals_have_their_places_and_leave_the_first_wishes_as_they_were():
    before = Wishes(SIZE)
    wishes = before.pinning({5: (1.0, 2.0), 11: (3.0, 4.0)})
    assert np.flatnonzero(wishes.pinned).tolist() == [5, 11]
    assert wishes.places[1, 1].tolist() == [1.0, 2.0]
    assert wishes.more_than_size
    assert not before.pinned.any()


def test_all_positions_are_moved_alike():
    grid = np.arange(24.0).reshape(3, 4, 2)
    wishes = Wishes(SIZE, prior=grid).pinning({0: (5.0, 5.0)}).moved(lambda places: places - [1.0, 2.0])
    np.testing.assert_array_equal(wishes.prior, grid - [1.0, 2.0])
    assert wishes.places[0, 0].tolist() == [4.0, 3.0]
    assert not Wishes(SIZE).moved(lambda places: places + 1.0).has_prior

import numpy as np
import pytest

from napari_petlut.analysis.lattice.merging import (
    ALONE,
    CANDIDATE,
    merged_partners,
    relative_weight,
    sharing_features,
)


def even_block() -> tuple[np.ndarray, np.ndarray]:
    """Counts and own spots of a block without faults."""
    return np.full((6, 6), 100.0), np.ones((6, 6), bool)


def test_a_dark_crystal_beside_a_double_one_is_merged_with_it():
    weight, own = even_block()
    weight[2, 3], weight[2, 4], own[2, 3] = 0.0, 205.0, False
    partner = merged_partners(weight, own)
    assert partner[2, 3] == 2 * 6 + 4
    assert (np.delete(partner.ravel(), 2 * 6 + 3) == ALONE).all()


def test_a_dead_crystal_is_nobodys_partner_and_one_double_serves_one():
    weight, own = even_block()
    for node in ((1, 1), (3, 3), (3, 5)):
        weight[node], own[node] = 0.0, False
    weight[3, 4] = 210.0
    partner = merged_partners(weight, own)
    assert partner[1, 1] == ALONE
    assert sorted([partner[3, 3], partner[3, 5]]) == [ALONE, 3 * 6 + 4]


def test_a_dim_crystal_with_a_spot_of_its_own_is_not_merged_with_a_bright_neighbour():
    weight, own = even_block()
    weight[2, 3], weight[2, 4] = 40.0, 135.0
    assert (merged_partners(weight, own) == ALONE).all()


def test_only_crystals_with_few_counts_and_a_bright_neighbour_are_candidates():
    weight, own = even_block()
    weight[4, 0], weight[5, 0], weight[0, 5] = 50.0, 180.0, 50.0
    features, neighbour = sharing_features(weight, own)
    assert neighbour[4, 0] == 5 * 6
    assert (np.delete(neighbour.ravel(), 4 * 6) == ALONE).all()
    assert features[4, 0, :2] == pytest.approx(np.log([0.5, 1.8]))
    assert relative_weight(weight)[5, 0] > CANDIDATE


def test_relative_weight_is_one_where_all_are_equal():
    np.testing.assert_allclose(relative_weight(np.full((5, 7), 3.0)), 1.0)

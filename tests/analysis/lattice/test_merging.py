import numpy as np

from napari_petlut.analysis.lattice.merging import ALONE, merged_partners, relative_weight


def test_a_dark_crystal_beside_a_double_one_is_merged_with_it():
    weight = np.full((6, 6), 100.0)
    dark = np.zeros((6, 6), bool)
    weight[2, 3], weight[2, 4], dark[2, 3] = 0.0, 205.0, True
    partner = merged_partners(weight, dark)
    assert partner[2, 3] == 2 * 6 + 4
    assert (np.delete(partner.ravel(), 2 * 6 + 3) == ALONE).all()


def test_a_dead_crystal_is_nobodys_partner_and_one_double_serves_one():
    weight = np.full((6, 6), 100.0)
    dark = np.zeros((6, 6), bool)
    for node in ((1, 1), (3, 3), (3, 5)):
        weight[node], dark[node] = 0.0, True
    weight[3, 4] = 210.0
    partner = merged_partners(weight, dark)
    assert partner[1, 1] == ALONE
    assert sorted([partner[3, 3], partner[3, 5]]) == [ALONE, 3 * 6 + 4]


def test_relative_weight_is_one_where_all_are_equal():
    np.testing.assert_allclose(relative_weight(np.full((5, 7), 3.0)), 1.0)

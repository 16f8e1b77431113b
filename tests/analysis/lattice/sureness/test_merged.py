import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.analysis.lattice.sureness.merged import (
    ALONE,
    SHARING_BELOW,
    SHARING_FEATURES,
    merged_partners,
    relative_steps,
    relative_weight,
    sharing_features,
    shifts,
)

PITCH = 10.0


def even_block() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, places and own spots of a block without faults."""
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6), indexing="ij"), axis=-1) * PITCH
    return np.full((6, 6), 100.0), grid, np.ones((6, 6), bool)


def merged_block() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with crystals (2, 3) and (2, 4) on one spot between them; the latter holds nearly all."""
    weight, grid, own = even_block()
    weight[2, 3], weight[2, 4], own[2, 3] = 30.0, 175.0, False
    grid[2, 3, 1] += 0.3 * PITCH
    grid[2, 4, 1] -= 0.4 * PITCH
    return weight, grid, own


def test_a_dim_crystal_near_a_double_one_is_merged_with_it():
    partner, likely = merged_partners(*merged_block())
    assert partner[2, 3] == 2 * 6 + 4
    assert (np.delete(partner.ravel(), 2 * 6 + 3) == ALONE).all()
    assert likely[2, 3] > 0.5
    assert (np.delete(likely.ravel(), 2 * 6 + 3) == 0).all()


def test_a_dead_crystal_is_nobodys_partner_and_one_double_serves_one():
    weight, grid, own = even_block()
    for node in ((1, 1), (3, 3), (3, 5)):
        weight[node], own[node] = 0.0, False
    weight[3, 4] = 210.0
    grid[3, 4, 1] -= 0.4 * PITCH
    grid[3, 3, 1] += 0.3 * PITCH
    grid[3, 5, 1] -= 0.3 * PITCH
    partner, _ = merged_partners(weight, grid, own)
    assert partner[1, 1] == ALONE
    assert sorted([partner[3, 3], partner[3, 5]]) == [ALONE, 3 * 6 + 4]


def test_a_dim_crystal_with_a_spot_of_its_own_is_not_merged_with_a_bright_neighbour():
    weight, grid, own = even_block()
    weight[2, 3], weight[2, 4] = 40.0, 135.0
    assert (merged_partners(weight, grid, own)[0] == ALONE).all()


@pytest.mark.parametrize(
    "what", ["further away", "uneven block", "spot of its own", "neighbour in its place"]
)
def test_what_speaks_against_a_merged_crystal_makes_it_less_likely(what):
    weight, grid, own = merged_block()
    before = merged_partners(weight, grid, own)[1][2, 3]
    if what == "further away":
        grid[2, 3, 1] -= 0.3 * PITCH
    elif what == "uneven block":
        factor = np.exp(np.random.default_rng(2).normal(0.0, 0.4, weight.shape))
        factor[2, 3:5] = 1.0
        weight *= factor
    elif what == "neighbour in its place":
        grid[2, 3:5, 1] += 0.4 * PITCH
    else:
        own[2, 3] = True
    assert merged_partners(weight, grid, own)[1][2, 3] < before


def test_only_crystals_with_few_counts_and_a_bright_neighbour_are_candidates():
    weight, grid, own = even_block()
    weight[4, 0], weight[5, 0], weight[0, 5] = 50.0, 180.0, 50.0
    grid[5, 0, 0] -= 0.2 * PITCH
    features, neighbour = sharing_features(weight, grid, own)
    assert neighbour[4, 0] == 5 * 6
    assert (np.delete(neighbour.ravel(), 4 * 6) == ALONE).all()
    assert features[4, 0, :2] == pytest.approx(np.log([0.5, 1.8]))
    assert features[4, 0, SHARING_FEATURES.index("distance")] == pytest.approx(0.8)
    assert relative_weight(weight)[5, 0] > SHARING_BELOW


@given(st.integers(0, 1), st.floats(-0.5, 0.5), st.integers(0, 5), st.integers(0, 5))
def test_a_shifted_crystal_is_told_from_those_beside_it(axis, shift, row, col):
    grid = even_block()[1]
    sheared = grid + 0.2 * grid[..., ::-1]
    step = np.eye(2)[axis] * PITCH
    sheared[row, col] += shift * (step + 0.2 * step[::-1])
    told = shifts(sheared, axis)
    assert told[row, col] == pytest.approx(shift)
    across = np.arange(6) != (row, col)[axis]
    np.testing.assert_allclose(np.compress(across, told, axis), 0.0, atol=1e-12)


def test_relative_weight_is_one_where_all_are_equal():
    np.testing.assert_allclose(relative_weight(np.full((5, 7), 3.0)), 1.0)


@given(st.integers(0, 1), st.floats(1.0, 50.0), st.floats(-10.0, 10.0))
def test_relative_steps_do_not_depend_on_scale_and_place(axis, scale, shift):
    grid = even_block()[1] + np.random.default_rng(3).normal(0.0, 1.0, (6, 6, 2))
    steps = relative_steps(grid, axis)
    assert steps.shape == ((5, 6), (6, 5))[axis]
    np.testing.assert_allclose(relative_steps(grid * scale + shift, axis), steps)

"""The lattice as a coordinate system: splines through its nodes."""

import numpy as np
from scipy.interpolate import make_interp_spline

from napari_petlut.analysis.lattice.seeing import index_space
from napari_petlut.analysis.lattice.seeing.index_space import MARGIN, IndexSpace


def bent(rows: int, cols: int) -> np.ndarray:
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    noise = np.random.default_rng(3).normal(0, 0.8, (rows, cols, 2))
    return np.stack([10.0 + 8 * r + 1 * c, 5.0 - 2 * r + 12 * c], axis=-1) + noise


def test_a_crystal_lies_at_its_row_and_column():
    grid = bent(5, 6)
    v, u = np.meshgrid(np.arange(5.0), np.arange(6.0), indexing="ij")
    np.testing.assert_allclose(IndexSpace(grid).to_pixels(v, u), grid)


def test_the_spline_between_nodes_is_the_natural_one_of_the_extended_grid():
    grid = bent(5, 6)
    wide = index_space.extension(5, MARGIN + 1) @ grid[:, 2]
    nodes = np.arange(-MARGIN - 1.0, 5 + MARGIN + 1)
    natural = make_interp_spline(nodes, wide, k=3, bc_type="natural")
    v = np.linspace(-MARGIN - 1.0, 5.0 + MARGIN, 57)
    np.testing.assert_allclose(IndexSpace(grid).to_pixels(v, np.full(57, 2.0)), natural(v), atol=1e-9)


def test_an_even_grid_goes_straight_on_beyond_its_lines_as_far_as_it_is_looked_at():
    r, c = np.meshgrid(np.arange(3.0), np.arange(4.0), indexing="ij")
    space = IndexSpace(np.stack([7 * r + c, 9 * c], axis=-1))
    far = np.array([-MARGIN - 1.0, 3.0 + MARGIN, 99.0])
    there = space.to_pixels(far, np.zeros(3))
    np.testing.assert_allclose(there[:, 0], 7 * np.minimum(far, 3.0 + MARGIN), atol=1e-9)
    np.testing.assert_allclose(there[:, 1], 0.0, atol=1e-9)


def test_the_map_is_seen_where_index_space_says():
    grid = bent(4, 5)
    space = IndexSpace(grid)
    left, right = index_space._basis(4), index_space._basis(5)
    v, u = np.meshgrid(index_space.sample_places(4), index_space.sample_places(5), indexing="ij")
    places = space.to_pixels(v, u)
    for axis in (0, 1):
        np.testing.assert_allclose(left @ grid[..., axis] @ right.T, places[..., axis], atol=1e-9)


def test_a_place_that_is_none_stays_none():
    out = IndexSpace(bent(3, 3)).to_pixels(np.array([np.nan, 1.0]), np.array([1.0, 1.0]))
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1]).all()

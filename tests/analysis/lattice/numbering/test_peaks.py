import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napari_petlut.analysis.lattice import number_peaks
from napari_petlut.analysis.lattice.numbering import growing
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry


def bent_grid(rows: int, cols: int, *, pitch: float = 20.0, turn: float = 0.0) -> np.ndarray:
    """A pincushioned grid whose edges crowd to about half the pitch of the middle."""
    u, v = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, cols), indexing="ij")
    x = np.sin(1.25 * u) / np.sin(1.25) * (1 + 0.06 * v**2)
    y = np.sin(1.25 * v) / np.sin(1.25) * (1 + 0.06 * u**2)
    c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    x, y = x * (rows - 1) / 2, y * (cols - 1) / 2
    return 300.0 + pitch * np.stack([c * x - s * y, s * x + c * y], -1)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(3, 12),
    cols=st.integers(3, 12),
    turn=st.floats(-10, 10),
    seed=st.integers(0, 2**16),
)
@example(rows=4, cols=12, turn=10.0, seed=0)
@example(rows=12, cols=4, turn=-10.0, seed=0)
def test_shuffled_points_get_their_numbers_back(rows, cols, turn, seed):
    grid = bent_grid(rows, cols, turn=turn)
    points = np.random.default_rng(seed).permutation(grid.reshape(-1, 2))
    lattice = number_peaks(points, BlockGeometry(rows, cols))
    np.testing.assert_array_equal(lattice.grid, grid)
    assert (lattice.status == "found").all()
    assert lattice.doubts == ()


def test_holes_are_filled_from_their_neighbours_and_reported():
    grid = bent_grid(9, 8)
    points = np.delete(grid.reshape(-1, 2), [20, 45], axis=0)
    lattice = number_peaks(points, BlockGeometry(9, 8))
    assert np.flatnonzero(lattice.status == "inferred").tolist() == [20, 45]
    assert np.abs(lattice.positions - grid.reshape(-1, 2)).max() < 4.0


def test_double_and_stray_peaks_are_extra():
    grid = bent_grid(8, 8)
    points = np.concatenate([grid.reshape(-1, 2), grid[3, 4][None] + 3.0, [[30.0, 30.0]]])
    lattice = number_peaks(points, BlockGeometry(8, 8))
    np.testing.assert_array_equal(lattice.grid, grid)
    assert len(lattice.extra) == 2
    assert lattice.status[3 * 8 + 4] == "suspect"
    assert "two peaks" in lattice.reasons[3 * 8 + 4]
    assert "2 peaks belong to no crystal, 1 of them double" in lattice.doubts


def test_an_absent_outer_column_leaves_the_offset_open():
    points = bent_grid(8, 9)[:, :-1].reshape(-1, 2)
    lattice = number_peaks(points, BlockGeometry(8, 9))
    assert any("shifted" in d for d in lattice.doubts)
    assert (lattice.status == "inferred").sum() == 8


def test_too_few_columns_in_the_geometry_are_noticed():
    lattice = number_peaks(bent_grid(8, 9).reshape(-1, 2), BlockGeometry(8, 8))
    assert any("beyond 8 x 8" in d for d in lattice.doubts)


@pytest.mark.parametrize("points", [np.empty((0, 2)), [[1.0, np.nan]], [[3.0, 3.0]] * 5])
def test_points_that_are_no_grid_are_refused(points):
    with pytest.raises(GeometryError):
        number_peaks(points, BlockGeometry(4, 4))


@given(st.integers(0, 10_000))
def test_the_nearest_free_point_equals_its_plain_twin(seed):
    rng = np.random.default_rng(seed)
    points, taken = rng.uniform(0, 6, (60, 2)), rng.random(60) < 0.3
    guess = np.concatenate([rng.uniform(0, 6, (1, 2)), np.eye(2) + rng.normal(0, 0.15, (2, 2))])
    order = np.argsort(points[:, 0], kind="stable")
    found, residual = growing._nearest(points, order, points[order, 0], taken, guess)
    away = np.linalg.norm(np.linalg.solve(guess[1:].T, (points - guess[0]).T), axis=0)
    away[taken] = np.inf
    if away.min() <= growing.UNSUPPORTED_RESIDUAL:
        assert found == away.argmin()
        assert residual == pytest.approx(away.min())
    else:
        assert found == -1 or residual > growing.UNSUPPORTED_RESIDUAL

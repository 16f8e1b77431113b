import numpy as np
import pytest

from napari_petlut.analysis.lattice.numbering.spreading import spread_spots
from napari_petlut.analysis.lattice.seeing.preparing import level_lines, prepare_map, remove_hot_bins
from napari_petlut.analysis.lattice.seeing.spots import find_spots
from napari_petlut.geometry import BlockGeometry


def spotted(grid: np.ndarray, shape=(200, 220), sigma=3.0, height=100.0) -> np.ndarray:
    i, j = np.indices(shape, dtype=float)
    out = np.zeros(shape)
    for p in grid.reshape(-1, 2):
        out += height * np.exp(-((i - p[0]) ** 2 + (j - p[1]) ** 2) / (2 * sigma**2))
    return out


def even_grid(rows=6, cols=7, pitch=22.0) -> np.ndarray:
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    return np.stack([40.3 + pitch * r, 35.6 + pitch * c], axis=-1)


def plain_hot_bins(counts: np.ndarray) -> np.ndarray:
    out = counts.copy()
    for i, j in np.ndindex(*counts.shape):
        near = counts[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
        mean = (near.sum() - counts[i, j]) / (near.size - 1)
        value = counts[i, j]
        if value > 8 and value > 4 * (mean + 1) and value > mean + 8 * np.sqrt(mean + 1):
            out[i, j] = mean
    return out


def test_hot_bins_are_removed_as_the_plain_twin_does_and_spots_are_left_alone():
    counts = np.random.default_rng(0).poisson(spotted(even_grid()) + 1.0).astype(float)
    hot = counts.copy()
    hot[10, 10] = hot[60, 80] = 3000.0
    np.testing.assert_allclose(remove_hot_bins(hot), plain_hot_bins(hot))
    assert remove_hot_bins(hot)[60, 80] < 300
    np.testing.assert_array_equal(remove_hot_bins(counts), counts)


def test_lines_of_a_comb_are_divided_out_and_noise_is_not():
    clean = np.full((100, 120), 400.0)
    combed = clean.copy()
    combed[50] *= 1.25
    combed[:, 30] *= 0.75
    np.testing.assert_allclose(level_lines(combed), clean, rtol=1e-6)
    few = np.random.default_rng(1).poisson(0.05, (100, 120)).astype(float)
    np.testing.assert_array_equal(level_lines(few), few)


def test_isolated_spots_have_one_support_and_their_pitch():
    grid = even_grid()
    ready = prepare_map(spotted(grid, sigma=2.0), BlockGeometry(6, 7))
    inside = (grid - ready.origin).round().astype(int)
    assert ready.support[inside[..., 0], inside[..., 1]].all()
    assert ready.pitch == pytest.approx(22.0, rel=0.2)


def test_the_working_pitch_does_not_depend_on_the_canvas():
    small = spotted(even_grid())
    large = np.zeros((500, 600))
    large[100:300, 150:370] = small
    a, b = (prepare_map(m, BlockGeometry(6, 7)).pitch for m in (small, large))
    assert a == pytest.approx(b, rel=0.05)


def test_spots_are_found_between_pixels():
    grid = even_grid()
    counts = spotted(grid)
    places, strength = find_spots(counts, np.ones(counts.shape, bool), 22.0)
    assert len(places) == 42
    distance = np.linalg.norm(places[:, None] - grid.reshape(-1, 2)[None], axis=-1)
    assert distance.min(axis=1).max() < 0.5
    assert strength.min() > 0.9


def test_a_map_without_structure_has_no_spots():
    places, strength = find_spots(np.full((50, 50), 7.0), np.ones((50, 50), bool), 10.0)
    assert len(places) == len(strength) == 0


def test_evenly_spaced_spots_stay_where_they_are_when_spread():
    grid = even_grid()
    spread = spread_spots(grid.reshape(-1, 2), np.ones(42), BlockGeometry(6, 7))
    assert np.abs(spread.grid - grid).max() < 0.3 * 22
    nodes = np.argwhere(np.ones((6, 7)))
    assert np.abs(spread.places - nodes).max() < 0.3


def test_crowded_spots_are_spread_evenly():
    u = np.sin(np.linspace(-1.2, 1.2, 8)) / np.sin(1.2)
    grid = 200 + 150 * np.stack(np.meshgrid(u, u, indexing="ij"), axis=-1)
    spread = spread_spots(grid.reshape(-1, 2), np.ones(64), BlockGeometry(8, 8))
    nodes = np.argwhere(np.ones((8, 8)))
    assert np.abs(spread.places - nodes).max() < 0.45


@pytest.mark.parametrize("lines", [16, 48])
def test_spots_crowded_in_one_corner_are_spread_without_overflow(lines):
    corners = [[0, 0], [500, 500], [0, 500], [500, 0]]
    crowd = np.concatenate([np.random.default_rng(0).uniform(0, 20, (300, 2)), corners])
    spread = spread_spots(crowd, np.ones(len(crowd)), BlockGeometry(lines, lines))
    assert np.isfinite(spread.places).all()
    assert np.isfinite(spread.grid).all()

"""Where the spots lie and how wide they are."""

import numpy as np
import pytest

from napari_petlut.simulation import BlockSimulation
from napari_petlut.simulation.optics import (
    crystal_places,
    lattice_spread,
    light_shares,
    neighbour_pairs,
    photon_covariances,
    resolutions,
    spot_centres,
)
from napari_petlut.simulation.response import block_response

PLAIN = BlockSimulation(rows=10, cols=8, distortion=0, jitter=0)


def places(**changes: object) -> np.ndarray:
    params = BlockSimulation(**({"rows": 10, "cols": 8, "distortion": 0, "jitter": 0} | changes))
    return crystal_places(params, []).reshape(params.rows, params.cols, 2)


def centres(**changes: object) -> np.ndarray:
    params = BlockSimulation(**({"rows": 10, "cols": 8, "distortion": 0, "jitter": 0} | changes))
    return block_response(params).centres.reshape(params.rows, params.cols, 2)


def test_undisturbed_crystals_fill_the_block_evenly() -> None:
    grid = places()
    np.testing.assert_allclose(grid[:, 0, 0], (np.arange(10) + 0.5) / 5 - 1)
    np.testing.assert_allclose(grid[0, :, 1], (np.arange(8) + 0.5) / 4 - 1)


def test_an_undisturbed_map_is_symmetric_and_crowds_at_the_sides() -> None:
    grid = centres(rows=16, cols=16)
    np.testing.assert_allclose(grid[::-1, :, 0], 511 - grid[..., 0], atol=1e-9)
    np.testing.assert_allclose(grid.transpose(1, 0, 2)[..., ::-1], grid, atol=1e-9)
    pitch = np.diff(grid[:, 0, 0])
    assert pitch[0] < pitch[7] / 2.5
    # Pincushion: the middle of a side lies further inside than its corners.
    assert grid[0, 7, 0] > grid[0, 0, 0] + 3


def test_shares_of_light_sum_to_one_and_the_nearest_sensor_gets_most() -> None:
    shares = light_shares(places().reshape(-1, 2), PLAIN)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares[0].argmax() == 0
    assert shares[-1].argmax() == 3


def test_a_stronger_sensor_pulls_the_map_towards_it() -> None:
    moved = centres(gains=(2.0, 1.0, 1.0, 1.0)) - centres()
    assert (moved <= 0).all()
    assert moved.min() < -20


def test_covariance_is_that_of_counted_photons() -> None:
    shares, gains = np.array([[0.5, 0.2, 0.2, 0.1]]), (1.0, 1.4, 0.8, 1.0)
    rng = np.random.default_rng(0)
    photons = 4000
    signal = rng.poisson(photons * shares[0], (100_000, 4)) * gains
    low = np.stack([signal[:, [0, 1]].sum(axis=1), signal[:, [0, 2]].sum(axis=1)])
    position = (1 - low / signal.sum(axis=1)) * 512 - 0.5
    np.testing.assert_allclose(position.mean(axis=1), spot_centres(shares, gains)[0], atol=0.1)
    # 100,000 samples leave 0.5 % of a variance.
    expected = photon_covariances(shares, gains)[0] / photons
    np.testing.assert_allclose(np.cov(position), expected, atol=0.02 * expected.max())


@pytest.mark.parametrize(("reach", "kept"), [(1.0, 0.66), (2.0, 0.38)])
def test_a_wall_pulls_the_outer_rows_together(reach: float, kept: float) -> None:
    grid = places(walls=(reach, 0, 0, 0))
    steps = np.diff(grid[:, 0, 0]) / 0.2
    assert steps[0] == pytest.approx(kept, abs=0.01)
    assert steps[-1] == pytest.approx(1, abs=0.05)


def test_turn_shear_and_mirror() -> None:
    turned = places(turn=10.0)
    step = turned[1, 0] - turned[0, 0]
    assert np.degrees(np.arctan2(step[1], step[0])) == pytest.approx(10)
    sheared = places(shear=5.0)
    step = sheared[0, 1] - sheared[0, 0]
    assert np.degrees(np.arctan2(step[0], step[1])) == pytest.approx(5)
    np.testing.assert_allclose(places(mirror=True), places()[::-1])


def test_swirls_bend_by_the_amount_that_is_asked_for_and_never_fold() -> None:
    for seed in range(5):
        straight, bent = (
            places(rows=16, cols=16, distortion=d, seed=seed) - places(rows=16, cols=16) for d in (0, 0.12)
        )
        assert not straight.any()
        bending = [np.ptp(bent[..., 0], axis=1), np.ptp(bent[..., 1], axis=0)]
        assert np.median(np.concatenate(bending)) / 2 == pytest.approx(0.12, rel=0.35)
        grid = places(rows=16, cols=16, distortion=0.12, seed=seed)
        down, along = np.diff(grid, axis=0)[:, :-1], np.diff(grid, axis=1)[:-1]
        assert (down[..., 0] * along[..., 1] - down[..., 1] * along[..., 0] > 0).all()


def test_merged_crystals_lie_on_each_other() -> None:
    found = crystal_places(PLAIN, [(11, 12)])
    plain = crystal_places(PLAIN, [])
    assert np.linalg.norm(found[11] - found[12]) < 0.1 * np.linalg.norm(plain[11] - plain[12])
    np.testing.assert_allclose(found[11] + found[12], plain[11] + plain[12])


def test_neighbours_of_a_small_block() -> None:
    pairs, axis = neighbour_pairs(2, 3)
    assert pairs.tolist() == [[0, 3], [1, 4], [2, 5], [0, 1], [1, 2], [3, 4], [4, 5]]
    assert axis.tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_resolution_is_distance_over_width() -> None:
    line = np.array([[0.0, 0.0], [0.0, 23.548], [10.0, 0.0], [10.0, 23.548]])
    k = resolutions(line, np.tile(np.diag([100.0, 25.0]), (4, 1, 1)), neighbour_pairs(2, 2)[0])
    np.testing.assert_allclose(k, [10 / 23.548, 10 / 23.548, 2.0, 2.0], rtol=1e-4)


def test_lattice_spread_of_an_even_grid() -> None:
    grid = np.stack(np.meshgrid(np.arange(3) * 4.0, np.arange(3) * 5.0, indexing="ij"), -1).reshape(-1, 2)
    np.testing.assert_allclose(lattice_spread(grid, 3, 3), np.tile(np.diag([16.0, 25.0]), (9, 1, 1)))


@pytest.mark.parametrize("k", [0.8, 1.42, 3.0])
def test_median_resolution_is_the_one_asked_for(k: float) -> None:
    params = BlockSimulation(resolution=k, spot_spread=0, seed=3)
    response = block_response(params)
    assert np.median(
        resolutions(response.centres, response.covariances, neighbour_pairs(16, 16)[0])
    ) == pytest.approx(k)

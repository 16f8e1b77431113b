import numpy as np
import pytest
from scipy import ndimage

from napari_petlut.analysis.lattice.fitting import iterating, loops, mixture
from napari_petlut.analysis.lattice.seeing.binned import BinnedMap


def spots() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = np.array([[6.2, 7.9], [15.0, 14.5], [1.0, 19.0]])
    cov = np.array([[2.0, 0.3, 1.5], [1.2, -0.4, 2.5], [1.0, 0.0, 1.0]])
    return mean, cov, np.array([100.0, 250.0, 30.0])


def plain_spot(mean, cov, weight, shape, end=iterating.END_SQUARED):
    """One Gaussian on pixel centres, cut where the fast code cuts it."""
    i, j = np.indices(shape, dtype=float)
    d = np.stack([i - mean[0], j - mean[1]], -1)
    full = np.array([[cov[0], cov[1]], [cov[1], cov[2]]])
    q = np.einsum("...a,ab,...b->...", d, np.linalg.inv(full), d)
    value = weight / (2 * np.pi * np.sqrt(np.linalg.det(full))) * np.exp(-0.5 * q)
    reach = np.sqrt(end) * np.sqrt([cov[0], cov[2]])
    return np.where((q < end) & (np.abs(d) <= reach).all(-1), value, 0.0)


def test_expected_counts_and_moments_equal_their_plain_twins():
    mean, cov, weight = spots()
    shape = (22, 24)
    out, window = np.zeros(shape, np.float32), np.zeros((3, 400), np.float32)
    box = np.zeros((3, 4), np.int64)
    loops.expected_counts(mean, cov, weight, window, box, out, iterating.END_SQUARED)
    each = [plain_spot(m, c, w, shape) for m, c, w in zip(mean, cov, weight, strict=True)]
    np.testing.assert_allclose(out, sum(each), rtol=1e-5, atol=1e-6)
    ratio = np.random.default_rng(1).random(shape, np.float32)
    found = np.zeros((3, 6))
    loops.moments(mean, window, box, ratio, found)
    i, j = np.indices(shape, dtype=float)
    for k in range(3):
        g, d0, d1 = each[k] * ratio, i - mean[k, 0], j - mean[k, 1]
        expected = [(g * f).sum() for f in (1, d0, d1, d0 * d0, d0 * d1, d1 * d1)]
        np.testing.assert_allclose(found[k], expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_the_banded_solver_equals_a_dense_one(n):
    rng = np.random.default_rng(n)
    diagonal, right = rng.random((n, 3)) + 0.1, rng.random((n, 3))
    bend = np.diff(np.eye(n), 2, axis=0) if n > 2 else np.zeros((0, n))
    bands, out = iterating.bend_bands(n), np.zeros((n, 3))
    force = iterating.bend_forces(right.T, bands)
    np.testing.assert_allclose(force.T, bend.T @ bend @ right, atol=1e-12)
    loops.solve_lines(diagonal, 0.7, bands, right, out, np.zeros((n, 3)), np.zeros((n, 2, 3)))
    for k in range(3):
        system = np.diag(diagonal[:, k]) + 0.7 * bend.T @ bend
        np.testing.assert_allclose(out[:, k], np.linalg.solve(system, right[:, k]))


def test_tied_centres_come_to_rest_at_the_minimum_of_the_tied_problem():
    rng = np.random.default_rng(3)
    rows, cols, stiffness = 4, 5, 0.4
    wanted, evidence = rng.random((rows, cols, 2)), rng.random((rows, cols)) + 0.2
    old = wanted.copy()
    for _ in range(300):
        old = iterating.tie_centres(wanted, old, evidence, stiffness)
    bend0, bend1 = (np.diff(np.eye(n), 2, axis=0) for n in (rows, cols))
    along0, along1 = np.kron(bend0.T @ bend0, np.eye(cols)), np.kron(np.eye(rows), bend1.T @ bend1)
    for axis, form in enumerate((along1 + iterating.ALONG * along0, along0 + iterating.ALONG * along1)):
        system = np.diag(evidence.ravel()) + stiffness * form
        expected = np.linalg.solve(system, evidence.ravel() * wanted[..., axis].ravel())
        np.testing.assert_allclose(old[..., axis].ravel(), expected, atol=1e-8)


@pytest.mark.parametrize("core", [4.0, iterating.CORE_SQUARED])
def test_a_core_holds_the_share_and_the_variance_that_its_formulas_say(core):
    mean, cov = np.array([[30.0, 30.0]]), np.array([[40.0, 10.0, 30.0]])
    window, box = np.zeros((1, 3600), np.float32), np.zeros((1, 4), np.int64)
    out, found = np.zeros((61, 61), np.float32), np.zeros((1, 6))
    loops.expected_counts(mean, cov, np.array([1.0]), window, box, out, core)
    loops.moments(mean, window, box, np.ones_like(out), found)
    share, variance = iterating.core_moments(core)
    assert found[0, 0] == pytest.approx(share, abs=0.01)
    np.testing.assert_allclose(found[0, 3:] / found[0, 0], variance * cov[0], rtol=0.02)


def test_halos_are_gaussians_as_wide_as_the_lattice_and_hold_the_counts_they_are_given():
    grid = np.stack(np.meshgrid(np.arange(3.0), np.arange(4.0), indexing="ij"), -1) * [9.0, 7.0] + 12.0
    weight = np.arange(1.0, 13.0).reshape(3, 4)
    flat = np.full((44, 46), 2.0, np.float32)
    limit, window = np.array([20.0, 20.0]), np.zeros((12, 2000), np.float32)
    box, out = np.zeros((12, 4), np.int64), np.zeros_like(flat)
    iterating.lay_halos(grid, weight, limit, flat, window, box, out)
    cov = [loops.SPREAD_MIN + iterating.HALO_SPREAD * 81, 0.0, loops.SPREAD_MIN + iterating.HALO_SPREAD * 49]
    plain = sum(
        plain_spot(m, cov, w, flat.shape, iterating.CORE_SQUARED)
        for m, w in zip(grid.reshape(-1, 2), weight.ravel(), strict=True)
    )
    expected = (1 - iterating.FLAT) * plain * flat.sum() / plain.sum() + iterating.FLAT * flat
    np.testing.assert_allclose(out, expected, rtol=1e-4)
    assert loops.total(out) == pytest.approx(loops.total(flat), rel=1e-5)
    assert loops.total(flat) == 2 * 44 * 46


def test_spreads_lean_on_their_neighbourhood_and_stay_within_bounds():
    rng = np.random.default_rng(0)
    own, evidence, limit = rng.random((5, 4, 3)) + 0.2, rng.random((5, 4)) + 0.1, np.array([0.9, 0.8])
    found = np.zeros((5, 4, 3))
    loops.update_spread(own, evidence, limit, found)
    weighted = np.concatenate([own * evidence[..., None], evidence[..., None]], axis=-1)
    mean = ndimage.uniform_filter(weighted, (3, 3, 1), mode="nearest")
    share = evidence[..., None] / (evidence[..., None] + loops.SPREAD_SHRINK)
    plain = share * own + (1 - share) * mean[..., :3] / mean[..., 3:]
    expected = np.clip(plain, [loops.SPREAD_MIN, -np.inf, loops.SPREAD_MIN], [limit[0], np.inf, limit[1]])
    tilt = loops.TILT_MAX * np.sqrt(expected[..., 0] * expected[..., 2])
    expected[..., 1] = np.clip(expected[..., 1], -tilt, tilt)
    np.testing.assert_allclose(found, expected)
    assert (found[..., 0] == loops.SPREAD_MIN).any()
    assert (found[..., 0] == limit[0]).any()
    assert (found[..., 1] == tilt).any()


def test_the_share_of_the_background_equals_its_plain_twin():
    rng = np.random.default_rng(2)
    counts, shape, spots_there = rng.random((3, 6, 7), np.float32) + np.float32(0.1)
    model, ratio = spots_there.copy(), np.zeros((6, 7), np.float32)
    share = loops.explain(counts, shape, 0.4, model, ratio)
    np.testing.assert_allclose(model, spots_there + 0.4 * shape, rtol=1e-6)
    np.testing.assert_allclose(ratio, counts / model, rtol=1e-6)
    assert share == pytest.approx((0.4 * shape * ratio).sum(), rel=1e-6)


def test_spots_are_drawn_alike_at_the_edge_and_inside():
    cov, weight = np.array([[3.0, 1.0, 2.0]]), np.array([50.0])
    size = iterating.window_size(3.0, 2.0, iterating.END_SQUARED)
    for place in ([0.3, 0.2], [0.4, 10.6], [11.7, 0.1], [11.9, 10.9], [6.0, 5.5], [-9.0, 3.0]):
        out, window = np.zeros((12, 11), np.float32), np.zeros((1, size), np.float32)
        box = np.zeros((1, 4), np.int64)
        loops.expected_counts(np.array([place]), cov, weight, window, box, out, iterating.END_SQUARED)
        plain = plain_spot(place, cov[0], 50.0, out.shape)
        np.testing.assert_allclose(out, plain, rtol=1e-5, atol=1e-6)


def block(rows: int = 5, cols: int = 6) -> tuple[np.ndarray, np.ndarray]:
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    grid = np.stack([20.0 + 14 * r + 0.4 * c**2, 18.0 + 15 * c + 0.3 * r**2], axis=-1)
    i, j = np.indices((110, 120), dtype=float)
    counts = np.full((110, 120), 2.0)
    for p in grid.reshape(-1, 2):
        counts += 60 * np.exp(-((i - p[0]) ** 2 + (j - p[1]) ** 2) / (2 * 4.0**2))
    return counts, grid


def test_a_fit_finds_the_centres_of_a_clean_block():
    counts, grid = block()
    scene = BinnedMap.from_counts(counts, 14.5, 7.0)
    start = grid + np.random.default_rng(0).normal(0, 1.5, grid.shape)
    fit = mixture.fit_mixture(start, scene, mixture.MixtureSchedule(30, 0.1, 0.001))
    assert np.abs(fit.grid - grid).max() < 0.5
    np.testing.assert_allclose(fit.weight / np.median(fit.weight), 1.0, atol=0.15)


def test_pinned_centres_stay_and_dark_crystals_get_no_counts():
    counts, grid = block()
    scene = BinnedMap.from_counts(counts, 14.5, 7.0)
    pinned, dark = np.zeros((5, 6), bool), np.zeros((5, 6), bool)
    pinned[1, 1] = dark[3, 3] = True
    start = grid.copy()
    start[1, 1] += 3.0
    fit = mixture.fit_mixture(start, scene, pinned=pinned, dark=dark)
    np.testing.assert_allclose(fit.grid[1, 1], start[1, 1], atol=1e-9)
    assert fit.weight[3, 3] == 0
    assert np.abs(fit.grid[3, 3] - grid[3, 3]).max() < 2.0


def test_more_power_lets_a_faint_crystal_lean_on_its_neighbours():
    """A crystal with less than half of the light, that sits off the lines of the others."""
    counts, grid = block()
    i, j = np.indices(counts.shape, dtype=float)
    spot = [
        60 * np.exp(-((i - p[0]) ** 2 + (j - p[1]) ** 2) / (2 * 4.0**2)) for p in (grid[2, 3], grid[2, 3] + 4)
    ]
    scene = BinnedMap.from_counts(counts - spot[0] + 0.4 * spot[1], 14.5, 7.0)
    away = [
        np.linalg.norm(
            mixture.fit_mixture(grid, scene, mixture.MixtureSchedule(40, 0.01, 0.002, power=power)).grid[2, 3]
            - grid[2, 3]
        )
        for power in (1.0, 2.0)
    ]
    assert away[0] > 3.0
    assert away[1] < 0.5 * away[0]


def test_a_fit_that_is_looked_at_halfway_comes_to_the_same_and_may_be_ended():
    counts, grid = block()
    scene = BinnedMap.from_counts(counts, 14.5, 7.0)
    seen = []
    fit = mixture.fit_mixture(grid + 1.0, scene, halfway=lambda half: seen.append(half.deviance))
    straight = mixture.fit_mixture(grid + 1.0, scene)
    assert np.abs(fit.grid - straight.grid).max() < 0.1
    assert seen[0] > fit.deviance

    def stop(_: mixture.MixtureFit) -> None:
        raise StopIteration

    with pytest.raises(StopIteration):
        mixture.fit_mixture(grid, scene, halfway=stop)

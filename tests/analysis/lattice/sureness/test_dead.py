"""Dead crystals and dim ones."""

import numpy as np
import pytest

from napari_petlut.analysis.lattice import find_lattice
from napari_petlut.analysis.lattice.fitting.mixture import fit_mixture
from napari_petlut.analysis.lattice.seeing.binned import BinnedMap
from napari_petlut.analysis.lattice.sureness.dead import block_unevenness, neighbour_light, own_light
from napari_petlut.model import PeakStatus
from napari_petlut.simulation import BlockSimulation, simulate_block

ROWS, COLS, PITCH = 5, 6, 10.0


def flood(light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A sharp map of crystals of so much light each on something flat, and their centres."""
    grid = np.stack(np.meshgrid(np.arange(ROWS), np.arange(COLS), indexing="ij"), -1) * PITCH + PITCH
    axis0, axis1 = np.arange(70), np.arange(80)
    bump0 = np.exp(-((axis0[:, None] - grid[:, 0, 0]) ** 2) / 18)
    bump1 = np.exp(-((axis1[:, None] - grid[0, :, 1]) ** 2) / 18)
    return np.einsum("ai,bj,ij->ab", bump0, bump1, light) + 2.0, grid


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_a_crystals_own_light_is_told_from_the_tails_of_its_neighbours(share):
    light = np.full((ROWS, COLS), 100.0)
    light[2, 3] = share * 100
    counts, grid = flood(light)
    scene = BinnedMap.from_counts(counts, PITCH, 10.0)
    fit = fit_mixture(grid, scene)
    which = np.zeros((ROWS, COLS), bool)
    which[2, 3] = which[1, 1] = True
    own, error = own_light(scene, fit, which)
    assert own[2, 3] / own[1, 1] == pytest.approx(share, abs=0.08)
    assert (own[~which] == 0).all()
    assert (error[~which] == 1).all()


def test_dead_crystals_are_missing_and_dim_ones_are_not():
    params = BlockSimulation(
        rows=12,
        cols=12,
        resolution=1.5,
        counts_per_crystal=20_000,
        dead=(30, 77, 100),
        dim=(40, 66, 105),
        dim_level=0.3,
        seed=53,
    )
    lattice = find_lattice(simulate_block(params).flood.counts, params.geometry)
    missing = np.flatnonzero(lattice.status == PeakStatus.MISSING)
    # A map does not tell which corner is the first: the dead crystals form the same pattern.
    assert len(missing) == 3
    rows, cols = np.divmod(missing, 12)
    dead_rows, dead_cols = np.divmod(np.array([30, 77, 100]), 12)
    apart = np.sort([np.hypot(rows[a] - rows[b], cols[a] - cols[b]) for a, b in ((0, 1), (0, 2), (1, 2))])
    true = [
        np.hypot(dead_rows[a] - dead_rows[b], dead_cols[a] - dead_cols[b])
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    np.testing.assert_allclose(apart, np.sort(true))


def test_neighbours_are_those_along_rows_and_columns():
    bright = np.arange(6.0).reshape(2, 3)
    largest, middle = neighbour_light(bright)
    assert largest.tolist() == [[3.0, 4.0, 5.0], [4.0, 5.0, 4.0]]
    assert middle.tolist() == [[2.0, 2.0, 3.0], [2.0, 3.0, 3.0]]


def test_an_even_block_is_not_uneven():
    assert block_unevenness(np.ones((4, 5))) == (1.0, 0.0, 0.0, 0.0)


def test_dim_crystals_and_differences_make_a_block_uneven():
    counts = np.ones((4, 5))
    counts[::2] = 0.4
    faintest, differences, dim, spread = block_unevenness(counts)
    assert faintest == pytest.approx(0.4)
    # Of 15 differences down and 16 along, the larger half is not reached.
    assert differences == 0.0
    assert (dim, spread) == (0.5, 0.0)

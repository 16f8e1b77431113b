import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.analysis.lattice import find_lattice, propose_geometry
from napari_petlut.analysis.lattice.seeing.repeated import repeated_pixels
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import to_bins, to_pixels
from napari_petlut.simulation import BlockSimulation, simulate_block


def enlarged(counts, factors):
    return np.repeat(np.repeat(counts, factors[0], axis=0), factors[1], axis=1)


@given(
    shape=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    factors=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 99),
)
def test_the_repetition_of_different_pixels_is_found(shape, factors, seed):
    counts = np.random.default_rng(seed).permutation(shape[0] * shape[1]).reshape(shape).astype(float)
    assert repeated_pixels(enlarged(counts, factors)) == factors


@pytest.mark.parametrize("shape", [(1, 1), (6, 4), (16, 16)])
def test_a_map_without_any_change_is_taken_as_it_is(shape):
    assert repeated_pixels(np.full(shape, 3.0)) == (1, 1)


def test_one_pixel_that_differs_is_a_map_as_it_was_measured():
    counts = enlarged(np.random.default_rng(0).random((8, 8)), (4, 4))
    counts[5, 6] += 1
    assert repeated_pixels(counts) == (1, 1)


@pytest.fixture(scope="module")
def block():
    return simulate_block(BlockSimulation(rows=9, cols=10, resolution=1.6, seed=1, counts_per_crystal=2000))


@pytest.mark.parametrize("factors", [(2, 2), (4, 1)])
def test_an_enlarged_map_proposes_the_same_sizes(block, factors):
    plain, large = (
        propose_geometry(block.flood.counts),
        propose_geometry(enlarged(block.flood.counts, factors)),
    )
    assert [(p.geometry, p.confidence, p.reason) for p in plain] == [
        (p.geometry, p.confidence, p.reason) for p in large
    ]


def test_an_enlarged_map_gives_the_same_lattice_in_its_own_pixels(block):
    counts, geometry = block.flood.counts, BlockGeometry(9, 10)
    fixed = {3: (100.25, 200.5)}
    prior = block.centres.reshape(9, 10, 2)
    plain = find_lattice(counts, geometry, fixed=fixed, prior=prior)
    pinned = {3: tuple(to_pixels(np.array(fixed[3]), 2).tolist())}
    large = find_lattice(enlarged(counts, (2, 2)), geometry, fixed=pinned, prior=to_pixels(prior, 2))
    np.testing.assert_allclose(to_bins(large.positions, 2), plain.positions, atol=1e-9)
    assert large.confidence.tolist() == plain.confidence.tolist()
    assert (large.status == plain.status).all()
    assert large.positions[3].tolist() == list(pinned[3])

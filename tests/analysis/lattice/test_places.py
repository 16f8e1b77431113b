"""Arrays that are no rectangle: grown over spots, found, told when they lie otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.analysis.lattice import find_lattice
from napari_petlut.analysis.lattice.grids import grid_of_places
from napari_petlut.analysis.lattice.numbering.place_matching import match_places, repeating_cell
from napari_petlut.analysis.lattice.sureness.completing import completed
from napari_petlut.errors import GeometryError
from napari_petlut.formats.crystal_arrays import crystal_array
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import PeakStatus
from napari_petlut.places import masked_places
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.workflow.pipeline import calibrate
from napari_petlut.workflow.scoring import score_lattice, symmetric_ids

CORNERLESS = np.ones((7, 8), bool)
CORNERLESS[0, :2] = CORNERLESS[-1, -1] = False


def simulated(words, seed=3, **more):
    geometry = crystal_array(words) if isinstance(words, str) else words
    params = BlockSimulation(
        places=geometry.places, resolution=1.6, counts_per_crystal=4000, distortion=0.05, seed=seed, **more
    )
    return simulate_block(params)


@pytest.mark.parametrize(
    ("words", "cell"),
    [
        ("staggered:5x6", [[1, 0], [0, 1]]),
        ("staggered:6x6:3", [[1, 1], [0, 1]]),
        ("hexagonal:5x4", [[1, 0], [0, 1]]),
        ("round:9x9", [[1]]),
    ],
)
def test_the_pattern_of_an_array_is_what_repeats(words, cell):
    assert repeating_cell(crystal_array(words).present).astype(int).tolist() == cell


@pytest.mark.parametrize("words", ["staggered:6x6", "staggered:6x6:3", "hexagonal:7x6", "round:9x9"])
def test_points_of_a_bent_array_are_joined_to_their_places_whatever_their_order(words):
    present = crystal_array(words).present
    straight = grid_of_places(present.shape)
    bent = straight + 0.04 * (straight - straight.mean(axis=(0, 1))) ** 2
    order = np.random.default_rng(1).permutation(int(present.sum()))
    best = next(match_places(bent[present][order], present, straight + 0.4))
    assert (best.held, best.outside) == (len(order), 0)
    np.testing.assert_array_equal(order[best.owner[present]], np.arange(len(order)))


def test_a_point_that_is_missing_leaves_its_place_empty():
    present = crystal_array("staggered:6x6").present
    points = grid_of_places(present.shape)[present]
    best = next(match_places(np.delete(points, 30, axis=0), present, grid_of_places(present.shape)))
    assert best.held == len(points) - 1
    assert np.flatnonzero(best.owner[present] < 0).tolist() == [30]


def test_no_points_are_joined_to_nothing():
    assert list(match_places(np.zeros((1, 2)), np.ones((4, 4), bool), grid_of_places((4, 4)))) == []


@pytest.mark.parametrize(
    "words",
    [
        "staggered:7x7",
        "staggered:8x8:3",
        "hexagonal:7x7",
        "round:9x9",
        BlockGeometry(7, 8, masked_places(CORNERLESS)),
    ],
)
def test_every_crystal_is_found_and_absent_places_are_no_dead_ones(words):
    truth = simulated(words)
    lattice = find_lattice(truth.flood.counts, truth.params.geometry)
    score = score_lattice(lattice, truth.centres, truth.live)
    assert score.perfect
    present = truth.params.geometry.present.ravel()
    assert (lattice.status[~present] == PeakStatus.ABSENT).all()
    assert not (lattice.status[present] == PeakStatus.ABSENT).any()
    assert lattice.doubtful.sum() <= 2
    assert lattice.doubts == ()
    peaks = lattice.to_peaks()
    np.testing.assert_array_equal(np.sort(peaks.crystal[peaks.crystal >= 0]), np.flatnonzero(present))


def test_a_dead_crystal_of_a_layer_is_missing_and_no_other():
    truth = simulated("staggered:8x8:3", dead=(16,))
    lattice = find_lattice(truth.flood.counts, truth.params.geometry)
    assert np.flatnonzero(lattice.status == PeakStatus.MISSING).tolist() == [16]
    assert score_lattice(lattice, truth.centres, truth.live).perfect


def test_an_array_that_lies_otherwise_is_said_and_never_believed():
    truth = simulated("staggered:8x8:3")
    told = truth.params.geometry.turned(False, True)
    lattice = find_lattice(truth.flood.counts, told)
    assert "the map looks like the array flipped along axis 1" in lattice.doubts[0]
    assert lattice.doubtful[told.present.ravel()].all()


def test_cells_are_those_of_the_crystals_and_come_back_from_record_and_files(tmp_path):
    truth = simulated("staggered:6x6")
    geometry = truth.params.geometry
    result = calibrate(truth.flood, geometry)
    np.testing.assert_array_equal(
        np.unique(result.lut.ids[result.lut.ids >= 0]), np.flatnonzero(geometry.present)
    )
    seen = truth.ideal_lut.ids >= 0
    same = (result.lut.ids == truth.ideal_lut.ids)[seen]
    assert np.average(same, weights=truth.expected[seen]) > 0.97
    assert result.summary()["crystals"] == geometry.crystals == 61


def test_only_symmetries_of_the_array_renumber_it():
    assert len(symmetric_ids(crystal_array("staggered:4x4"))) == 8
    assert len(symmetric_ids(crystal_array("staggered:4x4:3"))) == 2
    assert len(symmetric_ids(crystal_array("hexagonal:4x4"))) == 2


def test_absent_places_are_filled_as_their_neighbours_and_layers_levelled():
    two = crystal_array("staggered:3x3")
    light = np.where(two.layers == 0, 4.0, 2.0).reshape(5, 5)
    filled = completed(np.where(two.present, light, 0.0), two)
    np.testing.assert_allclose(filled, 4.0)
    plain = np.arange(6.0).reshape(2, 3)
    assert completed(plain, BlockGeometry(2, 3)) is plain


def test_fixed_crystals_stay_and_absent_ones_are_refused():
    truth = simulated("staggered:6x6")
    geometry = truth.params.geometry
    at = tuple(truth.centres[12])
    lattice = find_lattice(truth.flood.counts, geometry, fixed={12: at})
    assert lattice.positions[12].tolist() == list(at)
    assert lattice.status[12] == PeakStatus.MANUAL
    with pytest.raises(GeometryError, match="no crystal at place 1"):
        find_lattice(truth.flood.counts, geometry, fixed={1: at})


def test_the_same_map_gives_the_same_lattice_again():
    truth = simulated("hexagonal:7x7", seed=5)
    first, again = (find_lattice(truth.flood.counts, replace(truth.params).geometry) for _ in range(2))
    np.testing.assert_array_equal(first.positions, again.positions)
    np.testing.assert_array_equal(first.confidence, again.confidence)

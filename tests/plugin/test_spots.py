"""Peaks that a person placed where the map has no spot, or another crystal's."""

import numpy as np
import pytest

from napari_petlut.plugin.editing.spots import SpotMaxima, off_their_spots
from napari_petlut.plugin.editing.suspects import SuspectKind
from napari_petlut.plugin.work import steps

from .conftest import flood_of, grid_points
from .test_editing import drag

IDS = np.arange(20)
MOVED = IDS == 7


def judged(positions, counts, placed=MOVED):
    return off_their_spots(positions, IDS, placed, counts, SpotMaxima())


@pytest.mark.parametrize("noise", [0, 1])
@pytest.mark.parametrize(("step", "off"), [((0, 0), False), ((2.0, 2.0), False), ((3.0, 2.5), True)])
def test_a_third_of_the_pitch_from_the_maximum_is_too_far(points, counts, step, off, noise):
    rng = np.random.default_rng(3)
    seen = rng.poisson(counts * 5) if noise else counts
    positions = points.copy()
    positions[7] += step
    found = judged(positions, seen)
    assert list(found) == ([7] if off else [])
    if off:
        assert found[7] == "placed 0.39 of the pitch from the nearest maximum" or noise


def test_the_spot_of_another_crystal_is_not_ones_own(points, counts):
    positions = points.copy()
    positions[7] = points[8] + (0.5, 0.5)
    assert judged(positions, counts) == {7: "placed on the spot of crystal 8"}
    assert judged(positions, counts, IDS == 8) == {}


def test_only_placed_peaks_are_judged_and_a_map_without_spots_judges_none(points, counts):
    positions = points + 4.0
    assert judged(positions, counts, np.zeros(20, bool)) == {}
    assert judged(positions, np.zeros((60, 70))) == {}


def test_the_maxima_of_a_map_are_found_once(counts):
    spots = SpotMaxima()
    first = spots.of(counts, 10.0)
    assert spots.of(counts, 10.0) is first
    assert spots.of(counts.copy(), 10.0) is not first
    places, heights = first
    np.testing.assert_array_equal(places[heights > 10], grid_points())


def test_a_dragged_peak_is_a_suspect_until_the_person_says_it_is_right(done, viewer):
    assert done.suspects == []
    drag(done.peaks_layer, [7], (3.5, 2.0))
    (suspect,) = done.suspects
    assert (suspect.kind, suspect.crystal) == (SuspectKind.OFF_SPOT, 7)
    assert suspect.text.startswith("crystal 7 (row 1, col 2): placed 0.4")
    assert not done.count.complete
    done.next_suspect()
    done.accept_suspect()
    assert done.suspects == []
    assert done.count.complete
    steps.run_all_job(done).run()
    assert done.suspects == []
    np.testing.assert_allclose(done.places[7], grid_points()[7] + (3.5, 2.0), atol=0.3)
    done.undo()
    done.undo()
    assert [suspect.kind for suspect in done.suspects] == [SuspectKind.OFF_SPOT]


def test_a_run_again_with_peaks_placed_on_their_spots_makes_no_new_doubts(done, points):
    for point in (0, 7, 12):
        drag(done.peaks_layer, [point], (0.6, -0.4))
    assert done.suspects == []
    said = steps.run_all_job(done).run()
    assert done.suspects == []
    assert said.startswith("20 crystals: 17 found, 3 manual")


def test_a_missing_peak_that_was_placed_by_key_needs_no_second_word(viewer, block):
    points = grid_points()
    viewer.layers["b"].data = flood_of(np.delete(points, 7, 0))
    steps.peaks_job(block).run()
    block.next_suspect()
    block.accept_suspect()
    assert block.suspects == []
    block.undo()
    assert [suspect.kind for suspect in block.suspects] == [SuspectKind.MISSING]

"""Numbers on a block: as many as can be read, where they belong, and the place of a missing peak."""

import numpy as np
import pytest

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.marking import ViewOnMap, marks_of, pitch_on_screen
from napari_petlut.plugin.io.session import data_of, layers_of_session, session_of
from napari_petlut.plugin.work import steps

from .conftest import grid_points
from .test_editing import drag

BLOCK = BlockGeometry(4, 5)
SHAPE = 60, 70


def marks(places, zoom, geometry=BLOCK, missing=None, size=(60.0, 70.0)):
    return marks_of(places, geometry, SHAPE, ViewOnMap((25.0, 30.0), size, zoom), missing)


def written(found, what):
    return [text for text, kind in zip(found.texts, found.what, strict=True) if kind == what]


def test_rows_are_numbered_left_of_the_array_and_columns_above_it(points):
    found = marks(points, zoom=3.0)
    assert written(found, "row") == ["0", "1", "2", "3"]
    assert written(found, "col") == ["0", "1", "2", "3", "4"]
    assert written(found, "crystal") == []
    np.testing.assert_allclose(found.positions[2], points[10] - (0, 14 / 3))
    np.testing.assert_allclose(found.positions[4 + 3], points[3] - (14 / 3, 0))


def test_numbers_that_would_lie_on_each_other_are_left_out(points):
    found = marks(points, zoom=0.9)  # 9 screen pixels from row to row
    assert written(found, "row") == ["0", "2"]
    assert written(found, "col") == ["0", "2", "4"]


def test_every_crystal_in_sight_is_numbered_when_it_is_seen_large(points):
    found = marks(points, zoom=5.0)
    assert len(written(found, "crystal")) == 20
    assert "2, 4" in written(found, "crystal")
    part = marks(points, zoom=5.0, size=(10.0, 10.0))
    assert 0 < len(written(part, "crystal")) < 10
    assert len(written(part, "row")) == 4


def test_crystals_without_a_peak_have_no_number_and_the_place_of_one_is_marked(points):
    holed = points.copy()
    holed[5] = np.nan  # the first of row 1
    found = marks(holed, zoom=5.0, missing=(20.0, 10.0))
    assert "1, 0" not in written(found, "crystal")
    assert written(found, "row") == ["0", "1", "2", "3"]
    assert found.what[-1] == "place"
    np.testing.assert_array_equal(found.positions[-1], (20.0, 10.0))


def test_numbers_stay_on_the_map(points):
    found = marks(points - 9.5, zoom=3.0)
    assert found.positions.min() > 0


def test_nothing_is_written_where_nothing_is_known():
    found = marks(np.full((20, 2), np.nan), zoom=3.0)
    assert len(found.positions) == 0
    assert pitch_on_screen(np.full((20, 2), np.nan), 3.0) == np.inf


@pytest.fixture
def large(block, points):
    """The block with its lines and numbers, seen large."""
    block.set_peaks(Peaks(points, crystal=np.arange(20)))
    block.viewer.scene.camera.zoom = 6.0
    block.viewer.scene.camera.center = (0, 25.0, 30.0)
    steps.show_lines(block)
    return block


def mark_texts(block):
    layer = ly.find_layer(block.viewer, ly.LayerKind.MARKS, block.name)
    return layer.text.values.tolist()


def test_numbers_follow_zoom_and_edits_and_lie_under_the_peaks(large, points):
    layer = ly.find_layer(large.viewer, ly.LayerKind.MARKS, "b")
    layers = large.viewer.layers
    assert layers.index(layer) == layers.index(large.peaks_layer) - 1
    assert "1, 2" in mark_texts(large)
    at = mark_texts(large).index("1, 2")
    before = layer.data[at].copy()
    drag(large.peaks_layer, [7], (2.0, 1.0))
    np.testing.assert_allclose(layer.data[at], before + np.array((2.0, 1.0)))
    large.peaks_layer.remove([7])
    assert "1, 2" not in mark_texts(large)
    large.viewer.scene.camera.zoom = 1.5
    assert mark_texts(large) == ["0", "1", "2", "3", "0", "2", "4"]


def test_a_missing_crystal_is_shown_where_accepting_puts_it(large, points):
    layer = ly.find_layer(large.viewer, ly.LayerKind.MARKS, "b")
    large.peaks_layer.remove([7])
    large.snap = True
    large.next_suspect()
    place = layer.data[layer.features["what"] == "place"]
    assert len(place) == 1
    large.accept_suspect()
    np.testing.assert_allclose(large.peaks_layer.data[-1], place[0])
    assert "place" not in layer.features["what"].tolist()


def test_the_place_is_shown_also_where_nothing_else_is_marked(block, points):
    block.set_peaks(Peaks(np.delete(points, 7, 0)))
    assert ly.find_layer(block.viewer, ly.LayerKind.MARKS, "b") is None
    block.next_suspect()
    layer = ly.find_layer(block.viewer, ly.LayerKind.MARKS, "b")
    assert "place" in layer.features["what"].tolist()


def test_numbers_stand_what_a_person_does_to_their_layer(large):
    layer = ly.find_layer(large.viewer, ly.LayerKind.MARKS, "b")
    known = mark_texts(large)
    layer.data = np.empty((0, 2))
    large.look_again()
    assert mark_texts(large) == known
    layer.add((3.0, 4.0))
    large.look_again()
    assert mark_texts(large) == known


def test_a_session_brings_the_numbers_back_as_they_looked(large):
    layer = ly.find_layer(large.viewer, ly.LayerKind.MARKS, "b")
    (again,) = layers_of_session(session_of([data_of(layer)]))
    assert again.text.values.tolist() == layer.text.values.tolist()
    np.testing.assert_array_equal(again.text.color(again.features), layer.text.color(layer.features))


# -- crowded ----------------------------------------------------------------------------------------------


def test_drawings_are_fainter_where_crystals_are_crowded_and_a_persons_opacity_stays(done):
    viewer = done.viewer
    cells, lines = done.cells_layer, ly.find_layer(viewer, ly.LayerKind.LATTICE, "b")
    viewer.scene.camera.zoom = 5.0
    assert (cells.opacity, lines.opacity) == (0.6, 0.75)
    assert done.peaks_layer.canvas_size_limits == (6.0, 40.0)
    viewer.scene.camera.zoom = 0.8
    assert cells.opacity == pytest.approx(0.6 * 0.3)
    assert done.peaks_layer.canvas_size_limits[0] < 3
    lines.opacity = 0.9
    viewer.scene.camera.zoom = 5.0
    assert (cells.opacity, lines.opacity) == (0.6, 0.9)


def test_a_lone_peak_is_drawn(block):
    block.set_peaks(Peaks(grid_points(1, 1)))
    block.look_again()
    assert block.peaks_layer.canvas_size_limits == (6.0, 40.0)

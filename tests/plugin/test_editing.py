"""Editing peaks on a bare layer, without a window: what napari's tools do, done by their events."""

import numpy as np
import pytest
from napari.layers.base import ActionType

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Peaks
from napari_petlut.plugin.editing.following import EXTRA_REASON, PeakEditor, unmatched_rows
from napari_petlut.plugin.layers import peaks_from_layer, peaks_layer

BLOCK = BlockGeometry(4, 5)


def drag(layer, rows, shift):
    """What napari does during a drag: the data change in place, with one event before and one after."""
    layer.events.data(
        value=layer.data, action=ActionType.CHANGING, data_indices=tuple(rows), vertex_indices=((),)
    )
    layer.data[rows] += shift
    layer.refresh()
    layer.events.data(
        value=layer.data, action=ActionType.CHANGED, data_indices=tuple(rows), vertex_indices=((),)
    )


@pytest.fixture
def layer(points):
    peaks = Peaks(points, crystal=np.arange(20), confidence=np.full(20, 0.9))
    return peaks_layer(peaks, name="p", block="b", geometry=BLOCK)


@pytest.fixture
def editor(layer, counts):
    return PeakEditor(layer, BLOCK, lambda: counts)


def row(layer, index):
    return layer.features.iloc[index][["crystal", "row", "col", "status", "reason"]].tolist()


def test_a_dragged_peak_keeps_its_number_and_becomes_manual(editor, layer):
    drag(layer, [7], (2.0, 1.0))
    assert row(layer, 7) == [7, 1, 2, "manual", ""]
    assert row(layer, 6) == [6, 1, 1, "found", ""]
    assert layer.features["confidence"][7] == 1.0


def test_a_new_peak_inherits_nothing_from_the_selected_one(editor, layer, points):
    layer.selected_data = {7}
    layer.remove_selected()
    assert len(layer.data) == 19
    layer.selected_data = {3}
    layer.add(points[7] + 1)
    assert row(layer, 19) == [7, 1, 2, "manual", ""]
    layer.add(points[7] + 3)
    assert row(layer, 20) == [-1, -1, -1, "manual", EXTRA_REASON]


def test_every_kind_of_edit_can_be_undone_and_redone(editor, layer, points):
    start = layer.features.copy()

    def edits():
        yield lambda: layer.add((3.0, 3.0))
        yield lambda: drag(layer, [1, 2], (1.0, 0.5))
        yield lambda: (setattr(layer, "selected_data", {4, 5}), layer.remove_selected())
        yield lambda: setattr(layer, "data", layer.data[::2] + 0.25)

    states = [(layer.data.copy(), layer.features.copy())]
    for edit in edits():
        edit()
        states.append((layer.data.copy(), layer.features.copy()))
    for position, features in states[-2::-1]:
        assert editor.undo()
        np.testing.assert_array_equal(layer.data, position)
        assert layer.features.equals(features)
    assert not editor.undo()
    assert layer.features.equals(start)
    for position, features in states[1:]:
        assert editor.redo()
        np.testing.assert_array_equal(layer.data, position)
        assert layer.features.equals(features)
    assert not editor.redo()


def test_a_hundred_drags_can_be_undone(editor, layer, points):
    for step in range(120):
        drag(layer, [step % 20], (0.01, 0.0))
    while editor.undo():
        pass
    np.testing.assert_array_equal(layer.data, points)


def test_undo_goes_back_over_a_rerun_of_the_peak_search(editor, layer, points):
    drag(layer, [7], (2.0, 0.0))
    by_hand = layer.data.copy()
    editor.replace(Peaks(points[:18] + 0.5, crystal=np.arange(18)), [""] * 18)
    assert len(layer.data) == 18
    editor.undo()
    np.testing.assert_array_equal(layer.data, by_hand)
    editor.undo()
    np.testing.assert_array_equal(layer.data, points)


def test_colours_are_right_after_undo(editor, layer):
    before = layer.border_color.copy()
    layer.selected_data = {0, 1}
    layer.remove_selected()
    drag(layer, [3], (1.0, 0.0))
    editor.undo()
    editor.undo()
    np.testing.assert_array_equal(layer.border_color, before)


def test_snapping_moves_new_and_dragged_peaks_only(editor, layer, points):
    editor.snap = True
    drag(layer, [7], (2.0, -2.0))
    np.testing.assert_allclose(layer.data, points, atol=0.05)
    assert not np.array_equal(layer.data[7], points[7] + (2.0, -2.0))
    layer.add(points[3] + 2)  # its summit belongs to another peak
    np.testing.assert_array_equal(layer.data[-1], points[3] + 2)


def test_edits_are_told_once_each(editor, layer):
    seen = []
    editor.edited.connect(lambda: seen.append(len(layer.data)))
    layer.add((3.0, 3.0))
    drag(layer, [1], (1.0, 0.0))
    layer.refresh()
    layer.selected_data = {1}
    editor.undo()
    assert seen == [21, 21, 21]


def test_another_geometry_numbers_the_peaks_anew(editor, layer):
    editor.geometry = BlockGeometry(5, 4)
    assert (layer.features["crystal"] >= 0).sum() < 20
    editor.geometry = BLOCK
    assert layer.features["crystal"].tolist() == list(range(20))


def test_accepting_a_peak_is_a_step_of_the_history(editor, layer):
    editor.set_features(3, status="manual", confidence=1.0)
    assert row(layer, 3)[3] == "manual"
    editor.undo()
    assert row(layer, 3)[3] == "found"


def test_a_closed_editor_leaves_the_layer_alone(editor, layer):
    editor.close()
    layer.selected_data = {3}
    layer.add((3.0, 3.0))
    assert layer.features["status"].iloc[-1] == "found"
    assert len(peaks_from_layer(layer)) == 21


def test_a_place_that_occurs_again_counts_as_new_the_second_time():
    before = np.array([[1.0, 1.0], [2.0, 2.0]])
    assert unmatched_rows(before, np.array([[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]])).tolist() == [
        False,
        False,
        True,
    ]

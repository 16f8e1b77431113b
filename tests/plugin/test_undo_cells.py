"""Undo brings back the cells too: the same bytes, whatever was done before and since."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_petlut.analysis.segmentation import SegmentationParameters, nearest_peak_cells
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work import segmenting, steps
from napari_petlut.plugin.work.workbench import workbench_of

from .conftest import flood_of, grid_points
from .test_editing import drag

BLOCK = BlockGeometry(3, 3)
POINTS = grid_points(3, 3)
COUNTS = flood_of(POINTS, (45, 45))


def make_block(method="mixture"):
    viewer = ViewerModel()
    viewer.add_image(COUNTS, name="b")
    block = workbench_of(viewer).choose_any()
    block.geometry = BLOCK
    block.set_peaks(Peaks(POINTS, crystal=np.arange(9)))
    ids = nearest_peak_cells(COUNTS.shape, POINTS)
    ids[:3], ids[:, -2:] = 0, 8  # what the nearest peak would never give
    ids[20, 20] = -1
    cells = ly.cells_layer(CrystalLUT(ids, BLOCK), name="b - cells", block="b", method=method)
    block.show_cells(cells)
    block.choose(SegmentationParameters("nearest"))
    return block, viewer


places = st.tuples(st.floats(0, 44), st.floats(0, 44))
edits = st.one_of(
    st.tuples(st.just("add"), places),
    st.tuples(st.just("remove"), st.integers(0, 20)),
    st.tuples(st.just("drag"), st.integers(0, 20), places),
    st.tuples(st.just("column"), st.integers(0, 2)),
    st.tuples(st.just("accept")),
    st.tuples(st.just("segment")),
    st.tuples(st.just("undo")),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)


def apply(edit, block):
    kind, *values = edit
    layer = block.peaks_layer
    n = len(layer.data)
    if kind == "add":
        layer.add(values[0])
    elif kind == "remove" and n:
        layer.remove([values[0] % n])
    elif kind == "drag" and n:
        point = values[0] % n
        drag(layer, [point], np.asarray(values[1]) - layer.data[point])
    elif kind == "column":
        chosen = np.flatnonzero(layer.features["col"] == values[0]).tolist()
        if chosen:
            drag(layer, chosen, (1.5, 0.0))
    elif kind == "accept":
        block.next_suspect()
        block.accept_suspect()
    elif kind == "segment" and np.isfinite(block.places).any():
        segmenting.segmentation_job(block).run()
    elif kind in ("undo", "redo"):
        getattr(block, kind)()


def state_of(block):
    cells = block.cells_layer
    known = ly.info(cells)
    return cells.data.tobytes(), known.computed.tobytes(), known.stale, known.method


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(edits, max_size=14))
@example([("drag", 4, (26.0, 20.0)), ("undo",)])
@example([("column", 1), ("undo",), ("column", 1), ("undo",), ("redo",)])
@example([("drag", 4, (26.0, 20.0)), ("segment",), ("undo",), ("undo",), ("redo",), ("redo",)])
def test_after_any_undo_the_cells_are_what_they_were(sequence):
    block, _viewer = make_block()
    expected = {0: state_of(block)}
    history = block.editor.history
    for edit in sequence:
        before = history.undo_steps
        apply(edit, block)
        here = history.undo_steps
        if edit[0] in ("undo", "redo"):
            assert state_of(block) == expected[here]
        elif here > before:
            expected[here] = state_of(block)
        assert block.cells_layer.data.shape == COUNTS.shape
    while history.undo_steps:
        block.undo()
        assert state_of(block) == expected[history.undo_steps]


def test_what_was_painted_since_stays_painted():
    block, _viewer = make_block()
    cells = block.cells_layer
    cells.brush_size = 1
    start = cells.data.copy()
    cells.paint((2, 40), 4)
    drag(block.peaks_layer, [4], (5.0, 0.0))
    cells.paint((42, 2), 5)
    drag(block.peaks_layer, [0], (0.0, 4.0))
    after = cells.data.copy()
    block.undo()
    block.undo()
    expected = start.copy()
    expected[2, 40], expected[42, 2] = 4, 5
    np.testing.assert_array_equal(cells.data, expected)
    assert ly.painted(cells).sum() == 2
    block.redo()
    block.redo()
    np.testing.assert_array_equal(cells.data, after)


def test_a_segmentation_is_a_step_of_its_own_and_run_all_is_one():
    block, _viewer = make_block()
    drag(block.peaks_layer, [4], (5.0, 0.0))
    provisional = state_of(block)
    assert provisional[2]
    segmenting.segmentation_job(block).run()
    assert not ly.info(block.cells_layer).stale
    block.undo()
    assert state_of(block) == provisional
    peaks = block.peaks_layer.data.copy()
    steps.run_all_job(block).run()
    block.undo()
    assert state_of(block) == provisional
    np.testing.assert_array_equal(block.peaks_layer.data, peaks)


def test_undo_goes_on_across_another_size_and_back():
    block, _viewer = make_block("nearest")
    start, numbers = state_of(block), block.peaks_layer.features["crystal"].tolist()
    drag(block.peaks_layer, [4], (5.0, 0.0))
    drag(block.peaks_layer, [0], (0.0, 4.0))
    cells, layer, other = block.cells_layer, block.peaks_layer, BlockGeometry(3, 4)
    block.geometry = other
    block.undo()
    assert ly.geometry_of(cells) == ly.geometry_of(layer) == block.geometry == other
    np.testing.assert_array_equal(cells.data, nearest_peak_cells(COUNTS.shape, block.places) + 1)
    block.geometry = BLOCK
    block.undo()
    assert state_of(block) == start
    assert ly.geometry_of(cells) == ly.geometry_of(layer) == BLOCK
    np.testing.assert_array_equal(layer.data, POINTS)
    assert layer.features["crystal"].tolist() == numbers
    block.redo()
    block.redo()
    np.testing.assert_array_equal(layer.data[[0, 4]], POINTS[[0, 4]] + [[0, 4], [5, 0]])
    assert ly.geometry_of(cells) == block.geometry == BLOCK


@pytest.mark.parametrize("method", ["nearest", "mixture"])
def test_a_hundred_drags_there_and_back_add_nothing_up(method):
    block, _viewer = make_block(method)
    start = state_of(block)
    for k in range(50):
        drag(block.peaks_layer, [k % 9], (3.0, -2.0))
        block.undo()
    assert state_of(block) == start

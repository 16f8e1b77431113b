"""Any sequence of edits: what must be true after each of them, and undo all the way back."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Peaks
from napari_petlut.plugin.editing.following import PeakEditor
from napari_petlut.plugin.layers import peaks_layer

from .conftest import flood_of, grid_points
from .test_editing import drag

BLOCK = BlockGeometry(3, 3)
POINTS = grid_points(3, 3)
COUNTS = flood_of(POINTS, (45, 45))

places = st.tuples(st.floats(0, 44), st.floats(0, 44))
edits = st.one_of(
    st.tuples(st.just("add"), places),
    st.tuples(st.just("remove"), st.integers(0, 20)),
    st.tuples(st.just("drag"), st.integers(0, 20), places),
    st.tuples(st.just("double"), st.integers(0, 20)),
    st.tuples(st.just("script"), st.integers(0, 9)),
    st.tuples(st.just("snap")),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)


def apply(edit, layer, editor):
    kind, *values = edit
    n = len(layer.data)
    if kind == "add":
        layer.add(values[0])
    elif kind == "remove" and n:
        layer.remove([values[0] % n])
    elif kind == "drag" and n:
        point = values[0] % n
        drag(layer, [point], np.asarray(values[1]) - layer.data[point])
    elif kind == "double" and n:
        layer.add(layer.data[values[0] % n].copy())
    elif kind == "script":
        layer.data = POINTS[: values[0]] + 0.5
    elif kind == "snap":
        editor.snap = not editor.snap
    elif kind == "undo":
        editor.undo()
    elif kind == "redo":
        editor.redo()


@settings(max_examples=15, deadline=None)
@given(st.lists(edits, max_size=12))
@example([("add", (0.0, 0.0)), ("script", 2), ("remove", 0)])
def test_after_any_edits_the_table_is_right_and_undo_leads_back(sequence):
    layer = peaks_layer(Peaks(POINTS, crystal=np.arange(9)), name="p", block="b", geometry=BLOCK)
    editor = PeakEditor(layer, BLOCK, lambda: COUNTS)
    start = layer.features.copy()
    for edit in sequence:
        apply(edit, layer, editor)
        crystal = layer.features["crystal"].to_numpy()
        numbered = crystal[crystal >= 0]
        assert len(layer.features) == len(layer.data) == len(layer.border_color)
        assert len(np.unique(numbered)) == len(numbered)
        assert (numbered < 9).all()
        np.testing.assert_array_equal(editor.positions, layer.data)
        np.testing.assert_array_equal(editor.numbering.crystal, crystal)
        row, col = BLOCK.row_col(crystal)
        assert layer.features["row"].tolist() == row.tolist()
        assert layer.features["col"].tolist() == col.tolist()
    while editor.undo():
        pass
    np.testing.assert_array_equal(layer.data, POINTS)
    assert layer.features.equals(start)

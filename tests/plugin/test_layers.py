"""Model <-> layers: nothing may get lost or shifted on the way."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EnergyWindow, FloodMap, Peaks
from napari_petlut.plugin import layers as ly

BLOCK = BlockGeometry(2, 3)
PEAKS = Peaks(
    np.array([[1.25, 2.0], [1.0, 6.0], [5.5, 2.0]]),
    crystal=np.array([0, 1, 3]),
    status=np.array(["found", "suspect", "manual"]),
    confidence=np.array([1.0, 0.25, np.nan]),
)


def test_peaks_survive_the_way_to_a_layer_and_back():
    layer = ly.peaks_layer(PEAKS, name="b - peaks", block="b", geometry=BLOCK, reasons=["", "doubled"])
    back = ly.peaks_from_layer(layer)
    np.testing.assert_array_equal(back.positions, PEAKS.positions)
    np.testing.assert_array_equal(back.crystal, PEAKS.crystal)
    np.testing.assert_array_equal(back.status, PEAKS.status)
    np.testing.assert_array_equal(back.confidence, PEAKS.confidence)
    assert layer.features["row"].tolist() == [0, 0, 1]
    assert layer.features["col"].tolist() == [0, 1, 0]
    assert layer.features["reason"].tolist() == ["", "doubled", ""]
    assert ly.geometry_of(layer) == BLOCK


def test_peaks_are_coloured_by_status():
    layer = ly.peaks_layer(PEAKS, name="p", geometry=BLOCK)
    found, suspect, manual = (tuple(c) for c in layer.border_color)
    assert len({found, suspect, manual}) == 3
    table = layer.features.copy()
    table.loc[0, "status"] = "manual"
    layer.features = table
    assert tuple(layer.border_color[0]) == manual


def test_flood_map_survives_the_way_to_a_layer_and_back():
    spectrum = np.arange(4096)
    flood = FloodMap(
        np.eye(4), spectrum=spectrum, window=EnergyWindow(3, 9), full_scale=512.0, source="a.dat"
    )
    back = ly.flood_from_layer(ly.flood_layer(flood, name="a"))
    np.testing.assert_array_equal(back.counts, flood.counts)
    np.testing.assert_array_equal(back.spectrum, spectrum)
    assert (back.window, back.full_scale, back.source) == (flood.window, 512.0, "a.dat")


def test_any_plain_image_is_a_flood_map_but_a_negative_one_says_why_not():
    assert ly.flood_from_layer(Image(np.ones((3, 4), np.uint8), name="x")).source == "x"
    with pytest.raises(ParameterError, match=r"layer 'neg' cannot be a flood map: .*not negative"):
        ly.flood_from_layer(Image(np.full((3, 3), -1.0), name="neg"))
    assert not ly.is_flood_candidate(Image(np.ones((3, 4, 5))))
    assert not ly.is_flood_candidate(Points(np.ones((3, 2))))


def test_labels_carry_id_plus_one_and_remember_what_was_painted():
    lut = CrystalLUT(np.array([[0, 1, -1], [3, 4, 5]]), BLOCK)
    layer = ly.cells_layer(lut, name="b - cells", block="b")
    assert layer.data.tolist() == [[1, 2, 0], [4, 5, 6]]
    assert layer.contour == 1
    layer.brush_size = 1
    assert not ly.painted(layer).any()
    layer.paint((0, 2), 3)
    assert ly.painted(layer).tolist() == [[False, False, True], [False, False, False]]
    back = ly.lut_from_labels(layer.data, {"metadata": layer.metadata})
    assert back.ids.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ParameterError, match="set rows and columns"):
        ly.lut_from_labels(layer.data, {})


def test_lattice_lines_join_neighbours_and_have_no_length_at_holes():
    grid = np.stack(np.meshgrid([0.0, 10], [0.0, 5, 9], indexing="ij"), -1)
    vectors, along = ly.lattice_segments(grid, BlockGeometry(*grid.shape[:2]))
    assert along.tolist() == ["row"] * 4 + ["col"] * 3
    assert vectors[0].tolist() == [[0, 0], [0, 5]]
    assert vectors[-1].tolist() == [[0, 9], [10, 0]]
    grid[0, 1] = np.nan
    holed, same = ly.lattice_segments(grid, BlockGeometry(*grid.shape[:2]))
    assert same.tolist() == along.tolist()
    shown = holed[:, 1].any(axis=1)
    assert shown.tolist() == [False, False, True, True, True, False, True]
    np.testing.assert_array_equal(holed[shown], vectors[shown])
    assert np.isfinite(holed).all()
    grid[:] = np.nan
    assert len(ly.lattice_segments(grid, BlockGeometry(*grid.shape[:2]))[0]) == 0


def test_a_rerun_updates_its_layer_and_keeps_what_the_person_set():
    viewer = ViewerModel()
    image = viewer.add_image(np.ones((8, 8)), scale=(0.5, 0.25), name="b")
    first = ly.show_layer(
        viewer, ly.peaks_layer(PEAKS, name="b - peaks", block="b", geometry=BLOCK), like=image
    )
    assert tuple(first.scale) == (0.5, 0.25)
    first.opacity, first.name = 0.3, "mine"
    fewer = Peaks(PEAKS.positions[:2], crystal=np.array([4, 5]), status=np.array(["missing", "found"]))
    again = ly.show_layer(viewer, ly.peaks_layer(fewer, name="b - peaks", block="b", geometry=BLOCK))
    assert again is first
    assert len(viewer.layers) == 2
    assert (first.opacity, first.name) == (0.3, "mine")
    assert ly.peaks_from_layer(first).crystal.tolist() == [4, 5]


def test_foreign_points_become_peaks_that_can_be_dragged_by_fractions():
    layer = Points(np.array([[1, 2], [3, 4]]))
    ly.adopt_points(layer, "b", BLOCK)
    assert layer.data.dtype.kind == "f"
    assert layer.features["status"].tolist() == ["found", "found"]
    assert ly.kind_of(layer) is ly.LayerKind.PEAKS


def test_rings_of_a_dense_block_are_smaller():
    assert ly.ring_size(np.argwhere(np.ones((5, 5))) * 10.0) == pytest.approx(3.5)
    assert ly.ring_size(np.argwhere(np.ones((5, 5))) * 50.0) == ly.PEAK_SIZE
    assert ly.ring_size(np.empty((0, 2))) == ly.PEAK_SIZE


def test_layers_of_a_block_that_is_open_already_get_a_block_of_their_own():
    viewer = ViewerModel()
    viewer.layers.append(ly.flood_layer(FloodMap(np.eye(4)), name="b"))
    again = [
        ly.flood_layer(FloodMap(np.eye(4)), name="b"),
        ly.peaks_layer(PEAKS, name="b - peaks", block="b"),
        ly.peaks_layer(PEAKS, name="c - peaks", block="c"),
    ]
    assert [ly.block_of(layer) for layer in ly.with_own_blocks(again, viewer)] == ["b [1]", "b [1]", "c"]
    assert [ly.block_of(layer) for layer in ly.with_own_blocks(again, None)] == ["b [1]", "b [1]", "c"]


def test_only_the_part_of_the_labels_that_changes_is_drawn():
    ids = np.repeat(np.arange(6).reshape(2, 3), 8, axis=0).repeat(8, axis=1)
    layer = ly.cells_layer(CrystalLUT(ids, BLOCK), name="b", contour=1)
    parts = []
    layer.events.labels_update.connect(lambda event: parts.append((event.data, tuple(event.offset))))
    ly.show_labels(layer, layer.data.copy(), in_part=True)
    assert parts == []
    values = layer.data.copy()
    values[3, 4] = 2
    ly.show_labels(layer, values, in_part=True)
    np.testing.assert_array_equal(layer.data, values)
    ((drawn, offset),) = parts
    assert offset == (1, 2)
    assert drawn[:, :4].tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 2, 1], [0, 0, 1, 0], [0, 0, 0, 0]]
    layer.visible = False
    ly.show_labels(layer, values + np.uint16(1), in_part=True)
    np.testing.assert_array_equal(layer.data, values + 1)
    assert len(parts) == 1


def test_moved_points_tell_it_as_a_drag_does():
    layer = ly.peaks_layer(PEAKS, name="b", geometry=BLOCK)
    told = []
    layer.events.data.connect(lambda event: told.append((str(event.action), event.data_indices)))
    data = layer.data
    ly.move_points(layer, data + np.array([[0.0, 0], [1, 2], [0, 0]]))
    assert layer.data is data
    assert layer.data[1].tolist() == (PEAKS.positions[1] + (1, 2)).tolist()
    assert told == [("changing", (1,)), ("changed", (1,))]

"""One block in a viewer without a window: every layer follows every edit."""

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_petlut.analysis.segmentation import nearest_peak_cells
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.counting import OVERLAY_KEY
from napari_petlut.plugin.work.workbench import workbench_of

from .conftest import flood_of
from .test_editing import drag

BLOCK = BlockGeometry(4, 5)


@pytest.fixture
def viewer(counts):
    viewer = ViewerModel()
    viewer.add_image(counts, name="b", scale=(0.5, 0.5))
    return viewer


@pytest.fixture
def block(viewer, points):
    block = workbench_of(viewer).choose_any()
    block.geometry = BLOCK
    block.set_peaks(Peaks(points, crystal=np.arange(20)))
    return block


def add_cells(block, method="nearest"):
    lut = CrystalLUT(nearest_peak_cells(block.flood.shape, block.places), BLOCK)
    layer = ly.cells_layer(lut, name="b - cells", block=block.name, method=method)
    return ly.show_layer(block.viewer, layer, like=block.flood_layer)


def overlay(viewer):
    return viewer.canvas.overlays[OVERLAY_KEY].text


def test_peaks_lie_on_the_flood_map(block):
    assert block.peaks_layer.name == "b - peaks"
    assert tuple(block.peaks_layer.scale) == (0.5, 0.5)


def test_the_count_on_the_canvas_follows_every_edit(block, viewer, points):
    layer = block.peaks_layer
    assert overlay(viewer) == "20 / 20 peaks"
    layer.selected_data = {7}
    layer.remove_selected()
    assert overlay(viewer) == "19 / 20 peaks, 1 suspect"
    layer.add(points[7])
    assert overlay(viewer) == "20 / 20 peaks"
    layer.data = points[:18]
    assert overlay(viewer) == "18 / 20 peaks, 2 suspects"
    block.undo()
    assert overlay(viewer) == "20 / 20 peaks"


def test_cells_follow_an_edit_exactly(block):
    cells = add_cells(block)
    drag(block.peaks_layer, [7], (3.0, 2.0))
    np.testing.assert_array_equal(
        cells.data, nearest_peak_cells(block.flood.shape, block.peaks_layer.data) + 1
    )
    block.undo()
    np.testing.assert_array_equal(
        cells.data, nearest_peak_cells(block.flood.shape, block.peaks_layer.data) + 1
    )


def test_a_deleted_peak_gives_its_cell_to_the_neighbours(block):
    cells = add_cells(block)
    block.peaks_layer.remove([7])
    assert not (cells.data == 8).any()
    assert cells.data.min() > 0


def test_painted_pixels_survive_an_edit(block):
    cells = add_cells(block)
    cells.brush_size = 1
    cells.paint((0, 0), 20)
    drag(block.peaks_layer, [7], (3.0, 2.0))
    assert cells.data[0, 0] == 20
    assert ly.painted(cells).sum() == 1


def test_cells_of_another_method_change_only_where_the_nearest_peak_changes(block):
    cells = add_cells(block, method="mixture")
    special = cells.data.copy()
    special[-1, :] = 1  # what nearest-peak cells would never say
    special[0, 0] = 0
    cells.data = special.copy()
    ly.info(cells).computed = special.copy()
    drag(block.peaks_layer, [0], (3.0, 2.0))
    assert (cells.data[-1] == 1).all()
    assert cells.data[0, 0] == 0
    assert (cells.data != special).any()
    assert ly.info(cells).stale


def test_lines_follow_an_edit(block, viewer, points):
    lines = viewer.layers
    grid = points.reshape(4, 5, 2)
    layer = ly.show_layer(viewer, ly.lattice_layer(grid, "b", block=block.name, geometry=BLOCK))
    assert layer in lines
    assert len(layer.data) == 4 * 4 + 3 * 5
    drag(block.peaks_layer, [0], (3.0, 2.0))
    np.testing.assert_array_equal(layer.data[0, 0], points[0] + (3, 2))
    block.peaks_layer.remove([0])
    assert layer.data[:, 1].any(axis=1).sum() == 4 * 4 + 3 * 5 - 2
    colors = {tuple(c) for c in layer.edge_color}
    assert len(colors) == 2


def test_one_key_selects_the_row_and_another_the_column(block):
    layer = block.peaks_layer
    layer.selected_data = {7}
    block.select_row()
    assert set(layer.selected_data) == {5, 6, 7, 8, 9}
    layer.selected_data = {7}
    block.select_col()
    assert set(layer.selected_data) == {2, 7, 12, 17}
    layer.selected_data = set()
    block.select_col()
    assert set(layer.selected_data) == set()


def test_row_then_column_is_of_the_peak_that_the_row_was_selected_from(block):
    layer = block.peaks_layer
    layer.selected_data = {7}
    block.select_row()
    drag(layer, sorted(layer.selected_data), (0.5, 0.0))
    block.select_col()
    assert set(layer.selected_data) == {2, 7, 12, 17}
    block.select_row()
    assert set(layer.selected_data) == {5, 6, 7, 8, 9}
    layer.selected_data = {5, 6, 7, 8}  # by hand: of each of them
    block.select_col()
    assert len(layer.selected_data) == 16


def test_suspects_are_visited_in_turn_and_settled(block, viewer, points):
    layer = block.peaks_layer
    layer.remove([7])
    layer.add(points[12] + 2)
    assert [s.kind.value for s in block.suspects] == ["missing", "doubled"]
    layer.visible = False
    block.next_suspect()
    assert layer.visible
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], points[7] * 0.5)
    assert "crystal 7 (row 1, col 2) has no peak" in overlay(viewer)
    block.next_suspect()
    assert set(layer.selected_data) == {19}
    block.accept_suspect()
    assert len(layer.data) == 19
    block.previous_suspect()
    block.accept_suspect()
    np.testing.assert_allclose(layer.data[-1], points[7])
    assert overlay(viewer) == "20 / 20 peaks"
    block.undo()
    assert overlay(viewer).startswith("19 / 20 peaks, 1 suspect")


def test_all_doubtful_peaks_are_confirmed_by_one_edit(block, viewer):
    block.editor.set_features([2, 5], status="suspect", reason="dim")
    block.peaks_layer.remove([7])
    assert len(block.suspects) == 3
    block.accept_all()
    assert [suspect.crystal for suspect in block.suspects] == [7]
    assert block.peaks_layer.features["status"][[2, 5]].tolist() == ["manual", "manual"]
    block.undo()
    assert len(block.suspects) == 3


def test_status_colours_come_back_after_recolouring_and_the_rest_of_the_look_stays(block):
    from napari.utils.colormaps.standardize_color import transform_color

    layer, cells = block.peaks_layer, add_cells(block)
    steps.show_lines(block)
    lines = ly.find_layer(block.viewer, ly.LayerKind.LATTICE, block.name)
    layer.border_color, layer.face_color, layer.symbol, layer.opacity = "white", "blue", "square", 0.5
    lines.edge_color = "gray"
    cells.contour, cells.opacity = 0, 0.33
    drag(layer, [7], (0.5, 0.5))
    expected = np.repeat(transform_color(ly.STATUS_COLORS["found"]), 20, axis=0)
    expected[7] = transform_color(ly.STATUS_COLORS["manual"])[0]
    np.testing.assert_allclose(layer.border_color, expected, atol=1e-6)
    block.set_peaks(Peaks(block.peaks.positions[:19], crystal=np.arange(19)))
    steps.show_lines(block)
    assert {tuple(color) for color in layer.face_color} == {(0.0, 0.0, 1.0, 1.0)}
    assert {str(symbol) for symbol in layer.symbol} == {"square"}
    assert layer.opacity == 0.5
    assert len({tuple(color) for color in lines.edge_color}) == 1
    assert (cells.contour, cells.opacity) == (0, 0.33)


def test_status_bar_tells_the_crystal_under_the_mouse_whatever_layer_is_active(block, viewer, points):
    viewer.layers.selection.active = block.flood_layer
    viewer.mouse_over_canvas = True
    viewer.cursor.position = tuple((points[7] + 1) * 0.5)
    assert "crystal 7 (row 1, col 2)" in viewer.status["coordinates"]
    add_cells(block)
    viewer.cursor.position = tuple((points[8] + 4) * 0.5)
    assert viewer.status["coordinates"].endswith("crystal 8 (row 1, col 3)")


def test_snapping_is_off_until_it_is_asked_for(block, points):
    drag(block.peaks_layer, [7], (1.0, 1.0))
    np.testing.assert_array_equal(block.peaks_layer.data[7], points[7] + 1)
    block.toggle_snap()
    drag(block.peaks_layer, [7], (0.5, 0.0))
    np.testing.assert_allclose(block.peaks_layer.data[7], points[7], atol=0.05)


def test_keys_are_bound_while_the_peaks_are_there(block, viewer):
    layer = block.peaks_layer
    keys = len(layer.keymap)
    assert keys >= 5
    block.detach()
    assert len(layer.keymap) == keys - 5


def test_two_blocks_are_kept_apart(viewer, block, points):
    other_points = points + 2
    other = viewer.add_image(flood_of(other_points), name="c")
    bench = workbench_of(viewer)
    second = bench.choose(other)
    second.geometry = BLOCK
    second.set_peaks(Peaks(other_points[:19]))
    assert overlay(viewer) == "19 / 20 peaks, 1 suspect"
    assert len(block.peaks_layer.data) == 20
    bench.choose(block.flood_layer)
    assert overlay(viewer) == "20 / 20 peaks"
    viewer.layers.remove(block.flood_layer)
    assert bench.current is second


def test_peaks_opened_on_their_own_are_taken_over(viewer, points):
    bench = workbench_of(viewer)
    block = bench.choose_any()
    layer = ly.peaks_layer(Peaks(points, crystal=np.arange(20)), name="from file", geometry=BLOCK)
    viewer.layers.append(layer)
    assert block.peaks_layer is layer
    assert block.geometry == BLOCK


def test_another_points_layer_can_become_the_peaks(block, viewer, points):
    bench, before = workbench_of(viewer), block.peaks_layer
    mine = viewer.add_points(np.rint(points).astype(int), name="mine")
    assert bench.points_layers == [before, mine]
    bench.use_peaks(mine)
    assert block.peaks_layer is mine
    assert overlay(viewer) == "20 / 20 peaks"
    before.remove([0])
    assert overlay(viewer) == "20 / 20 peaks"
    bench.use_peaks(before)
    assert overlay(viewer) == "19 / 20 peaks, 1 suspect"


def test_peaks_that_come_after_their_flood_map_are_attached(viewer, block, points):
    layer = block.peaks_layer
    viewer.layers.remove(layer)
    assert block.peaks_layer is None
    viewer.layers.append(layer)
    assert block.peaks_layer is layer


def test_removing_the_layers_ends_the_work(block, viewer):
    viewer.layers.remove(block.peaks_layer)
    assert block.peaks_layer is None
    assert OVERLAY_KEY not in viewer.canvas.overlays
    assert block.count.sentence == "0 / 20 peaks"
    viewer.layers.clear()
    assert workbench_of(viewer).current is None
    assert OVERLAY_KEY not in viewer.canvas.overlays


def worked_with_viewer(counts):
    viewer = ViewerModel()
    viewer.add_image(counts)
    workbench_of(viewer).choose_any().set_peaks(Peaks(np.array([[3.0, 4.0]])))
    return weakref.ref(workbench_of(viewer))


def test_a_viewer_that_is_gone_is_forgotten(counts):
    bench = worked_with_viewer(counts)
    gc.collect()  # frees the viewer, which lets go of its workbench
    gc.collect()
    assert bench() is None

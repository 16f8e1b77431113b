"""Several blocks in one viewer without a window: one is in focus, and everything on screen is that one's."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_petlut.analysis.detection import FilterParameters
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloodMap, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.saving import save_session
from napari_petlut.plugin.work import segmenting, steps
from napari_petlut.plugin.work.counting import OVERLAY_KEY
from napari_petlut.plugin.work.workbench import workbench_of

from .conftest import flood_of, grid_points

SMALL, LARGE = BlockGeometry(4, 5), BlockGeometry(3, 4)


def add_block(viewer, name, geometry):
    points = grid_points(geometry.rows, geometry.cols)
    flood = viewer.add_layer(ly.flood_layer(FloodMap(flood_of(points)), name=name, geometry=geometry))
    block = workbench_of(viewer).choose(flood)
    block.set_peaks(Peaks(points, crystal=np.arange(len(geometry))))
    return block


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    workbench_of(viewer)
    return viewer


@pytest.fixture
def two(viewer):
    return add_block(viewer, "a", SMALL), add_block(viewer, "b", LARGE)


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def count(viewer):
    overlay = viewer.canvas.overlays.get(OVERLAY_KEY)
    return overlay.text if overlay is not None else None


def test_the_map_that_was_opened_last_is_in_focus_and_alone_on_the_canvas(viewer, two):
    assert workbench_of(viewer).current is two[1]
    assert shown(viewer) == ["b", "b - peaks"]
    assert count(viewer) == "12 / 12 peaks"


def test_showing_or_selecting_a_layer_brings_its_block_into_focus(viewer, two):
    bench = workbench_of(viewer)
    viewer.layers["a"].visible = True
    assert bench.current is two[0]
    assert shown(viewer) == ["a", "a - peaks"]
    assert count(viewer) == "20 / 20 peaks"
    assert viewer.layers.selection.active is two[0].peaks_layer
    viewer.layers.selection.active = viewer.layers["b - peaks"]
    assert bench.current is two[1]
    assert shown(viewer) == ["b", "b - peaks"]


def test_the_next_block_comes_by_key(viewer, two):
    bench = workbench_of(viewer)
    for expected in ("a", "b", "a"):
        bench.act("next_block")
        assert bench.current.name == expected
    bench.act("previous_block")
    assert bench.current.name == "b"


def test_what_a_person_hid_stays_hidden(viewer, two):
    two[0].viewer.layers["a - peaks"].visible = False
    bench = workbench_of(viewer)
    bench.next_block()
    assert shown(viewer) == ["a", "a - peaks"]
    viewer.layers["a - peaks"].visible = False
    bench.next_block()
    bench.next_block()
    assert shown(viewer) == ["a"]


def test_a_grid_shows_the_blocks_side_by_side(viewer, two):
    viewer.canvas.grid.enabled = True
    workbench_of(viewer).next_block()
    assert shown(viewer) == ["a", "a - peaks", "b", "b - peaks"]


def test_a_job_of_another_block_leaves_the_one_in_focus_alone(viewer, two):
    first, second = two
    job = steps.run_all_job(first)
    assert job.run().startswith("20 crystals")
    assert workbench_of(viewer).current is second
    assert shown(viewer) == ["b", "b - peaks"]
    assert count(viewer) == "12 / 12 peaks"
    assert viewer.layers.selection.active is second.peaks_layer
    workbench_of(viewer).next_block()
    assert shown(viewer) == ["a", "a - cells", "a - lattice", "a - numbers", "a - peaks"]
    assert count(viewer) == "20 / 20 peaks"


def test_with_its_map_goes_everything_that_was_said_of_a_block(viewer, two):
    viewer.layers.remove("b")
    assert workbench_of(viewer).current is two[0]
    assert count(viewer) == "20 / 20 peaks"
    assert shown(viewer) == ["a", "a - peaks"]
    viewer.layers.remove("a")
    assert workbench_of(viewer).current is None
    assert count(viewer) is None


def test_two_maps_of_one_name_are_two_blocks(viewer, two):
    third = viewer.add_layer(ly.flood_layer(FloodMap(np.ones((60, 70))), name="a"))
    assert workbench_of(viewer).current.flood_layer is third
    assert len({block.name for block in workbench_of(viewer).blocks}) == 3
    assert workbench_of(viewer).current.peaks_layer is None


def test_an_image_that_another_plugin_made_does_not_take_the_focus(viewer, two):
    from napari.layers._source import layer_source

    with layer_source(parent=viewer.layers["b"]):
        viewer.add_image(np.ones((60, 70)), name="made")
    assert workbench_of(viewer).current is two[1]
    viewer.add_image(np.ones((60, 70)), name="opened")
    assert workbench_of(viewer).current.name == "opened"


def duplicate(viewer, *names):
    from napari.layers._layer_actions import _duplicate_layer

    viewer.layers.selection = {viewer.layers[name] for name in names}
    _duplicate_layer(viewer.layers)


def convert(viewer, name, kind):
    from napari.layers._layer_actions import _convert

    viewer.layers.selection = {viewer.layers[name]}
    _convert(viewer.layers, kind)


def test_a_copy_of_a_layer_is_no_part_of_its_block(viewer, two):
    second = two[1]
    segmenting.segmentation_job(second).run()
    second.choose(FilterParameters(sigma=3.0))
    before = second.peaks_layer, second.cells_layer
    duplicate(viewer, "b - peaks", "b - cells", "b - lattice" if "b - lattice" in viewer.layers else "b")
    assert (second.peaks_layer, second.cells_layer) == before
    copy = viewer.layers["b - cells copy"]
    assert ly.kind_of(copy) is ly.LayerKind.LUT
    second.peaks_layer.remove([3])
    assert second.count.peaks == 11
    assert len(viewer.layers["b - peaks copy"].data) == 12
    np.testing.assert_array_equal(np.unique(copy.data), np.arange(1, 13))


def test_a_copy_of_a_map_is_a_block_of_its_own(viewer, two):
    second = two[1]
    second.choose(FilterParameters(sigma=3.0))
    duplicate(viewer, "b")
    own = workbench_of(viewer).choose(viewer.layers["b copy"])
    assert own is not second
    assert own.name != second.name
    assert own.geometry == LARGE
    own.choose(FilterParameters(sigma=1.0))
    assert second.parameters(FilterParameters).sigma == 3.0


def test_what_is_converted_is_no_longer_what_it_was(viewer, two):
    second = two[1]
    segmenting.segmentation_job(second).run()
    convert(viewer, "b - cells", "image")
    assert isinstance(viewer.layers["b - cells"], Image)
    assert second.cells_layer is None
    segmenting.segmentation_job(second).run()
    assert isinstance(second.cells_layer, Labels)
    with pytest.warns(UserWarning, match="projection mode"):
        convert(viewer, "b", "labels")  # napari keeps an image of fractions beside the labels made of it
    made = viewer.layers["b [1]"]
    assert isinstance(made, Labels)
    assert (ly.kind_of(made), ly.block_of(made)) == (None, "")
    assert not second.lost
    viewer.layers.remove("b")
    assert second.lost == "the flood map 'b' was removed"


def test_focus_and_what_was_put_aside_survive_a_session(viewer, two, tmp_path):
    from npe2 import PluginManager

    PluginManager.instance().discover()
    save_session(viewer, tmp_path / "s.petlut")
    again = ViewerModel()
    bench = workbench_of(again)
    again.open(tmp_path / "s.petlut", plugin="napari-petlut")
    assert bench.current.name == "b"
    assert shown(again) == ["b", "b - peaks"]
    bench.next_block()
    assert bench.current.name == "a"
    assert shown(again) == ["a", "a - peaks"]
    assert count(again) == "20 / 20 peaks"

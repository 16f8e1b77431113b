"""The map without what is drawn over it: while a key is held, and step by step."""

import numpy as np
import pytest

from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.workbench import workbench_of


@pytest.fixture
def bench(done):
    return workbench_of(done.viewer)


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


WHOLE = ["b", "b - cells", "b - lattice", "b - numbers", "b - peaks"]


def test_while_a_key_is_held_only_maps_are_shown(done, bench):
    viewer = done.viewer
    lines = ly.find_layer(viewer, ly.LayerKind.LATTICE, "b")
    viewer.add_points(np.zeros((1, 2)), name="my own")
    lines.visible = False
    before = shown(viewer)
    bench.hide_overlays()
    assert shown(viewer) == ["b"]
    viewer.layers.remove("my own")
    bench.show_overlays()
    assert shown(viewer) == [name for name in before if name != "my own"]
    assert not lines.visible


def test_a_release_that_never_came_is_made_up_for(done, bench):
    viewer = done.viewer
    bench.hide_overlays()
    bench.hide_overlays()
    bench.show_overlays()
    assert shown(viewer) == WHOLE


def test_layers_put_aside_while_the_key_was_held_stay_aside(done, bench, counts):
    viewer = done.viewer
    bench.hide_overlays()
    viewer.add_image(counts, name="c")
    bench.show_overlays()
    assert shown(viewer) == ["c"]
    bench.choose(done.flood_layer)
    assert shown(viewer) == WHOLE


def test_steps_lead_from_the_map_alone_back_to_what_there_was(done, bench):
    viewer = done.viewer
    bench.step_overlays()
    assert shown(viewer) == ["b"]
    assert viewer.status == "Shown: the map alone"
    bench.step_overlays()
    assert shown(viewer) == ["b", "b - lattice", "b - numbers", "b - peaks"]
    bench.step_overlays()
    assert shown(viewer) == ["b", "b - cells"]
    bench.step_overlays()
    assert shown(viewer) == WHOLE
    viewer.layers["b - lattice"].visible = False
    for _ in range(4):
        bench.step_overlays()
    assert shown(viewer) == [name for name in WHOLE if name != "b - lattice"]


def test_steps_begin_anew_after_something_was_shown_by_hand(done, bench):
    viewer = done.viewer
    bench.step_overlays()
    viewer.layers["b - peaks"].visible = True
    bench.step_overlays()
    assert shown(viewer) == ["b"]
    viewer.layers.remove("b - cells")
    bench.step_overlays()
    bench.step_overlays()  # without cells there is nothing to show between
    assert shown(viewer) == ["b", "b - lattice", "b - numbers", "b - peaks"]

"""Sample data: there at once, offline, and ready for the workflow."""

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManager

from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io import samples


@pytest.fixture
def viewer():
    PluginManager.instance().discover()
    return ViewerModel()


@pytest.mark.parametrize(
    ("key", "name", "geometry"),
    [
        ("typical", "typical block", BlockGeometry(16, 16)),
        ("hard", "hard block", BlockGeometry(16, 16)),
        ("small", "8 x 8 block", BlockGeometry(8, 8)),
    ],
)
def test_a_sample_is_a_flood_map_that_knows_its_geometry(viewer, key, name, geometry):
    (layer,) = viewer.open_sample("napari-petlut", key)
    assert layer.name == name
    assert ly.kind_of(layer) is ly.LayerKind.FLOOD
    assert ly.geometry_of(layer) == geometry
    assert layer.data.shape == (512, 512)
    assert layer.colormap.name == "inferno"


def test_the_event_sample_can_be_counted_again(viewer, monkeypatch):
    monkeypatch.setattr(samples, "SAMPLE_EVENTS", 50_000)
    samples.event_file.cache_clear()
    (layer,) = viewer.open_sample("napari-petlut", "events")
    flood = ly.flood_from_layer(layer)
    assert flood.spectrum.sum() == 50_000
    assert flood.window.low < 520 < flood.window.high
    assert (layer.name, ly.block_of(layer)) == ("raw events", "raw events")
    assert ly.info(layer).events.path == samples.event_file()
    assert samples.event_file().stat().st_size == 200_000
    np.testing.assert_array_equal(layer.data, viewer.open_sample("napari-petlut", "events")[0].data)
    samples.event_file.cache_clear()

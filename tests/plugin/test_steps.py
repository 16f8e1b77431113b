"""The steps of the workflow without a panel: which layers they make, update and keep."""

from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.lattice import GeometryProposal, number_peaks
from napari_petlut.analysis.segmentation import SegmentationParameters, nearest_peak_cells
from napari_petlut.errors import FormatError, GeometryError, ParameterError
from napari_petlut.formats.events import write_events
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, EventFormat, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.opening import open_file
from napari_petlut.plugin.work import segmenting, steps
from napari_petlut.plugin.work.workbench import workbench_of
from napari_petlut.workflow.pipeline import calibrate

from .conftest import grid_points
from .test_editing import drag

BLOCK = BlockGeometry(4, 5)


def test_run_all_finds_numbers_and_segments(block, viewer, points):
    said = steps.run_all_job(block).run()
    assert said.startswith("20 crystals: 20 found.")
    np.testing.assert_allclose(block.places, points, atol=0.3)
    assert [layer.name for layer in viewer.layers] == [
        "b",
        "b - cells",
        "b - lattice",
        "b - numbers",
        "b - peaks",
    ]
    assert set(np.unique(block.cells_layer.data)) - {0} == set(range(1, 21))
    assert viewer.layers.selection.active is block.peaks_layer


def test_running_again_updates_the_layers_and_keeps_what_was_placed_by_hand(done, viewer, points):
    drag(done.peaks_layer, [7], (2.0, 1.0))
    by_hand = done.peaks_layer.data[7].copy()
    layers = list(viewer.layers)
    steps.run_all_job(done).run()
    assert list(viewer.layers) == layers
    np.testing.assert_array_equal(done.places[7], by_hand)
    assert done.peaks_layer.features["status"][7] == "manual"
    done.undo()
    done.undo()
    np.testing.assert_allclose(done.places[7], points[7], atol=0.3)


def test_the_peak_search_alone_gives_numbered_peaks_and_lines(block, viewer):
    steps.filter_job(block).run()
    said = steps.peaks_job(block).run()
    assert said == "20 peaks for 20 crystals."
    assert sorted(block.peaks_layer.features["crystal"]) == list(range(20))
    assert {"b - filtered", "b - lattice", "b - peaks"} <= {layer.name for layer in viewer.layers}
    assert viewer.layers[-1] is block.peaks_layer


@pytest.mark.parametrize("method", ["nearest", "watershed", "kmeans", "mixture"])
def test_every_method_makes_cells_in_the_same_layer(done, viewer, method):
    done.choose(SegmentationParameters(method))
    said = segmenting.segmentation_job(done, segmenting.Extras(drift=True)).run()
    assert said.startswith(f"20 cells by {method}.")
    assert sum(ly.kind_of(layer) is ly.LayerKind.CELLS for layer in viewer.layers) == 1
    assert ly.info(done.cells_layer).method == method
    assert {"b - centres", "b - drift"} <= {layer.name for layer in viewer.layers}


def test_segmentation_without_peaks_says_what_to_do(block):
    with pytest.raises(ParameterError, match="run the lattice first"):
        segmenting.segmentation_job(block)


def test_a_map_without_events_has_a_fixed_window(block):
    with pytest.raises(ParameterError, match="open the raw event file"):
        steps.flood_job(block)


@pytest.fixture
def counted(viewer, tmp_path, points):
    """A block whose flood map was counted from an event file, with cells."""
    rng = np.random.default_rng(3)
    spots = np.repeat(points * 8 + 20, 60, axis=0) + rng.normal(0, 6, (1200, 2))
    energy = np.full(1200, 1000)
    ex, ey = np.clip((1 - spots.T / 512) * energy, 0, 1023).astype(int)
    write_events(tmp_path / "b_raw.dat", energy, ex, ey, EventFormat())
    viewer.layers.clear()
    for layer in open_file(tmp_path / "b_raw.dat"):
        viewer.layers.append(layer)
    block = workbench_of(viewer).choose_any()
    block.choose(SegmentationParameters("nearest"))
    block.geometry = BLOCK
    block.set_peaks(Peaks(points * 8 + 20, crystal=np.arange(20)))
    segmenting.segmentation_job(block).run()
    return block


def test_peaks_and_cells_follow_a_map_with_other_bins(counted, points):
    assert counted.flood.shape == (512, 512)
    counted.choose(replace(counted.parameters(FloodParameters), bins=256))
    said = steps.flood_job(counted).run()
    assert "run again to renew them" in said
    assert counted.flood.shape == (256, 256) == counted.cells_layer.data.shape
    np.testing.assert_allclose(counted.places, (points * 8 + 20.5) / 2 - 0.5)
    np.testing.assert_array_equal(
        counted.cells_layer.data, nearest_peak_cells((256, 256), counted.places) + 1
    )
    assert not counted.editor.undo()


def test_another_window_keeps_the_choices_of_the_other_steps(counted):
    counted.choose(replace(counted.parameters(FloodParameters), window=EnergyWindow(900, 999.5)))
    with pytest.raises(FormatError, match="choose another window"):
        steps.flood_job(counted).run()
    counted.choose(replace(counted.parameters(FloodParameters), window=EnergyWindow(900, 1100)))
    assert steps.flood_job(counted).run().startswith("Flood map: 1,200 events with 900 < E < 1100.")
    assert ly.info(counted.flood_layer).window == EnergyWindow(900, 1100)
    assert counted.parameters(SegmentationParameters).method == "nearest"


def test_another_size_of_the_block_numbers_the_cells_anew(done):
    done.geometry = BlockGeometry(5, 4)
    cells = done.cells_layer
    assert ly.geometry_of(cells) == BlockGeometry(5, 4)
    assert cells.features["col"].max() == 3
    done.geometry = BLOCK
    np.testing.assert_array_equal(cells.data, nearest_peak_cells(cells.data.shape, done.places) + 1)


def test_a_size_that_nobody_set_is_proposed_as_on_the_command_line(viewer, counts):
    block = workbench_of(viewer).choose_any()
    assert not block.geometry_known
    said = steps.run_all_job(block).run()
    assert block.geometry == calibrate(counts).geometry == BLOCK
    assert block.geometry_known
    assert "The geometry 4 x 5 was proposed from the map: " in said
    assert set(range(1, 1 + len(BLOCK))) <= set(np.unique(block.cells_layer.data).tolist())


def test_a_map_without_a_grid_asks_for_rows_and_columns(viewer, counts):
    block = workbench_of(viewer).choose_any()
    block.flood_layer.data = np.ones_like(counts)
    with pytest.raises(GeometryError, match="give rows and cols"):
        steps.run_all_job(block).run()
    assert block.peaks_layer is None


def test_peaks_placed_by_hand_stay_if_the_proposed_size_is_that_of_their_numbers(viewer, monkeypatch):
    block = workbench_of(viewer).choose_any()
    block.set_peaks(Peaks(grid_points(16, 16, 3.0, 4.0)))
    drag(block.peaks_layer, [17], [7.5, 7.25])
    monkeypatch.setattr(steps, "propose_geometry", lambda counts: [GeometryProposal(block.geometry, 0.7, "")])
    held = []

    def found(counts, geometry, *chosen, fixed, **hooks):
        held.append((geometry, fixed))
        return number_peaks(grid_points(4, 5), BLOCK)

    monkeypatch.setattr(steps, "find_lattice", found)
    steps.lattice_job(block).run()
    assert held == [(BlockGeometry(16, 16), {17: (7 + 7.5, 7 + 7.25)})]


def test_the_comb_can_be_removed_and_put_back(block):
    counts = block.flood.counts.copy()
    counts[30] *= 3
    block.flood_layer.data = counts
    steps.set_comb_removed(block, True)
    assert steps.set_comb_removed(block, False) == "The map is as it was recorded."
    np.testing.assert_array_equal(block.flood_layer.data, counts)

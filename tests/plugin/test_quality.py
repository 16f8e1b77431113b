"""Measuring a block without a window: figures, maps over the cells, the chosen crystal, files."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.quality import QualityThresholds
from napari_petlut.analysis.segmentation import nearest_peak_cells
from napari_petlut.errors import Cancelled, FormatError, ParameterError
from napari_petlut.formats.energy_lut import read_energy_lut
from napari_petlut.formats.events import write_events
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EventFormat, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.session import data_of, layers_of_session, session_of
from napari_petlut.plugin.layers import events_layer
from napari_petlut.plugin.quality.crystal_map import crystal_map
from napari_petlut.plugin.quality.files import (
    CSV,
    energy_lut_path,
    export_energy_lut,
    report_files,
    report_job,
)
from napari_petlut.plugin.quality.inspector import inspector_of
from napari_petlut.plugin.work.workbench import workbench_of
from napari_petlut.workflow.sources import flood_of_events

from .conftest import flood_of, grid_points

BLOCK = BlockGeometry(4, 5)
BINS = 96
CENTRES = grid_points(pitch=16.0, origin=16.0)
PHOTOPEAKS = 700.0 + 10.0 * np.arange(20)
RESOLUTION = 0.12
DEAD = 13


def write_block(path, *, events=1200):
    """Write the events of a block whose photopeaks are known; one crystal has no events."""
    rng = np.random.default_rng(3)
    crystal = np.repeat(np.delete(np.arange(20), DEAD), events)
    energy = rng.normal(PHOTOPEAKS[crystal], RESOLUTION / 2.355 * PHOTOPEAKS[crystal])
    flat = rng.random(crystal.size) < 0.25
    energy = np.rint(np.where(flat, rng.uniform(200, 1000, crystal.size), energy))
    position = CENTRES[crystal] + rng.normal(0, 2.0, (crystal.size, 2))
    ex, ey = np.rint(energy * (1 - position.T / BINS)).astype(np.int64)
    write_events(path, energy.astype(np.int64), ex, ey)
    return path


def add_cells(viewer, block):
    """Give a block its true peaks and cells."""
    block.geometry = BLOCK
    counts = np.asarray(block.flood_layer.data)
    layer = block.set_peaks(Peaks(CENTRES, crystal=np.arange(20), confidence=np.ones(20)))
    lut = CrystalLUT(nearest_peak_cells(counts.shape, CENTRES), BLOCK)
    cells = ly.cells_layer(lut, name="b - cells", block=block.name, method="nearest")
    viewer.layers.insert(1, cells)
    viewer.layers.selection.active = layer
    return block


def open_events(viewer, path):
    """Show the flood map of an event file as napari's reader does."""
    fmt = EventFormat()
    counted = flood_of_events(path, FloodParameters(bins=BINS), fmt)
    viewer.layers.append(events_layer(path, fmt, *counted))
    return add_cells(viewer, workbench_of(viewer).choose_any())


@pytest.fixture(scope="module")
def event_file(tmp_path_factory):
    return write_block(tmp_path_factory.mktemp("events") / "b_raw.dat")


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def block(viewer, event_file):
    return open_events(viewer, event_file)


@pytest.fixture
def inspector(viewer, block):
    return inspector_of(workbench_of(viewer))


@pytest.fixture
def measured(inspector, block):
    inspector.job(block).run()
    return inspector.measurement


@pytest.fixture
def plain(viewer):
    """A block whose map has no events behind it."""
    viewer.add_image(flood_of(CENTRES, (BINS, BINS), sigma=2.5), name="b")
    block = add_cells(viewer, workbench_of(viewer).choose_any())
    inspector_of(workbench_of(viewer)).job(block).run()
    return block


# -- measuring --------------------------------------------------------------------------------------------


def test_photopeaks_and_resolutions_are_those_of_the_simulated_crystals(measured):
    alive = np.arange(20) != DEAD
    found = measured.figure("photopeak").values
    np.testing.assert_allclose(found[alive], PHOTOPEAKS[alive], rtol=0.01)
    np.testing.assert_allclose(measured.figure("energy_resolution").values[alive], 12, atol=2)
    assert np.isnan(found[DEAD])


def test_every_figure_of_the_issue_can_be_mapped(measured):
    mapped = {figure.name for figure in measured.mapped}
    assert {"counts", "photopeak", "energy_resolution", "k", "pvr", "misassigned", "confidence"} <= mapped


def test_a_map_without_events_has_no_energy_figures_and_says_so(plain, viewer):
    made = inspector_of(workbench_of(viewer)).measurement
    assert made.energy is None
    assert made.figure("photopeak") is None
    assert made.figure("k") is not None
    assert made.note.startswith("No events behind this map")


def test_events_that_are_gone_leave_out_the_energies_only(viewer, tmp_path):
    path = write_block(tmp_path / "gone.dat", events=300)
    block = open_events(viewer, path)
    path.unlink()
    inspector = inspector_of(workbench_of(viewer))
    assert inspector.job(block).run().startswith("Verdict: ")
    assert inspector.measurement.note == "gone.dat is not there any more: energies are left out."


def test_there_must_be_cells(viewer):
    viewer.add_image(np.ones((40, 40)))
    bench = workbench_of(viewer)
    with pytest.raises(ParameterError, match="run all steps first"):
        inspector_of(bench).job(bench.choose_any())


def test_thresholds_change_the_verdict_without_another_pass_over_the_events(inspector, block, measured):
    assert inspector.job(block).run() == f"Verdict: {measured.quality.verdict}."
    block.choose(QualityThresholds(k_review=90.0, k_fail=80.0))
    assert inspector.job(block).run() == "Verdict: fail."
    again = inspector.measurement
    assert any("median k" in reason for reason in again.quality.reasons)
    assert again.energy is measured.energy


def test_other_cells_are_measured_anew(inspector, block, measured):
    block.cells_layer.data[:30] = 0
    inspector.job(block).run()
    assert inspector.measurement.energy is not measured.energy
    assert np.isnan(inspector.measurement.figure("photopeak").values[0])


def test_a_measurement_is_stale_after_an_edit_until_it_is_undone(inspector, block, measured):
    told = []
    inspector.changed.connect(lambda: told.append(inspector.stale))
    block.peaks_layer.remove([3])
    block.undo()
    assert told == [True, False]


def test_painting_makes_a_measurement_stale(inspector, block, measured):
    cells = block.cells_layer
    with cells.block_history():  # as the brush does
        cells.paint((0, 0), 20)
    assert inspector.stale
    cells.undo()
    assert not inspector.stale


def test_a_measurement_is_stale_after_another_window_or_new_cells(viewer, inspector, block, measured):
    block.flood_layer.data = np.asarray(block.flood_layer.data) * 2
    block.choose(FloodParameters(bins=BINS, seed=1))
    assert inspector.stale
    inspector.job(block).run()
    assert not inspector.stale
    viewer.layers.remove(block.cells_layer)
    assert inspector.stale


def test_measuring_tells_its_progress_and_can_be_cancelled(inspector, block):
    done = []
    inspector.job(block).compute(done.append, lambda: False)
    assert done == sorted(done)
    assert done[-1] == 1.0
    with pytest.raises(Cancelled):
        inspector.job(block).compute(done.append, lambda: True)
    assert inspector.measurement is None


def test_a_saved_session_keeps_the_map(viewer, inspector, measured):
    layer = map_layer(viewer)
    (again,) = layers_of_session(session_of([data_of(layer)]))
    np.testing.assert_array_equal(again.data, layer.data)
    assert ly.kind_of(again) is ly.LayerKind.CRYSTAL_MAP
    assert again.colormap.name == "viridis"


# -- the map over the cells -------------------------------------------------------------------------------


def map_layer(viewer):
    return ly.find_layer(viewer, ly.LayerKind.CRYSTAL_MAP, workbench_of(viewer).current.name)


def test_cells_have_the_colour_of_their_figure(viewer, block, inspector, measured):
    inspector.choose_figure("photopeak")
    layer = map_layer(viewer)
    values = measured.figure("photopeak").values
    for crystal in (0, 7, DEAD, 19):
        at = tuple(CENTRES[crystal].astype(int))
        np.testing.assert_allclose(layer.data[at], values[crystal], rtol=1e-6)
    assert layer.name.endswith("- Photopeak (ch)")
    np.testing.assert_array_equal(layer.scale, block.flood_layer.scale)


def test_the_map_lies_under_cells_and_peaks_and_takes_no_tool_away(viewer, block, measured):
    names = list(viewer.layers)
    assert names.index(map_layer(viewer)) < names.index(block.cells_layer)
    assert names.index(map_layer(viewer)) > names.index(block.flood_layer)
    assert viewer.layers.selection.active is block.peaks_layer


def test_another_figure_reuses_the_layer_and_none_takes_it_away(viewer, inspector, measured):
    first = map_layer(viewer)
    inspector.choose_figure("counts")
    assert map_layer(viewer) is first
    assert first.contrast_limits[1] <= measured.figure("counts").values.max()
    inspector.choose_figure(None)
    assert map_layer(viewer) is None
    inspector.choose_figure("k")
    assert map_layer(viewer) is not None


def test_the_map_is_no_flood_map(viewer, block, measured):
    assert workbench_of(viewer).floods == [block.flood_layer]


def test_infinite_and_equal_figures_have_colours_too(measured):
    figure = measured.figure("pvr")
    values = np.full(20, 2.0)
    values[3] = np.inf
    ids = measured.calibration.lut.ids
    layer = crystal_map(replace(figure, values=values), ids, source="b", block="b")
    low, high = layer.contrast_limits
    assert low < high
    assert layer.data[tuple(CENTRES[3].astype(int))] == 2.0
    none = crystal_map(replace(figure, values=np.full(20, np.nan)), ids, source="b", block="b")
    assert np.isnan(none.data).all()


# -- the chosen crystal -----------------------------------------------------------------------------------


def press(viewer, inspector, world, *, moved=0, button=1):
    """What napari calls when the mouse is pressed and let go."""
    event = SimpleNamespace(
        button=button, modifiers=(), pos=(10, 10), position=tuple(world), type="mouse_press"
    )
    for step in inspector._on_press(viewer, event) or ():
        assert step is None
        event.type, event.pos = (
            ("mouse_move", (10 + moved, 10)) if event.type == "mouse_press" else ("", event.pos)
        )
        if not moved:
            event.type = "mouse_release"


def test_a_click_on_the_map_chooses_the_crystal(viewer, inspector, measured):
    told = []
    inspector.crystal_changed.connect(told.append)
    press(viewer, inspector, CENTRES[7])
    press(viewer, inspector, CENTRES[8], moved=30)
    press(viewer, inspector, CENTRES[8], button=2)
    press(viewer, inspector, (-5, -5))
    assert told == [7]


def test_a_click_with_another_tool_chooses_nothing(viewer, block, inspector, measured):
    viewer.layers.selection.active = block.cells_layer
    block.cells_layer.mode = "paint"
    press(viewer, inspector, CENTRES[7])
    assert inspector.crystal == -1


def test_clicks_are_watched_as_long_as_somebody_wants(viewer, inspector, measured):
    before = list(viewer.mouse_drag_callbacks)
    inspector.watch_clicks()
    inspector.watch_clicks()
    inspector.unwatch_clicks()
    assert len(viewer.mouse_drag_callbacks) == len(before) + 1
    inspector.unwatch_clicks()
    assert viewer.mouse_drag_callbacks == before


def test_visiting_a_crystal_flies_there_and_selects_its_peak(viewer, block, inspector, measured):
    inspector.visit(7)
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], block.flood_layer.data_to_world(CENTRES[7]))
    assert set(block.peaks_layer.selected_data) == {7}
    assert inspector.crystal == 7


def test_a_crystal_without_a_peak_can_be_visited(viewer, block, inspector, measured):
    block.peaks_layer.remove([7])
    inspector.visit(7)
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], CENTRES[7], atol=0.5)
    assert not block.peaks_layer.selected_data


def test_who_paints_keeps_the_brush(viewer, block, inspector, measured):
    viewer.layers.selection.active = block.cells_layer
    block.cells_layer.mode = "paint"
    inspector.visit(7)
    assert viewer.layers.selection.active is block.cells_layer
    assert block.cells_layer.mode == "paint"


def test_the_status_bar_tells_the_figures_under_the_mouse(viewer, block, inspector, measured):
    viewer.cursor.position = tuple(CENTRES[7])
    viewer.status = {"layer_name": "b", "coordinates": "[32 48]"}
    said = viewer.status["coordinates"]
    assert "crystal 7 (row 1, col 2)" in said
    assert f"photopeak {measured.figure('photopeak').values[7]:.1f} ch" in said.replace("\u00a0", " ")
    assert said.count("photopeak") == 1
    block.peaks_layer.remove([3])
    viewer.status = {"layer_name": "b", "coordinates": "[32 48]"}
    assert viewer.status["coordinates"].endswith("(before the last edit)")


# -- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layout", "rtol"), [(CSV, 1e-12), ("cpm", 1e-4)])
def test_the_energy_lut_comes_back_as_it_was_measured(measured, tmp_path, layout, rtol):
    said = export_energy_lut(measured, tmp_path / "b", layout)
    path = energy_lut_path(tmp_path / "b", layout)
    assert said == f"Wrote {path.name} to {tmp_path}. Crystals without a photopeak: 1."
    read = read_energy_lut(path, BLOCK)
    np.testing.assert_allclose(read.photopeaks, measured.figure("photopeak").values, rtol=rtol)
    with pytest.raises(FormatError):
        export_energy_lut(measured, tmp_path / "b", layout)
    export_energy_lut(measured, tmp_path / "b", layout, overwrite=True)


def test_the_report_is_written_once(measured, tmp_path):
    said = report_job(measured, tmp_path / "b").run()
    files = report_files(tmp_path / "b")
    assert all(path.stat().st_size > (100 if "crosstalk" in path.name else 1000) for path in files)
    assert str(tmp_path) in said
    with pytest.raises(FormatError):
        report_job(measured, tmp_path / "b").run()


def test_files_need_a_name_a_folder_and_photopeaks(plain, viewer, tmp_path):
    made = inspector_of(workbench_of(viewer)).measurement
    with pytest.raises(ParameterError, match="no photopeaks to write: No events"):
        export_energy_lut(made, tmp_path / "b", CSV)
    with pytest.raises(ParameterError, match="does not exist"):
        report_files(tmp_path / "no" / "b")
    with pytest.raises(ParameterError, match="give the files a name"):
        report_job(made, Path("/"))

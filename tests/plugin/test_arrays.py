"""Arrays that are no rectangle in napari: told in the panel, found, corrected, exported."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_petlut.analysis.lattice import number_peaks
from napari_petlut.formats.crystal_arrays import crystal_array
from napari_petlut.formats.lut import read_lut
from napari_petlut.model import FloodMap, Peaks, PeakStatus
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.suspects import crystal_text
from napari_petlut.plugin.io.exporting import plan_export, write_export
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.choices import ExportChoices
from napari_petlut.plugin.work.workbench import workbench_of
from napari_petlut.simulation import BlockSimulation, simulate_block

TWO = crystal_array("staggered:5x5")


@pytest.fixture(scope="module")
def truth():
    params = BlockSimulation(
        places=TWO.places, resolution=1.8, counts_per_crystal=3000, distortion=0.04, seed=2
    )
    return simulate_block(params)


@pytest.fixture
def block(truth):
    viewer = ViewerModel()
    viewer.add_layer(ly.flood_layer(FloodMap(truth.flood.counts), name="b"))
    block = workbench_of(viewer).choose_any()
    block.geometry = TWO
    yield block
    viewer.layers.clear()  # which held it until here


def test_all_steps_find_number_and_export_the_crystals_of_both_layers(block, truth, tmp_path):
    said = steps.run_all_job(block).run()
    assert said.startswith("41 crystals: 41 found")
    assert (block.count.peaks, block.count.crystals, block.suspects) == (41, 41, [])
    assert len(block.peaks_layer.data) == 41
    lines = ly.find_layer(block.viewer, ly.LayerKind.LATTICE, "b")
    assert len(lines.data) == 2 * 5 * 4 + 2 * 4 * 3  # those within each layer
    choices = ExportChoices(encoding="linear", picture=False)
    write_export(block, plan_export(tmp_path / "b", choices))
    lut = read_lut(tmp_path / "b.lut", "linear", TWO).lut
    np.testing.assert_array_equal(np.unique(lut.ids[lut.ids >= 0]), np.flatnonzero(TWO.present))


def test_a_deleted_crystal_is_a_hole_and_absent_places_are_none(block):
    steps.lattice_job(block).run()
    crystal = int(block.peaks.crystal[7])
    block.peaks_layer.selected_data = {7}
    block.peaks_layer.remove_selected()
    (hole,) = block.suspects
    assert (hole.crystal, hole.text) == (crystal, f"{crystal_text(crystal, TWO)} has no peak")
    assert crystal_text(10, TWO) == "crystal 25 (layer 1, row 0, col 0)"


def test_given_peaks_are_numbered_by_their_places(truth):
    points = truth.centres[TWO.present.ravel()]
    order = np.random.default_rng(0).permutation(len(points))
    lattice = number_peaks(points[order], TWO)
    np.testing.assert_allclose(lattice.positions[TWO.present.ravel()], points)
    assert (lattice.status[~TWO.present.ravel()] == PeakStatus.ABSENT).all()
    assert lattice.doubts == ()
    fewer = number_peaks(np.delete(points, 20, axis=0), TWO)
    assert "1 crystals have no peak" in fewer.doubts


def test_renumbering_in_the_editor_keeps_to_the_places(block, truth):
    points = truth.centres[TWO.present.ravel()]
    block.set_peaks(Peaks(points))
    block.editor.renumber()
    np.testing.assert_array_equal(np.sort(block.peaks.crystal), np.flatnonzero(TWO.present))

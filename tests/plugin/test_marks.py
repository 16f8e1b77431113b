"""The mark beside each step: done, running, out of date, not yet."""

from dataclasses import replace

import pytest

from napari_petlut.analysis.detection import FilterParameters
from napari_petlut.analysis.lattice import LatticeParameters
from napari_petlut.analysis.segmentation import SegmentationParameters
from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.exporting import plan_export, write_export
from napari_petlut.plugin.widgets import WorkflowPanel
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.choices import ExportChoices
from napari_petlut.plugin.work.marks import Mark, Step, mark_of

from .test_editing import drag


def marks(block):
    shown = {step: mark_of(block, step).value for step in Step}
    return "".join(shown.values())


def test_marks_follow_the_work(block, tmp_path):
    assert marks(block) == "✓✓○○○○○○"
    steps.filter_job(block).run()
    steps.peaks_job(block).run()
    assert marks(block) == "✓✓✓✓↻✓○○"  # numbered, but by no lattice search
    steps.run_all_job(block).run()
    assert marks(block) == "✓✓✓○✓✓✓○"
    write_export(block, plan_export(tmp_path / "b", ExportChoices()))
    assert marks(block) == "✓✓✓○✓✓✓✓"
    drag(block.peaks_layer, [7], (1.0, 1.0))
    assert marks(block) == "✓✓✓○✓✓↻↻"
    steps.segmentation_job(block).run()
    assert marks(block) == "✓✓✓○✓✓✓↻"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (FilterParameters(sigma=3.0), "✓✓○○✓✓✓○"),
        (LatticeParameters(), "✓✓○○✓✓✓○"),
        (SegmentationParameters("nearest"), "✓✓○○✓✓↻○"),
    ],
)
def test_other_parameters_make_their_step_old(done, chosen, expected):
    done.choose(chosen)
    assert marks(done) == expected


def test_another_map_or_size_makes_all_that_was_made_of_it_old(done):
    steps.filter_job(done).run()
    before = done.flood_layer.data
    done.flood_layer.data = before + 1
    assert marks(done) == "✓✓↻○↻✓↻○"
    done.flood_layer.data = before
    assert marks(done) == "✓✓✓○✓✓✓○"
    done.geometry = BlockGeometry(5, 4)
    assert mark_of(done, Step.LATTICE) is Mark.OLD


def test_marks_survive_a_session_whatever_kind_of_number_was_chosen(done, tmp_path):
    from napari.components import ViewerModel
    from npe2 import PluginManager

    from napari_petlut.plugin.io.saving import save_session
    from napari_petlut.plugin.work.workbench import workbench_of

    PluginManager.instance().discover()
    done.choose(replace(SegmentationParameters("nearest"), max_distance=20))
    steps.segmentation_job(done).run()
    save_session(done.viewer, tmp_path / "s.petlut")
    again = ViewerModel()
    again.open(tmp_path / "s.petlut", plugin="napari-petlut")
    assert marks(workbench_of(again).choose_any()) == marks(done) == "✓✓○○✓✓✓○"


def test_what_came_from_a_file_is_not_called_old(done):
    for layer in (done.peaks_layer, done.cells_layer):
        ly.info(layer).made_from = None
    assert marks(done) == "✓✓○○✓✓✓○"


def test_the_panel_shows_them_and_what_runs(block, viewer, qtbot):
    panel = WorkflowPanel(viewer)
    qtbot.addWidget(panel)

    def titles():
        return [fold.text() for fold, _, _ in panel._folds]

    assert titles()[0] == "1  Block  ✓"
    assert titles()[4:7:2] == ["5  Lattice  ○", "7  Segmentation  ○"]
    panel.start_all.changed.emit(True)
    assert titles()[4:7:2] == ["5  Lattice  …", "7  Segmentation  …"]
    qtbot.waitUntil(lambda: not panel.runner.busy, timeout=60_000)
    assert titles()[4:7:2] == ["5  Lattice  ✓", "7  Segmentation  ✓"]
    assert titles()[8] == "9  Energy and quality  ○"
    drag(block.peaks_layer, [7], (1.0, 1.0))
    assert titles()[6] == "7  Segmentation  ↻"
    assert panel._folds[6][0].toolTip().startswith("Segmentation: out of date")

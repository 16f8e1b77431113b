"""The panel of energy and quality without a window: its table, its spectrum, its buttons, its end."""

import gc
import re
import weakref
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_petlut.analysis.quality import QualityThresholds, Verdict
from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.quality.inspector import inspector_of
from napari_petlut.plugin.widgets import QualityPanel, WorkflowPanel, quality
from napari_petlut.plugin.widgets.quality_table import CrystalTableModel
from napari_petlut.plugin.widgets.quality_verdict import verdict_text
from napari_petlut.plugin.work.workbench import workbench_of
from napari_petlut.report.contents import CrystalFigure

from .test_panels import wait_until
from .test_quality import CENTRES, DEAD, PHOTOPEAKS, block, event_file, inspector, measured, plain

__all__ = ["block", "event_file", "inspector", "measured", "plain"]  # fixtures

UP, DOWN = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def panel(viewer, qtbot):
    panel = QualityPanel(viewer)
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def body(panel):
    return panel.bodies[0]


# -- table ------------------------------------------------------------------------------------------------


def titles(model):
    return [
        model.headerData(column, Qt.Orientation.Horizontal).split()[0]
        for column in range(model.columnCount())
    ]


def texts(model, title):
    column = titles(model).index(title)
    return [model.index(row, column).data() for row in range(model.rowCount())]


@pytest.fixture
def model():
    model = CrystalTableModel()
    figures = [
        CrystalFigure("counts", "Counts", np.array([900.0, 12000.0, 80.0, np.nan]), digits=0),
        CrystalFigure("pvr", "PVR", np.array([2.0, np.inf, np.nan, 2.0])),
    ]
    model.show(figures, BlockGeometry(2, 2), np.array(["found", "found", "missing", "suspect"]))
    return model


@pytest.mark.parametrize(
    ("title", "order", "crystals"),
    [
        ("counts", UP, [2, 0, 1, 3]),
        ("counts", DOWN, [1, 0, 2, 3]),
        ("PVR", UP, [0, 3, 1, 2]),
        ("PVR", DOWN, [1, 0, 3, 2]),
        ("peak", UP, [0, 1, 2, 3]),
        ("peak", DOWN, [3, 2, 0, 1]),
        ("id", DOWN, [3, 2, 1, 0]),
    ],
)
def test_columns_sort_by_number_and_what_is_unknown_comes_last(model, title, order, crystals):
    model.sort(titles(model).index(title), order)
    assert texts(model, "id") == [str(crystal) for crystal in crystals]
    assert [model.row_of(crystal) for crystal in crystals] == [0, 1, 2, 3]


def test_texts_and_tooltips(model):
    assert texts(model, "counts") == ["900", "12,000", "80", "–"]
    assert texts(model, "PVR")[1] == "∞"
    assert model.headerData(0, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole).startswith(
        "Crystal id"
    )
    assert model.headerData(0, Qt.Orientation.Vertical) is None


def test_the_current_crystal_stays_current_when_sorted(measured, body):
    body.inspector.choose(7)
    body.table.sortByColumn(titles(body.table.table).index("counts"), DOWN)
    assert body.table.table.crystal(body.table.currentIndex().row()) == 7
    assert body.inspector.crystal == 7


# -- panel ------------------------------------------------------------------------------------------------


def test_the_table_keeps_its_place_when_sorted_or_filled_anew(measured, panel, body, qtbot):
    panel.resize(340, 600)
    panel.show()
    qtbot.waitExposed(panel)
    table = body.table
    table.setMinimumHeight(80)
    table.setMaximumHeight(80)
    body.inspector.visit(2)
    for order in (DOWN, UP):
        table.sortByColumn(0, order)
        row = table.visualRect(table.currentIndex())
        assert table.table.crystal(table.currentIndex().row()) == 2
        assert table.viewport().rect().contains(row)
    body.inspector.choose(-1)
    table.verticalScrollBar().setValue(11)
    body._fill_table(measured)
    assert table.verticalScrollBar().value() == 11


def test_before_it_was_measured_the_panel_says_what_to_do(viewer, panel, body):
    assert "Run all steps, then measure" in body.verdict.text()
    assert not body.write_report.enabled
    body._measure()
    assert "Open a flood map first" in panel.message.text()
    viewer.add_image(np.ones((40, 40)))
    body._measure()
    assert panel.message.text() == "there are no cells to measure yet; run all steps first"


def test_measuring_in_the_background_fills_the_panel(block, panel, body, qtbot):
    body._measure()
    assert panel.runner.busy
    wait_until(qtbot, lambda: not panel.runner.busy)
    assert panel.message.text().startswith("Verdict: ")
    assert body.table.table.rowCount() == 20
    assert "ΔE/E" in body.verdict.text()
    shown = ["id", "row", "col", "counts", "photopeak", "light", "ΔE/E", "k", "PVR"]
    assert titles(body.table.table)[: len(shown)] == shown
    assert body.figure.choices[:2] == ("no map", "counts")
    assert body.figure.value == "k"
    assert body.write_energy.enabled


def test_a_row_flies_to_its_crystal_and_a_chosen_crystal_goes_to_its_row(measured, block, viewer, body):
    body.table.setCurrentIndex(body.table.table.index(12, 0))
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], CENTRES[12], atol=0.5)
    assert set(block.peaks_layer.selected_data) == {12}
    body.inspector.choose(3)
    assert body.table.currentIndex().row() == 3
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], CENTRES[12], atol=0.5)


def test_the_spectrum_is_that_of_the_chosen_crystal(measured, body, qtbot):
    body.inspector.choose(7)
    qtbot.waitUntil(lambda: body.spectrum.title.startswith("crystal 7 (row 1, col 2)"))
    shown = float(body.spectrum.title.split("photopeak ")[1].split()[0])
    assert abs(shown - PHOTOPEAKS[7]) < 8
    dotted, fit = body.spectrum._axes.lines
    assert dotted.get_xdata()[0] == pytest.approx(PHOTOPEAKS[7], rel=0.01)
    assert fit.get_ydata().max() == pytest.approx(body.spectrum._axes.get_ylim()[1] / 1.08, rel=0.35)
    body.inspector.choose(DEAD)
    qtbot.waitUntil(lambda: "no photopeak" in body.spectrum.title)
    assert not body.spectrum._axes.lines


def test_words_and_axis_take_the_colour_of_the_theme(viewer, measured, body):
    viewer.theme = "light"
    light = body.spectrum._axes.xaxis.label.get_color()
    viewer.theme = "dark"
    assert body.spectrum._axes.xaxis.label.get_color() != light


def test_a_map_without_events_hides_what_needs_them(plain, viewer, panel, body):
    body._draw_spectrum()
    assert "No events behind this map" in body.verdict.text()
    assert body.spectrum.isHidden()
    assert not body.write_energy.enabled
    assert body.write_report.enabled
    assert "photopeak" not in titles(body.table.table)


def test_the_figure_is_chosen_in_the_panel_and_every_panel_shows_it(measured, viewer, body, qtbot):
    other = QualityPanel(viewer)
    qtbot.addWidget(other)
    body.figure.value = "misassigned"
    block = workbench_of(viewer).current
    layer = ly.find_layer(viewer, ly.LayerKind.CRYSTAL_MAP, block.name)
    assert ly.info(layer).figure == "misassigned"
    assert other.bodies[0].figure.value == "misassigned"
    body.figure.value = "no map"
    assert layer not in viewer.layers


def test_a_reason_leads_to_its_crystals(measured, viewer, body):
    worse = replace(
        measured.quality,
        verdict=Verdict.FAIL,
        reasons=("fail: k is 0.2, below 0.7 (crystals 3 and 4)", "review: 5 < 6 (crystals 1, 2 and 12 more)"),
    )
    text = verdict_text(replace(measured, quality=worse))
    assert re.findall(r'href="(\d+)"', text) == ["3", "4", "1", "2"]
    assert "FAIL" in text
    assert "5 &lt; 6" in text
    body.verdict.linkActivated.emit("12")
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], CENTRES[12], atol=0.5)


def test_the_workflow_shows_the_verdict_too(measured, block, viewer, qtbot):
    workflow = WorkflowPanel(viewer)
    qtbot.addWidget(workflow)
    step = workflow.bodies[-1]
    assert str(measured.quality.verdict).upper() in step.verdict.text()
    block.peaks_layer.remove([3])
    assert "measure again" in step.verdict.text()
    step._measure()
    wait_until(qtbot, lambda: not workflow.runner.busy)
    assert "measure again" not in step.verdict.text()
    step._open()
    assert "no window" in workflow.message.text()


def test_every_block_has_its_own_figures(measured, block, viewer, body):
    body.inspector.choose(7)
    other = viewer.add_image(np.ones((40, 40)), name="other")
    workbench_of(viewer).choose(other)
    assert "Run all steps" in body.verdict.text()
    assert body.table.table.rowCount() == 0
    assert body.inspector.crystal == -1
    workbench_of(viewer).choose(block.flood_layer)
    assert body.table.table.rowCount() == 20
    assert not body.inspector.stale


def test_an_edit_is_said_to_outdate_the_figures(measured, block, body):
    assert "measure again" not in body.verdict.text()
    block.peaks_layer.remove([3])
    assert "measure again" in body.verdict.text()


def test_thresholds_of_the_panel_are_those_of_the_block(measured, block, panel, body):
    body.thresholds["k_review"].value = 1.25
    assert block.parameters(QualityThresholds).k_review == 1.25
    body.thresholds["k_fail"].value = 2.0
    assert "milder" in panel.message.text()
    assert block.parameters(QualityThresholds).k_fail == 0.7


def test_files_are_never_overwritten_unasked(measured, panel, body, tmp_path, monkeypatch, qtbot):
    body.path.value = tmp_path / "b"
    for write, file in ((body._write_energy, "b_energy.csv"), (body._write_report, "b_report.html")):
        write()
        wait_until(qtbot, lambda: not panel.runner.busy)
        assert "Wrote b_" in panel.message.text()
        before = (tmp_path / file).stat().st_mtime_ns
        monkeypatch.setattr(quality, "may_overwrite", lambda paths: False)
        write()
        assert panel.message.text() == "Nothing was written."
        assert (tmp_path / file).stat().st_mtime_ns == before
        monkeypatch.setattr(quality, "may_overwrite", lambda paths: True)
        write()
        wait_until(qtbot, lambda: not panel.runner.busy)
        assert (tmp_path / file).stat().st_mtime_ns != before


def test_closed_panels_leave_nothing_behind(measured, viewer):
    callbacks = list(viewer.mouse_drag_callbacks)
    kept = []
    for _ in range(5):
        panel = QualityPanel(viewer)
        panel.show()
        assert len(viewer.mouse_drag_callbacks) == len(callbacks) + 1
        body = panel.bodies[0]
        kept += [weakref.ref(thing) for thing in (panel, body, body.table, body.spectrum)]
        panel.close()
        panel.deleteLater()
        del panel, body
    QApplication.processEvents()
    gc.collect()
    assert [reference() for reference in kept if reference() is not None] == []
    assert viewer.mouse_drag_callbacks == callbacks
    looked_at = inspector_of(workbench_of(viewer))
    assert len(looked_at.changed) == len(looked_at.crystal_changed) == 0

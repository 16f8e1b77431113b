"""Opening napari from the command line, or not."""

import subprocess

import pytest

from napari_petlut.plugin import launch
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.workbench import workbench_of
from napari_petlut.workflow.calibration import CalibrationParameters
from napari_petlut.workflow.pipeline import calibrate

from .files import BLOCK, write_block


def test_without_a_display_it_returns_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(launch.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    begun = []
    monkeypatch.setattr(launch, "show_result", begun.append)
    monkeypatch.setattr(launch.subprocess, "run", lambda *words, **_: begun.append(words))
    launch.open_if_possible([tmp_path / "no such file"])
    assert begun == []


def test_without_napari_or_with_a_dead_display_it_does_not_try(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":999")
    assert not launch.can_open_window()
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    assert not launch.can_open_window()

    def hang(*args, **kwargs):
        raise subprocess.TimeoutExpired("probe", 1)

    monkeypatch.undo()
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(launch.subprocess, "run", hang)
    assert not launch.can_open_window()


@pytest.mark.gl
def test_a_result_opens_with_the_panel_and_can_be_worked_on(make_napari_viewer, monkeypatch, tmp_path, qtbot):
    files = write_block(tmp_path)
    result = calibrate(files["map"], BLOCK, CalibrationParameters())
    out = result.write(tmp_path / "out", stem="b7_map")
    made = []
    monkeypatch.setattr(launch, "_DRAWN_MS", 0)
    monkeypatch.setattr("napari.Viewer", lambda: made.append(make_napari_viewer()) or made[0])
    monkeypatch.setattr("napari.run", lambda: made.append("run"))
    launch.open_if_possible([files["map"], out["lut"], out["peaks"]])
    viewer, running = made
    assert running == "run"
    qtbot.wait(50)  # for what the window does once it is drawn
    block = workbench_of(viewer).current
    assert block.flood_layer.name == "b7_map"
    assert block.geometry == BLOCK
    assert block.count.peaks == 20
    kinds = [ly.kind_of(layer) for layer in viewer.layers]
    drawn = [
        ly.LayerKind.FLOOD,
        ly.LayerKind.CELLS,
        ly.LayerKind.LATTICE,
        ly.LayerKind.MARKS,
        ly.LayerKind.PEAKS,
    ]
    assert kinds == drawn
    assert block.cells_layer is viewer.layers[1]
    assert "Crystal LUT" in str(list(viewer.window.dock_widgets))

"""File > Save in the real window: the name decides, whatever filter is chosen in napari's dialog."""

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_petlut.errors import FormatError
from napari_petlut.formats.lut import read_lut
from napari_petlut.formats.peaks import read_peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.by_name import write_by_name
from napari_petlut.plugin.work.jobs import Job
from napari_petlut.plugin.work.running import runner_of
from napari_petlut.plugin.work.workbench import workbench_of

from .files import BLOCK, block, peaks
from .test_panels import slow

pytestmark = pytest.mark.gl


@pytest.fixture
def save_as(monkeypatch):
    """Answer napari's dialog for saving."""

    def save(viewer, path, number, *, selected=True):
        def answer(dialog, *about, filter, **more):
            return str(path), filter.split(";;")[number]

        monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
        viewer.window._qt_viewer._save_layers_dialog(selected=selected)

    return save


def test_a_plain_name_is_enough_whatever_filter_is_chosen(make_napari_viewer, save_as, tmp_path, qtbot):
    viewer = make_napari_viewer()
    viewer.add_layer(ly.flood_layer(block().flood, name="b", geometry=BLOCK))
    cells = viewer.add_layer(ly.cells_layer(block().ideal_lut, name="b - cells", block="b"))
    viewer.window.add_plugin_dock_widget("napari-petlut", "8 Export")
    viewer.window.add_plugin_dock_widget("napari-petlut", "1 Block")  # a second panel changes nothing
    viewer.layers.selection.active = cells
    for number in range(5):  # napari's own, ours, and those of other plugins
        path = tmp_path / f"{number}.lut"
        save_as(viewer, path, number)
        np.testing.assert_array_equal(read_lut(path, geometry=BLOCK).lut.ids, cells.data.astype(int) - 1)
    points = viewer.add_layer(ly.peaks_layer(peaks(), name="b - peaks", block="b", geometry=BLOCK))
    save_as(viewer, tmp_path / "b_peaks.csv", 0)
    assert read_peaks(tmp_path / "b_peaks.csv").crystal.tolist() == points.features["crystal"].tolist()
    save_as(viewer, tmp_path / "all.petlut", 2, selected=False)
    save_as(viewer, tmp_path / "all.lut", 0, selected=False)
    assert (tmp_path / "all.lut").read_bytes() == (tmp_path / "0.lut").read_bytes()
    save_as(viewer, tmp_path / "plain.csv", 0)  # of napari itself
    assert "axis-0" in (tmp_path / "plain.csv").read_text()
    assert write_by_name(str(tmp_path / "a.tif"), [cells]) is None
    with pytest.raises(FormatError, match="0 among the layers"):
        write_by_name(str(tmp_path / "no.lut"), [points])

    # What runs is named in words where napari asks whether to close in the middle of it.
    bench = workbench_of(viewer)
    runner_of(bench).try_start(lambda: Job("Run all", slow, str, bench.current))
    (status,) = viewer.window._task_status_manager.get_status()
    assert "Run all of b" in status
    assert " at 0x" not in status
    runner_of(bench).cancel()
    qtbot.waitUntil(lambda: not runner_of(bench).busy, timeout=20_000)

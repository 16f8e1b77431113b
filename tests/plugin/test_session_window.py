"""Saving through napari's own dialog, and opening again by dropping, in a real window."""

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_petlut.formats.lut import read_lut
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io import reader
from napari_petlut.plugin.work.workbench import workbench_of

from .files import BLOCK, block, peaks, write_block
from .window import answer_dialogs, drop, in_event_loop, messages

pytestmark = pytest.mark.gl


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    viewer = make_napari_viewer()
    for module in ("work.context", "io.reader", "io.writer"):
        monkeypatch.setattr(f"napari_petlut.plugin.{module}.current_viewer", lambda: viewer)
    reader._last_read.clear()
    notification_manager.records.clear()
    return viewer


@pytest.fixture
def worked(viewer, tmp_path):
    (flood,) = viewer.open(write_block(tmp_path)["map"], plugin="napari-petlut")
    control = workbench_of(viewer).choose(flood)
    control.geometry = BLOCK
    control.set_peaks(peaks())
    cells = ly.cells_layer(block().ideal_lut, name="b - cells", block=control.name, method="mixture")
    ly.show_layer(viewer, cells, like=flood).contour = 2
    return viewer


def save(qtbot, monkeypatch, viewer, path, kind, *, entry):
    """Use an entry of the File menu, choose a file type and a name."""
    from qtpy.QtWidgets import QFileDialog

    offered = []

    def choose(*args, filter="", **kwargs):
        offered.extend(filter.split(";;"))
        return str(path), next(offer for offer in offered if kind in offer)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    action = next(action for action in viewer.window.file_menu.actions() if action.text() == entry)
    in_event_loop(qtbot, action.trigger)
    return offered


def test_the_cells_are_saved_as_a_lut_and_what_was_written_is_said(worked, qtbot, monkeypatch, tmp_path):
    worked.layers.selection = {ly.find_layer(worked, ly.LayerKind.CELLS, "b7")}
    offered = save(qtbot, monkeypatch, worked, tmp_path / "out", "*.lut", entry="Save Selected Layers...")
    assert any(entry.startswith("PET crystal LUT file (") for entry in offered)
    np.testing.assert_array_equal(read_lut(tmp_path / "out.lut").lut.ids, block().ideal_lut.ids)
    assert messages("info")[-1].startswith(f"Wrote {tmp_path / 'out.lut'}: LUT of 20 of 20 crystals")
    assert not messages("error")


def test_a_session_saved_from_the_menu_opens_by_dropping(
    worked, qtbot, monkeypatch, tmp_path, make_napari_viewer
):
    path = tmp_path / "b7.petlut"
    save(qtbot, monkeypatch, worked, path, "*.petlut", entry="Save All Layers...")
    before = {layer.name: np.array(layer.data) for layer in worked.layers}
    worked.layers.clear()
    drop(qtbot, worked, [path])
    assert not messages("error")
    assert {layer.name for layer in worked.layers} == set(before)
    for layer in worked.layers:
        np.testing.assert_array_equal(layer.data, before[layer.name])
    assert ly.find_layer(worked, ly.LayerKind.CELLS, "b7").contour == 2
    control = workbench_of(worked).choose_any()
    assert (control.geometry, control.count.peaks) == (BLOCK, 20)


def test_a_damaged_session_is_one_notification(viewer, qtbot, tmp_path):
    path = tmp_path / "b7.petlut"
    path.write_bytes(b"PK\x03\x04" + bytes(26) + b"petlut-session.json and nothing more")
    drop(qtbot, viewer, [path])
    (message,) = messages("error")
    assert "expected a petlut session" in message
    assert len(viewer.layers) == 0


def test_the_menu_saves_a_session_under_a_proposed_name(worked, qtbot, monkeypatch, tmp_path):
    from qtpy.QtWidgets import QFileDialog

    def entries(menu):
        for action in menu.actions():
            yield action
            yield from entries(action.menu()) if action.menu() is not None else ()

    text = "Save the work on all blocks as a session (PET crystal LUT)"
    (action,) = [action for action in entries(worked.window.file_menu) if action.text() == text]
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: 1)
    in_event_loop(qtbot, action.trigger)
    assert messages("info")[-1].startswith(f"Wrote {tmp_path / 'b7.petlut'}: session of")
    assert (tmp_path / "b7.petlut").stat().st_size > 1000
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: 0)
    (tmp_path / "b7.petlut").unlink()
    in_event_loop(qtbot, action.trigger)
    assert not (tmp_path / "b7.petlut").exists()


@pytest.mark.parametrize(("answer", "replaced"), [("&No", False), ("&Yes", True)])
def test_a_file_that_naparis_dialog_did_not_ask_about_is_asked_about(
    worked, qtbot, monkeypatch, tmp_path, answer, replaced
):
    (tmp_path / "out.lut").write_bytes(b"mine")
    worked.layers.selection = {ly.find_layer(worked, ly.LayerKind.CELLS, "b7")}
    answer_dialogs(qtbot, answer)
    save(qtbot, monkeypatch, worked, tmp_path / "out", "*.lut", entry="Save Selected Layers...")
    assert ((tmp_path / "out.lut").read_bytes() != b"mine") is replaced
    assert not messages("error")
    words = f"Wrote {tmp_path / 'out.lut'}" if replaced else "Nothing was written: out.lut stays as it was."
    assert messages("info")[-1].startswith(words)

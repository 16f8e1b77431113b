"""Opening files in a real window: dropping them, counting in the background, errors as notifications."""

import sys
import time

import numpy as np
import pytest
from napari.layers import Image, Labels, Points
from napari.utils.notifications import notification_manager

from napari_petlut.errors import Cancelled, FormatError
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io import by_name, counting_events, reader
from napari_petlut.plugin.work import running

from .files import write_block
from .window import answer_dialogs, buttons, drop, messages

pytestmark = pytest.mark.gl


@pytest.fixture
def files(tmp_path):
    return write_block(tmp_path)


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    viewer = make_napari_viewer()
    monkeypatch.setattr("napari_petlut.plugin.work.context.current_viewer", lambda: viewer)
    monkeypatch.setattr("napari_petlut.plugin.io.reader.current_viewer", lambda: viewer)
    reader._last_read.clear()
    notification_manager.records.clear()
    return viewer


def test_dropped_files_open_with_the_map_below_what_is_drawn_on_it(viewer, qtbot, files):
    drop(qtbot, viewer, [files["lut"], files["map"]])
    assert [layer.name for layer in viewer.layers] == ["b7_map", "b7 - LUT"]
    assert [type(layer) for layer in viewer.layers] == [Image, Labels]
    assert any("4 x 5 LUT, packed" in message for message in messages("info"))
    drop(qtbot, viewer, [files["raw"]])
    assert [layer.name for layer in viewer.layers] == ["b7_map", "b7_raw", "b7 - LUT"]
    assert any("energy window" in message for message in messages("info"))


@pytest.mark.parametrize("turned", [False, True])
def test_an_exported_set_opens_once_and_without_a_question(viewer, qtbot, files, tmp_path, turned):
    from napari_petlut import BlockGeometry, calibrate

    calibrate(files["map"], BlockGeometry(4, 5)).write(tmp_path, stem="b7_map")
    timer = answer_dialogs(qtbot, "OK")
    dropped = sorted(tmp_path.glob("b7_map*"), reverse=turned)
    assert sorted(path.name for path in dropped) == [
        "b7_map.dat",
        "b7_map.lut",
        "b7_map_peaks.csv",
        "b7_map_record.json",
    ]
    drop(qtbot, viewer, dropped)
    assert timer.isActive()  # no dialog has come
    timer.stop()
    assert not messages("error")
    assert [layer.name for layer in viewer.layers] == ["b7_map", "b7 - cells", "b7_map_peaks"]
    assert [type(layer) for layer in viewer.layers] == [Image, Labels, Points]


def test_napari_may_ask_who_reads_tables_and_begin_again(viewer, qtbot, files):
    from napari.settings import get_settings

    get_settings().plugins.extension2reader = {by_name.PEAK_TABLES: ""}
    timer = answer_dialogs(qtbot, "PET crystal LUT", "OK")
    drop(qtbot, viewer, [files["lut"], files["map"], files["peaks"]])
    assert [type(layer) for layer in viewer.layers] == [Image, Labels, Points]
    assert not messages("error")
    assert not timer.isActive()


def test_a_bad_file_is_one_notification_and_the_others_open(viewer, qtbot, files, tmp_path):
    bad = tmp_path / "bad.dat"
    bad.write_bytes(b"not what it seems " * 50)
    drop(qtbot, viewer, [bad, files["map"]])
    assert [layer.name for layer in viewer.layers] == ["b7_map"]
    (message,) = messages("error")
    assert message.startswith("Found ")
    assert "expected raw events, a map, a LUT" in message
    assert message.endswith(str(bad))
    assert "\n" not in message
    assert "Traceback" not in message


# -- counting in the background -------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch):
    """Make every event file a large one."""
    monkeypatch.setattr(counting_events, "AT_ONCE_EVENTS", 100)


def test_a_large_event_file_is_counted_in_the_background(viewer, qtbot, files, large):
    drop(qtbot, viewer, [files["lut"], files["raw"]])
    assert any("in the background" in message for message in messages("info"))
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    assert [layer.name for layer in viewer.layers] == ["b7_raw", "b7 - LUT"]
    flood = ly.flood_from_layer(viewer.layers[0])
    assert flood.spectrum.sum() == 20_000
    (at_once,) = reader.read(str(files["raw"]))
    np.testing.assert_array_equal(flood.counts, at_once.data)
    assert not running._RUNNING


def slow_count(path, parameters, fmt, *, progress, cancelled):
    """Count for a minute, unless it is cancelled."""
    for step in range(6000):
        progress(step / 6000)
        if cancelled():
            raise Cancelled("stopped")
        time.sleep(0.01)
    raise AssertionError("nobody cancelled")


def test_cancelling_leaves_no_layer_and_no_complaint(viewer, qtbot, files, large, monkeypatch):
    monkeypatch.setattr(counting_events, "flood_of_events", slow_count)
    drop(qtbot, viewer, [files["raw"]])
    qtbot.waitUntil(lambda: bool(buttons("Cancel")), timeout=20_000)
    buttons("Cancel")[0].click()
    qtbot.waitUntil(lambda: not running._RUNNING, timeout=20_000)
    assert len(viewer.layers) == 0
    qtbot.waitUntil(lambda: not buttons("Cancel"), timeout=20_000)
    assert not messages("error")


def test_closing_the_window_ends_the_counting(viewer, qtbot, files, large, monkeypatch):
    monkeypatch.setattr(counting_events, "flood_of_events", slow_count)
    drop(qtbot, viewer, [files["raw"]])
    assert running._RUNNING
    viewer.close()
    qtbot.waitUntil(lambda: not running._RUNNING, timeout=20_000)


def test_what_goes_wrong_in_the_background_is_one_notification(viewer, qtbot, files, large, monkeypatch):
    def fail(path, parameters, fmt, *, progress, cancelled):
        raise FormatError(path, "events in the window", "none", "choose another window")

    monkeypatch.setattr(counting_events, "flood_of_events", fail)
    drop(qtbot, viewer, [files["raw"]])
    qtbot.waitUntil(lambda: not running._RUNNING, timeout=20_000)
    (message,) = messages("error")
    assert message == f"Found none, expected events in the window; choose another window: {files['raw']}"
    assert len(viewer.layers) == 0


def test_what_is_said_while_napari_starts_waits_for_its_window(viewer, qtbot, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "napari.__main__", sys)  # as the command `napari FILE` has it
    (tmp_path / "bad.dat").write_bytes(b"not what it seems " * 50)
    assert reader.read(str(tmp_path / "bad.dat")) is reader.NOTHING
    assert not messages("error")
    qtbot.waitUntil(lambda: bool(messages("error")), timeout=20_000)

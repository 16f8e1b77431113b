import threading

import pytest

from napari_petlut import compiling
from napari_petlut.compiling import FIRST_RUN
from napari_petlut.plugin.widgets import LatticePanel, frame
from napari_petlut.plugin.work import first_run
from napari_petlut.workflow import first_run as loops


@pytest.fixture
def slow_loops(monkeypatch):
    """Loops whose compilation waits for the test: `at_work` is set then, and `go_on` lets it end."""
    at_work, go_on = threading.Event(), threading.Event()

    def use_all_loops():
        for loop in ("one", "two"):
            monkeypatch.setattr(compiling, "_loops", [loop])
            compiling._note(loop)
            at_work.set()
            assert go_on.wait(20)

    class Loop(str):
        stats = type("Stats", (), {"cache_hits": {}})()
        overloads = ()

    def note(loop):
        made = Loop(loop)
        compiling._loops[:] = [made]
        real(made)

    real = compiling._note
    monkeypatch.setattr(compiling, "_note", note)
    monkeypatch.setattr(loops, "use_all_loops", use_all_loops)
    return at_work, go_on


def test_the_line_is_there_while_it_compiles_and_gone_after(slow_loops):
    at_work, go_on = slow_loops
    run = first_run.FirstRun()
    assert run.line == ""
    run.start()
    run.start()
    assert at_work.wait(20)
    assert (run.line, run.running) == (FIRST_RUN, True)
    go_on.set()
    run._thread.join(20)
    assert (run.line, run.running) == ("", False)


def test_stopped_it_ends_before_the_next_loop(slow_loops):
    at_work, go_on = slow_loops
    run = first_run.FirstRun()
    run.start()
    assert at_work.wait(20)
    run.stop()
    at_work.clear()
    go_on.set()
    run._thread.join(20)
    assert not run.running
    assert not at_work.is_set()
    assert run.line == ""


@pytest.mark.gl
def test_a_panel_says_so_and_the_window_stays_free(slow_loops, monkeypatch, make_napari_viewer, qtbot):
    at_work, go_on = slow_loops
    run = first_run.FirstRun()
    monkeypatch.setattr(frame, "first_run", lambda: run)
    panel = LatticePanel(make_napari_viewer())
    qtbot.addWidget(panel)
    assert at_work.wait(20)
    qtbot.waitUntil(lambda: panel.compiling.text() == FIRST_RUN)
    assert not panel.compiling.isHidden()
    go_on.set()
    qtbot.waitUntil(panel.compiling.isHidden)
    assert not panel._look.isActive()

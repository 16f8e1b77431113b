"""However the program ends: one line at most, nothing lost, and the right exit code."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from napari_petlut.cli import ending, saying
from napari_petlut.cli.main import app
from napari_petlut.errors import LONGEST_TEXT, printable
from napari_petlut.formats.events import write_events
from napari_petlut.formats.lut import write_lut
from napari_petlut.formats.maps import write_map
from napari_petlut.formats.peaks import write_peaks
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import BitField, CrystalLUT, EventFormat, FloodMap, Peaks

BLOCK = BlockGeometry(2, 2)
run = CliRunner()
posix = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")


def complaint(*words):
    """Return the one line in which the program refuses."""
    result = run.invoke(app, [str(word) for word in words])
    assert result.exit_code == 1, f"{result.output}\n{result.stderr}\n{result.exception!r}"
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture
def files(tmp_path):
    """A LUT, a map and peaks of a tiny block."""
    ids = np.repeat(np.repeat(np.arange(4).reshape(2, 2), 256, axis=0), 256, axis=1)
    write_lut(tmp_path / "a.lut", CrystalLUT(ids, BLOCK))
    write_map(tmp_path / "m_map.dat", FloodMap(np.ones((512, 512))))
    write_peaks(tmp_path / "p_peaks.csv", Peaks(np.ones((4, 2)), np.arange(4)), BLOCK)
    return tmp_path


# -- never written over -----------------------------------------------------------------------------------


def calls(folder, target):
    lut, raw = folder / "a.lut", folder / "m_map.dat"
    return {
        "convert": ("convert", lut, target, "--to", "linear"),
        "flood": ("flood", raw, "--out", target),
        "energy": ("energy", raw, "--lut", lut, "--out", target),
        "apply": ("apply", raw, "--lut", lut, "--counts", target),
    }


@posix
@pytest.mark.parametrize("command", ["convert", "flood", "energy", "apply"])
@pytest.mark.parametrize("special", ["device", "link to a device", "pipe", "directory"])
def test_what_is_no_regular_file_is_never_replaced(files, command, special):
    target = files / "target.csv"
    if special == "device":
        target = os.devnull
    elif special == "link to a device":
        target.symlink_to(os.devnull)
    elif special == "pipe":
        os.mkfifo(target)
    else:
        target.mkdir()
    before = Path(target).stat()
    words = "a directory" if special == "directory" else "a device or pipe"
    assert f"found {words}" in complaint(*calls(files, target)[command], "--force")
    after = Path(target).stat()
    assert (after.st_mode, after.st_ino, after.st_rdev) == (before.st_mode, before.st_ino, before.st_rdev)


@posix
@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link", "linked folder"])
@pytest.mark.parametrize("command", ["convert", "flood", "energy", "apply"])
def test_no_input_is_written_over_by_any_of_its_names(files, way, command):
    source = files / ("a.lut" if command == "convert" else "m_map.dat")
    target = files / "target.csv"
    if way == "itself":
        target = source
    elif way == "symbolic link":
        target.symlink_to(source)
    elif way == "hard link":
        target.hardlink_to(source)
    else:
        (files / "again").symlink_to(files)
        target = files / "again" / source.name
    before = source.read_bytes()
    assert "the input itself" in complaint(*calls(files, target)[command], "--force")
    assert source.read_bytes() == before


def test_calibrate_does_not_eat_its_prior(files):
    (files / "p_peaks.csv").rename(files / "m_map_peaks.csv")
    before = (files / "m_map_peaks.csv").read_bytes()
    call = ("calibrate", files / "m_map.dat", "--rows", 2, "--cols", 2, "--prior", files / "m_map_peaks.csv")
    assert "the input itself" in complaint(*call, "--out", files, "--force")
    assert (files / "m_map_peaks.csv").read_bytes() == before


@posix
def test_calibrate_refuses_a_device_before_the_work(files, monkeypatch):
    (files / "m_map.png").symlink_to(os.devnull)
    monkeypatch.setattr("napari_petlut.workflow.pipeline.calibrate", None)  # not reached
    call = ("calibrate", files / "m_map.dat", "--rows", 2, "--cols", 2, "--out", files)
    assert "a device or pipe" in complaint(*call, "--force")


# -- what is printed --------------------------------------------------------------------------------------


@given(text=st.text())
def test_printed_text_is_one_line_that_a_terminal_only_shows(text):
    said = printable(text)
    assert len(said.splitlines()) <= 1
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in said)
    assert ending.encodable(said, "ascii").isascii()


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=nested)
def test_any_value_is_shown_as_one_line(value):
    assert len(saying.fact(value).splitlines()) <= 1


def test_length_and_depth_are_bounded():
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    assert saying.fact(deep) == "…"
    many = saying.fact(list(range(10**6)))
    assert len(many) < 3000 and many.endswith("… (1,000,000 in all)")
    assert len(saying.fact("a" * 10**6)) <= LONGEST_TEXT


@posix
@pytest.mark.parametrize("name", ["a\x1b[31mred\x07.json", "two\nlines.json", "\udcff\udcfe.json", "字" * 84])
def test_odd_names_and_contents_are_shown_and_not_obeyed(tmp_path, name):
    record = {"record": "x\x1b]0;title\x07\u202e", "versions": {"\x1b[2J": "\u2028"}}
    (tmp_path / name).write_text(json.dumps(record, ensure_ascii=False))
    shown = run.invoke(app, ["info", str(tmp_path / name)])
    assert shown.exit_code == 0, shown.exception
    assert not set("\x1b\x07\u202e\u2028") & set(shown.stdout)
    assert shown.stdout.isprintable() or all(line.isprintable() for line in shown.stdout.split("\n"))
    refused = run.invoke(app, ["flood", str(tmp_path / name), "--out", str(tmp_path / "m.dat")])
    assert refused.exit_code == 1
    assert all(line.isprintable() for line in refused.stderr.split("\n"))
    assert refused.stderr.count("\n") == 1


@posix
@pytest.mark.parametrize("stem", ["a$HOME", "字" * 80, "two\nlines", "\udcff", "-x", "ü"])
def test_odd_names_are_written(files, stem):
    target = files / f"{stem}.lut"
    result = run.invoke(app, ["convert", "--to", "linear", "--", str(files / "a.lut"), str(target)])
    assert result.exit_code == 0, result.exception
    assert target.stat().st_size > 0
    assert sorted(path.name for path in files.iterdir() if path.name.endswith(".tmp")) == []


def test_what_the_terminal_cannot_show_is_escaped(tmp_path):
    (tmp_path / "größe ≥ 1.json").write_text('{"a": 1}', encoding="utf-8")
    done = petlut("info", tmp_path / "größe ≥ 1.json", env={"PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0
    assert b"gr\xf6\xdfe \\u2265 1.json" in done.stdout


# -- output that is lost, and Ctrl-C ----------------------------------------------------------------------


def command(*words):
    code = "from napari_petlut.cli.entry import main; main()"
    return [sys.executable, "-c", code, *map(str, words)]


def petlut(*words, env=None, **options):
    options = {"capture_output": True, "check": False, "env": os.environ | (env or {})} | options
    return subprocess.run(command(*words), **options)


@posix
@pytest.mark.parametrize(
    "words", [("--version",), ("--help",), ("info", "a.json"), ("info", "a.json", "--json")]
)
def test_a_full_standard_output_is_one_line(tmp_path, words):
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full")
    (tmp_path / "a.json").write_text('{"a": 1}')
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = petlut(*words, stdout=full, stderr=subprocess.PIPE, capture_output=False, cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("error: standard output:")


@posix
@pytest.mark.parametrize("words", [("--version",), ("info", "a.json"), ("info", "a.json", "--json")])
def test_a_closed_pipe_is_silent(tmp_path, words):
    (tmp_path / "a.json").write_text('{"a": 1}')
    reading, writing = os.pipe()
    os.close(reading)
    done = petlut(*words, stdout=writing, stderr=subprocess.PIPE, capture_output=False, cwd=tmp_path)
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == ending.EXIT_CLOSED


@posix
@pytest.mark.parametrize(
    ("name", "wait"),
    [*(("SIGINT", w) for w in (0.0, 0.15, 0.5, 1.0, 1.7)), ("SIGTERM", 0.5), ("SIGHUP", 1.0)],
)
def test_to_be_stopped_at_any_moment_is_one_word(files, name, wait):
    # From the moment on that this program runs; before it Python itself is starting.
    code = (
        "import contextlib, os, signal, threading, types\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        # A test run that was started by nohup ignores it, and so do its children.
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "from napari_petlut.cli import ending, entry\n"
        "@contextlib.contextmanager\n"
        "def noted():\n"
        "    with ending.noted_interrupt() as pressed:\n"
        f"        threading.Timer({wait}, os.kill, (os.getpid(), signal.{name})).start()\n"
        "        yield pressed\n"
        "entry.ending = types.SimpleNamespace(**{**vars(ending), 'noted_interrupt': noted})\n"
        "entry.main()\n"
    )
    words = ["calibrate", files / "m_map.dat", "--out", files / "new"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, check=False, timeout=120
    )
    assert done.stderr.decode() == "stopped\n"
    assert done.returncode == ending.EXIT_INTERRUPTED
    assert not (files / "new").exists()


def test_a_disk_that_is_full_under_a_cache_is_one_line(files, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "/cache/numba")

    monkeypatch.setattr("napari_petlut.workflow.pipeline.calibrate", full)
    call = ("calibrate", files / "m_map.dat", "--rows", 2, "--cols", 2, "--out", files / "new")
    assert "/cache/numba: the system says: No space left on device" in complaint(*call)


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_stopped_while_a_file_is_written_nothing_is_left(tmp_path, name):
    # The signal comes from within the writing of the map, when its temporary file is there.
    code = (
        "import os, signal, sys\n"
        "from napari_petlut.cli import entry\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('.tmp'):\n"
        "        global armed; armed = True\n"
        "    elif armed and event in ('os.link', 'os.rename'):\n"
        f"        os.kill(os.getpid(), signal.{name})\n"
        "armed = False\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "sys.addaudithook(hook)\n"
        "entry.main()\n"
    )
    words = ["simulate", "--out", tmp_path / "s", "--rows", "2", "--cols", "2", "--events", "1000"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, check=False, timeout=120
    )
    assert done.stderr.decode() == "stopped\n"
    assert done.returncode == ending.EXIT_INTERRUPTED
    assert list(tmp_path.rglob("*.tmp")) == []


@posix
def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ending.noted_interrupt():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGINT, interrupt)


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="needs the signal")
def test_an_interrupt_is_noted_once_for_blocks_in_blocks():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ending.noted_interrupt() as outer, ending.noted_interrupt() as inner:
            assert inner is outer
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            assert outer.is_set()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


# -- refused before the work ------------------------------------------------------------------------------

WIDE = """
dtype = "<u8"
energy = { shift = 20, bits = 14 }
x = { shift = 0, bits = 10 }
y = { shift = 10, bits = 10 }
"""


@pytest.fixture
def events(files):
    """Events of 64 bits whose energies have 14 bits, and what describes them."""
    fmt = EventFormat("wide", "<u8", BitField(20, 14), BitField(0, 10), BitField(10, 10))
    (files / "wide.toml").write_text(WIDE)
    place = np.random.default_rng(0).integers(100, 400, (2, 5000))
    write_events(files / "w.dat", np.full(5000, 500), *place, fmt)
    return files


@pytest.mark.parametrize(
    ("more", "found"), [((), "a spectrum of 4096 channels"), (("--bins", 256), "a map of 512 x 512 pixels")]
)
def test_a_map_that_its_file_cannot_hold_is_refused_before_events_are_counted(
    events, monkeypatch, more, found
):
    monkeypatch.setattr("napari_petlut.workflow.sources.flood_from_words", None)
    call = ("flood", events / "w.dat", "--event-format", events / "wide.toml", *more)
    assert f"w_map.dat: expected {found} for this file" in complaint(*call, "--out", events / "w_map.dat")


def test_more_crystals_than_pixels_are_refused_before_events_are_counted(events, monkeypatch):
    monkeypatch.setattr("napari_petlut.workflow.pipeline.load_flood", None)
    call = ("calibrate", events / "w.dat", "--event-format", events / "wide.toml", "--bins", 64)
    line = complaint(*call, "--rows", 40, "--cols", 40, "--out", events / "new", "--encoding", "linear")
    assert "40 x 40 crystals cannot be told apart on 64 x 64 pixels" in line
    assert not (events / "new").exists()

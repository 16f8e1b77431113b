import csv
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_petlut.cli.main import app
from napari_petlut.formats.record import read_record
from napari_petlut.simulation import BlockSimulation, simulate_block

run = CliRunner()


def petlut(*words, code=0):
    result = run.invoke(app, [str(w) for w in words])
    assert result.exit_code == code, f"{result.output}\n{result.stderr}\n{result.exception!r}"
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A simulated 5 x 6 block as raw events, map and truth."""
    folder = tmp_path_factory.mktemp("simulated")
    kind = ("--preset", "easy", "--rows", 5, "--cols", 6, "--events", 300_000, "--seed", 3)
    petlut("simulate", "--out", folder, "--stem", "b", *kind)
    return folder


@pytest.fixture(scope="module")
def calibrated(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    result = petlut("calibrate", folder / "b_map.dat", "--rows", 5, "--cols", 6, "--out", out, "--json")
    return out, json.loads(result.stdout)


def test_simulate_writes_the_lab_formats(folder):
    assert (folder / "b_raw.dat").stat().st_size == 4 * 300_000
    assert (folder / "b_map.dat").stat().st_size == 4 * 4096 + 4 * 1024 * 1024
    with np.load(folder / "b_truth.npz") as truth:
        assert truth["centres"].shape == (30, 2)
        assert len(truth["event_crystal"]) == 300_000


def test_calibrate_writes_every_file_and_says_so(calibrated):
    out, said = calibrated
    names = {
        "lut": "b_map.lut",
        "peaks": "b_map_peaks.csv",
        "record": "b_map_record.json",
        "picture": "b_map.png",
    }
    assert said["files"] == {kind: str(out / name) for kind, name in names.items()}
    assert sorted(p.name for p in out.iterdir()) == sorted(names.values())
    assert said["status"]["found"] == 30
    with (out / "b_map_peaks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["row"]), int(r["col"])) for r in rows] == [(r, c) for r in range(5) for c in range(6)]


def test_raw_events_and_their_map_give_the_same_lut(folder, calibrated, tmp_path):
    window = BlockSimulation().window
    options = ("--out", tmp_path, "--window", window.low, window.high, "--no-picture")
    petlut("calibrate", folder / "b_raw.dat", "--rows", 5, "--cols", 6, *options)
    assert (tmp_path / "b_raw.lut").read_bytes() == (calibrated[0] / "b_map.lut").read_bytes()


def test_the_same_call_gives_the_same_bytes(folder, calibrated, tmp_path):
    petlut("calibrate", folder / "b_map.dat", "--rows", 5, "--cols", 6, "--out", tmp_path)
    for file in calibrated[0].iterdir():
        if file.suffix != ".json":  # the record holds the path from its place to the input
            assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_every_kmeans_of_the_notebook_can_be_called(folder, tmp_path):
    for name, choice in {
        "events": ["data=events", "start=k-means++", "max_events=20000", "max_iterations=300"],
        "map": ["start=k-means++", "max_iterations=300"],
        "grid": ["start=grid", "max_iterations=300"],
        "peaks": ["max_iterations=300"],
        "one": ["max_iterations=1"],
        "held": ["max_iterations=5", "peak_weight=100"],
    }.items():
        settings = [word for text in choice for word in ("--set", f"segmentation.kmeans.{text}")]
        call = ("--rows", 5, "--cols", 6, "--out", tmp_path / name, "--no-picture", "--method", "kmeans")
        petlut("calibrate", folder / "b_raw.dat", *call, *settings)
    luts = {path.parent.name: path.read_bytes() for path in tmp_path.glob("*/b_raw.lut")}
    assert len(luts) == 6
    assert luts["one"] != luts["grid"]


def test_rows_and_columns_may_be_left_out(folder, calibrated, tmp_path):
    told = petlut("calibrate", folder / "b_map.dat", "--out", tmp_path, "--no-picture")
    assert "the geometry 5 x 6 was proposed" in told.stderr
    assert (tmp_path / "b_map.lut").read_bytes() == (calibrated[0] / "b_map.lut").read_bytes()


def test_crystals_get_their_own_windows_and_the_record_repeats_them(folder, calibrated, tmp_path):
    from napari_petlut.workflow.pipeline import recalibrate

    call = ("--rows", 5, "--cols", 6, "--out", tmp_path, "--no-picture", "--crystal-windows")
    said = json.loads(petlut("calibrate", folder / "b_raw.dat", *call, "--json").stdout)
    assert said["status"]["found"] == 30
    assert (tmp_path / "b_raw.lut").read_bytes() != (calibrated[0] / "b_map.lut").read_bytes()
    again = recalibrate(tmp_path / "b_raw_record.json").write(tmp_path / "again")
    assert again["lut"].read_bytes() == (tmp_path / "b_raw.lut").read_bytes()
    free = ("--out", tmp_path / "free", "--no-picture", "--crystal-windows")
    petlut("calibrate", folder / "b_raw.dat", *free)
    assert (tmp_path / "free" / "b_raw.lut").read_bytes() == (tmp_path / "b_raw.lut").read_bytes()
    assert "raw event file" in petlut("calibrate", folder / "b_map.dat", *call, code=1).stderr


def test_flood_equals_the_simulated_map(folder, tmp_path):
    window = BlockSimulation().window
    petlut("flood", folder / "b_raw.dat", "--out", tmp_path / "m.dat", "--window", window.low, window.high)
    assert (tmp_path / "m.dat").read_bytes() == (folder / "b_map.dat").read_bytes()


def test_flood_finds_the_window_itself(folder, tmp_path):
    said = json.loads(petlut("flood", folder / "b_raw.dat", "--out", tmp_path / "m.npy", "--json").stdout)
    assert said["events"] == 300_000
    assert np.load(tmp_path / "m.npy").sum() == said["events on the map"]


def test_nothing_is_overwritten_without_force(folder, calibrated):
    again = (
        "calibrate",
        folder / "b_map.dat",
        "--rows",
        5,
        "--cols",
        6,
        "--out",
        calibrated[0],
        "--no-picture",
    )
    before = (calibrated[0] / "b_map.lut").stat().st_mtime_ns
    refused = petlut(*again, code=1)
    assert "error:" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert (calibrated[0] / "b_map.lut").stat().st_mtime_ns == before
    petlut(*again, "--force")
    assert (calibrated[0] / "b_map.lut").stat().st_mtime_ns > before


def test_compare_tells_where_luts_differ(folder, calibrated, tmp_path):
    lut = calibrated[0] / "b_map.lut"
    options = ("--out", tmp_path, "--method", "nearest", "--no-picture")
    petlut("calibrate", folder / "b_map.dat", "--rows", 5, "--cols", 6, *options)
    same = json.loads(petlut("compare", lut, lut, "--map", folder / "b_map.dat", "--json").stdout)
    assert same["pixels"] == same["counts"] == 1
    other = json.loads(
        petlut("compare", lut, tmp_path / "b_map.lut", "--map", folder / "b_map.dat", "--json").stdout
    )
    assert 0.5 < other["counts"] < 1
    assert other["worst"]
    assert "Least agreement" in petlut("compare", lut, tmp_path / "b_map.lut").stdout
    without_map = petlut("compare", lut, tmp_path / "b_map.lut", "--json").stdout
    assert json.loads(without_map)["worst"][0]["counts"] is None
    assert "nan" not in without_map.lower() + petlut("compare", lut, tmp_path / "b_map.lut").stdout


def test_convert_there_and_back_is_byte_exact(calibrated, tmp_path):
    lut = calibrated[0] / "b_map.lut"
    petlut("convert", lut, tmp_path / "c.lut", "--from", "packed", "--to", "ucd")
    petlut(
        "convert",
        tmp_path / "c.lut",
        tmp_path / "p.lut",
        "--from",
        "ucd",
        "--to",
        "packed",
        "--rows",
        5,
        "--cols",
        6,
    )
    assert (tmp_path / "p.lut").read_bytes() == lut.read_bytes()


@pytest.mark.parametrize("name", ["b_raw.dat", "b_map.dat"])
def test_info_knows_the_files(folder, name):
    kind = json.loads(petlut("info", folder / name, "--json").stdout)["kind"]
    assert kind == {"b_raw.dat": "events", "b_map.dat": "map"}[name]


def test_another_event_layout_is_a_small_toml_file(folder, tmp_path):
    from napari_petlut.formats.event_formats import load_event_format
    from napari_petlut.formats.events import write_words

    (tmp_path / "other.toml").write_text(
        'name = "other"\ndtype = ">u8"\nheader_bytes = 64\nfull_scale = 512.0\n'
        "energy = { shift = 0, bits = 12 }\nx = { shift = 16, bits = 10 }\ny = { shift = 32, bits = 10 }\n"
    )
    layout = load_event_format(tmp_path / "other.toml")
    words = np.fromfile(folder / "b_raw.dat", "<u4").astype(np.uint64)
    energy, x, y = words >> 20, words & 1023, (words >> 10) & 1023
    write_words(tmp_path / "o_raw.dat", [energy | (x << 16) | (y << 32)], layout)
    window = ("--window", 400, 800)
    other = ("--event-format", tmp_path / "other.toml")
    petlut("flood", tmp_path / "o_raw.dat", "--out", tmp_path / "o.npy", *window, *other)
    petlut("flood", folder / "b_raw.dat", "--out", tmp_path / "b.npy", *window)
    assert (tmp_path / "o.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    said = json.loads(petlut("info", tmp_path / "o_raw.dat", "--json", *other).stdout)
    assert (said["kind"], said["events"]) == ("events", 300_000)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("calibrate", "nowhere.dat", "--rows", "4", "--cols", "4"), "nowhere.dat"),
        (("calibrate", "{map}", "--rows", "4"), "both --rows and --cols"),
        (("calibrate", "{map}", "--rows", "0", "--cols", "4"), "rows must be"),
        (
            ("calibrate", "{map}", "--rows", "5", "--cols", "6", "--method", "magic"),
            "method 'magic' is unknown",
        ),
        (
            ("calibrate", "{map}", "--rows", "5", "--cols", "6", "--encoding", "magic"),
            "no LUT encoding 'magic'",
        ),
        (("calibrate", "{raw}", "--rows", "5", "--cols", "6", "--window", "9", "2"), "energy window"),
        (
            ("calibrate", "{raw}", "--rows", "5", "--cols", "6", "--window", "4090", "4095"),
            "choose another window",
        ),
        (("calibrate", "{dir}", "--rows", "5", "--cols", "6"), "directory"),
        (("info", "nowhere.dat"), "nowhere.dat"),
        (("compare", "{map}", "{map}"), "expected"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(folder, tmp_path, words, said):
    places = {"map": folder / "b_map.dat", "raw": folder / "b_raw.dat", "dir": folder}
    out = ("--out", tmp_path / "new") if words[0] == "calibrate" else ()
    result = petlut(*(w.format(**places) for w in words), *out, code=1)
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("source", "encoding"), [("b_map.dat", "cti-crm"), ("b_raw.dat", "minipet")])
def test_an_encoding_of_other_pixels_is_told_before_the_work_and_only_the_lut_is_not_written(
    folder, tmp_path, monkeypatch, source, encoding
):
    from napari_petlut.workflow import pipeline

    work = pipeline.calibrate

    def begin(*given, **more):
        print("the work begins", file=sys.stderr)
        return work(*given, **more)

    monkeypatch.setattr(pipeline, "calibrate", begin)
    (tmp_path / f"{Path(source).stem}.lut").write_bytes(b"of an earlier run")
    call = ("calibrate", folder / source, "--rows", 5, "--cols", 6, "--encoding", encoding, "--no-picture")
    result = petlut(*call, "--out", tmp_path, "--force", code=1)
    before, after = result.stderr.split("the work begins")
    assert "no LUT can be written, peaks and record will be" in before
    assert "256 x 256 pixels, found 512 x 512" in before
    assert "256 x 256 pixels, found 512 x 512" in after.splitlines()[-1]
    stem = Path(source).stem
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}_peaks.csv", f"{stem}_record.json"]
    record = read_record(tmp_path / f"{stem}_record.json")
    assert record.lut_encoding is None
    assert list(record.outputs) == ["peaks"]


def test_strict_ends_with_3_when_something_needs_a_look(tmp_path):
    block = simulate_block(
        BlockSimulation(rows=5, cols=6, resolution=2.5, counts_per_crystal=3000, dead=(8,))
    )
    np.save(tmp_path / "dead.npy", block.flood.counts)
    call = ("calibrate", tmp_path / "dead.npy", "--rows", 5, "--cols", 6, "--out", tmp_path, "--no-picture")
    assert "missing" in petlut(*call, "--strict", code=3).stdout


def test_demo_scores_itself_and_repeats(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_petlut.cli.demo.DEMO_EVENTS", 1_500_000)
    said = json.loads(petlut("demo", "--out", tmp_path / "d", "--no-window", "--json").stdout)
    assert set(said["found"]) == {"block_raw.dat", "block_map.dat"}
    assert said["found"]["block_raw.dat"]["live crystals"] == 256
    assert (tmp_path / "d" / "block_raw.png").stat().st_size > 50_000
    petlut("demo", "--out", tmp_path / "d", "--no-window", code=1)


def test_the_core_imports_no_napari():
    import subprocess
    import sys

    code = (
        "import sys, napari_petlut.cli.main, napari_petlut.workflow.pipeline;"
        "import napari_petlut.report, napari_petlut.cli.demo, napari_petlut.cli.entry;"
        "bad = {'napari', 'qtpy', 'magicgui'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_cell_cut_short_is_seen_from_either_side(folder, calibrated, tmp_path):
    lut = calibrated[0] / "b_map.lut"
    options = ("--out", tmp_path, "--max-distance", 9, "--no-picture")
    petlut("calibrate", folder / "b_map.dat", "--rows", 5, "--cols", 6, *options)
    assert "of a crystal in B only" in petlut("compare", tmp_path / "b_map.lut", lut).stdout
    assert "of a crystal in A only" in petlut("compare", lut, tmp_path / "b_map.lut").stdout


def test_a_place_that_cannot_be_written_is_known_before_the_work(folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("napari_petlut.workflow.pipeline.calibrate", None)  # not reached
    call = ("calibrate", folder / "b_map.dat", "--rows", 5, "--cols", 6, "--out")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert "a file in its place" in petlut(*call, place, code=1).stderr
    monkeypatch.setattr("os.access", lambda _path, mode: not mode & os.W_OK)
    assert "no permission" in petlut(*call, tmp_path / "new", code=1).stderr


def test_the_input_is_never_the_output(folder, tmp_path):
    raw = tmp_path / "r.dat"
    raw.write_bytes((folder / "b_raw.dat").read_bytes())
    assert "the input itself" in petlut("flood", raw, "--out", raw, "--force", code=1).stderr
    assert raw.read_bytes() == (folder / "b_raw.dat").read_bytes()


@pytest.mark.parametrize(
    "name", ["b_map.dat", "b_map.lut", "b_map_peaks.csv", "b_map_record.json", "b_map.png"]
)
def test_flood_takes_no_other_kind_for_events(folder, calibrated, tmp_path, name):
    source = (folder if name == "b_map.dat" else calibrated[0]) / name
    assert "expected raw events" in petlut("flood", source, "--out", tmp_path / "m.dat", code=1).stderr
    assert not (tmp_path / "m.dat").exists()


def test_calibrate_names_the_kind_it_cannot_use(calibrated, tmp_path):
    lut = calibrated[0] / "b_map.lut"
    said = petlut("calibrate", lut, "--rows", 5, "--cols", 6, "--out", tmp_path, code=1).stderr
    assert "raw events or a flood map" in said
    assert "found a crystal LUT" in said


def test_options_that_a_map_cannot_obey_are_told(folder, tmp_path):
    call = ("--rows", 5, "--cols", 6, "--out", tmp_path, "--no-picture", "--bins", 256, "--remove-comb")
    said = petlut("calibrate", folder / "b_map.dat", *call).stderr
    assert "a map is taken as it is: bins, dither had no effect" in said


@pytest.fixture
def heard_interrupts():
    """Let Ctrl+C be heard: what is started in the background of a script ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemError, ImportError])
def test_ctrl_c_stops_quietly_whatever_compiled_code_makes_of_it(monkeypatch, folder, tmp_path, raised):
    def interrupted(*_args, **_options):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise raised("returned a result with an exception set") from error

    monkeypatch.setattr("napari_petlut.workflow.pipeline.find_lattice", interrupted)
    call = ("calibrate", folder / "b_map.dat", "--rows", 5, "--cols", 6, "--out", tmp_path / "new")
    assert petlut(*call, code=130).stderr.strip() == "stopped"
    assert not (tmp_path / "new").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_file_without_permission_is_one_line(folder, tmp_path, monkeypatch):
    closed = tmp_path / "closed.dat"
    closed.write_bytes((folder / "b_map.dat").read_bytes())

    def refuse(*_args, **_options):
        raise PermissionError

    monkeypatch.setattr("os.access", lambda _path, mode: not mode & os.R_OK)
    monkeypatch.setattr("napari_petlut.formats._files.open", refuse, raising=False)
    said = petlut("info", closed, code=1).stderr
    assert "may not be read" in said
    assert len(said.strip().splitlines()) == 1


def test_brackets_in_a_name_are_shown_as_they_are(folder, tmp_path):
    odd = tmp_path / "ü [bold]x[b] 1.dat"
    odd.write_bytes((folder / "b_map.dat").read_bytes())
    assert "[bold]x[b] 1.dat" in petlut("info", odd).stdout.splitlines()[0]

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_petlut.cli.main import app
from napari_petlut.formats.energy_lut import read_energy_lut
from napari_petlut.formats.maps import read_map

run = CliRunner()


def petlut(*words, code=0):
    result = run.invoke(app, [str(word) for word in words])
    assert result.exit_code == code, f"{result.output}\n{result.stderr}\n{result.exception!r}"
    return result


def said(*words):
    return json.loads(petlut(*words, "--json").stdout)


def complaint(*words):
    """Return the one line in which the program refuses."""
    lines = petlut(*words, code=1).stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error:"), lines
    return lines[0]


SIZE = ("--rows", 4, "--cols", 5)
WINDOW = ("--window", 400, 800)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A simulated 4 x 5 block: raw events, map, and their LUT, peaks and record."""
    folder = tmp_path_factory.mktemp("block")
    kind = ("--preset", "easy", *SIZE, "--events", 200_000, "--seed", 4)
    petlut("simulate", "--out", folder, "--stem", "b", *kind)
    petlut("calibrate", folder / "b_raw.dat", *SIZE, *WINDOW, "--out", folder, "--no-picture")
    return folder


@pytest.fixture(scope="module")
def reported(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return out, said("report", folder / "b_raw.dat", *SIZE, *WINDOW, "--out", out)


def test_report_writes_every_file_and_says_so(reported):
    out, answer = reported
    names = {
        "report": "b_raw_report.html",
        "pdf": "b_raw_report.pdf",
        "figures": "b_raw_figures.csv",
        "figures_json": "b_raw_figures.json",
        "crosstalk": "b_raw_crosstalk.csv",
    }
    assert answer["files"] == {kind: str(out / name) for kind, name in names.items()}
    assert sorted(path.name for path in out.iterdir()) == sorted(names.values())
    assert answer["verdict"] in ("pass", "review", "fail")
    assert answer["left_out"] == []
    assert answer["block"]["events"] == 200_000


def test_a_record_gives_the_same_figures_as_its_source(folder, reported, tmp_path):
    petlut("report", folder / "b_raw_record.json", "--out", tmp_path)
    name = "b_raw_figures.csv"
    assert (tmp_path / name).read_bytes() == (reported[0] / name).read_bytes()


def test_a_lut_and_its_peaks_give_the_same_quality(folder, reported, tmp_path):
    given = ("--lut", folder / "b_raw.lut", "--peaks", folder / "b_raw_peaks.csv")
    answer = said("report", folder / "b_raw.dat", *WINDOW, *given, "--out", tmp_path)
    assert answer["verdict"] == reported[1]["verdict"]
    for figure in ("misassigned", "k_rows", "energy_resolution_median", "map_events"):
        assert answer["block"][figure] == pytest.approx(reported[1]["block"][figure], rel=1e-6)


def test_a_map_alone_is_reported_without_energies(folder, tmp_path):
    answer = said("report", folder / "b_map.dat", "--lut", folder / "b_raw.lut", "--out", tmp_path)
    assert "without events" in answer["left_out"][0]
    assert "energy_resolution_median" not in answer["block"]
    assert "misassigned" in answer["block"]


def test_a_map_with_its_events_has_energies(folder, tmp_path):
    given = ("--lut", folder / "b_raw.lut", "--events", folder / "b_raw.dat", "--stem", "both")
    answer = said("report", folder / "b_map.dat", *given, "--out", tmp_path)
    assert answer["left_out"] == [] and answer["title"] == "both"
    assert answer["block"]["photopeaks_found"] == 20


def test_report_in_words(folder, tmp_path):
    shown = petlut("report", folder / "b_map.dat", "--lut", folder / "b_raw.lut", "--out", tmp_path)
    assert "verdict" in shown.stdout and "Written" in shown.stdout
    assert "without events" in shown.stderr


def test_nothing_is_overwritten_without_force(folder, reported, tmp_path):
    words = ("report", folder / "b_raw.dat", *SIZE, "--out", reported[0])
    assert "b_raw_report.html" in complaint(*words)
    assert "b_raw_report.html" in complaint(*words, "--stem", "b_raw")


def test_strict_exits_with_3_unless_the_block_passes(folder, tmp_path):
    # 200 events: nobody can be sure of such a map.
    counts = np.random.default_rng(1).multinomial(200, np.full(64 * 64, 1 / 64**2)).reshape(64, 64)
    np.save(tmp_path / "poor.npy", counts.astype(float))
    words = ("report", tmp_path / "poor.npy", "--lut", folder / "b_raw.lut", "--out", tmp_path, "--strict")
    petlut(*words, code=3)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--peaks", "p.csv"), "--lut"),
        (("--rows", 4), "--cols"),
        (("--lut", "none.lut"), "none.lut"),
    ],
)
def test_report_refuses_in_one_line(folder, tmp_path, words, part):
    assert part in complaint("report", folder / "b_map.dat", "--out", tmp_path, *words)
    assert not list(tmp_path.iterdir())


def test_a_record_excludes_what_it_decides(folder, tmp_path):
    assert "--rows" in complaint("report", folder / "b_raw_record.json", *SIZE, "--out", tmp_path)


def test_apply_counts_the_events_of_the_calibrated_map(folder, tmp_path):
    answer = said("apply", folder / "b_raw.dat", "--lut", folder / "b_raw.lut", *WINDOW)
    assert answer["events"] == 200_000 and len(answer["counts"]) == 20
    assert answer["assigned"] == sum(answer["counts"])
    with np.load(folder / "b_truth.npz") as truth:
        right = np.bincount(truth["event_crystal"][truth["event_crystal"] >= 0], minlength=20)
    assert answer["assigned"] < right.sum() and min(answer["counts"]) > 0


def test_apply_writes_the_list_of_events_and_the_table(folder, tmp_path):
    files = ("--out", tmp_path / "l.npy", "--counts", tmp_path / "c.csv")
    answer = said("apply", folder / "b_raw.dat", "--lut", folder / "b_raw.lut", *WINDOW, *files)
    crystals = np.load(tmp_path / "l.npy")["crystal"]
    assert len(crystals) == 200_000
    assert np.bincount(crystals[crystals >= 0], minlength=20).tolist() == answer["counts"]
    with (tmp_path / "c.csv").open(newline="") as file:
        assert [int(row["events"]) for row in csv.DictReader(file)] == answer["counts"]
    assert "l.npy" in complaint("apply", folder / "b_raw.dat", "--lut", folder / "b_raw.lut", *files)


def test_apply_gives_most_events_to_the_crystal_that_they_hit(folder, tmp_path):
    petlut("apply", folder / "b_raw.dat", "--lut", folder / "b_raw.lut", *WINDOW, "--out", tmp_path / "l.npy")
    given = np.load(tmp_path / "l.npy")["crystal"]
    with np.load(folder / "b_truth.npz") as truth:
        hit = truth["event_crystal"]
    both = (given >= 0) & (hit >= 0)
    assert (given[both] == hit[both]).mean() > 0.7


def test_apply_in_words(folder):
    shown = petlut("apply", folder / "b_raw.dat", "--lut", folder / "b_raw.lut").stdout
    assert "given to a crystal" in shown and "By row and column" in shown


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--kev", 400, 600), "--energy-lut"),
        (("--out", "list.txt"), "list.npy"),
        (("--out", "same.npy", "--counts", "./same.npy", "--force"), "same file"),
        (("--encoding", "nobody"), "nobody"),
        (("--window", 800, 400), "low < high"),
    ],
)
def test_apply_refuses_in_one_line(folder, words, part):
    assert part in complaint("apply", folder / "b_raw.dat", "--lut", folder / "b_raw.lut", *words)


def test_energy_writes_the_photopeaks(folder, tmp_path):
    answer = said("energy", folder / "b_raw.dat", "--lut", folder / "b_raw.lut", "--out", tmp_path / "e.csv")
    assert answer["status"] == ["found"] * 20
    assert "background excluded" in answer["energy_resolution_convention"]
    lut = read_energy_lut(tmp_path / "e.csv")
    assert lut.photopeaks.tolist() == pytest.approx(answer["photopeak"])
    # The lines of a simulated block lie around channel 520.
    assert 450 < np.median(lut.photopeaks) < 600


def test_events_in_kev_have_their_photopeak_at_511(folder, tmp_path):
    given = (folder / "b_raw.dat", "--lut", folder / "b_raw.lut")
    petlut("energy", *given, "--out", tmp_path / "e.csv")
    options = ("--energy-lut", tmp_path / "e.csv", "--kev", 450, 600, "--out", tmp_path / "l.npy")
    answer = said("apply", *given, *options)
    events = np.load(tmp_path / "l.npy")
    kept = events["keV"][events["crystal"] >= 0]
    assert len(kept) == answer["assigned"] and kept.min() > 450 and kept.max() < 600
    assert np.median(kept) == pytest.approx(511, abs=10)


def test_energy_in_words_and_what_it_refuses(folder, tmp_path):
    given = ("energy", folder / "b_raw.dat", "--lut", folder / "b_raw.lut", "--out")
    words = " ".join(petlut(*given, tmp_path / "e.csv", "--strict").stdout.split())
    assert "20 of 20" in words and "background excluded" in words and "smeared step" in words
    assert "e.csv" in complaint(*given, tmp_path / "e.csv")
    assert "nothing" in complaint(*given, tmp_path / "e.bin", "--to", "nothing")
    # Gains above 1 keV per channel do not fit into this one.
    assert "cpm" in complaint(*given, tmp_path / "e.bin", "--to", "cpm")
    assert [path.name for path in tmp_path.iterdir()] == ["e.csv"]


RAW_COMMANDS = ("apply", "energy")


@pytest.mark.parametrize("command", RAW_COMMANDS)
@pytest.mark.parametrize(("name", "kind"), [("b_map.dat", "a map file"), ("b_raw_record.json", "a record")])
def test_only_raw_events_are_taken_as_events(folder, tmp_path, command, name, kind):
    call = (command, folder / name, "--lut", folder / "b_raw.lut", "--out", tmp_path / "o.npy")
    assert f"expected raw events, found {kind}" in complaint(*call)
    assert not list(tmp_path.iterdir())


def test_report_takes_only_raw_events_as_events(folder, tmp_path):
    for source in ("b_map.dat", "b_raw_record.json"):
        call = ("report", folder / source, "--events", folder / "b_map.dat", "--out", tmp_path)
        assert "expected raw events, found a map file" in complaint(*call)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def block(folder, tmp_path):
    """Copies of the block's files, which a test may lose."""
    names = {
        "raw": "b_raw.dat",
        "lut": "b_raw.lut",
        "peaks": "b_raw_peaks.csv",
        "record": "b_raw_record.json",
    }
    files = {role: tmp_path / name for role, name in names.items()}
    for path in files.values():
        path.write_bytes((folder / path.name).read_bytes())
    files["gains"] = tmp_path / "e.csv"
    energies = "".join(f"{i},{i // 5},{i % 5},520\n" for i in range(20))
    files["gains"].write_text("crystal,row,col,photopeak\n" + energies)
    return files


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "raw", "--lut", "lut", "--counts", "raw"),
        ("apply", "raw", "--lut", "lut", "--counts", "lut"),
        ("apply", "raw", "--lut", "lut", "--energy-lut", "gains", "--counts", "gains"),
        ("energy", "raw", "--lut", "lut", "--out", "raw"),
        ("energy", "raw", "--lut", "lut", "--out", "lut"),
    ],
)
def test_no_input_is_ever_written_over(block, words):
    before = {role: path.read_bytes() for role, path in block.items()}
    assert "the input itself" in complaint(*(block.get(word, word) for word in words), "--force")
    assert {role: path.read_bytes() for role, path in block.items()} == before


@pytest.mark.parametrize("role", ["--lut", "--peaks", "source"])
def test_no_report_is_written_over_what_it_reads(block, tmp_path, role):
    taken = tmp_path / "x_figures.csv"
    files = {"source": block["raw"], "--lut": block["lut"], "--peaks": block["peaks"]}
    taken.write_bytes(files[role].read_bytes())
    files[role] = taken
    source = files.pop("source")
    given = [word for option in files.items() for word in option]
    call = ("report", source, *given, "--out", tmp_path, "--stem", "x", "--force")
    before = taken.read_bytes()
    assert "the input itself" in complaint(*call)
    assert taken.read_bytes() == before


def test_no_report_is_written_over_the_source_of_its_record(folder, tmp_path):
    taken = tmp_path / "x_figures.csv"
    np.savetxt(taken, read_map(folder / "b_map.dat").counts, fmt="%d", delimiter=",")
    petlut("calibrate", taken, *SIZE, "--out", tmp_path, "--no-picture")
    call = ("report", tmp_path / "x_figures_record.json", "--out", tmp_path, "--stem", "x", "--force")
    before = taken.read_bytes()
    assert "the input itself" in complaint(*call)
    assert taken.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "closed"),
    [
        (("apply", "raw", "--lut", "lut"), "raw"),
        (("apply", "raw", "--lut", "lut"), "lut"),
        (("apply", "raw", "--lut", "lut", "--energy-lut", "gains"), "gains"),
        (("energy", "raw", "--lut", "lut", "--out", "new.csv"), "raw"),
        (("energy", "raw", "--lut", "lut", "--out", "new.csv"), "lut"),
        (("report", "raw", "--out", "new"), "raw"),
        (("report", "record", "--out", "new"), "record"),
        (("report", "raw", "--lut", "lut", "--out", "new"), "lut"),
        (("report", "raw", "--lut", "lut", "--peaks", "peaks", *WINDOW, "--out", "new"), "peaks"),
        (("report", "lut", "--events", "raw", "--out", "new"), "raw"),
    ],
)
def test_a_file_without_permission_is_one_line(block, monkeypatch, words, closed):
    # Made up, because a superuser may read everything.
    def refusing(function):
        def wrapped(path, *args, **options):
            if str(path) == str(block[closed]):
                raise PermissionError
            return function(path, *args, **options)

        return wrapped

    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(block[closed]))
    monkeypatch.setattr("napari_petlut.formats._files.open", refusing(open), raising=False)
    monkeypatch.setattr(Path, "read_bytes", refusing(Path.read_bytes))
    said = complaint(*(block.get(word, word) for word in words))
    assert block[closed].name in said and "may not be read" in said


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "raw", "--lut", "lut", "--out", "there.npy"),
        ("apply", "raw", "--lut", "lut", "--counts", "there.npy"),
        ("energy", "raw", "--lut", "lut", "--out", "there.npy"),
    ],
)
def test_an_output_that_may_not_be_read_is_one_that_exists(block, tmp_path, monkeypatch, words):
    there = tmp_path / "there.npy"
    there.write_bytes(b"mine")
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(there))
    assert "allow overwriting" in complaint(*(block.get(w, there if w == there.name else w) for w in words))

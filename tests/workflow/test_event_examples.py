"""Every event format that docs/files.md shows, run: files made of one simulated block give its flood map."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import event_files as files
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.cli.main import app
from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.event_files import iter_events
from napari_petlut.formats.event_formats import event_format, event_presets, load_event_format
from napari_petlut.formats.event_kinds import event_layout
from napari_petlut.formats.events import write_events, write_words
from napari_petlut.formats.identification import Hints, identify
from napari_petlut.model import EnergyWindow, EventFormat
from napari_petlut.workflow.applying import apply_to_events
from napari_petlut.workflow.previewing import preview_events
from napari_petlut.workflow.sources import flood_of_events

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")
EXAMPLES = {
    table.get("name", table.get("preset")): text
    for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    if (table := tomllib.loads(text))
}
LAB = EventFormat()
EVERYTHING = FloodParameters(EnergyWindow(0, 4095.5))
WORDS = files.lab_words(40_000)
E, EX, EY = files.lab_fields(WORDS)
KEPT = (E > 60) & (EX <= E) & (EY <= E)
WORDS, E, EX, EY = WORDS[KEPT], E[KEPT], EX[KEPT], EY[KEPT]
EXPECTED = flood_from_words([WORDS], LAB, EVERYTHING).counts
X, Y = (np.minimum((1 - one / E) * 512, 511) for one in (EX, EY))


def write_other(path, fmt):
    write_events(path, E, EX, EY, fmt)
    return np.ones(len(E), bool)


def write_ratio(path, fmt):
    columns = {"E": E, "Ex": EX, "Ey": EY << 16}
    files.write_records(path, columns, fmt.source.container)
    return np.ones(len(E), bool)


def write_direct(path, fmt):
    places = {f"pos_{name}": (np.floor(one) + 0.5) / 512 * 50 - 25 for name, one in (("x", X), ("y", Y))}
    half = (E + 0.5) / 2
    block = np.arange(len(E)) % 2
    columns = {"front": 10 + half, "rear": 12 + half / 0.9, "module": 3 * block, "chip": block}
    files.write_hdf5(path, places | columns, group="run/singles", compression="gzip", chunks=(5000,))
    return block == 1


def write_corners(path, fmt):
    events, _ = files.as_corners(WORDS)
    columns = files.columns_of(events)
    kept = np.all([column >= 0 for column in columns.values()], axis=0)
    files.write_records(path, {k: v[kept] for k, v in columns.items()}, fmt.source.container)
    return kept


WRITERS = {"other": write_other, "ratio": write_ratio, "direct": write_direct, "corners": write_corners}


def read_example(tmp_path, name):
    (tmp_path / "example.toml").write_text(EXAMPLES[name], "utf-8")
    return load_event_format(tmp_path / "example.toml")


@pytest.mark.parametrize("name", WRITERS)
def test_an_example_makes_the_map_of_the_labs_words(tmp_path, name):
    fmt = read_example(tmp_path, name)
    path = tmp_path / "run.bin"
    kept = WRITERS[name](path, fmt)
    if name == "direct":
        with pytest.raises(
            FormatError, match=r"found 2 blocks: 0,0 \([\d,]+ events\), 3,1 .*; choose one: --block N"
        ):
            flood_of_events(path, EVERYTHING, fmt)
        fmt = event_layout(tmp_path / "example.toml", (3, 1))
    flood, parameters, warnings = flood_of_events(path, EVERYTHING, fmt)
    assert (parameters, warnings) == (EVERYTHING, ())
    expected = flood_from_words([WORDS[kept]], LAB, EVERYTHING).counts
    assert expected.sum() > 5000
    np.testing.assert_array_equal(flood.counts, expected)


def test_the_example_of_channels_is_a_centroid(tmp_path):
    fmt = read_example(tmp_path, "channels")
    rng = np.random.default_rng(0)
    n = 4000
    centres = rng.integers(1, 3, (n, 2)) + rng.normal(0, 0.05, (n, 2))
    grid = np.stack(np.divmod(np.arange(16), 4), axis=1)
    light = 400 * np.exp(-((grid[None] - centres[:, None]) ** 2).sum(axis=-1))
    columns = {f"q{i}": 5 + light[:, i] for i in range(16)} | {"good": np.arange(n) % 4 > 0}
    columns["good"] = columns["good"].astype(int)
    files.write_text(tmp_path / "run.csv", columns, delimiter=";", decimal=",")
    flood, _, _ = flood_of_events(tmp_path / "run.csv", FloodParameters(EnergyWindow(0, 65_535), 64), fmt)
    counted = np.where(light >= 3, light, 0)[columns["good"] == 1]
    places = (counted @ grid) / counted.sum(axis=1, keepdims=True)
    source = identify(tmp_path / "run.csv", Hints(fmt)).found.layout.source
    spans = [source.position.x_range, source.position.y_range]
    expected = np.histogram2d(*places.T, bins=64, range=spans)[0]
    assert abs(flood.total - expected.sum()) <= 2  # at the very ends of the range
    assert np.abs(flood.counts - expected).sum() <= 40  # sums in another order, at the edges of bins


def test_the_example_of_hits_joins_them(tmp_path):
    fmt = read_example(tmp_path, "petsys-group")
    charges = np.stack([(X + 1) * (Y + 1), (X + 1) * (513 - Y), (513 - X) * (Y + 1), (513 - X) * (513 - Y)])
    charges = (charges / 513**2 * E).T
    n = len(E)
    columns = {"hits": np.full(4 * n, 4), "hit": np.tile(np.arange(4), n), "time": np.arange(4 * n)}
    columns |= {"energy": charges.ravel(), "channel": np.tile([3, 2, 1, 0], n)}
    files.write_records(tmp_path / "run.ldat", columns, fmt.source.container)
    flood, _, _ = flood_of_events(tmp_path / "run.ldat", FloodParameters(EnergyWindow(0, 4095), 64), fmt)
    assert flood.total > 0.97 * n
    assert sum(len(chunk) for chunk in iter_events(tmp_path / "run.ldat", fmt)) == n


def test_every_preset_is_told():
    told = re.findall(r"^\| `([a-z-]+)` \|", PAGE.split("### Words of bits")[0], re.MULTILINE)
    assert set(told) == set(event_presets())


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_a_foreign_table_gets_to_a_lut_and_to_the_crystal_of_every_event(tmp_path):
    columns = {"Energy": E + 0.25, "X": X / 512, "Y": Y / 512, "module": np.arange(len(E)) % 2}
    path = tmp_path / "run.parquet"
    files.write_parquet(path, columns)
    told = run("info", path, "--json")
    facts = json.loads(told.stdout)
    assert (facts["kind"], facts["events"]) == ("table_of_events", len(E))
    assert facts["blocks"].startswith("0 (")
    assert facts["on_the_map"].startswith("100.0 %")
    options = ["--rows", 4, "--cols", 5, "--no-picture"]
    refused = run("calibrate", path, "--out", tmp_path, *options)
    assert refused.exit_code == 1
    assert "choose one: --block N" in refused.stderr
    made = run("calibrate", path, "--out", tmp_path, "--block", 1, *options)
    assert made.exit_code == 0, made.stderr
    lut, record = tmp_path / "run.lut", tmp_path / "run_record.json"
    refused = run("apply", path, "--lut", lut, "--block", 1, "--out", tmp_path / "events.npy")
    assert "give the record of the calibration" in refused.stderr
    done = run(
        "apply", path, "--lut", lut, "--event-format", record, "--out", tmp_path / "events.npy", "--json"
    )
    assert done.exit_code == 0, done.stderr
    made = np.load(tmp_path / "events.npy")
    assert len(made) == np.count_nonzero(columns["module"] == 1)
    np.testing.assert_array_equal(made["channel"], np.floor(columns["Energy"][columns["module"] == 1]))
    assert json.loads(done.stdout)["assigned"] == np.count_nonzero(made["crystal"] >= 0) > 0.8 * len(made)


def test_a_range_that_is_given_needs_no_record(tmp_path):
    from napari_petlut.geometry import BlockGeometry
    from napari_petlut.model import CrystalLUT

    path = tmp_path / "a.csv"
    files.write_text(path, {"E": E, "x": X, "y": Y})
    ids = np.add.outer(2 * (np.arange(512) // 256), np.arange(512) // 256).astype(np.int32)
    lut = CrystalLUT(ids, BlockGeometry(2, 2))
    given = replace(files.source_of(), container=event_presets()["petsys-group-text"].source.container)
    given = replace(given, container=replace(given.container, names=()))
    counts = apply_to_events(path, lut, None, files.format_of(given)).counts
    expected = np.bincount(2 * (X >= 256) + (Y >= 256), minlength=4)
    np.testing.assert_array_equal(counts, expected)
    with pytest.raises(ParameterError, match="range of the map would be taken"):
        apply_to_events(path, lut)


def test_events_of_the_other_byte_order_are_refused_at_every_door(tmp_path):
    path = tmp_path / "a.dat"
    write_words(path, [WORDS], event_presets()["lab-big-endian"])
    write_words(tmp_path / "b.lut", [WORDS])
    for command in ("flood", "calibrate"):
        told = run(command, path, "--out", tmp_path / "out.dat")
        assert told.exit_code == 1
        assert "if read big-endian: --event-format lab-big-endian" in told.stderr
    with pytest.raises(FormatError, match="read big-endian"):
        flood_of_events(path, FloodParameters(), LAB)
    flood, _, _ = flood_of_events(path, EVERYTHING, event_format("lab-big-endian"))
    np.testing.assert_array_equal(flood.counts, EXPECTED)


def test_a_preview_shows_columns_first_events_and_map(tmp_path):
    path = tmp_path / "a.csv"
    files.write_text(path, {"energy": E + 0.5, "x": X, "y": Y, "module": np.zeros(len(E), int)})
    seen = preview_events(path, EventFormat(), rows=5)
    assert seen.columns == ("energy", "x", "y", "module")
    np.testing.assert_array_equal(seen.rows["x"], X[:5])
    assert seen.event_format.source.settled
    assert seen.placement.share > 0.99
    assert seen.flood.total > 0.99 * len(E)
    assert seen.blocks == {(0,): len(E)}
    write_words(tmp_path / "b.dat", [WORDS])
    seen = preview_events(tmp_path / "b.dat", EventFormat(), rows=3)
    np.testing.assert_array_equal(seen.rows["E"], E[:3])
    np.testing.assert_array_equal(seen.flood.counts, flood_from_words([WORDS], LAB, FloodParameters()).counts)

import json

import numpy as np
import pytest
import tifffile

from napari_petlut.errors import FormatError
from napari_petlut.formats import energy_lut, events, lut, maps, models, peaks, plain, session
from napari_petlut.formats.sniff import FileKind, describe, identify
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import BitField, CrystalLUT, EnergyLUT, EventFormat, FloodMap, Peaks

BLOCK = BlockGeometry(4, 4)
COUNTS = np.arange(512.0 * 512).reshape(512, 512) % 900
FLOOD = FloodMap(COUNTS, spectrum=np.arange(4096))
IDS = np.repeat(np.repeat(np.arange(16).reshape(4, 4), 128, axis=0), 128, axis=1)
LUT = CrystalLUT(IDS, BLOCK)
WIDE = EventFormat("wide", ">u8", BitField(40, 16), BitField(0, 16), BitField(20, 16), header_bytes=5)


def some_events(path, n=1000, fmt=EventFormat()):
    rng = np.random.default_rng(0)
    energy = rng.integers(100, 900, n)
    events.write_events(path, energy, rng.integers(0, energy), rng.integers(0, energy), fmt)


WRITERS = {
    FileKind.EVENTS: [("raw.dat", some_events), ("nosuffix", some_events)],
    FileKind.MAP: [("map.dat", lambda p: maps.write_map(p, FLOOD))],
    FileKind.ARRAY: [
        *((f"a{suffix}", lambda p: maps.write_array(p, FLOOD)) for suffix in maps.ARRAY_SUFFIXES),
        ("other.dat", lambda p: tifffile.imwrite(p, COUNTS)),
    ],
    FileKind.LUT: [
        ("a.lut", lambda p: lut.write_lut(p, LUT)),
        ("linear.dat", lambda p: lut.write_lut(p, LUT, "linear")),
        ("b.clu", lambda p: lut.write_lut(p, LUT.without([3]), "ucd-clu")),
        ("PLUT_01_02", lambda p: lut.write_lut(p, LUT, "cpm")),
        ("a.crm", lambda p: lut.write_lut(p, LUT.resampled((256, 256)).without([15]), "cti-crm")),
    ],
    FileKind.ENERGY_LUT: [
        ("e.csv", lambda p: energy_lut.write_energy_lut(p, EnergyLUT(np.full(16, 600.0), BLOCK)))
    ],
    FileKind.PEAKS: [
        ("p.csv", lambda p: peaks.write_peaks(p, Peaks(np.ones((3, 2))))),
        ("points.txt", lambda p: p.write_text("index,axis-0,axis-1\n0,1,2\n")),
    ],
    FileKind.RECORD: [("r.json", lambda p: plain.write_json(p, {"seed": 1}))],
    FileKind.SESSION: [
        ("s.petlut", lambda p: session.write_session(p, session.Session(()))),
        ("s.zip", lambda p: session.write_session(p, session.Session(()))),
    ],
    FileKind.MODEL: [("m.npz", lambda p: models.save_model(p, models.StoredModel("mixture")))],
    FileKind.UNKNOWN: [
        ("readme.txt", lambda p: p.write_text("Some words, and 3 numbers.\n")),
        ("broken.json", lambda p: p.write_text("{ not json")),
        ("picture.png", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))),
        ("other.npz", lambda p: np.savez(p, a=np.ones(3))),
        ("zeros.dat", lambda p: p.write_bytes(bytes(4000))),
        ("small.dat", lambda p: p.write_bytes(b"\0\1\2")),
        ("random.dat", lambda p: p.write_bytes(bytes([255, 255, 15, 0]) * 1000)),
    ],
}
CASES = [(kind, name, write) for kind, files in WRITERS.items() for name, write in files]


@pytest.mark.parametrize(("kind", "name", "write"), CASES, ids=[name for _, name, _ in CASES])
def test_each_kind_is_told_and_described(tmp_path, kind, name, write):
    path = tmp_path / name
    write(path)
    assert identify(path) == kind
    facts = describe(path, geometry=BLOCK)
    assert (facts["kind"], facts["file"], facts["bytes"]) == (kind, name, path.stat().st_size)
    assert "problem" not in facts
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_events_of_another_layout(tmp_path):
    some_events(tmp_path / "a.dat", 100, WIDE)
    assert identify(tmp_path / "a.dat", WIDE) == FileKind.EVENTS
    facts = describe(tmp_path / "a.dat", WIDE)
    assert (facts["events"], facts["format"]) == (100, "wide")


@pytest.mark.parametrize("words", [maps.MAP_BYTES // 4, 1024 * 1024, 512 * 512])
def test_events_of_the_size_of_a_map_or_lut_are_events(tmp_path, words):
    some_events(tmp_path / "a.dat", words)
    assert identify(tmp_path / "a.dat") == FileKind.EVENTS


def test_a_map_without_counts_is_a_map_with_a_problem(tmp_path):
    (tmp_path / "a.dat").write_bytes(bytes(maps.MAP_BYTES))
    facts = describe(tmp_path / "a.dat")
    assert facts["kind"] == FileKind.MAP
    assert "none at all" in facts["problem"]


def test_facts_about_a_map_and_a_lut(tmp_path):
    maps.write_map(tmp_path / "a.dat", FLOOD)
    facts = describe(tmp_path / "a.dat")
    assert facts["pixels"] == [512, 512]
    assert (facts["counts"], facts["highest"]) == (COUNTS.sum(), 899)
    assert facts["events_in_spectrum"] == 4095 * 2048
    lut.write_lut(tmp_path / "a.lut", LUT.without([3]))
    facts = describe(tmp_path / "a.lut")
    assert (facts["encoding"], facts["rows"], facts["cols"]) == ("packed", 4, 4)
    assert (facts["crystals_with_pixels"], facts["pixels_without_crystal"]) == (15, 128 * 128)


def test_what_is_not_clear_is_a_problem(tmp_path):
    lut.write_lut(tmp_path / "a.lut", LUT, "linear")
    assert "give rows and cols" in describe(tmp_path / "a.lut")["problem"]
    some_events(tmp_path / "raw.dat")
    with (tmp_path / "raw.dat").open("ab") as handle:
        handle.write(b"xy")
    assert describe(tmp_path / "raw.dat")["problem"] == "2 bytes after the last complete event"
    np.save(tmp_path / "a.npy", np.ones((2, 2, 2)))
    assert "3-D" in describe(tmp_path / "a.npy")["problem"]


def test_facts_about_peaks(tmp_path):
    table = Peaks(np.ones((3, 2)), np.array([0, 1, -1]), ["found", "found", "suspect"])
    peaks.write_peaks(tmp_path / "p.csv", table)
    facts = describe(tmp_path / "p.csv")
    assert (facts["peaks"], facts["numbered"], facts["status"]) == (3, 2, {"found": 2, "suspect": 1})


@pytest.mark.parametrize("name", [".", "none"])
def test_what_is_no_file_is_an_error(tmp_path, name):
    with pytest.raises(FormatError):
        identify(tmp_path / name)


@pytest.mark.parametrize("space", [" ", "\u202f", "\u00a0", "\u2009"])
def test_text_with_any_kind_of_space_is_text(tmp_path, space):
    path = tmp_path / "record.json"
    path.write_text(
        json.dumps({"counts": f"1{space}694{space}019"} | {str(i): i for i in range(99)}, ensure_ascii=False)
    )
    assert identify(path) is FileKind.RECORD


def test_a_record_tells_what_it_is_of(tmp_path):
    of_result = {"record": "a calibration", "geometry": {"rows": 2, "cols": 3}, "result": {}}
    plain.write_json(tmp_path / "r.json", of_result)
    facts = describe(tmp_path / "r.json")
    assert (facts["record"], facts["geometry"]) == ("a calibration", {"rows": 2, "cols": 3})
    assert facts["keys"] == ["geometry", "record", "result"]
    plain.write_json(tmp_path / "holds_one.json", {"record": of_result})
    assert "record" not in describe(tmp_path / "holds_one.json")

import json
import pickle
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image

import event_files
from napari_petlut.errors import FormatError
from napari_petlut.formats import (
    _files,
    energy_lut,
    events,
    identification,
    lut,
    maps,
    models,
    peaks,
    plain,
    session,
)
from napari_petlut.formats._files import HeldFile
from napari_petlut.formats.identification import (
    KINDS,
    UNKNOWN,
    Content,
    Hints,
    describe,
    identify,
)
from napari_petlut.formats.kinds import CERTAIN, Alternative, Finding, Kind
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import BitField, CrystalLUT, EnergyLUT, EventFormat, FloodMap, Peaks

h5py = pytest.importorskip("h5py")
uproot = pytest.importorskip("uproot")
fits = pytest.importorskip("astropy.io.fits")

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


TABLE = {"energy": np.arange(1.0, 301), "x": np.arange(300) / 300, "y": np.arange(300) % 17 / 16.5}


def spots(n=128):
    """Return counts of 6 x 7 spots."""
    place = np.arange(n)
    rows, cols = (
        sum(np.exp(-((place - c) ** 2) / 40) for c in np.linspace(12, n - 12, number)) for number in (6, 7)
    )
    return np.random.default_rng(0).poisson(60 * np.outer(rows, cols))


SPOTS = spots()


def triplets():
    return "".join(f"{i},{j},{n}\n" for (i, j), n in np.ndenumerate(SPOTS) if n)


def write_h5(path):
    with h5py.File(path, "w") as file:
        file["flood"] = SPOTS


def write_root(path):
    with uproot.recreate(path) as file:
        file["flood"] = (SPOTS.astype(float), np.arange(129.0), np.arange(129.0))


WRITERS = {
    "events": [("raw.dat", some_events), ("nosuffix", some_events)],
    "described_events": [],  # tests/formats/test_event_kinds.py: nothing without a description
    "table_of_events": [
        ("e.csv", lambda p: event_files.write_text(p, TABLE)),
        ("e.parquet", lambda p: event_files.write_parquet(p, TABLE)),
        ("e.npy", lambda p: event_files.write_npy(p, TABLE)),
        ("e.npz", lambda p: event_files.write_npz(p, TABLE)),
    ],
    "map": [("map.dat", lambda p: maps.write_map(p, FLOOD))],
    "array": [("a.npy", lambda p: maps.write_array(p, FLOOD))],
    "tiff": [
        ("a.tif", lambda p: maps.write_array(p, FLOOD)),
        ("a.tiff", lambda p: maps.write_array(p, FLOOD)),
        ("other.dat", lambda p: tifffile.imwrite(p, COUNTS)),
    ],
    "text map": [
        ("a.csv", lambda p: maps.write_array(p, FLOOD)),
        ("a.txt", lambda p: maps.write_array(p, FLOOD)),
        ("wide.csv", lambda p: p.write_bytes("1;2;3;4\n5;6;7;8\n".encode("utf-16"))),
        ("bins.csv", lambda p: p.write_text("x,y,n\n" + triplets())),
    ],
    "headerless map": [
        ("a.raw", lambda p: SPOTS.astype("<i4").tofile(p)),
        ("b.dat", lambda p: SPOTS.astype(">u2").tofile(p)),
        ("c", lambda p: p.write_bytes(bytes(100) + SPOTS.astype("<f4").tobytes())),
        # The size of two LUT layouts, and small counts.
        ("d.raw", lambda p: (np.tile(SPOTS, (4, 4)) // 8 + 1).astype("<i4").tofile(p)),
    ],
    "picture": [
        ("picture.png", lambda p: Image.fromarray(SPOTS.astype(np.uint8)).save(p)),
        ("picture.jpg", lambda p: Image.fromarray(SPOTS.astype(np.uint8)).save(p, quality=95)),
    ],
    "npz": [("a.npz", lambda p: np.savez(p, flood=SPOTS, edges=np.arange(129)))],
    "mat": [("a.mat", lambda p: scipy.io.savemat(p, {"flood": SPOTS}))],
    "hdf5": [("a.h5", write_h5)],
    "fits": [("a.fits", lambda p: fits.PrimaryHDU(SPOTS).writeto(p))],
    "root": [("a.root", write_root)],
    "lut": [
        ("a.lut", lambda p: lut.write_lut(p, LUT)),
        ("linear.dat", lambda p: lut.write_lut(p, LUT, "linear")),
        ("b.clu", lambda p: lut.write_lut(p, LUT.without([3]), "ucd-clu")),
        ("PLUT_01_02", lambda p: lut.write_lut(p, LUT, "cpm")),
        ("a.crm", lambda p: lut.write_lut(p, LUT.resampled((256, 256)).without([15]), "cti-crm")),
    ],
    "energy_lut": [("e.csv", lambda p: energy_lut.write_energy_lut(p, EnergyLUT(np.full(16, 600.0), BLOCK)))],
    "peaks": [
        ("p.csv", lambda p: peaks.write_peaks(p, Peaks(np.ones((3, 2))))),
        ("points.txt", lambda p: p.write_text("index,axis-0,axis-1\n0,1,2\n")),
    ],
    "record": [("r.json", lambda p: plain.write_json(p, {"seed": 1}))],
    "session": [
        ("s.petlut", lambda p: session.write_session(p, session.Session(()))),
        ("s.zip", lambda p: session.write_session(p, session.Session(()))),
    ],
    "model": [("m.npz", lambda p: models.save_model(p, models.StoredModel("mixture")))],
    "unknown": [
        ("readme.txt", lambda p: p.write_text("Some words, and 3 numbers.\n")),
        ("broken.json", lambda p: p.write_text("{ not json")),
        ("table.csv", lambda p: p.write_text("p,q,r,s\n" + "1,2,3,4\n" * 1000)),
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
    file = identify(path, Hints(geometry=BLOCK))
    assert file.kind.name == kind
    facts = describe(file)
    assert (facts["kind"], facts["file"], facts["bytes"]) == (kind, name, path.stat().st_size)
    assert "problem" not in facts
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_events_of_another_layout(tmp_path):
    some_events(tmp_path / "a.dat", 100, WIDE)
    file = identify(tmp_path / "a.dat", Hints(WIDE))
    assert (file.content, file.found.layout) == (Content.EVENTS, WIDE)
    facts = describe(file)
    assert (facts["events"], facts["format"]) == (100, "wide")


@pytest.mark.parametrize("words", [maps.MAP_BYTES // 4, 1024 * 1024, 512 * 512])
def test_events_of_the_size_of_a_map_or_lut_are_events(tmp_path, words):
    some_events(tmp_path / "a.dat", words)
    assert identify(tmp_path / "a.dat").content is Content.EVENTS


def test_a_map_without_counts_is_a_map_with_a_problem(tmp_path):
    (tmp_path / "a.dat").write_bytes(bytes(maps.MAP_BYTES))
    facts = describe(identify(tmp_path / "a.dat"))
    assert facts["kind"] == "map"
    assert "none at all" in facts["problem"]


def test_facts_about_a_map_and_a_lut(tmp_path):
    maps.write_map(tmp_path / "a.dat", FLOOD)
    facts = describe(identify(tmp_path / "a.dat"))
    assert facts["pixels"] == [512, 512]
    assert (facts["counts"], facts["highest"]) == (COUNTS.sum(), 899)
    assert facts["events_in_spectrum"] == 4095 * 2048
    lut.write_lut(tmp_path / "a.lut", LUT.without([3]))
    facts = describe(identify(tmp_path / "a.lut"))
    assert (facts["encoding"], facts["rows"], facts["cols"]) == ("packed", 4, 4)
    assert (facts["crystals_with_pixels"], facts["pixels_without_crystal"]) == (15, 128 * 128)


def test_what_is_not_clear_is_a_problem(tmp_path):
    lut.write_lut(tmp_path / "a.lut", LUT, "linear")
    assert "give rows and cols" in describe(identify(tmp_path / "a.lut"))["problem"]
    some_events(tmp_path / "raw.dat")
    with (tmp_path / "raw.dat").open("ab") as handle:
        handle.write(b"xy")
    assert describe(identify(tmp_path / "raw.dat"))["problem"] == "2 bytes after the last complete event"
    np.save(tmp_path / "a.npy", np.ones((2, 2, 2)))
    assert "a stack of 2 maps" in describe(identify(tmp_path / "a.npy"))["problem"]


def test_facts_about_peaks(tmp_path):
    table = Peaks(np.ones((3, 2)), np.array([0, 1, -1]), ["found", "found", "suspect"])
    peaks.write_peaks(tmp_path / "p.csv", table)
    facts = describe(identify(tmp_path / "p.csv"))
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
    assert identify(path).content is Content.RECORD


def test_a_record_tells_what_it_is_of(tmp_path):
    of_result = {"record": "napari-petlut LUT", "geometry": {"rows": 2, "cols": 3}, "result": {}}
    plain.write_json(tmp_path / "r.json", of_result)
    facts = describe(identify(tmp_path / "r.json"))
    assert (facts["record"], facts["geometry"]) == ("napari-petlut LUT", {"rows": 2, "cols": 3})
    assert facts["keys"] == ["geometry", "record", "result"]
    plain.write_json(tmp_path / "holds_one.json", {"record": of_result})
    assert "record" not in describe(identify(tmp_path / "holds_one.json"))


@pytest.fixture
def opened(monkeypatch):
    """The names of all files that are opened, one entry for each time."""
    names = []
    real = open

    def noting(file, *args, **kwargs):
        names.append(Path(file).name)
        return real(file, *args, **kwargs)

    monkeypatch.setattr("builtins.open", noting)
    monkeypatch.setattr(_files, "open", noting, raising=False)
    return names


def test_the_table_is_the_kinds_that_the_tests_know():
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert {*names, UNKNOWN.name} == set(WRITERS)
    assert all(kind.words and kind.known_by for kind in KINDS)


OPENED_BY_US = [case for case in CASES if case[0] != "root"]  # uproot opens tables of events itself


@pytest.mark.parametrize(("kind", "name", "write"), OPENED_BY_US, ids=[name for _, name, _ in OPENED_BY_US])
def test_a_file_is_opened_once_to_be_identified(tmp_path, opened, kind, name, write):
    write(tmp_path / name)
    opened.clear()
    identify(tmp_path / name)
    assert opened == [name]


@pytest.mark.parametrize(("name", "write"), [case for kind in ("lut", "map") for case in WRITERS[kind]])
def test_what_was_read_to_identify_a_file_is_not_read_again(tmp_path, opened, name, write):
    path = tmp_path / name
    write(path)
    file = identify(path, Hints(geometry=BLOCK))
    content = path.read_bytes()
    path.unlink()
    if file.path.suffix not in (".lut", ".clu", ".crm"):  # believed by their name
        opened.clear()
        assert file.read() is file.read()
        assert file.sha256 == sha256(content).hexdigest()
        assert identify(file) is file
        assert describe(file)["bytes"] == len(content)
        assert opened == []


def test_a_large_file_is_not_read_to_be_identified(tmp_path, monkeypatch):
    some_events(tmp_path / "a.dat", 2_000_000)
    taken = []
    real = HeldFile.handle
    monkeypatch.setattr(HeldFile, "handle", lambda self: _Counting(real(self), taken))
    assert identify(tmp_path / "a.dat").content is Content.EVENTS
    assert sum(taken) < 200_000


class _Counting:
    def __init__(self, handle, taken):
        self._handle, self._taken = handle, taken

    def seek(self, place):
        return self._handle.seek(place)

    def read(self, size):
        self._taken.append(size)
        return self._handle.read(size)


def test_a_file_that_grew_since_it_was_identified_is_an_error(tmp_path):
    lut.write_lut(tmp_path / "a.lut", LUT)
    file = identify(tmp_path / "a.lut")
    with (tmp_path / "a.lut").open("ab") as handle:
        handle.write(b"more")
    with pytest.raises(FormatError, match="being written"):
        file.read()


def test_an_identified_file_goes_to_another_process_without_its_content(tmp_path):
    maps.write_map(tmp_path / "a.dat", FLOOD)
    file = identify(tmp_path / "a.dat", Hints(geometry=BLOCK))
    again = pickle.loads(pickle.dumps(replace(file, finding=Finding(CERTAIN))))
    assert (again.path, again.kind, again.hints) == (file.path, file.kind, file.hints)
    np.testing.assert_array_equal(again.read().counts, COUNTS)


def test_other_hints_identify_a_file_anew(tmp_path):
    some_events(tmp_path / "a.dat", 1000, WIDE)
    plain = identify(tmp_path / "a.dat")
    assert identify(plain) is plain
    assert identify(plain, Hints(geometry=None)) is plain
    assert identify(plain, Hints(WIDE)).found.layout == WIDE
    assert identify(plain, Hints(geometry=BLOCK)).hints.geometry == BLOCK


@pytest.mark.parametrize(
    ("kind", "place", "asked"),
    [
        ("lut", 1, ["described_events", "table_of_events", "map", "lut"]),
        ("peaks", 0, ["record", "peaks"]),
        ("session", 0, ["session"]),
        ("tiff", 0, ["described_events", "table_of_events", "tiff"]),
    ],
)
def test_only_kinds_of_its_form_are_asked_about_a_file(tmp_path, monkeypatch, kind, place, asked):
    entered = []

    def noting(known):
        def recognise(look):
            entered.append(known.name)
            return known.recognise(look)

        return replace(known, recognise=recognise)

    monkeypatch.setattr(identification, "KINDS", tuple(noting(known) for known in KINDS))
    name, write = WRITERS[kind][place]
    write(tmp_path / name)
    assert identify(tmp_path / name, Hints(geometry=BLOCK)).kind.name == kind
    assert entered == asked


def test_what_a_file_could_be_is_told_best_first(tmp_path, monkeypatch):
    def guess(name, *findings):
        return Kind(name, Content.MAP, f"a {name}", (), "a guess", lambda look: iter(findings))

    kinds = (
        guess("first", Finding(0.6), Finding(0.2, why="rows look smooth", tell="--dtype u2")),
        guess("second", Finding(0.7, found="u4")),
        guess("third", Finding(0.6)),
    )
    monkeypatch.setattr(identification, "KINDS", kinds)
    (tmp_path / "a.dat").write_bytes(bytes(100))
    file = identify(tmp_path / "a.dat")
    assert (file.kind.name, file.found) == ("second", "u4")
    assert [other.kind.name for other in file.alternatives] == ["first", "third", "first"]
    other = file.taken_as(file.alternatives[1])
    assert other.kind.name == "third"
    assert [kind.kind.name for kind in other.alternatives] == ["second", "first", "first"]

    monkeypatch.setattr(
        identification, "KINDS", (guess("a", Finding(0.1), Finding(0.2, why="smooth", tell="--dtype u2")),)
    )
    unknown = identify(tmp_path / "a.dat")
    assert unknown.content is Content.UNKNOWN
    assert isinstance(unknown.alternatives[0], Alternative)
    assert str(unknown.refusal("a map")).endswith(
        "expected a map, found 100 bytes that look like none; smooth: --dtype u2"
    )
    taken = unknown.taken_as(unknown.alternatives[0])
    assert (taken.kind.name, len(taken.alternatives)) == ("a", 1)


def test_a_kind_without_a_reader_says_so(tmp_path):
    some_events(tmp_path / "a.dat")
    with pytest.raises(FormatError, match="found raw events"):
        identify(tmp_path / "a.dat").read()

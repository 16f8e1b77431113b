import hashlib
import json
from dataclasses import replace

import pytest

from napari_petlut.errors import FormatError
from napari_petlut.formats.lut_encoding import LUT_PRESETS
from napari_petlut.formats.record import (
    HandWork,
    InputFile,
    OutputFile,
    Record,
    RecordKind,
    read_record,
    sha256_of,
    write_record,
)
from napari_petlut.geometry import BlockGeometry

BLOCK = BlockGeometry(4, 5)
CALIBRATION = Record(
    RecordKind.CALIBRATION,
    BLOCK,
    LUT_PRESETS["ucd"],
    inputs={"source": InputFile("../b.dat", 100, "a" * 64)},
    outputs={"lut": OutputFile("b.lut", "b" * 64)},
    parameters={"segmentation": {"method": "mixture"}},
    fixed_peaks={3: (1.5, 2.0), 12: (0.0, 7.25)},
    result={"crystals": 20},
    versions={"numpy": "2"},
    by_hand=HandWork(2, (3,), (), (7,), False),
)
LUT_ONLY = Record(RecordKind.LUT, BLOCK, LUT_PRESETS["packed"], by_hand=HandWork(0))


@pytest.mark.parametrize("record", [CALIBRATION, LUT_ONLY, replace(CALIBRATION, by_hand=None, outputs={})])
def test_a_record_comes_back_and_gives_the_same_bytes(tmp_path, record):
    path = tmp_path / "b_record.json"
    write_record(path, record)
    content = path.read_bytes()
    again = read_record(path)
    assert again == record
    write_record(path, again, overwrite=True)
    assert path.read_bytes() == content


def test_the_stored_form_of_a_record():
    stored = CALIBRATION.to_plain()
    assert sorted(stored) == [
        "by_hand",
        "fixed_peaks",
        "geometry",
        "inputs",
        "lut_encoding",
        "outputs",
        "parameters",
        "record",
        "record_version",
        "result",
        "versions",
    ]
    assert stored["record"] == "napari-petlut calibration"
    assert stored["record_version"] == 1
    assert stored["geometry"] == {"rows": 4, "cols": 5}
    assert stored["fixed_peaks"] == {"3": [1.5, 2.0], "12": [0.0, 7.25]}
    assert stored["outputs"] == {"lut": {"name": "b.lut", "sha256": "b" * 64}}
    assert stored["by_hand"]["without_peak"] == [7]
    assert sorted(LUT_ONLY.to_plain()) == ["by_hand", "geometry", "lut_encoding", "record"]
    assert LUT_ONLY.to_plain()["by_hand"] == {"painted_pixels": 0}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"record": "something"}, "another JSON file"),
        ({"record_version": 2}, "version 2"),
        ({"geometry": None}, "geometry"),
        ({"geometry": {"rows": 0, "cols": 5}}, "rows"),
        ({"fixed_peaks": {"a": [1, 2]}}, "fixed_peaks"),
        ({"inputs": {"source": {"path": "x"}}}, "inputs.source.bytes"),
        ({"lut_encoding": {"order": "round"}}, "lut_encoding"),
    ],
)
def test_what_is_no_whole_record_is_one_line(tmp_path, change, complaint):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(CALIBRATION.to_plain() | change))
    with pytest.raises(FormatError, match=complaint) as error:
        read_record(path)
    assert "\n" not in str(error.value)


def test_a_part_that_is_absent_is_named(tmp_path):
    stored = CALIBRATION.to_plain()
    del stored["inputs"], stored["parameters"]
    (tmp_path / "r.json").write_text(json.dumps(stored))
    with pytest.raises(FormatError, match="lacks inputs, parameters"):
        read_record(tmp_path / "r.json")


def test_what_a_later_version_adds_does_no_harm(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(CALIBRATION.to_plain() | {"mood": "good"}))
    assert read_record(tmp_path / "r.json") == CALIBRATION


def test_the_kind_can_be_asked_for(tmp_path):
    write_record(tmp_path / "r.json", LUT_ONLY)
    with pytest.raises(FormatError, match="a napari-petlut calibration record"):
        read_record(tmp_path / "r.json", RecordKind.CALIBRATION)


def test_files_are_named_with_their_hashes(tmp_path):
    path = tmp_path / "in" / "a.dat"
    path.parent.mkdir()
    path.write_bytes(b"abc")
    (tmp_path / "out").mkdir()
    entry = InputFile.of(path, tmp_path / "out")
    assert (entry.path, entry.bytes, entry.sha256) == ("../in/a.dat", 3, sha256_of(path))
    assert LUT_ONLY.with_outputs({"lut": path}).outputs == {"lut": OutputFile("a.dat", sha256_of(path))}


def test_the_hash_is_that_of_the_content(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    with pytest.raises(FormatError, match="no such file"):
        sha256_of(tmp_path / "b")

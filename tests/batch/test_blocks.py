"""Which blocks a run has: folders, parts of a file, and tables."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.batch.blocks import (
    BatchBlock,
    find_blocks,
    is_block_table,
    natural_order,
    read_block_table,
    safe_name,
)
from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.workflow.calibration import CalibrationParameters


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_a_folder_is_its_files_as_people_count_without_what_runs_write(tmp_path):
    touch(
        tmp_path, "b10.dat", "b9.dat", "b9.lut", "b9_peaks.csv", "b9_record.json", "b9_result.json", ".hidden"
    )
    touch(tmp_path, "b9_energy.csv", "overview.html")
    assert [block.name for block in find_blocks([tmp_path])] == ["b9", "b10"]


def test_files_of_one_stem_are_told_apart_by_their_ending_or_their_folder(tmp_path):
    touch(tmp_path, "a.npy", "a.dat", "one/a.dat", "two/a.dat")
    assert [b.name for b in find_blocks([tmp_path / "a.npy", tmp_path / "a.dat"])] == ["a.npy", "a.dat"]
    assert [b.name for b in find_blocks([tmp_path / "one", tmp_path / "two"])] == ["one_a", "two_a"]


def test_one_file_twice_is_refused(tmp_path):
    touch(tmp_path, "a.dat")
    with pytest.raises(FormatError, match="one twice"):
        find_blocks([tmp_path / "a.dat", tmp_path / "a.dat"])


def test_parts_of_a_file_are_blocks_in_their_order(tmp_path):
    touch(tmp_path, "scan.npy")
    tiles = find_blocks([tmp_path / "scan.npy"], tiles=(2, 2))
    assert [(b.name, b.part) for b in tiles] == [
        ("scan_0_0", (0, 0)),
        ("scan_0_1", (0, 1)),
        ("scan_1_0", (1, 0)),
        ("scan_1_1", (1, 1)),
    ]
    layout = tiles[2].parameters(CalibrationParameters()).map_layout
    assert (layout.tiles, layout.block) == ((2, 2), (1, 0))
    assert [b.part for b in find_blocks([tmp_path / "scan.npy"], stack=3)] == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: find_blocks([folder / "gone"]), "found nothing"),
        (lambda folder: find_blocks([folder]), "none in it"),
    ],
)
def test_what_is_not_there_is_said(tmp_path, make, told):
    with pytest.raises(FormatError, match=told):
        make(tmp_path)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "a\n", "CON:"])
def test_a_name_is_one_that_a_file_can_have(tmp_path, name):
    with pytest.raises(ParameterError, match="a block is named by"):
        BatchBlock(name, tmp_path)


@given(st.text(max_size=30))
def test_any_text_becomes_a_name(text):
    assert BatchBlock(safe_name(text), "x").name


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_names_with_numbers_are_sorted_by_them(numbers):
    names = sorted((f"b{n}x" for n in numbers), key=natural_order)
    assert [int(re.findall(r"\d+", name)[0]) for name in names] == sorted(numbers)


CSV = """path,name,ring,module,block,rows,cols,part,tiles,flood.bins
a.dat,first,0,1,2,4,5,,,
b.npy,,0,1,3,,,"1,0","2,2",256
"""
TOML = """
[[block]]
path = "a.dat"
name = "first"
ring = 0
module = 1
block = 2
rows = 4
cols = 5

[[block]]
path = "b.npy"
ring = 0
module = 1
block = 3
part = [1, 0]
tiles = [2, 2]
flood.bins = 256
"""


@pytest.mark.parametrize(
    ("name", "text"), [("t.csv", CSV), ("t.toml", TOML), ("u.csv", CSV.replace("\n", "\r\n"))]
)
def test_a_table_tells_path_place_geometry_part_and_parameters(tmp_path, name, text):
    table = tmp_path / name
    table.write_text(text, newline="")
    assert is_block_table(table)
    assert read_block_table(table) == [
        BatchBlock("first", tmp_path / "a.dat", place=(0, 1, 2), geometry=BlockGeometry(4, 5)),
        BatchBlock("b_1_0", tmp_path / "b.npy", (1, 0), (2, 2), (0, 1, 3), settings=("flood.bins=256",)),
    ]
    assert read_block_table(table)[1].parameters(CalibrationParameters()).flood.bins == 256


def test_a_csv_of_numbers_is_no_table(tmp_path):
    (tmp_path / "map.csv").write_text("1,2,3\n4,5,6\n")
    assert not is_block_table(tmp_path / "map.csv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path\n", "no block in it"),
        ("path,rows\na.dat,4\n", "block 1: it needs both rows and cols"),
        ("path,rows,cols\na.dat,4,x\n", "cols is a whole number"),
        ("path,colour\na.dat,red\n", "'colour' is no column"),
        ("path,name\na.dat,x\nb.dat,X\n", "block 2 is named X as another one"),
        ("path,name\n,x\n", "it has no path"),
        ("path,name\na.dat,a/b\n", "a block is named by"),
        ("path,tiles\na.dat,4\n", "tiles are two numbers"),
    ],
)
def test_a_wrong_table_is_refused_with_the_block(tmp_path, text, told):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(FormatError, match=told):
        read_block_table(tmp_path / "t.csv")


@given(st.binary(max_size=200), st.sampled_from([".csv", ".toml"]))
def test_any_bytes_are_a_table_or_a_typed_error(tmp_path_factory, data, ending):
    table = tmp_path_factory.mktemp("tables") / f"t{ending}"
    table.write_bytes(data)
    with suppress(FormatError):
        read_block_table(table)

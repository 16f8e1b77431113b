"""Every container gives the columns that were written, whatever the chunks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import event_files as files
from napari_petlut.errors import FormatError, TruncatedFileWarning
from napari_petlut.formats.event_files import container_kind, open_table
from napari_petlut.model import EventContainer, RecordField

N = 5000
RNG = np.random.default_rng(0)
COLUMNS = {
    "E": RNG.integers(0, 4096, N).astype("u2"),
    "x": RNG.random(N),
    "y": RNG.normal(size=N).astype("f4"),
    "module": RNG.integers(-3, 9, N).astype("i4"),
}
RECORDS = EventContainer(
    "records",
    record_bytes=20,
    fields=(
        RecordField("module", 0, "i4"),
        RecordField("E", 5, "u2"),
        RecordField("y", 7, "f4"),
        RecordField("x", 12, "f8"),
    ),
)

# Name, how it is written, what has to be told.
CONTAINERS = {
    "records": (lambda p: files.write_records(p, COLUMNS, RECORDS), RECORDS),
    "big-endian records behind a header": (
        lambda p: files.write_records(p, COLUMNS, replace(RECORDS, byte_order="big", header_bytes=77)),
        replace(RECORDS, byte_order="big", header_bytes=77),
    ),
    "csv": (lambda p: files.write_text(p, COLUMNS), None),
    "semicolons, decimal comma, UTF-16": (
        lambda p: files.write_text(p, COLUMNS, delimiter=";", decimal=",", encoding="utf-16", end="\r\n"),
        None,
    ),
    "tabs, trailing": (lambda p: files.write_text(p, COLUMNS, delimiter="\t", trailing=True), None),
    "blanks": (lambda p: files.write_text(p, COLUMNS, delimiter="   ", encoding="utf-8-sig"), None),
    "blanks, decimal comma": (lambda p: files.write_text(p, COLUMNS, delimiter=" ", decimal=","), None),
    "no header": (
        lambda p: files.write_text(p, COLUMNS, header=False),
        EventContainer(names=tuple(COLUMNS)),
    ),
    "npy": (lambda p: files.write_npy(p, COLUMNS), None),
    "npz": (lambda p: files.write_npz(p, COLUMNS), None),
    "compressed npz": (lambda p: files.write_npz(p, COLUMNS, compressed=True), None),
    "hdf5": (lambda p: files.write_hdf5(p, COLUMNS), None),
    "compressed hdf5": (
        lambda p: files.write_hdf5(p, COLUMNS, compression="gzip", shuffle=True, chunks=(700,)),
        None,
    ),
    "compound hdf5": (lambda p: files.write_hdf5(p, COLUMNS, compound=True), None),
    "root": (lambda p: files.write_root(p, COLUMNS), None),
    "parquet": (lambda p: files.write_parquet(p, COLUMNS, row_group_size=1500), None),
    "arrow file": (lambda p: files.write_arrow(p, COLUMNS), None),
    "arrow stream": (lambda p: files.write_arrow(p, COLUMNS, stream=True, compression="lz4"), None),
}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("at_once", [333, 1_000_000])
def test_the_columns_come_back(tmp_path, name, at_once):
    write, container = CONTAINERS[name]
    path = tmp_path / "events.xyz"
    write(path)
    table = open_table(path, container or EventContainer(), COLUMNS)
    assert set(table.names) >= set(COLUMNS)
    assert table.rows == N
    chunks = list(table.chunks(["x", "module", "E", "y"], at_once))
    assert all(0 < len(chunk) <= at_once for chunk in chunks)
    for key, column in COLUMNS.items():
        np.testing.assert_array_equal(np.concatenate([chunk.column(key) for chunk in chunks]), column)


def test_text_is_read_the_same_without_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    files.write_text(path, COLUMNS, delimiter=";", decimal=",")
    monkeypatch.setattr("napari_petlut.formats.event_tables.text.find_spec", lambda _: None)
    (chunk,) = open_table(path, EventContainer(), COLUMNS).chunks(list(COLUMNS), 10**6)
    for key, column in COLUMNS.items():
        np.testing.assert_array_equal(chunk.column(key), column)


@pytest.mark.parametrize("arrow", [True, False])
def test_comments_and_empty_fields(tmp_path, monkeypatch, arrow):
    if not arrow:
        monkeypatch.setattr("napari_petlut.formats.event_tables.text.find_spec", lambda _: None)
    path = tmp_path / "a.csv"
    path.write_text("% made by hand\nrun 7\nE,x,y\n1,2,3\n# a note\n4,,6\n7,nan,9\n")
    table = open_table(path, EventContainer())
    assert table.names == ("E", "x", "y")
    (chunk,) = table.chunks(["y", "x"], 100)
    np.testing.assert_array_equal(chunk.column("x"), [2, np.nan, np.nan])
    np.testing.assert_array_equal(chunk.column("y"), [3, 6, 9])


@given(
    shift=st.integers(0, 20),
    bits=st.integers(1, 20),
    offset=st.integers(0, 12),
    order=st.sampled_from(["little", "big"]),
    seed=st.integers(0, 99),
)
def test_bits_of_a_record_are_taken_out(tmp_path_factory, shift, bits, offset, order, seed):
    width = next(size for size in (1, 2, 4, 8) if 8 * size >= shift + bits)
    field = RecordField("bits", offset, f"u{width}", shift, bits)
    whole = RecordField("whole", offset, f"u{width}")
    container = EventContainer("records", offset + width + 3, order, 5, (field, whole))
    path = tmp_path_factory.getbasetemp() / "bits.dat"
    content = np.random.default_rng(seed).bytes(5 + 50 * container.record_bytes)
    path.write_bytes(content)
    (chunk,) = open_table(path, container).chunks(["bits", "whole"], 1000)
    for i, (found, all_bits) in enumerate(zip(chunk.column("bits"), chunk.column("whole"), strict=True)):
        at = 5 + i * container.record_bytes + offset
        number = int.from_bytes(content[at : at + width], order)
        assert int(all_bits) == number
        assert int(found) == number >> shift & (2**bits - 1)


def test_a_cut_record_is_left_out_with_a_warning(tmp_path):
    path = tmp_path / "a.dat"
    files.write_records(path, COLUMNS, RECORDS)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.warns(TruncatedFileWarning, match=r"17 bytes into a record of 20 .* 4,999 complete"):
        assert sum(len(chunk) for chunk in open_table(path, RECORDS).chunks(["E"], 1000)) == N - 1


def test_what_is_missing_is_named(tmp_path):
    files.write_text(tmp_path / "a.csv", COLUMNS)
    with pytest.raises(FormatError, match=r"a column 'z', found the columns E, x, y, module; name one"):
        open_table(tmp_path / "a.csv", EventContainer(), ["x", "z"])
    files.write_hdf5(tmp_path / "a.h5", COLUMNS)
    with pytest.raises(FormatError, match="the table '/other', found the tables events"):
        open_table(tmp_path / "a.h5", EventContainer(table="/other"))
    (tmp_path / "b.dat").write_bytes(bytes(10))
    with pytest.raises(FormatError, match="10 bytes; check"):
        open_table(tmp_path / "b.dat", RECORDS)


def test_of_several_tables_the_one_with_the_columns_is_taken(tmp_path):
    import h5py

    path = tmp_path / "a.h5"
    files.write_hdf5(path, COLUMNS, group="run/events")
    with h5py.File(path, "a") as file:
        file["monitor/E"], file["monitor/time"] = np.arange(7.0), np.arange(7)
    assert open_table(path, EventContainer(), ["E", "x"]).rows == N
    assert open_table(path, EventContainer(table="monitor"), ["E"]).rows == 7
    with pytest.raises(
        FormatError, match=r"one table of events, found the tables [a-z/, ]+; name one in the event format"
    ):
        open_table(path, EventContainer(), ["E"])


@pytest.mark.parametrize(
    ("kind", "module"),
    [("hdf5", "h5py"), ("root", "uproot"), ("parquet", "pyarrow.parquet"), ("arrow", "pyarrow")],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(tmp_path, monkeypatch, kind, module):
    import sys

    path = tmp_path / "a"
    path.write_bytes(bytes(100))
    monkeypatch.setitem(sys.modules, module, None)
    name = module.partition(".")[0]
    with pytest.raises(FormatError, match=rf"no library {name} .*pip install 'napari-petlut\[formats\]'"):
        open_table(path, EventContainer(kind))


def test_containers_are_told_by_their_first_bytes(tmp_path):
    for name, (write, container) in CONTAINERS.items():
        if container is None:
            path = tmp_path / "a.xyz"
            write(path)
            first = name.replace("compressed ", "").replace("compound ", "").split()[0]
            expected = {"npy": "numpy", "npz": "numpy"}.get(first, first)
            expected = expected if expected in ("numpy", "hdf5", "root", "parquet", "arrow") else "text"
            assert container_kind(path) == expected, name


def test_packets_of_modules(tmp_path):
    import h5py

    container = EventContainer(
        "hdf5",
        record_bytes=4,
        packet_blocks=3,
        fields=(RecordField("E", 0, "u1"), RecordField("x", 1, "u1"), RecordField("t", 2, "u2")),
    )
    rng = np.random.default_rng(2)
    packets = [rng.integers(0, 256, 4 * n, np.uint8) for n in (5, 0, 7, 2, 1)]
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("s/packets", (5,), h5py.vlen_dtype(np.uint8))
        for i, packet in enumerate(packets):
            made[i] = packet
    table = open_table(path, container, ["E", "block"])
    assert table.rows == 15
    chunks = list(table.chunks(["E", "t", "block"], 3))
    records = np.concatenate(packets).reshape(-1, 4)
    np.testing.assert_array_equal(np.concatenate([c.column("E") for c in chunks]), records[:, 0])
    expected = np.repeat([0, 2, 0, 1], [5, 7, 2, 1])
    np.testing.assert_array_equal(np.concatenate([c.column("block") for c in chunks]), expected)

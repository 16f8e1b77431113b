"""Whatever bytes a file of events holds: its events or one error of one line, in bounded memory."""

import io
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import event_files as files
from napari_petlut.errors import FormatError, ParameterError, TruncatedFileWarning
from napari_petlut.formats.event_files import count_blocks, iter_events, open_table
from napari_petlut.formats.event_formats import load_event_format, read_places
from napari_petlut.formats.identification import Hints, describe, identify
from napari_petlut.model import BlockOfEvent, EventContainer, RecordField

N = 300
DESCRIPTION = """name = "a"
container = "records"
record_bytes = 8
header_bytes = 2
[fields]
A = { offset = 0, type = "u2" }
B = { offset = 2, shift = 3, bits = 5 }
[position]
rule = "direct"
x = "A"
y = "B"
x_range = [0, 3]
[energy]
columns = ["A"]
gains = [2.0]
[join]
by = "number"
field = "A"
[block]
columns = "B"
[keep]
A = [1, 2]
"""
RNG = np.random.default_rng(0)
COLUMNS = {
    "E": RNG.integers(100, 900, N).astype("f4"),
    "x": RNG.random(N).astype("f4"),
    "y": RNG.random(N).astype("f4"),
    "module": RNG.integers(0, 3, N).astype("i4"),
}
RECORDS = EventContainer(
    "records", 16, fields=tuple(RecordField(name, 4 * i, "f4") for i, name in enumerate(COLUMNS))
)
CONTAINERS = {
    "records": (RECORDS, lambda p: files.write_records(p, COLUMNS, RECORDS)),
    "text": (EventContainer("text"), lambda p: files.write_text(p, COLUMNS)),
    "semicolons": (
        EventContainer("text"),
        lambda p: files.write_text(p, COLUMNS, delimiter=";", decimal=","),
    ),
    "npy": (EventContainer("numpy"), lambda p: files.write_npy(p, COLUMNS)),
    "npz": (EventContainer("numpy"), lambda p: files.write_npz(p, COLUMNS, compressed=True)),
    "hdf5": (
        EventContainer("hdf5"),
        lambda p: files.write_hdf5(p, COLUMNS, compression="gzip", chunks=(100,), shuffle=True),
    ),
    "root": (EventContainer("root"), lambda p: files.write_root(p, COLUMNS)),
    "parquet": (EventContainer("parquet"), lambda p: files.write_parquet(p, COLUMNS)),
    "arrow": (EventContainer("arrow"), lambda p: files.write_arrow(p, COLUMNS)),
    "arrow stream": (
        EventContainer("arrow"),
        lambda p: files.write_arrow(p, COLUMNS, stream=True, compression="zstd"),
    ),
}


def valid(tmp_path_factory, kind):
    path = tmp_path_factory.getbasetemp() / f"valid {kind}"
    if not path.exists():
        CONTAINERS[kind][1](path)
    return path.read_bytes()


def read_or_refuse(path, read):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TruncatedFileWarning)
        try:
            read()
        except (FormatError, ParameterError) as error:
            assert "\n" not in str(error)
            if isinstance(error, FormatError):
                assert str(path) in str(error)


@st.composite
def damaged(draw, content):
    data = bytearray(content)
    for _ in range(draw(st.integers(0, 5))):
        where = draw(st.integers(0, max(len(data) - 1, 0)))
        data[where : where + draw(st.integers(0, 3))] = draw(st.binary(max_size=6))
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


@pytest.mark.parametrize("kind", CONTAINERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_and_arbitrary_bytes_give_events_or_one_error(tmp_path_factory, kind, data):
    container = CONTAINERS[kind][0]
    path = tmp_path_factory.getbasetemp() / "fuzzed.bin"
    path.write_bytes(data.draw(damaged(valid(tmp_path_factory, kind)) | st.binary(min_size=1, max_size=300)))
    source = files.source_of(container=container, block=BlockOfEvent(("module",)))
    fmt = files.format_of(source)
    read_or_refuse(path, lambda: list(iter_events(path, fmt, chunk_events=97)))
    read_or_refuse(path, lambda: open_table(path, container).rows)
    read_or_refuse(path, lambda: count_blocks(path, fmt))
    read_or_refuse(path, lambda: describe(identify(path, Hints(fmt))))
    read_or_refuse(path, lambda: describe(identify(path)))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_descriptions_give_a_format_or_one_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    content = DESCRIPTION.encode()
    path.write_bytes(data.draw(damaged(content) | st.binary(min_size=1, max_size=200)))
    read_or_refuse(path, lambda: load_event_format(path))
    read_or_refuse(path, lambda: read_places(path))


def test_a_compressed_archive_that_unpacks_to_much_is_read_in_pieces(tmp_path):
    rows = 40_000_000
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "Exy":
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                header = {"descr": "<f4", "fortran_order": False, "shape": (rows,)}
                np.lib.format.write_array_header_1_0(entry, header)
                for _ in range(rows // 4_000_000):
                    entry.write(bytes(16_000_000))
    path = tmp_path / "a.npz"
    path.write_bytes(content.getvalue())
    assert path.stat().st_size < 2_000_000
    tracemalloc.start()
    count = sum(len(chunk) for chunk in open_table(path, EventContainer("numpy")).chunks(["E", "x"], 100_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == rows
    assert peak < 30_000_000


def test_an_archive_that_claims_more_than_it_has_is_refused(tmp_path):
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(stream, header)
    (tmp_path / "a.npy").write_bytes(stream.getvalue() + bytes(800))
    tracemalloc.start()
    with pytest.raises(FormatError, match="an end before"):
        list(open_table(tmp_path / "a.npy", EventContainer("numpy")).chunks(["1"], 1_000_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000


def test_chunks_of_hdf5_that_hold_more_than_they_say_are_refused(tmp_path):
    import h5py

    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("E", (1000,), "f4", chunks=(1000,), compression="gzip")
        file["x"], file["y"] = np.zeros(1000), np.zeros(1000)
        packer = zlib.compressobj()
        bomb = b"".join(packer.compress(bytes(2**24)) for _ in range(40)) + packer.flush()
        dataset.id.write_direct_chunk((0,), bomb)
    with pytest.raises(FormatError, match="more data than it has rows"):
        open_table(path, EventContainer("hdf5"), ["E"])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("E", (2**30,), "f4", chunks=(2**29,), compression="gzip")
    with pytest.raises(FormatError, match="pieces of 2,147,483,664 bytes"):
        open_table(tmp_path / "b.h5", EventContainer("hdf5"), ["E"])


def test_a_text_without_lines_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"E,x,y\n1,2,3\n" + b"1" * 5_000_000)
    tracemalloc.start()
    with pytest.raises(FormatError, match="a line of more than"):
        list(open_table(path, EventContainer("text")).chunks(["E"], 1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000


@pytest.mark.parametrize("kind", ["hdf5", "parquet", "arrow stream", "root"])
def test_the_memory_for_a_large_table_is_that_of_its_pieces(tmp_path, kind):
    rows = 4_000_000
    columns = {name: np.zeros(rows, "f8") for name in "Exy"}
    path = tmp_path / "a"
    write = {
        "hdf5": lambda: files.write_hdf5(path, columns, compression="gzip", chunks=(50_000,)),
        "parquet": lambda: files.write_parquet(path, columns, row_group_size=100_000),
        "arrow stream": lambda: files.write_arrow(path, columns, stream=True, compression="zstd"),
        "root": lambda: files.write_root(path, columns),
    }[kind]
    write()
    code = (
        "import resource, sys\n"
        "from napari_petlut.formats.event_files import open_table\n"
        "from napari_petlut.model import EventContainer\n"
        f"table = open_table({str(path)!r}, EventContainer())\n"
        "next(table.chunks(['E'], 1000))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "count = sum(len(chunk) for chunk in table.chunks(['E', 'x', 'y'], 100_000))\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(count, after - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count == rows
    assert grown < 60_000  # KiB; all columns together have 96 MB

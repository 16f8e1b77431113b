"""Events of every container and position rule to the flood map, against the lab's words and the libraries."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _common import Report, main, measure_against
from bench_flood import WINDOW, streamed, write_simulated_events
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.formats.event_files import iter_events
from napari_petlut.formats.event_settling import settled
from napari_petlut.formats.events import iter_words
from napari_petlut.model import (
    EnergySum,
    EventContainer,
    EventFormat,
    EventSource,
    PositionRule,
    RecordField,
)

EVENTS = 8_000_000
TABLE_EVENTS = 2_000_000
CORNERS = PositionRule("corners", ("A + B - C - D",), ("A + D - B - C",))
DIRECT = PositionRule("direct", ("x",), ("y",), (0.0, 512.0), (0.0, 512.0))
_LAB = EventFormat()

Columns = dict[str, npt.NDArray[Any]]


def columns_of(path: Path) -> Columns:
    """Return the events of a lab file as columns: energy, place, and four corner signals."""
    words = np.concatenate(list(iter_words(path)))
    energy, ex, ey = (
        (words >> bits.shift & bits.mask).astype(np.int64) for bits in (_LAB.energy, _LAB.x, _LAB.y)
    )
    x, y = (np.clip(512 * (1 - one / np.maximum(energy, 1)), 0, 511.99) for one in (ex, ey))
    quarter = energy / 512**2
    return {
        "E": energy.astype("u2"),
        "x": x.astype("u2"),
        "y": y.astype("u2"),
        "A": (quarter * x * y).astype("u2"),
        "B": (quarter * x * (512 - y)).astype("u2"),
        "C": (quarter * (512 - x) * (512 - y)).astype("u2"),
        "D": (quarter * (512 - x) * y).astype("u2"),
    }


def write_records(path: Path, columns: Columns, names: str) -> EventContainer:
    """Write 16-bit numbers one after the other, and return what the records are like."""
    records = np.empty(len(columns[names[0]]), [(name, "<u2") for name in names])
    for name in names:
        records[name] = columns[name]
    records.tofile(path)
    fields = tuple(RecordField(name, 2 * place) for place, name in enumerate(names))
    return EventContainer("records", 2 * len(names), fields=fields)


def described(container: EventContainer, rule: PositionRule, path: Path) -> EventFormat:
    """Return the settled format of a file with an energy column E, or the sum of the corners."""
    energy = EnergySum(() if rule.rule == "corners" else ("E",), step=1.0)
    fmt = replace(_LAB, name=rule.rule, source=EventSource(container, rule, energy))
    return settled(path, fmt)[0]


def flood_of(path: Path, fmt: EventFormat, **choices: Any) -> Callable[[], Any]:
    """Return a call that makes the flood map of a described file."""
    return lambda: flood_from_words(iter_events(path, fmt), fmt, FloodParameters(WINDOW), **choices)


def run(quick: bool) -> Report:
    """Time each way from a file to the flood map, as a ratio to its reference in turn."""
    report = Report("events", "Events of any container")
    events, table = (1_000_000, 200_000) if quick else (EVENTS, TABLE_EVENTS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lab.dat"
        write_simulated_events(path, events)
        columns = columns_of(path)
        report.table(
            f"{events:,} events from binary records, against the lab's words",
            list(_records(path, columns, Path(folder))),
        )
        part = {name: column[:table] for name, column in columns.items()}
        report.table(
            f"{table:,} events from tables, against what their library needs to read the columns",
            list(_tables(part, Path(folder))),
        )
    report.note("Ratios are of runs made in turn: this way / reference. Files lie in the system's cache.")
    report.note(
        "Tables are counted on one thread, as their libraries read them; each column ends up in memory."
    )
    report.note("Arrow and .npy files are their columns: reading copies them, and counting is all the rest.")
    report.note("Per event; below 1 a way is faster than its reference. Compilation is not counted.")
    return report


def _records(lab: Path, columns: Columns, folder: Path) -> Iterator[dict[str, Any]]:
    def one_thread() -> Any:
        return flood_from_words(iter_words(lab), _LAB, FloodParameters(WINDOW), threads=1)

    for name, rule, names in (("direct, 6 bytes", DIRECT, "Exy"), ("corners, 8 bytes", CORNERS, "ABCD")):
        path = folder / f"{rule.rule}.dat"
        fmt = described(write_records(path, columns, names), rule, path)
        yield _row(f"{name}, all cores", flood_of(path, fmt), streamed(lab))
        yield _row(f"{name}, one thread", flood_of(path, fmt, threads=1), one_thread)


def _row(name: str, way: Callable[[], Any], reference: Callable[[], Any]) -> dict[str, Any]:
    ours, theirs, ratio = measure_against(way, reference, repeats=5)
    low, high = sorted(1 / edge for edge in ratio.spread)
    return {
        "way": name,
        "time": str(ours),
        "reference": str(theirs),
        "way / reference": f"{1 / ratio.median:.2f} ({low:.2f} to {high:.2f})",
        "processor time, the same": f"{ours.cpu_median / theirs.cpu_median:.2f}",
    }


def binned(reader: Callable[[], list[Any]]) -> Any:
    """Read the columns and make spectrum and flood map of them in NumPy."""
    energy, x, y = reader()
    spectrum = np.bincount(energy.astype(np.int64), minlength=4096)
    kept = (energy > WINDOW.low) & (energy < WINDOW.high)
    return spectrum, np.histogram2d(x[kept], y[kept], 512, [[0, 512], [0, 512]])[0]


def _tables(columns: Columns, folder: Path) -> Iterator[dict[str, Any]]:
    import h5py
    import pyarrow as pa
    import uproot
    from pyarrow import csv, parquet

    names = ["E", "x", "y"]
    chosen = {name: columns[name].astype("f4") for name in names}
    paths = {kind: folder / f"events.{kind}" for kind in ("csv", "h5", "root", "parquet", "arrow", "npy")}
    table = pa.table(chosen)
    csv.write_csv(table, paths["csv"])
    parquet.write_table(table, paths["parquet"])
    with pa.ipc.new_file(paths["arrow"], table.schema) as writer:
        writer.write_table(table, max_chunksize=2**18)
    with h5py.File(paths["h5"], "w") as file:
        for name, column in chosen.items():
            file.create_dataset(name, data=column, chunks=(2**17,), compression="gzip", compression_opts=1)
    with uproot.recreate(paths["root"]) as file:
        file.mktree("events", dict.fromkeys(names, "f4"))
        for start in range(0, len(columns["E"]), 2**18):
            file["events"].extend({name: column[start : start + 2**18] for name, column in chosen.items()})
    records = np.empty(len(columns["E"]), [(name, "f4") for name in names])
    for name in names:
        records[name] = chosen[name]
    np.save(paths["npy"], records)

    def read_hdf5() -> list[Any]:
        with h5py.File(paths["h5"]) as file:
            return [file[name][:] for name in names]

    def read_root() -> Any:
        with uproot.open(paths["root"]) as file:
            return file["events"].arrays(names, library="np")

    def read_arrow() -> list[Any]:
        with pa.memory_map(str(paths["arrow"])) as source:
            found = pa.ipc.open_file(source).read_all()
            return [np.array(found[name]) for name in names]

    def read_npy() -> list[Any]:
        records = np.load(paths["npy"])
        return [np.ascontiguousarray(records[name]) for name in names]

    readers: dict[str, Callable[[], Any]] = {
        "csv": lambda: [csv.read_csv(paths["csv"])[name].to_numpy() for name in names],
        "h5": read_hdf5,
        "root": read_root,
        "parquet": lambda: [parquet.read_table(paths["parquet"])[name].to_numpy() for name in names],
        "arrow": read_arrow,
        "npy": read_npy,
    }
    for kind, reader in readers.items():
        fmt = described(EventContainer(), DIRECT, paths[kind])
        yield _row(kind, flood_of(paths[kind], fmt, threads=1), reader)
    for kind, reader in (("arrow", read_arrow), ("npy", read_npy)):
        fmt = described(EventContainer(), DIRECT, paths[kind])
        way = flood_of(paths[kind], fmt, threads=1)
        yield _row(f"{kind}, against reading and NumPy's histograms", way, partial(binned, reader))


if __name__ == "__main__":
    main(run)

"""One simulated block as events of every position rule, for tests of formats, analysis and workflow."""

import io
from dataclasses import replace

import numpy as np

from napari_petlut.model import (
    ChannelReadout,
    EnergySum,
    EventColumns,
    EventContainer,
    EventFormat,
    EventSource,
    HitJoin,
    PositionRule,
)
from napari_petlut.simulation import BlockSimulation
from napari_petlut.simulation.events import simulate_events

LAB = EventFormat()
RECORDS = EventContainer("hdf5")  # any kind that is no "auto" does for columns in memory
PLACES = tuple((4 * i + j, float(i), float(j)) for i in range(4) for j in range(4))


def lab_words(events=20_000, rows=4, cols=5, seed=3):
    """Words of a small simulated block."""
    return simulate_events(BlockSimulation(rows=rows, cols=cols, seed=seed), events).words


def lab_fields(words):
    """E, Ex and Ey of lab words, as int64."""
    return tuple((words >> bits.shift & bits.mask).astype(np.int64) for bits in (LAB.energy, LAB.x, LAB.y))


def source_of(rule="direct", *, energy=("E",), step=1.0, container=RECORDS, **choices):
    """A settled source with columns E, x, y."""
    ranges = {"x_range": (0.0, 512.0), "y_range": (0.0, 512.0), "whole": False}
    joined = {key: choices.pop(key) for key in ("join", "block", "keep") if key in choices}
    position = PositionRule(rule, **(ranges | choices))
    return EventSource(container, position, EnergySum(energy, step=step), **joined)


def format_of(source, name="test"):
    return replace(LAB, name=name, source=source)


def as_ratio(words):
    """The same events as columns E, Ex, Ey."""
    e, ex, ey = lab_fields(words)
    fmt = format_of(
        source_of("ratio", x=("Ex",), y=("Ey",), x_range=(0.0, 1.0), y_range=(0.0, 1.0), whole=True)
    )
    return EventColumns({"E": e.astype("u2"), "Ex": ex.astype("u2"), "Ey": ey.astype("u2")}), fmt


def as_direct(words):
    """The same events as columns E, x, y on the lab's scale; off the map where they have no energy."""
    e, ex, ey = lab_fields(words)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (1 - ex / e) * 512, (1 - ey / e) * 512
    return EventColumns({"E": e, "x": x, "y": y}), format_of(source_of())


def as_corners(words):
    """The same events as four corner signals A (high x, high y), B (high, low), C (low, low), D (low, high).

    ``A + B + C + D = 4 E`` exactly, ``A + B - C - D = 4 E (2 x - 1)``, the same for y with A + D - B - C.
    """
    e, ex, ey = lab_fields(words)
    px, py = 4 * e - 8 * ex, 4 * e - 8 * ey  # the two numerators, 4 E (1 - 2 Ex / E)
    a, c = (4 * e + px + py) // 4, (4 * e - px - py) // 4
    b, d = (4 * e + px - py) // 4, (4 * e - px + py) // 4
    source = source_of(
        "corners",
        energy=(),
        step=4.0,
        x=("A + B - C - D",),
        y=("A + D - B - C",),
        x_range=(-1.0, 1.0),
        y_range=(-1.0, 1.0),
    )
    columns = {name: values.astype("i4") for name, values in zip("ABCD", (a, b, c, d), strict=True)}
    return EventColumns(columns), format_of(source)


def as_hits(words):
    """The same events as four hits each, on the corners of a photosensor array; joined by their number."""
    corners, _ = as_corners(words)
    charges = np.stack([corners.column(name) for name in "ABCD"], axis=1)
    keep = (charges >= 0).all(axis=1) & (charges.sum(axis=1) > 0)
    charges = charges[keep]
    number = np.repeat(np.arange(len(charges)), 4)
    columns = {
        "number": number,
        "channel": np.tile([3, 2, 0, 1], len(charges)),
        "charge": charges.ravel().astype("f4"),
    }
    places = ((0, 0.0, 0.0), (1, 0.0, 1.0), (2, 1.0, 0.0), (3, 1.0, 1.0))
    readout = ChannelReadout(channel="channel", charge="charge", places=places)
    source = source_of(
        "channels",
        energy=(),
        step=4.0,
        x=(),
        y=(),
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        readout=readout,
        join=HitJoin("number", "number"),
    )
    starts = np.arange(0, 4 * len(charges), 4)
    return EventColumns(columns, starts=starts), format_of(source), keep


# -- files ------------------------------------------------------------------------------------------------


def columns_of(events):
    """The columns of some events as a plain dict."""
    return {name: np.asarray(events.column(name)) for name in events.names}


def write_text(
    path, columns, *, delimiter=",", decimal=".", header=True, encoding="utf-8", end="\n", trailing=False
):
    """A table of text with every digit that a number has."""
    last = delimiter if trailing else ""
    lines = [delimiter.join(columns) + last] if header else []
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        fields = (repr(value).replace(".", decimal) for value in row)
        lines.append(delimiter.join(fields) + last)
    path.write_bytes(end.join([*lines, ""]).encode(encoding))


def write_records(path, columns, container):
    """Binary records as a container describes them."""
    records = np.zeros(len(next(iter(columns.values()))), container.record_dtype())
    for name, column in columns.items():
        records[name] = column
    path.write_bytes(b"\x07" * container.header_bytes + records.tobytes())


def write_npy(path, columns):
    records = np.zeros(len(next(iter(columns.values()))), [(k, v.dtype) for k, v in columns.items()])
    for name, column in columns.items():
        records[name] = column
    content = io.BytesIO()  # NumPy adds an ending to a path
    np.save(content, records)
    path.write_bytes(content.getvalue())


def write_npz(path, columns, *, compressed=False):
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, **columns)
    path.write_bytes(content.getvalue())


def write_hdf5(path, columns, *, group="events", compound=False, **options):
    import h5py

    with h5py.File(path, "w") as file:
        if compound:
            records = np.zeros(len(next(iter(columns.values()))), [(k, v.dtype) for k, v in columns.items()])
            for name, column in columns.items():
                records[name] = column
            file.create_dataset(f"{group}/table", data=records, **options)
            return
        for name, column in columns.items():
            file.create_dataset(f"{group}/{name}", data=column, **options)


def write_root(path, columns, *, tree="events"):
    import uproot

    with uproot.recreate(path) as file:
        made = file.mktree(tree, {name: column.dtype for name, column in columns.items()})
        half = len(next(iter(columns.values()))) // 2
        made.extend({name: column[:half] for name, column in columns.items()})
        made.extend({name: column[half:] for name, column in columns.items()})


def write_parquet(path, columns, **options):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, **options)


def write_arrow(path, columns, *, stream=False, compression=None):
    import pyarrow as pa

    table = pa.table(columns)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=3000)

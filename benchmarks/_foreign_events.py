"""Files of other programs, made here from one simulated block: what opened, how many crystals are right."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_petlut.cli.main import app
from napari_petlut.formats.event_formats import event_presets
from napari_petlut.formats.events import write_words
from napari_petlut.formats.peaks import read_peaks
from napari_petlut.model import EventFormat
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.simulation.events import simulate_events

ROWS, COLS = 8, 12
BLOCK = BlockSimulation(rows=ROWS, cols=COLS, resolution=2.2, seed=4)
NEAR = 8.0
"""Pixels of 512 within which a peak is its crystal's."""
_LAB = EventFormat()

Columns = dict[str, npt.NDArray[Any]]


class Foreign(NamedTuple):
    """One file of another program.

    Parameters
    ----------
    name : str
    write : callable
        Writes it.
    options : str
        What has to be told to `petlut calibrate`, beside rows and columns; FORMAT stands for the TOML file.
    description : str
        The TOML file.
    """

    name: str
    write: Callable[[Path], object]
    options: str = ""
    description: str = ""


def event_files(events: int) -> list[Foreign]:
    """Return the files of events."""
    import h5py
    import pyarrow as pa
    import uproot
    from pyarrow import csv, feather, parquet

    words = simulate_events(BLOCK, events).words
    columns = _columns(words)
    direct = {name: columns[name] for name in ("energy", "x", "y")}
    corners = {name: columns[name] for name in "ABCD"}
    described = 'container = "records"\nrecord_bytes = 8\n[fields]\n' + "".join(
        f'{name} = {{ offset = {2 * i}, type = "u2" }}\n' for i, name in enumerate("ABCD")
    )
    described += '[position]\nrule = "corners"\nx = "A + B - C - D"\ny = "A + D - B - C"\n'

    def hdf5(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name, column in direct.items():
                file.create_dataset(f"events/{name}", data=column, compression="gzip", chunks=(2**15,))

    def root(path: Path) -> None:
        with uproot.recreate(path) as file:
            file.mktree("singles", {name: column.dtype for name, column in direct.items()}).extend(direct)

    def text(path: Path, **marks: Any) -> None:
        table = io.BytesIO()
        csv.write_csv(pa.table(direct), table, csv.WriteOptions(delimiter=marks.get("delimiter", ",")))
        content = table.getvalue().decode().replace(".", marks.get("decimal", "."))
        path.write_bytes(content.encode(marks.get("encoding", "utf-8")))

    two_blocks = {name: np.repeat(column, 2) for name, column in direct.items()}
    two_blocks["module"] = np.arange(len(two_blocks["x"])) % 2
    return [
        Foreign("lab.dat", lambda p: write_words(p, [words])),
        Foreign(
            "other byte order.dat",
            lambda p: write_words(p, [words], event_presets()["lab-big-endian"]),
            "--event-format lab-big-endian",
        ),
        Foreign(
            "text header.dat",
            lambda p: p.write_bytes(b"# run 7\n# 600 s\n###\n" + words.astype("<u4").tobytes()),
            "--event-format FORMAT",
            "header_bytes = 20\n",
        ),
        Foreign("columns.csv", text),
        Foreign("decimal comma.txt", lambda p: text(p, delimiter=";", decimal=",", encoding="utf-16")),
        Foreign("events.npz", lambda p: np.savez_compressed(p, **direct)),
        Foreign("events.h5", hdf5),
        Foreign("events.root", root),
        Foreign("events.parquet", lambda p: parquet.write_table(pa.table(direct), p)),
        Foreign("events.feather", lambda p: feather.write_feather(pa.table(direct), p)),
        Foreign("two blocks.parquet", lambda p: parquet.write_table(pa.table(two_blocks), p), "--block 1"),
        Foreign("corners.dat", lambda p: _write_records(p, corners), "--event-format FORMAT", described),
        Foreign(
            "petsys.ldat",
            lambda p: _write_hits(p, columns),
            "--event-format FORMAT",
            'preset = "petsys-group"\n[position]\nplaces = { rows = 2, cols = 2 }\n',
        ),
    ]


def _columns(words: npt.NDArray[Any]) -> Columns:
    energy, ex, ey = (
        (words >> bits.shift & bits.mask).astype(np.float64) for bits in (_LAB.energy, _LAB.x, _LAB.y)
    )
    kept = (energy > 0) & (ex <= energy) & (ey <= energy)
    energy, x, y = energy[kept], 1 - ex[kept] / energy[kept], 1 - ey[kept] / energy[kept]
    signals = {"A": x * y, "B": x * (1 - y), "C": (1 - x) * (1 - y), "D": (1 - x) * y}
    return {"energy": energy, "x": x, "y": y} | {
        k: np.rint(8 * energy * share) for k, share in signals.items()
    }


def _write_records(path: Path, columns: Columns) -> None:
    np.stack([columns[name] for name in "ABCD"], axis=1).clip(0, 65_535).astype("<u2").tofile(path)


def _write_hits(path: Path, columns: Columns) -> None:
    container = event_presets()["petsys-group"].source.container  # type: ignore[union-attr]
    hits = np.zeros((len(columns["A"]), 4), container.record_dtype())
    hits["hits"], hits["hit"] = 4, np.arange(4)
    hits["channel"] = [3, 2, 0, 1]
    hits["energy"] = np.stack([columns[name] for name in "ABCD"], axis=1) / 8
    path.write_bytes(hits.tobytes())


def rows_of(files: list[Foreign], centres: npt.NDArray[np.float64]) -> Iterator[dict[str, Any]]:
    """Yield a line of the table for each file: how it was opened, and how many of its crystals are right.

    Parameters
    ----------
    files : list of Foreign
    centres : ndarray of float64, shape (rows * cols, 2)
        Where the crystals are, in pixels of 512.
    """
    from typer.testing import CliRunner

    for foreign in files:
        with tempfile.TemporaryDirectory() as folder:
            path, description = Path(folder) / foreign.name, Path(folder) / "format.toml"
            foreign.write(path)
            description.write_text(foreign.description)
            options = [str(description) if part == "FORMAT" else part for part in foreign.options.split()]
            wanted = ["--out", folder, "--rows", str(ROWS), "--cols", str(COLS), "--no-picture"]
            done = CliRunner().invoke(app, ["calibrate", str(path), *wanted, *options])
            told = " ".join(foreign.options.split()).replace("FORMAT", "FORMAT.toml")
            yield {
                "file": foreign.name,
                "command": f"petlut calibrate FILE {told}".strip(),
                "opened": "yes" if done.exit_code == 0 else done.stderr.strip()[-200:],
                "crystals right": f"{_right(Path(folder), path.stem, centres)} of {ROWS * COLS}",
            }


def _right(folder: Path, stem: str, centres: npt.NDArray[np.float64]) -> int:
    table = folder / f"{stem}_peaks.csv"
    if not table.exists():
        return 0
    peaks = read_peaks(table)
    numbered = peaks.crystal >= 0
    distance = np.hypot(*(peaks.positions[numbered] - centres[peaks.crystal[numbered]]).T)
    return int(np.count_nonzero(distance < NEAR))


def event_rows(quick: bool) -> list[dict[str, Any]]:
    """Return the table of the files of events: each is opened, its crystals compared with those simulated."""
    centres = simulate_block(BLOCK).centres.reshape(-1, 2)
    files = event_files(100_000 if quick else 400_000)
    return list(rows_of(files[:4] if quick else files, centres))

"""What a run says of all its blocks: a table, one page to look at, and one LUT file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_petlut.batch.overview import overview_of
from napari_petlut.batch.results import BlockResult, as_row
from napari_petlut.formats._files import atomic_write, read_bytes
from napari_petlut.formats.lut import encode_lut
from napari_petlut.formats.lut_encoding import LUTEncoding
from napari_petlut.formats.record import read_record
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model import CrystalLUT

TABLE, PARQUET, OVERVIEW, COMBINED = "blocks.csv", "blocks.parquet", "overview.html", "combined.lut"


def write_summary(
    directory: Path, results: Sequence[BlockResult], encoding: LUTEncoding
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Write the files about all blocks; replaces those of an earlier run.

    Parameters
    ----------
    directory : Path
    results : sequence of BlockResult
        In the order of the blocks.
    encoding : LUTEncoding
        Of the blocks' LUT files, and so of the combined one.

    Returns
    -------
    files : dict of str to Path
        By kind: "table", "overview", and if they could be written "parquet" and "lut".
    notes : tuple of str
        What could not be written, and why.

    Raises
    ------
    FormatError
        If a file cannot be written.
    """
    rows = [as_row(result) for result in results]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    files = {"table": directory / TABLE, "overview": directory / OVERVIEW}
    atomic_write(files["table"], _csv(rows, columns), overwrite=True)
    notes = []
    parquet = _parquet(rows, columns)
    if parquet is None:
        notes.append("no blocks.parquet: it needs pyarrow (pip install 'napari-petlut[batch]')")
    else:
        files["parquet"] = directory / PARQUET
        atomic_write(files["parquet"], parquet, overwrite=True)
    atomic_write(files["overview"], overview_of(results).encode(), overwrite=True)
    problem = _combine(directory / COMBINED, directory, results, encoding)
    if problem:
        notes.append(f"no {COMBINED}: {problem}")
    else:
        files["lut"] = directory / COMBINED
    return files, tuple(notes)


def _csv(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _parquet(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes | None:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        return None
    # As text and as numbers, also where the first blocks have none.
    types = {
        name: arrow.string() if any(isinstance(row.get(name), str) for row in rows) else arrow.float64()
        for name in columns
    }
    table = arrow.table({name: arrow.array([row.get(name) for row in rows], types[name]) for name in columns})
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def _combine(path: Path, directory: Path, results: Sequence[BlockResult], encoding: LUTEncoding) -> str:
    """Write the LUTs of all blocks one after the other; return why they cannot be, empty if they are."""
    if encoding.codec != "plain":
        return f"a file of the encoding {encoding.name} holds one block"
    # An encoding of one block is put together like all others; its files stay readable one by one.
    if encoding.blocks not in (None, 1, len(results)):
        return f"a file of the encoding {encoding.name} holds {encoding.blocks} blocks, not {len(results)}"
    done = [result for result in results if not result.failed]
    if not done:
        return "no block has a LUT"
    without = next((result.name for result in done if "lut" not in result.outputs), None)
    if without is not None:
        return f"block {without} has none, since its encoding cannot hold it"
    encoding = read_record(directory / done[0].outputs["record"].name).lut_encoding or encoding
    empty, header = _nobody(done[0], encoding, path), encoding.header_bytes
    files = {result.name: directory / result.outputs["lut"].name for result in done}
    other = next((name for name, file in files.items() if file.stat().st_size != len(empty) + header), None)
    if other is not None:
        return f"the LUT of block {other} has another size than that of block {done[0].name}"

    def write(handle: BinaryIO) -> None:
        handle.write(bytes(header))
        for result in results:
            if result.failed:
                handle.write(empty)
                continue
            handle.write(read_bytes(files[result.name], "a LUT of this run")[header:])

    atomic_write(path, write, overwrite=True)
    return ""


def _nobody(like: BlockResult, encoding: LUTEncoding, path: Path) -> bytes:
    """Return the bytes of a LUT without crystals, of a block like another."""
    rows, cols = (int(like.figures[name] or 0) for name in ("rows", "cols"))
    geometry = BlockGeometry(rows, cols)
    return encode_lut(CrystalLUT(np.full(encoding.region, NO_CRYSTAL), geometry), encoding, path=path)

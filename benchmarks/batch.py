"""Many blocks in one run: rate, overhead, workers, resuming; and a scanner's events split into its blocks.

    uv run python benchmarks batch [--blocks 10 100] [--events 20_000_000] [--write]

Blocks are typical simulated ones of 16 x 16 crystals, each a map file. What is no analysis is the time of the
run, times its workers, less the processor time that the same blocks take one after the other in one process.
A scanner's file has 120 blocks in any order; its rate is held against the flood maps of files that hold one
block each, a tenth of the events, read by one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from _common import Report, finish, measure_against, peak_memory
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.batch import BatchBlock, calibrate_many, find_blocks, split_scanner
from napari_petlut.batch.one_block import calibrate_block, task_of
from napari_petlut.formats.event_files import iter_events
from napari_petlut.formats.event_settling import settled
from napari_petlut.formats.lut_encoding import lut_encoding
from napari_petlut.formats.maps import write_flood
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import (
    BlockOfEvent,
    EnergySum,
    EnergyWindow,
    EventContainer,
    EventFormat,
    EventSource,
    PositionRule,
    RecordField,
)
from napari_petlut.simulation import random_block, simulate_block
from napari_petlut.workflow.calibration import CalibrationParameters

FIRST_SEED = 60_000
"""Of the blocks; nothing is fitted on them."""
GEOMETRY = BlockGeometry(16, 16)
SCANNER_BLOCKS = 120
WINDOW = EnergyWindow(350, 700)
WORKERS = 2


def write_maps(folder: Path, number: int) -> list[BatchBlock]:
    """Write so many flood maps of typical blocks."""
    folder.mkdir()
    for k in range(number):
        params = replace(
            random_block(FIRST_SEED + k, "typical").params, rows=GEOMETRY.rows, cols=GEOMETRY.cols, dead=()
        )
        write_flood(folder / f"block{k}.dat", simulate_block(params).flood)
    return find_blocks([folder])


def analysis_seconds(blocks: Sequence[BatchBlock], folder: Path) -> float:
    """Return the processor time of the blocks one after the other in this process."""
    folder.mkdir()
    common, packed = CalibrationParameters(), lut_encoding("packed")
    tasks = [task_of(block, common, GEOMETRY, packed, folder, None) for block in blocks]
    calibrate_block(tasks[0])  # compiled loops are loaded once a worker
    start = time.process_time()
    for task in tasks:
        calibrate_block(task)
    return time.process_time() - start


def runs(number: int, folder: Path) -> dict[str, Any]:
    """Return rates, overhead and resuming of a run of so many blocks."""
    blocks = write_maps(folder / f"maps{number}", number)
    alone = analysis_seconds(blocks, folder / f"alone{number}")
    seconds = {}
    for workers in (1, WORKERS):
        start = time.perf_counter()
        result = calibrate_many(blocks, folder / f"out{number}_{workers}", GEOMETRY, workers=workers)
        seconds[workers] = time.perf_counter() - start
        assert not result.failed
    start = time.perf_counter()
    again = calibrate_many(blocks, folder / f"out{number}_{WORKERS}", GEOMETRY, workers=WORKERS)
    resumed = time.perf_counter() - start
    assert again.taken_over == number
    code = (
        f"calibrate_many(find_blocks([{str(folder / f'maps{number}')!r}]), "
        f"{str(folder / f'out{number}_{WORKERS}')!r}, BlockGeometry(16, 16))"
    )
    imports = (
        "from napari_petlut.batch import calibrate_many, find_blocks; from napari_petlut import BlockGeometry"
    )
    before, after = peak_memory(code, imports)
    return {
        "blocks": number,
        "blocks/s, 1 worker": f"{number / seconds[1]:.2f}",
        f"blocks/s, {WORKERS} workers": f"{number / seconds[WORKERS]:.2f}",
        f"{WORKERS} against 1": f"{seconds[1] / seconds[WORKERS]:.2f}",
        "no analysis, 1 worker": f"{100 * max(1 - alone / seconds[1], 0):.0f} %",
        "resume (s)": f"{resumed:.2f}",
        "memory of the main process beyond its libraries (MB)": f"{after - before:.0f}",
        "pass": len(result.with_verdict("pass")),
    }


def write_scanner(path: Path, events: int) -> EventFormat:
    """Write events of 120 blocks in any order, as records, and return their format."""
    rng = np.random.default_rng(1)
    records = np.empty(events, [("E", "<u2"), ("x", "<u2"), ("y", "<u2"), ("block", "<u2")])
    records["E"] = rng.normal(511, 40, events).clip(0, 4095)
    records["x"], records["y"] = rng.integers(0, 512, (2, events))
    records["block"] = rng.integers(0, SCANNER_BLOCKS, events)
    records.tofile(path)
    fields = tuple(RecordField(name, 2 * place) for place, name in enumerate(("E", "x", "y", "block")))
    source = EventSource(
        EventContainer("records", 8, fields=fields),
        PositionRule("direct", ("x",), ("y",), (0.0, 512.0), (0.0, 512.0)),
        EnergySum(("E",), step=1.0),
        block=BlockOfEvent(("block",)),
    )
    return replace(EventFormat(), name="scanner", source=source)


def splitting(events: int, folder: Path) -> dict[str, Any]:
    """Return the rate at which a scanner's events are split, against that of one block's flood map."""
    fmt = write_scanner(folder / "scanner.bin", events)
    few = write_scanner(folder / "block.bin", max(events // 10, 1))
    assert few.source is not None
    one = settled(folder / "block.bin", replace(few, source=replace(few.source, block=None)))[0]
    parameters = FloodParameters(window=WINDOW)
    number = iter(range(1000))

    def alone() -> None:
        flood_from_words(iter_events(folder / "block.bin", one), one, parameters, threads=1)

    def whole() -> None:
        split_scanner([folder / "scanner.bin"], fmt, folder / f"split{next(number)}", parameters)

    single, scanner, _ = measure_against(alone, whole)
    rates = (events // 10) / single.median / 1e6, events / scanner.median / 1e6
    return {
        "events": f"{events:,}",
        "blocks": SCANNER_BLOCKS,
        "one block's flood map (10^6 events/s)": f"{rates[0]:.1f}",
        "a scanner split (10^6 events/s)": f"{rates[1]:.1f}",
        "share of the speed": f"{rates[1] / rates[0]:.2f}",
    }


def main(arguments: list[str]) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        prog="benchmarks batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, nargs="*", default=[10, 100], help="blocks of a run")
    parser.add_argument("--events", type=int, default=20_000_000, help="events of the scanner; 0 for none")
    parser.add_argument("--write", action="store_true", help="keep the results in benchmarks/results/")
    chosen = parser.parse_args(arguments)
    report = Report("batch", "Many blocks in one run")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if chosen.blocks:
            report.table("Map files of 16 x 16", [runs(number, folder) for number in chosen.blocks])
        if chosen.events:
            report.table("List-mode file of a scanner", [splitting(chosen.events, folder)])
    report.note(
        "Splitting includes the hash of the file and writing 120 maps of 4 MB; a block's flood map does not."
    )
    finish(report, write=chosen.write)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])

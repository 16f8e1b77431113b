"""What a first run and each further one cost, in whole fresh processes: from nothing compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from _common import Report, Timing, main
from napari_petlut.compiling import FIRST_RUN
from napari_petlut.formats.maps import write_map
from napari_petlut.simulation import PRESETS, simulate_block

COLD_GOAL, WARM_GOAL, WORD_GOAL, REFUSED_GOAL = 20.0, 2.5, 0.3, 0.8
"""Seconds of processor time: the first result; a clear map with its picture; words only; a refused file."""
PETLUT = ("-c", "from napari_petlut.cli.entry import main; main()")
IMPORT = ("-c", "import numba")
PANEL = ("-c", "from napari_petlut.workflow.first_run import use_all_loops; use_all_loops()")

COMPILED = """
import sys
from numba.core import event
names = []
class Listener(event.Listener):
    def on_start(self, event):
        names.append(event.data["dispatcher"].py_func.__module__)
    def on_end(self, event):
        pass
event.register("numba:compile", Listener())
from napari_petlut import BlockGeometry, calibrate
calibrate(sys.argv[1], BlockGeometry(16, 16))
own = [name for name in names if name.startswith("napari_petlut.")]
print(len(own), len(names) - len(own))
"""


def timed(
    words: Sequence[str], cache: Path, *, repeats: int = 1, code: int = 0, cold: bool = False
) -> tuple[Timing, str]:
    """Return the time of a fresh interpreter with a Numba cache of its own, and its messages.

    Python keeps its own bytecode, as it does for a user; `cold` empties Numba's cache before each run.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    seconds, cpu, said = [], [], ""
    for number in range(repeats):
        place = cache / f"cold{number}" if cold else cache / "warm"
        start, before = os.times().elapsed, os.times()
        done = subprocess.run(
            [sys.executable, *words],
            env={**environment, "NUMBA_CACHE_DIR": str(place)},
            capture_output=True,
            text=True,
        )
        after = os.times()
        if done.returncode != code:
            raise SystemExit(f"{words}: ended with {done.returncode}, not {code}\n{done.stderr}")
        said = done.stderr
        seconds.append(after.elapsed - start)
        cpu.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    return Timing(tuple(seconds), tuple(cpu)), said


def run(quick: bool) -> Report:
    """Time first runs and further ones in fresh processes."""
    report = Report("startup", "First runs and further ones, whole processes")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        clear, typical = work / "clear_map.dat", work / "typical_map.dat"
        for path, preset in ((clear, "easy"), (typical, "typical")):
            write_map(path, simulate_block(replace(PRESETS[preset], seed=1)).flood)
        report.table("From an empty cache", _cold(work, clear, typical, quick))
        report.table("Everything compiled", _warm(work, clear, quick))
        functions, _ = _counted(clear, work)
        report.table("Compiled for a clear map", [functions])
    report.note("Processor time, user and system, of the whole process; the goals are for an idle machine.")
    report.note(
        "Where others keep the cores busy, all of it grows, `import numba` (0.3 s when idle) as well."
    )
    report.note(f'While it compiles, one line says "{FIRST_RUN}"; in every run from an empty cache.')
    report.note("Python's bytecode cache is filled, as it is after the installation.")
    return report


def _cold(work: Path, clear: Path, typical: Path, quick: bool) -> list[dict[str, str]]:
    repeats = 1 if quick else 3
    timed((*PETLUT, "--version"), work)  # so that Python has its bytecode
    timed((*PETLUT, *_calibrate(clear, work)), work)
    rows = [
        ("`petlut calibrate`, clear map", (*PETLUT, *_calibrate(clear, work))),
        ("`petlut calibrate`, typical map", (*PETLUT, *_calibrate(typical, work))),
        ("what a panel compiles ahead, for *Run all*", PANEL),
    ]
    if not quick:
        rows.append(
            ("`petlut demo`", (*PETLUT, "demo", "--out", str(work / "demo"), "--force", "--no-window"))
        )
    out = []
    for number, (name, words) in enumerate(rows):
        timing, said = timed(words, work / str(number), repeats=repeats, cold=True)
        if words is not PANEL and FIRST_RUN not in said:
            raise SystemExit(f"{name}: nothing was said while it compiled")
        warm, said = _again(words, work / str(number))
        if FIRST_RUN in said:
            raise SystemExit(f"{name}: a first run was announced where everything was compiled")
        out.append(
            _row(name, timing, COLD_GOAL) | {"compiled before": _seconds(warm), **_ratio(timing, warm)}
        )
    return out


def _again(words: Sequence[str], cache: Path) -> tuple[Timing, str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = os.times()
    done = subprocess.run(
        [sys.executable, *words],
        env={**environment, "NUMBA_CACHE_DIR": str(cache / "cold0")},
        capture_output=True,
        text=True,
        check=True,
    )
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Timing((after.elapsed - before.elapsed,), (cpu,)), done.stderr


def _warm(work: Path, clear: Path, quick: bool) -> list[dict[str, str]]:
    repeats = 3 if quick else 7
    refused = work / "no_map.txt"
    refused.write_text("this is no file of events, and no map\n")
    words = (
        ("`import numba`, to compare machines by", None, 0, 0.0),
        ("`petlut calibrate`, clear map, picture included", _calibrate(clear, work), 0, WARM_GOAL),
        ("`petlut --version`", ("--version",), 0, WORD_GOAL),
        ("`petlut --help`", ("--help",), 0, WORD_GOAL),
        ("`petlut calibrate` without its arguments", ("calibrate",), 2, WORD_GOAL),
        ("`petlut calibrate`, refused file", _calibrate(refused, work), 1, REFUSED_GOAL),
    )
    return [
        _row(name, timed((*PETLUT, *said) if said else IMPORT, work, repeats=repeats, code=code)[0], goal)
        for name, said, code, goal in words
    ]


def _calibrate(source: Path, work: Path) -> tuple[str, ...]:
    return ("calibrate", str(source), "--out", str(work / "out"), "--rows", "16", "--cols", "16", "--force")


def _counted(clear: Path, work: Path) -> tuple[dict[str, str], str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(work / "counted")}
    done = subprocess.run(
        [sys.executable, "-c", COMPILED, str(clear)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    own, library = done.stdout.split()
    return {"functions of the program": own, "of Numba's library": library}, done.stderr


def _row(name: str, timing: Timing, goal: float) -> dict[str, str]:
    return {
        "process": name,
        "processor time": _seconds(timing),
        "goal": f"{goal:g} s" if goal else "",
        "against the goal": f"{median(timing.cpu) / goal:.2f}" if goal else "",
    }


def _seconds(timing: Timing) -> str:
    return f"{median(timing.cpu):.2f} s ({min(timing.cpu):.2f} to {max(timing.cpu):.2f}, n={len(timing.cpu)})"


def _ratio(cold: Timing, warm: Timing) -> dict[str, str]:
    return {"ratio": f"{cold.cpu_median / warm.cpu_median:.1f}"}


if __name__ == "__main__":
    main(run)

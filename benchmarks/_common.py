"""What every benchmark shares: the machine's header, timings with spread, and results as JSON and Markdown.

A benchmark is a module ``bench_NAME.py`` with a function ``run(quick) -> Report``::

    from _common import Report, main, measure

    def run(quick: bool) -> Report:
        \"\"\"One sentence that says what is measured.\"\"\"
        report = Report("name", "What was measured, as a title")
        fast, slow = measure(new_way), measure(old_way, repeats=3)
        report.table("Title", [{"step": "x", "time": str(fast), "ratio": f"{slow.median / fast.median:.0f}"}])
        report.note("What the figures mean, in one line.")
        return report

    if __name__ == "__main__":
        main(run)

Run one with ``uv run python benchmarks/bench_NAME.py [--quick] [--write]``, all with
``uv run python benchmarks [NAME ...] [--quick] [--write]``; ``--write`` keeps the result in
``benchmarks/results/NAME.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("numpy", "scipy", "numba", "scikit-image", "scikit-learn")


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated runs of one function.

    Parameters
    ----------
    seconds : tuple of float
        By the clock on the wall.
    cpu : tuple of float
        Of processor time, all threads together: what the run costs even where others keep the cores busy.
    """

    seconds: tuple[float, ...]
    cpu: tuple[float, ...] = ()

    @property
    def cpu_median(self) -> float:
        """Middle of the runs, in seconds of processor time."""
        return median(self.cpu)

    @property
    def median(self) -> float:
        """Middle of the runs, in seconds."""
        return median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """Fastest and slowest run, in seconds."""
        return min(self.seconds), max(self.seconds)

    def __str__(self) -> str:
        unit, scale = ("s", 1.0) if self.median >= 1 else ("ms", 1e3)
        low, high = (f"{edge * scale:.3g}" for edge in self.spread)
        return f"{self.median * scale:.3g} {unit} ({low} to {high}, n={len(self.seconds)})"


def measure(function: Callable[[], Any], *, repeats: int = 5, warmup: int = 1) -> Timing:
    """Time `function` after `warmup` runs that do not count (compilation, caches)."""
    for _ in range(warmup):
        function()
    seconds, cpu = [], []
    for _ in range(repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        function()
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return Timing(tuple(seconds), tuple(cpu))


def measure_against(
    fast: Callable[[], Any], slow: Callable[[], Any], *, repeats: int = 3, warmup: int = 1
) -> tuple[Timing, Timing, Timing]:
    """Time two functions in turn, so that a busy moment of the machine meets both.

    Returns
    -------
    fast, slow : Timing
    ratio : Timing
        slow / fast of each pair of runs; use its `median` and `spread`.
    """
    for _ in range(warmup):
        fast()
    pairs = [(measure(fast, repeats=1, warmup=0), measure(slow, repeats=1, warmup=0)) for _ in range(repeats)]
    first, second = (
        Timing(tuple(t.seconds[0] for t in times), tuple(t.cpu[0] for t in times))
        for times in zip(*pairs, strict=True)
    )
    return (
        first,
        second,
        Timing(
            tuple(b / a for a, b in zip(first.seconds, second.seconds, strict=True)),
            tuple(b / a for a, b in zip(first.cpu, second.cpu, strict=True)),
        ),
    )


# Linux hands the ru_maxrss of the parent on to its children, so the figure of the new process alone is read.
_PEAK = """
import pathlib, resource, sys

def peak():
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        kB = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]
        return int(kB) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
"""


def peak_memory(
    code: str, imports: str, *, environment: Mapping[str, str] | None = None
) -> tuple[float, float]:
    """Return the peak resident memory of a fresh interpreter before and after `code`, in MB (10^6 bytes).

    `imports` runs first and is what the first figure holds: the difference is what the work itself took.
    """
    script = f"{_PEAK}\n{imports}\nbefore = peak()\n{code}\nprint('PEAK', before, peak())\n"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **(environment or {})},
    )
    _, before, after = next(line for line in done.stdout.splitlines() if line.startswith("PEAK")).split()
    return float(before), float(after)


def machine() -> dict[str, Any]:
    """Return the processor, cores, load by others, system and versions that figures depend on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load average": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{library: _version(library) for library in LIBRARIES},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "not installed"


@dataclass
class Report:
    """Tables and notes of one benchmark.

    Parameters
    ----------
    name : str
        File stem of the written results.
    title : str
        Heading.
    """

    name: str
    title: str
    tables: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add a table: every row has the same keys, which become the columns."""
        self.tables.append({"title": title, "rows": [dict(row) for row in rows]})

    def note(self, text: str) -> None:
        """Add one line below the tables."""
        self.notes.append(text)

    def markdown(self) -> str:
        """Return the report as Markdown."""
        parts = [f"# {self.title}\n", ", ".join(f"{k} {v}" for k, v in machine().items()) + "\n"]
        for table in self.tables:
            parts.append(f"## {table['title']}\n\n{_markdown_table(table['rows'])}\n")
        parts += [f"- {note}" for note in self.notes]
        return "\n".join(parts) + "\n"

    def write(self, folder: Path = RESULTS) -> None:
        """Write ``NAME.json`` and ``NAME.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {"title": self.title, "machine": machine(), "tables": self.tables, "notes": self.notes}
        text = json.dumps(content, indent=2, default=str, ensure_ascii=False)
        (folder / f"{self.name}.json").write_text(text + "\n")
        (folder / f"{self.name}.md").write_text(self.markdown())


def _markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "(nothing)"
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(run: Callable[[bool], Report]) -> None:
    """Run one benchmark from the command line."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results/")
    options = parser.parse_args()
    finish(run(options.quick), write=options.write)


def finish(report: Report, *, write: bool) -> None:
    """Print a report, and keep it if asked."""
    print(report.markdown())
    if write:
        report.write()

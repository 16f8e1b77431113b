"""Run all benchmarks, or those named: ``uv run python benchmarks [NAME ...] [--quick] [--write]``.

Long ones run only when they are named, alone and with options of their own:
``uv run python benchmarks ablation --help``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

LONG = ("ablation", "batch", "refit")
"""Modules with ``main(arguments)`` that take hours."""


def run_short(arguments: list[str]) -> None:
    """Run the benchmarks of minutes, all or those named."""
    from _common import finish

    names = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told = f"any of: {', '.join(names)}; default all. Alone: {', '.join(LONG)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=told)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that they run")
    parser.add_argument("--write", action="store_true", help="keep the results in benchmarks/results/")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join((*names, *LONG))}")
    for name in options.names or names:
        finish(importlib.import_module(f"bench_{name}").run(options.quick), write=options.write)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in LONG:
        importlib.import_module(sys.argv[1]).main(sys.argv[2:])
    else:
        run_short(sys.argv[1:])

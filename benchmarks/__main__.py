"""Run all benchmarks, or those named: ``uv run python benchmarks [NAME ...] [--quick] [--write]``."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from _common import finish

if __name__ == "__main__":
    names = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(names)}; default all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that they run")
    parser.add_argument("--write", action="store_true", help="keep the results in benchmarks/results/")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(names)}")
    for name in options.names or names:
        finish(importlib.import_module(f"bench_{name}").run(options.quick), write=options.write)

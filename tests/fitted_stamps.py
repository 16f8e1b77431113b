"""Stamps of everything that the lattice search has learned: which search and which features it was fitted on.

    uv run python tests/fitted_stamps.py                     what is stale
    uv run python tests/fitted_stamps.py --write STEP ...    stamp what was just fitted

`benchmarks refit` writes them once the golden master holds what the search finds with the new fits. A stamp
is a hash of that golden master, of the names of the features and of what was fitted: a change of the search
that changes the golden master makes all stamps stale, and so does a number put in by hand. Where the golden
master was written again for another reason than a change of the search, such as another processor, stamps may
be written without a fit; the commit says why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from golden_lattices import CASES, VALUES
from napari_petlut.analysis.lattice import fitted, sureness
from napari_petlut.analysis.lattice.sureness.confidence import CONFIDENCE_TREES
from napari_petlut.analysis.lattice.sureness.dead import DEAD_TREES

GROUPS: Mapping[str, tuple[tuple[str, ...], str | None, bool]] = {
    "objective": (("objective",), None, True),
    "dead": (("sharing",), DEAD_TREES, True),
    "confidence": (("gates",), CONFIDENCE_TREES, True),
    "sizes": (("size", "sureness of the size"), None, False),
}
"""Steps of `benchmarks refit`: groups in the file of numbers, trees, and whether it was fitted on the search
of blocks whose size is given, or on that of blocks whose size is not."""


def _fitted() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path(fitted.__file__).with_name(fitted.FILE).read_text("utf-8"))
    return told


def _hash_arrays(arrays: Mapping[str, Any]) -> str:
    told = hashlib.sha256()
    for name in sorted(arrays):
        told.update(f"{name} {arrays[name].shape} {arrays[name].dtype}".encode())
        told.update(np.ascontiguousarray(arrays[name]).tobytes())
    return told.hexdigest()[:24]


def search_hash(*, given: bool) -> str:
    """Return the hash of what the golden master holds of blocks whose size is given, or is not."""
    names = {name for name, case in CASES.items() if (case.shape != "proposed") == given}
    with np.load(VALUES) as values:
        return _hash_arrays({key: values[key] for key in values if key.split("/")[0] in names})


def stamp(step: str) -> str:
    """Return what the stamp of a step is to be now."""
    groups, trees, given = GROUPS[step]
    numbers = {name: _fitted()[name] for name in groups}
    parts = [search_hash(given=given), json.dumps(numbers, sort_keys=True)]
    if trees is not None:
        with np.load(str(files(sureness) / trees)) as arrays:
            parts.append(_hash_arrays(dict(arrays)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def stale() -> list[str]:
    """Return the steps whose stamp is not that of the search, the features and the fits in force."""
    kept = _fitted()["stamps"]
    return [step for step in GROUPS if kept.get(step) != stamp(step)]


def write(steps: Sequence[str]) -> None:
    """Stamp what steps have fitted."""
    told = _fitted()
    told["stamps"] |= {step: stamp(step) for step in steps}
    Path(fitted.__file__).with_name(fitted.FILE).write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(f"stamped {', '.join(steps)}")


def main() -> None:
    """Stamp the steps that are named, or say which are stale."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", nargs="+", choices=GROUPS, metavar="STEP", help=", ".join(GROUPS))
    steps = parser.parse_args().write
    if steps:
        write(steps)
    else:
        print(f"stale: {', '.join(stale()) or 'none'}")


if __name__ == "__main__":
    main()

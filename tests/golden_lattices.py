"""The golden master of the lattice search: what it finds in 68 blocks, kept to be compared with.

    uv run python tests/golden_lattices.py            what has changed, block by block
    uv run python tests/golden_lattices.py --write    keep what is found now

Only a change that is meant to change results may write it, and says in its commit why it does.

For every block a hash of all that a `Lattice` holds, one of the LUT, and one of what else was asked for are
kept in `lattices.json`, with a stamp of what the last bits depend on: processor, compiler, libraries. Where
the stamp is the same, the hashes must be. Elsewhere sums are rounded otherwise, and where a hash differs the
values in `lattices.npz` decide: statuses and words the same, positions, confidence and areas of the cells
within `CLOSE`. A search is a chain of decisions, so that a tie may fall the other way on another processor:
`MAY_DIFFER` of the blocks may, but no more.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from threadpoolctl import threadpool_info

from napari_petlut.analysis.lattice import GeometryProposal, find_lattice, number_peaks, propose_geometry
from napari_petlut.analysis.segmentation import segment
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, FloatArray, Lattice, PeakStatus
from napari_petlut.simulation import random_block, simulate_block

FOLDER = Path(__file__).parent / "analysis" / "lattice" / "golden"
HASHES, VALUES = FOLDER / "lattices.json", FOLDER / "lattices.npz"
UNITS = {"positions": 1e-3, "confidence": 1e-4, "extra": 1e-3, "alternatives": 1e-3, "plausibility": 1e-4}
"""What the kept values are rounded to, in pixels and as probabilities; all others are whole numbers."""
CLOSE = {"positions": 5, "confidence": 10, "extra": 5, "alternatives": 50, "plausibility": 10, "areas": 3}
"""Differences that another processor may make, in `UNITS` and pixels of the map; of all others none."""
MAY_DIFFER = 6
"""Blocks that may differ by more than that on another processor. With AVX2 instead of AVX-512 in Numba, NumPy
and OpenBLAS three of 68 do, all of them "beyond"."""


@dataclass(frozen=True)
class Case:
    """A block and what the search is told of it.

    `shape` is "given", "proposed" (not given), or "wrong" (a column too many); `prior` is how far the prior
    is off in columns, None for no prior; `fixed` are crystals that a person placed.
    """

    level: str
    seed: int
    factors: tuple[str, ...] | None = None
    shape: str = "given"
    prior: float | None = None
    fixed: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in the files."""
        words = [self.level, str(self.seed), *(self.factors or ())]
        words += [] if self.shape == "given" else [self.shape]
        words += [] if self.prior is None else [f"prior {self.prior:g}"]
        words += [f"fixed {','.join(map(str, self.fixed))}"] if self.fixed else []
        return " ".join(words)


def _cases() -> Iterator[Case]:
    for level, seeds in (
        ("easy", (200, 202, 203, 207, 0)),
        ("typical", (208, 210, 214, 215, 217, 225, 228, 232, 0)),
        ("hard", (200, 202, 206, 209, 220, 226, 237, 280)),
        ("beyond", (202, 211, 236, 247, 249, 260, 264)),
    ):
        yield from (Case(level, seed) for seed in seeds)
    for seed, factors in (
        (209, ("low counts", "merged")),
        (226, ("dead", "resolution")),
        (237, ("distortion", "walls")),
        (200, ("hot bins", "yield")),
        (209, ("dead run", "gains")),
    ):
        yield Case("hard", seed, factors)
    for seed, factors in (
        (236, ("dead line",)),
        (247, ("dead line", "resolution")),
        (260, ("dead line", "walls")),
        (264, ("dead corner",)),
        (236, ("dead corner", "resolution")),
        (260, ("resolution", "very low counts")),
        (236, ("merged",)),
        (247, ("turn", "very low counts")),
        (260, ("background", "distortion")),
        (5, ("geometry",)),
        (0, ("dead line",)),
    ):
        yield Case("beyond", seed, factors)
    for level, seed in (
        ("easy", 202),
        ("typical", 214),
        ("typical", 232),
        ("hard", 202),
        ("hard", 237),
        ("beyond", 249),
        ("beyond", 264),
    ):
        yield Case(level, seed, shape="proposed")
    for level, seed in (("easy", 203), ("typical", 208), ("hard", 209), ("beyond", 236)):
        yield Case(level, seed, shape="wrong")
    for level, seed, prior in (
        ("easy", 202, 0.0),
        ("typical", 215, 0.0),
        ("hard", 202, 0.0),
        ("beyond", 260, 0.0),
        ("beyond", 247, 1.0),
        ("hard", 220, -1.0),
    ):
        yield Case(level, seed, prior=prior)
    yield Case("easy", 202, fixed=(0,))
    yield Case("typical", 214, fixed=(40, 41))
    yield Case("hard", 202, fixed=(0, 44, 89))
    yield Case("hard", 220, prior=0.0, fixed=(11,))
    yield Case("beyond", 260, fixed=(8, 30, 77))
    yield Case("beyond", 264, ("dead corner",), fixed=(99,))


CASES = {case.name: case for case in _cases()}


@dataclass(frozen=True, eq=False)
class Found:
    """What is kept of one block: the map it was found in, hashes, words, and rounded values."""

    map: str
    hashes: dict[str, str]
    words: list[str]
    values: dict[str, Any]


def stamp() -> dict[str, str]:
    """Return what the last bits of a result depend on."""
    blas = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return {
        "processor": str(numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name()),
        "system": " ".join((platform.system(), platform.machine(), *platform.libc_ver())),
        "blas": "; ".join(
            sorted({f"{i['internal_api']} {i['version']} {i.get('architecture')}" for i in blas})
        ),
    } | {name: version(name) for name in ("numpy", "scipy", "numba", "llvmlite")}


def _hash(*parts: Any) -> str:
    told = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            part = (part.shape, str(part.dtype), np.ascontiguousarray(part).tobytes())
        told.update(repr(part).encode())
    return told.hexdigest()[:24]


def _rounded(values: FloatArray, unit: str) -> Any:
    return np.rint(np.asarray(values) / UNITS[unit]).astype(np.int32)


def _hash_of_lattice(lattice: Lattice) -> str:
    others = [
        part for a in lattice.alternatives for part in (a.positions, a.description, float(a.plausibility))
    ]
    return _hash(
        lattice.geometry.shape,
        lattice.positions,
        lattice.status,
        lattice.confidence,
        lattice.reasons,
        lattice.doubts,
        lattice.extra,
        *others,
    )


def _hash_of_proposals(proposals: list[GeometryProposal]) -> str:
    return _hash(
        *(p for proposal in proposals for p in (proposal.geometry.shape, float(proposal.confidence)))
    )


def find(case: Case) -> Found:
    """Simulate a block and say what is found in it."""
    block = simulate_block(random_block(case.seed, case.level, factors=case.factors).params)
    counts, truth = block.flood.counts, block.centres
    rows, cols = block.params.geometry.shape
    shape = BlockGeometry(rows, cols + 1) if case.shape == "wrong" else block.params.geometry
    prior = None
    if case.prior is not None:
        grid = truth.reshape(rows, cols, 2)
        noise = np.random.default_rng(case.seed).normal(0.0, 2.0, grid.shape)
        prior = grid + noise + case.prior * np.gradient(grid, axis=1)
    lattice = find_lattice(
        counts,
        None if case.shape == "proposed" else shape,
        prior=prior,
        fixed={k: (float(truth[k, 0]), float(truth[k, 1])) for k in case.fixed},
    )
    lut = CrystalLUT(segment(counts, lattice.positions, geometry=lattice.geometry).labels, lattice.geometry)
    lut = lut.without(np.flatnonzero(lattice.status == PeakStatus.MISSING))
    hashes = {"lattice": _hash_of_lattice(lattice), "lut": _hash(np.asarray(lut.ids, np.int32))}
    if case.shape == "proposed":
        hashes["proposals"] = _hash_of_proposals(propose_geometry(counts))
    if case.shape == "given" and case.prior is None and not case.fixed:
        # Backwards and with every seventh missing, so that the numbers are found again.
        points = np.delete(lattice.positions, np.s_[3::7], axis=0)[::-1]
        hashes["numbers"] = _hash_of_lattice(number_peaks(points, lattice.geometry))
    words = [*lattice.reasons, *lattice.doubts, *(a.description for a in lattice.alternatives)]
    return Found(
        map=_hash(counts),
        hashes=hashes,
        words=words,
        values={
            "status": np.array([list(PeakStatus).index(PeakStatus(s)) for s in lattice.status], np.int8),
            "positions": _rounded(lattice.positions, "positions"),
            "confidence": _rounded(lattice.confidence, "confidence"),
            "extra": _rounded(lattice.extra, "extra"),
            "alternatives": _rounded(
                np.array([a.positions for a in lattice.alternatives]).reshape(-1, 2), "alternatives"
            ),
            "plausibility": _rounded(
                np.array([a.plausibility for a in lattice.alternatives]), "plausibility"
            ),
            "areas": np.bincount(lut.ids.ravel() + 1, minlength=len(lattice.geometry) + 1).astype(np.int32),
        },
    )


@cache
def _kept() -> tuple[dict[str, Any], dict[str, Any]]:
    with np.load(VALUES) as values:
        return json.loads(HASHES.read_text()), dict(values)


def same_machine() -> bool:
    """Whether the last bits must be the same as those that are kept."""
    return bool(_kept()[0]["stamp"] == stamp())


def kept_names() -> list[str]:
    """Return the names of the blocks that are kept."""
    return sorted(_kept()[0]["blocks"])


def _values_of(name: str) -> dict[str, Any]:
    return {key.split("/")[1]: value for key, value in _kept()[1].items() if key.split("/")[0] == name}


def differences(name: str, found: Found) -> tuple[list[str], list[str]]:
    """Return in words how a result differs from the one that is kept: in its bytes, and beyond `CLOSE`."""
    kept, values = _kept()[0]["blocks"][name], _values_of(name)
    if kept["map"] != found.map:
        told = "the simulated map is another one: the simulation has changed, not the search"
        return [told], [told]
    exact = [f"the {what} is not the same" for what, new in found.hashes.items() if kept[what] != new]
    far = []
    words = str(values.pop("words")).split("\n")
    if [_without_numbers(w) for w in words] != [_without_numbers(w) for w in found.words]:
        far.append(f"words: {sorted(set(words) ^ set(found.words))}")
    for what, old in values.items():
        new = found.values[what]
        if old.shape != new.shape:
            far.append(f"{what}: {old.shape} is now {new.shape}")
        elif old.size and np.abs(old - new).max() > CLOSE.get(what, 0):
            off = np.abs(old - new)
            far.append(f"{what}: {int((off > CLOSE.get(what, 0)).sum())} differ, by {off.max()} at most")
    return exact, far


def _without_numbers(words: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", words)


def write() -> None:
    """Keep what is found now."""
    blocks, values = {}, {}
    for name, case in CASES.items():
        found = find(case)
        blocks[name] = {"map": found.map, **found.hashes}
        values |= {f"{name}/{what}": array for what, array in found.values.items()}
        values[f"{name}/words"] = np.array("\n".join(found.words))
        print(".", end="", flush=True)
    FOLDER.mkdir(exist_ok=True)
    HASHES.write_text(json.dumps({"stamp": stamp(), "blocks": blocks}, indent=1) + "\n")
    np.savez_compressed(VALUES, **values)
    print(f" {len(blocks)} blocks kept in {FOLDER}")


def compare() -> None:
    """Say block by block what differs from what is kept."""
    print("same processor and libraries" if same_machine() else f"another machine: {stamp()}")
    changed = 0
    for name, case in CASES.items():
        exact, far = differences(name, find(case))
        changed += bool(exact)
        for told in [*exact, *far]:
            print(f"{name}: {told}", flush=True)
    print(f"{changed} of {len(CASES)} blocks differ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="keep what is found now")
    write() if parser.parse_args().write else compare()

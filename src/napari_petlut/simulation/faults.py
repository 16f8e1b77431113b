"""Which crystals are dead, dim or merged, and runs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.simulation.optics import crystal_pairs
from napari_petlut.simulation.parameters import BlockSimulation, Stream

BoolArray = npt.NDArray[np.bool_]
RunKind = Literal["row", "col", "edge", "corner", "run"]


@dataclass(frozen=True, eq=False)
class Faults:
    """The faulty crystals of a block.

    Parameters
    ----------
    dead, dim : ndarray of bool, shape (rows * cols,)
        Dead are the absent places too.
    merged : list of pairs of int
        Ids of neighbours whose spots lie on each other.
    """

    dead: BoolArray
    dim: BoolArray
    merged: list[tuple[int, int]]


def choose_faults(params: BlockSimulation) -> Faults:
    """Return the faulty crystals: those that are named, and as many at random as are asked for.

    Raises
    ------
    ParameterError
        If no crystal would be live, or more merged pairs are asked for than there is room for.
    """
    rng = params.rng(Stream.FAULTS)
    present = params.geometry.present.ravel()
    dead = _choose(params.dead, present, rng, "dead") | ~present
    dim = _choose(params.dim, ~dead, rng, "dim") & ~dead
    if dead.all():
        raise ParameterError("every crystal is dead; leave at least one live")
    return Faults(dead, dim, _choose_pairs(params, dead, rng))


def _choose(choice: int | tuple[int, ...], free: BoolArray, rng: np.random.Generator, name: str) -> BoolArray:
    out = np.zeros(len(free), np.bool_)
    if isinstance(choice, (int, np.integer)):
        order = rng.permutation(np.flatnonzero(free))
        if choice > len(order):
            raise ParameterError(f"only {len(order)} crystals are left to be {name}, not {choice}")
        out[order[:choice]] = True
    else:
        out[list(choice)] = True
    return out


def _choose_pairs(
    params: BlockSimulation, dead: BoolArray, rng: np.random.Generator
) -> list[tuple[int, int]]:
    pairs = crystal_pairs(params.geometry)
    known = {tuple(pair) for pair in pairs.tolist()}
    if not isinstance(params.merged, (int, np.integer)):
        chosen = [(min(a, b), max(a, b)) for a, b in params.merged]
        strangers = [pair for pair in chosen if pair not in known]
        if strangers:
            raise ParameterError(f"merged crystals must be neighbours; {strangers[0]} are not")
        return chosen
    used, chosen = dead.copy(), []
    for a, b in rng.permutation(pairs).tolist():
        if len(chosen) == params.merged:
            break
        if not (used[a] or used[b]):
            used[[a, b]] = True
            chosen.append((a, b))
    if len(chosen) < params.merged:
        raise ParameterError(f"there is room for {len(chosen)} merged pairs, not {params.merged}")
    return chosen


def crystal_run(
    geometry: BlockGeometry, kind: RunKind, rng: np.random.Generator, *, size: int = 3
) -> tuple[int, ...]:
    """Return the ids of crystals that lie together, as faults often do.

    Parameters
    ----------
    geometry : BlockGeometry
    kind : {"row", "col", "edge", "corner", "run"}
        A whole row or column inside the block, a whole outer row or column, `size` x `size` crystals in a
        corner, or `size` crystals along a row or column.
    rng : numpy.random.Generator
        Chooses where.
    size : int
        Crystals of a run, or of a corner along each axis.

    Returns
    -------
    tuple of int
    """
    ids = np.arange(len(geometry)).reshape(geometry.shape)
    if kind == "col" or (kind in ("edge", "run") and rng.random() < 0.5):
        ids = ids.T
    lines = len(ids)
    if kind == "edge":
        chosen = ids[0 if rng.random() < 0.5 else -1]
    elif kind == "corner":
        flipped = ids[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        chosen = flipped[: min(size, lines - 1), : min(size, ids.shape[1] - 1)].ravel()
    else:
        line = ids[rng.integers(1, lines - 1) if lines > 2 else 0]
        start = rng.integers(0, max(1, len(line) - size + 1)) if kind == "run" else 0
        chosen = line[start : start + size] if kind == "run" else line
    return tuple(sorted(chosen.tolist()))

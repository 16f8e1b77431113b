"""The same contest seen with the block turned, so that a search takes another way to its lattice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.lattice.hypotheses import Contest
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Turn:
    """A way to turn a block: mirrored along some axes, then perhaps rows and columns changed.

    Parameters
    ----------
    mirrored : tuple of bool
        Along axis 0 and along axis 1.
    transposed : bool

    Examples
    --------
    >>> quarter = Turn((False, True), True)
    >>> quarter.array(np.array([[1, 2], [3, 4]])).tolist()
    [[2, 4], [1, 3]]
    """

    mirrored: tuple[bool, bool]
    transposed: bool

    def _mirror(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        first, second = (slice(None, None, -1 if mirrored else 1) for mirrored in self.mirrored)
        return values[first, second]

    def _reflect(self, places: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        out = np.array(places, dtype=np.float64)
        for axis in (0, 1):
            if self.mirrored[axis]:
                out[..., axis] = shape[axis] - 1 - out[..., axis]
        return out

    def array(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Return a map, or values of crystals (rows, cols, ...), turned."""
        out = self._mirror(values)
        return np.ascontiguousarray(out.swapaxes(0, 1) if self.transposed else out)

    def places(self, places: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """Return positions (..., 2) in pixels of a map of this shape, turned with it."""
        out = self._reflect(places, shape)
        return np.ascontiguousarray(out[..., ::-1]) if self.transposed else out

    def grid(self, grid: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """Return a lattice (rows, cols, 2) in pixels of a map of this shape, turned with it."""
        return self.array(self.places(grid, shape))

    def grid_back(self, grid: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """Return a lattice of the turned map as one of the map, which has this shape."""
        out = grid.swapaxes(0, 1)[..., ::-1] if self.transposed else grid
        return self._reflect(self._mirror(out), shape)


def turned(contest: Contest, turn: Turn, budget: int) -> Contest:
    """Return a new contest about the turned map."""
    ready, geometry = contest.ready, contest.geometry
    shape = ready.counts.shape
    return replace(
        contest,
        ready=replace(ready, counts=turn.array(ready.counts), support=turn.array(ready.support)),
        geometry=BlockGeometry(geometry.cols, geometry.rows) if turn.transposed else geometry,
        budget=budget,
        spots=turn.places(contest.spots, shape),
        pool=[],
        pinned=None if contest.pinned is None else turn.array(contest.pinned),
        expected=None if contest.expected is None else turn.grid(contest.expected, shape),
        places=turn.grid(contest.places, shape),
    )

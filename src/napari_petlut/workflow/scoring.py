"""How right a lattice is, where the truth is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, IntArray, Lattice, PeakStatus

SMALLEST_TOLERANCE = 2.5
"""A peak this near to the true centre, in pixels, counts as right however near its neighbours are."""

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LatticeScore:
    """A lattice held against the truth.

    A crystal is right when its own peak, the one with its row and column, lies within half the spacing to
    the nearest true neighbour (2.5 px at least). Rows and columns count up to one symmetry of the grid for
    the whole block, because a map alone cannot tell which corner is the first. Dead crystals do not count.

    Parameters
    ----------
    right : ndarray of bool, shape (rows * cols,)
        By true crystal id; False for dead crystals.
    live : ndarray of bool, shape (rows * cols,)
        True crystals that give events.
    marked : ndarray of bool, shape (rows * cols,)
        By true crystal id: marked suspect or missing.
    missing : ndarray of bool, shape (rows * cols,)
        By true crystal id: marked missing.
    confidence : ndarray of float64, shape (rows * cols,)
        By true crystal id.
    distance : ndarray of float64, shape (rows * cols,)
        From the peak to the true centre in pixels.
    ids : ndarray of intp, shape (rows * cols,)
        By true crystal id: the id that the lattice gives to it under the best symmetry.
    """

    right: BoolArray
    live: BoolArray
    marked: BoolArray
    missing: BoolArray
    confidence: FloatArray
    distance: FloatArray
    ids: IntArray

    @property
    def perfect(self) -> bool:
        """Whether every live crystal is right."""
        return bool(self.right[self.live].all())

    @property
    def wrong(self) -> BoolArray:
        """Live crystals that are not right."""
        return self.live & ~self.right


def symmetric_ids(geometry: BlockGeometry) -> list[IntArray]:
    """Return the renumberings of the grid onto itself: 8 for a square array, 4 otherwise.

    Of an array with absent places only those that put none of them where a crystal is.

    Returns
    -------
    list of ndarray of intp, shape (rows * cols,)
        Entry ``i`` of each is the id that crystal ``i`` has after mirroring or turning the array.

    Examples
    --------
    >>> [ids.tolist() for ids in symmetric_ids(BlockGeometry(1, 3))]
    [[0, 1, 2], [2, 1, 0], [0, 1, 2], [2, 1, 0]]
    """
    ids = np.arange(len(geometry)).reshape(geometry.shape)
    grids = [ids, ids.T] if geometry.rows == geometry.cols else [ids]
    turned = [g[::a, ::b].ravel().astype(np.intp) for g in grids for a in (1, -1) for b in (1, -1)]
    present = geometry.present.ravel()
    return [ids for ids in turned if (present[ids] == present).all()]


def score_lattice(
    lattice: Lattice,
    centres: FloatArray,
    live: BoolArray | None = None,
    *,
    merged: Iterable[tuple[int, int]] = (),
) -> LatticeScore:
    """Hold a lattice against the true centres.

    Parameters
    ----------
    lattice : Lattice
    centres : ndarray of float64, shape (rows * cols, 2)
        True spot centres by crystal id, (axis 0, axis 1) in flood-map pixels.
    live : ndarray of bool, shape (rows * cols,), optional
        False for dead crystals; all are live by default. No crystal is at an absent place.
    merged : pairs of int
        Ids of neighbours whose spots lie on each other; their distance is no measure of the spacing.
    """
    present = lattice.geometry.present.ravel()
    live = present if live is None else np.asarray(live, bool) & present
    tolerance = np.maximum(0.5 * true_spacing(centres, lattice.geometry, merged), SMALLEST_TOLERANCE)
    best: tuple[int, IntArray, FloatArray] | None = None
    for ids in symmetric_ids(lattice.geometry):
        distance = np.linalg.norm(lattice.positions[ids] - centres, axis=1)
        number = int((live & (distance <= tolerance)).sum())
        if best is None or number > best[0]:
            best = (number, ids, distance)
    assert best is not None
    _, ids, distance = best
    return LatticeScore(
        right=live & (distance <= tolerance),
        live=live,
        marked=lattice.doubtful[ids],
        missing=(lattice.status == PeakStatus.MISSING)[ids],
        confidence=np.asarray(lattice.confidence[ids], np.float64),
        distance=distance,
        ids=ids,
    )


def true_spacing(
    centres: FloatArray, geometry: BlockGeometry, merged: Iterable[tuple[int, int]] = ()
) -> FloatArray:
    """Return each centre's distance to its nearest neighbour along rows and columns, shape (rows * cols,).

    Neighbours that are named in `merged` do not count as neighbours of each other.
    """
    if geometry.places is not None:
        out, ids = np.full(len(geometry), np.inf), np.flatnonzero(geometry.present)
        out[ids] = np.asarray(cKDTree(centres[ids]).query(centres[ids], k=2)[0])[:, 1]
        return out
    grid = np.asarray(centres).reshape(*geometry.shape, 2)
    nearest = np.full(geometry.shape, np.inf)
    down = np.linalg.norm(np.diff(grid, axis=0), axis=-1)
    across = np.linalg.norm(np.diff(grid, axis=1), axis=-1)
    for a, b in merged:
        (row, col), (other_row, _) = (divmod(int(i), geometry.cols) for i in sorted((a, b)))
        (down if other_row > row else across)[row, col] = np.inf
    nearest[:-1] = np.minimum(nearest[:-1], down)
    nearest[1:] = np.minimum(nearest[1:], down)
    nearest[:, :-1] = np.minimum(nearest[:, :-1], across)
    nearest[:, 1:] = np.minimum(nearest[:, 1:], across)
    return nearest.ravel()

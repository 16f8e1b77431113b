"""Grow a grid over scattered points: which point is whose neighbour.

Points are given in lattice units, so that neighbouring points are about 1 apart along each axis in the middle
of the block. Growth starts from a seed and its neighbours, predicts where the next node should be from the
steps of the nodes around it, and always takes the best-predicted node next: bent, crowded and interrupted
grids are followed because every prediction is local.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.compiling import compiled, inlined
from napari_petlut.model import FloatArray

EMPTY = -1
"""Grid node that nothing is known about."""
VIRTUAL = -2
"""Grid node without a point: its place is predicted from its neighbours."""
MAX_RESIDUAL = 0.42
"""A point is a node if it lies this close to its prediction, in local steps."""
UNSUPPORTED_RESIDUAL = 0.6
"""The same where no parallel step is known: the first node of a new line may be crowded."""
UNSUPPORTED_PENALTY = 0.25
"""Added to the residual where no parallel step supports the prediction: such nodes come last."""
PARALLEL_WEIGHT = 2.0
"""Weight of a parallel step of the neighbouring line in a prediction."""
EXTRAPOLATION_WEIGHT = 1.0
"""Weight of the previous step of the same line in a prediction."""
FALLBACK_WEIGHT = 0.05
"""Weight of the seed's steps in a prediction; they only count where no other step is known."""
_FAR = 1e9


@inlined
def _step(
    owner: npt.NDArray[np.int64], place: FloatArray, i: int, j: int, axis: int, base: FloatArray
) -> tuple[float, float, float]:
    """Step along `axis` next to node (i, j) from the known steps around it, and how well it is supported."""
    height, width = owner.shape
    along0, along1 = (1, 0) if axis == 0 else (0, 1)
    total = FALLBACK_WEIGHT
    s0, s1 = base[axis, 0] * total, base[axis, 1] * total
    support = 0.0
    for across in range(-1, 2):
        for back in range(-2, 2):
            a0 = i + back * along0 + across * along1
            a1 = j + back * along1 + across * along0
            b0, b1 = a0 + along0, a1 + along1
            if (
                a0 < 0
                or a1 < 0
                or b0 >= height
                or b1 >= width
                or b0 < 0
                or b1 < 0
                or a0 >= height
                or a1 >= width
            ):
                continue
            first, second = owner[a0, a1], owner[b0, b1]
            if first == EMPTY or second == EMPTY:
                continue
            parallel = across != 0 and (back == -1 or back == 0)
            weight = PARALLEL_WEIGHT if parallel else (EXTRAPOLATION_WEIGHT if across == 0 else 0.25)
            if first == VIRTUAL or second == VIRTUAL:
                weight *= 0.3
            if parallel:
                support += weight
            total += weight
            s0 += weight * (place[b0, b1, 0] - place[a0, a1, 0])
            s1 += weight * (place[b0, b1, 1] - place[a0, a1, 1])
    return s0 / total, s1 / total, support


@inlined
def _predict(
    owner: npt.NDArray[np.int64], place: FloatArray, i: int, j: int, base: FloatArray, out: FloatArray
) -> tuple[int, float]:
    """Fill `out` with place and both local steps of node (i, j); return known neighbours and support."""
    height, width = owner.shape
    known, support = 0, 0.0
    total, place0, place1 = 0.0, 0.0, 0.0
    for axis in range(2):
        s0, s1, seen = _step(owner, place, i, j, axis, base)
        out[1 + axis, 0], out[1 + axis, 1] = s0, s1
        for sign in range(-1, 2, 2):
            n0 = i + (sign if axis == 0 else 0)
            n1 = j + (sign if axis == 1 else 0)
            if n0 < 0 or n1 < 0 or n0 >= height or n1 >= width:
                continue
            neighbour = owner[n0, n1]
            if neighbour == EMPTY:
                continue
            weight = 1.0 if neighbour >= 0 else 0.3
            known += 1
            total += weight
            support = max(support, seen)
            place0 += weight * (place[n0, n1, 0] - sign * s0)
            place1 += weight * (place[n0, n1, 1] - sign * s1)
    if known:
        place0 /= total
        place1 /= total
    out[0, 0], out[0, 1] = place0, place1
    return known, support


@inlined
def _nearest(
    points: FloatArray,
    order: npt.NDArray[np.int64],
    along: FloatArray,
    taken: npt.NDArray[np.bool_],
    guess: FloatArray,
) -> tuple[int, float]:
    """Free point nearest to a prediction within `UNSUPPORTED_RESIDUAL`, measured in its local steps.

    `order` sorts the points along axis 0, `along` are their coordinates there in that order.
    """
    a, b, c, d = guess[1, 0], guess[2, 0], guess[1, 1], guess[2, 1]
    at0, at1 = guess[0, 0], guess[0, 1]
    det = a * d - b * c
    if abs(det) < 1e-6:
        return -1, _FAR
    best, residual = -1, _FAR
    # Points outside of this box are further away than any that is accepted.
    reach0, reach1 = UNSUPPORTED_RESIDUAL * (abs(a) + abs(b)), UNSUPPORTED_RESIDUAL * (abs(c) + abs(d))
    first, end = 0, len(along)
    while first < end:
        middle = (first + end) // 2
        if along[middle] < at0 - reach0:
            first = middle + 1
        else:
            end = middle
    for n in range(first, len(along)):
        e0 = along[n] - at0
        if e0 > reach0:
            break
        k = order[n]
        e1 = points[k, 1] - at1
        if abs(e1) > reach1 or taken[k]:
            continue
        u, v = (d * e0 - b * e1) / det, (a * e1 - c * e0) / det
        r = np.sqrt(u * u + v * v)
        if r < residual or (r == residual and k < best):
            best, residual = k, r
    return best, residual


def grow_grid(
    points: FloatArray, seed: int, base: FloatArray, height: int, width: int
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Grow a grid over `points` from the point `seed`.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        In lattice units.
    seed : int
        Index of the first point; it becomes the node in the middle of the grid.
    base : ndarray of float64, shape (2, 2)
        First guess of the steps along both axes.
    height, width : int
        Size of the grid; nodes outside are not followed.

    Returns
    -------
    owner : ndarray of int64, shape (height, width)
        Index of the point at each node, `VIRTUAL` or `EMPTY`.
    place : ndarray of float64, shape (height, width, 2)
        Position of each node that is not empty.
    """
    owner = np.full((height, width), EMPTY, np.int64)
    place = np.zeros((height, width, 2))
    order = np.argsort(points[:, 0], kind="stable")
    taken, choice = np.zeros(len(points), np.bool_), np.full((height, width), -1, np.int64)
    _grow(
        points,
        order,
        points[order, 0],
        seed,
        base,
        owner,
        place,
        taken,
        np.full((height, width), _FAR),
        choice,
        np.zeros((height, width, 2)),
        np.zeros((3, 2)),
    )
    return owner, place


@compiled()
def _grow(
    points: FloatArray,
    order: npt.NDArray[np.int64],
    along: FloatArray,
    seed: int,
    base: FloatArray,
    owner: npt.NDArray[np.int64],
    place: FloatArray,
    taken: npt.NDArray[np.bool_],
    cost: FloatArray,
    choice: npt.NDArray[np.int64],
    predicted: FloatArray,
    guess: FloatArray,
) -> None:
    """Fill `owner` and `place`, see `grow_grid`; the rest is as it shall be before the first node.

    `order` sorts the points along axis 0, `along` are their coordinates there in that order; `taken` says
    which are nodes. The best point for each empty node is in `choice`, how far it is off in `cost`, and the
    place in `predicted`.
    """
    height, width = owner.shape
    i, j = height // 2, width // 2
    owner[i, j], taken[seed] = seed, True
    place[i, j, 0], place[i, j, 1] = points[seed, 0], points[seed, 1]
    last = seed
    # Nothing can grow further than this from the nodes that are there.
    low0, high0, low1, high1 = i, i, j, j
    # Best first, as a minimum spanning tree grows (Prim 1957): of all empty nodes that have a neighbour the
    # one whose point lies nearest to its prediction is next. Doubtful nodes come last, predicted from more of
    # them.
    while True:
        low0, high0 = min(low0, i), max(high0, i)
        low1, high1 = min(low1, j), max(high1, j)
        rows = range(max(0, low0 - 2), min(height, high0 + 3))
        cols = range(max(0, low1 - 2), min(width, high1 + 3))
        for a in rows:
            for b in cols:
                # A prediction changes only with nodes within two of it, or when somebody took its point.
                near = abs(a - i) <= 2 and abs(b - j) <= 2
                if owner[a, b] != EMPTY or not (near or (choice[a, b] == last and last >= 0)):
                    continue
                known, support = _predict(owner, place, a, b, base, guess)
                predicted[a, b, 0], predicted[a, b, 1] = guess[0, 0], guess[0, 1]
                cost[a, b], choice[a, b] = _FAR, -1
                if known:
                    k, residual = _nearest(points, order, along, taken, guess)
                    if residual < (MAX_RESIDUAL if support > 0 else UNSUPPORTED_RESIDUAL):
                        choice[a, b] = k
                        cost[a, b] = residual + (0.0 if support > 0 else UNSUPPORTED_PENALTY)
        best = _FAR
        for a in rows:
            for b in cols:
                if owner[a, b] == EMPTY and cost[a, b] < best:
                    best, i, j = cost[a, b], a, b
        if best < _FAR:
            last = choice[i, j]
            owner[i, j], taken[last] = last, True
            place[i, j, 0], place[i, j, 1] = points[last, 0], points[last, 1]
            continue
        last = -1
        # No point fits any prediction: the empty node with most neighbours, two at least, is bridged by one
        # without a point, so that growth gets to what lies behind a dead crystal. Bridges hardly count as
        # neighbours.
        most = 2.0
        for a in rows:
            for b in cols:
                if owner[a, b] != EMPTY:
                    continue
                real = 0.0
                for side in range(4):
                    n0 = a + (side == 1) - (side == 0)
                    n1 = b + (side == 3) - (side == 2)
                    if 0 <= n0 < height and 0 <= n1 < width:
                        neighbour = owner[n0, n1]
                        real += 1.0 if neighbour >= 0 else (0.1 if neighbour == VIRTUAL else 0.0)
                if real > most - 1e-9 and real >= 2.0:
                    most, i, j = real + 1e-6, a, b
                    last = -2
        if last != -2:
            return
        # Predicted anew above ever since a node within reach of the prediction was last added.
        owner[i, j] = VIRTUAL
        place[i, j, 0], place[i, j, 1] = predicted[i, j, 0], predicted[i, j, 1]
        last = -1

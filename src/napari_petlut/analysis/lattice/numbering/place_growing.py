"""Grow an array of places over scattered points, where some places of the grid have none.

As in `growing.py` the best-predicted place comes next. But neighbours may be absent, so that a place is
predicted from all known ones around it, near ones counting most, by the plane that fits them best; where they
are few, the steps of the nearest decide.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.compiling import compiled, inlined
from napari_petlut.model import FloatArray

REACH, NEAR = 2.6, 1.3
"""How far known places are looked at for a prediction, and the standard deviation of the Gaussian that weighs
them, in distances of neighbours."""
TOLERANCE = 0.45
"""A point belongs to a place if it lies this close to its prediction, in distances of neighbours: just less
than half way to the next."""
RIDGE = 0.08
"""How much the steps of the known places around count in a prediction, in squared places."""
FEW, LATE = 0.6, 0.5
"""Places with known ones around of less than the first weight come later, as if they were up to the second
further off."""
_FAR = 1e9

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def grow_places(
    points: FloatArray,
    pattern: BoolArray,
    distance: float,
    seed: int,
    place: tuple[int, int],
    base: FloatArray,
) -> IntArray:
    """Grow an array over `points` from the point `seed`.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
    pattern : ndarray of bool, shape (rows, cols)
        Places that may hold a point.
    distance : float
        Of neighbours, in places.
    seed : int
        Index of the first point.
    place : tuple of int
        Its row and column.
    base : ndarray of float64, shape (2, 2)
        First guess of the steps there: how far a point moves along both axes (first index) with row and
        column (second index).

    Returns
    -------
    owner : ndarray of int64, shape (rows, cols)
        Index of the point at each place, -1 where there is none.
    """
    near = int(np.ceil(REACH * distance))
    offsets = np.array(
        [(r, c) for r in range(-near, near + 1) for c in range(-near, near + 1) if r or c], dtype=np.int64
    )
    away = np.hypot(offsets[:, 0], offsets[:, 1]) / distance
    offsets, away = offsets[away <= REACH], away[away <= REACH]
    order = np.argsort(points[:, 0], kind="stable")
    shape = pattern.shape
    owner = np.full(shape, -1, np.int64)
    _grow(
        points,
        order,
        points[order, 0],
        pattern,
        distance,
        offsets,
        np.exp(-0.5 * (away / NEAR) ** 2),
        np.array([seed, *place], dtype=np.int64),
        np.ascontiguousarray(base.ravel()),
        owner,
        np.zeros((*shape, 2)),
        np.zeros((*shape, 4)),
        np.full(shape, _FAR),
        np.full(shape, -1, np.int64),
        np.zeros(len(points), np.bool_),
    )
    return owner


@inlined
def _predict(
    a: int,
    b: int,
    offsets: IntArray,
    weights: FloatArray,
    owner: IntArray,
    position: FloatArray,
    lean: FloatArray,
) -> tuple[float, float, float]:
    """Fit a plane to the known places around (a, b); its steps go to `lean`, weight and height come back."""
    height, width = owner.shape
    s, sr, sc, srr, src, scc = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    p0, p1, p0r, p0c, p1r, p1c = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    b0, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0
    for o in range(len(offsets)):
        r, c = offsets[o, 0], offsets[o, 1]
        x, y = a + r, b + c
        if x < 0 or y < 0 or x >= height or y >= width or owner[x, y] < 0:
            continue
        w, q0, q1 = weights[o], position[x, y, 0], position[x, y, 1]
        s += w
        sr += w * r
        sc += w * c
        srr += w * r * r
        src += w * r * c
        scc += w * c * c
        p0 += w * q0
        p1 += w * q1
        p0r += w * q0 * r
        p0c += w * q0 * c
        p1r += w * q1 * r
        p1c += w * q1 * c
        b0 += w * lean[x, y, 0]
        b1 += w * lean[x, y, 1]
        b2 += w * lean[x, y, 2]
        b3 += w * lean[x, y, 3]
    at0, at1 = 0.0, 0.0
    if s > 0:
        # Weighted least squares with a ridge towards the mean steps of the neighbours: each slope is
        # (cov(places) + ridge)^-1 (cov(places, positions) + ridge * step), Hoerl and Kennard 1970.
        mr, mc, m0, m1 = sr / s, sc / s, p0 / s, p1 / s
        vrr, vrc, vcc = srr / s - mr * mr + RIDGE, src / s - mr * mc, scc / s - mc * mc + RIDGE
        det = vrr * vcc - vrc * vrc
        c0r, c0c = p0r / s - m0 * mr + RIDGE * b0 / s, p0c / s - m0 * mc + RIDGE * b1 / s
        c1r, c1c = p1r / s - m1 * mr + RIDGE * b2 / s, p1c / s - m1 * mc + RIDGE * b3 / s
        lean[a, b, 0] = (vcc * c0r - vrc * c0c) / det
        lean[a, b, 1] = (vrr * c0c - vrc * c0r) / det
        lean[a, b, 2] = (vcc * c1r - vrc * c1c) / det
        lean[a, b, 3] = (vrr * c1c - vrc * c1r) / det
        at0 = m0 - lean[a, b, 0] * mr - lean[a, b, 1] * mc
        at1 = m1 - lean[a, b, 2] * mr - lean[a, b, 3] * mc
    return s, at0, at1


@compiled()
def _grow(
    points: FloatArray,
    order: IntArray,
    along: FloatArray,
    pattern: BoolArray,
    distance: float,
    offsets: IntArray,
    weights: FloatArray,
    start: IntArray,
    base: FloatArray,
    owner: IntArray,
    position: FloatArray,
    lean: FloatArray,
    cost: FloatArray,
    choice: IntArray,
    taken: BoolArray,
) -> None:
    """Fill `owner`, see `grow_places`; the rest is as it shall be before the first place.

    `order` sorts the points along axis 0, `along` are their coordinates there in that order. `lean` holds the
    steps at each place, `choice` the best point of each that is not known, and `cost` how far it is off.
    """
    height, width = pattern.shape
    new, i, j = start[0], start[1], start[2]
    for k in range(4):
        lean[i, j, k] = base[k]
    while True:
        owner[i, j], taken[new] = new, True
        position[i, j, 0], position[i, j, 1] = points[new, 0], points[new, 1]
        best, next_i, next_j = _FAR, -1, -1
        for a in range(height):
            for b in range(width):
                if not pattern[a, b] or owner[a, b] >= 0:
                    continue
                # A prediction changes with a new place within reach, a choice where another took the point.
                d0, d1 = float(a - i), float(b - j)
                if d0 * d0 + d1 * d1 <= (REACH * distance) ** 2 or choice[a, b] == new:
                    support, at0, at1 = _predict(a, b, offsets, weights, owner, position, lean)
                    l0, l1, l2, l3 = lean[a, b, 0], lean[a, b, 1], lean[a, b, 2], lean[a, b, 3]
                    det = l0 * l3 - l1 * l2
                    cost[a, b], choice[a, b] = _FAR, -1
                    if support > 0 and abs(det) > 1e-9:
                        reach = TOLERANCE * distance * (abs(l0) + abs(l1))
                        first, end = 0, len(along)
                        while first < end:
                            middle = (first + end) // 2
                            if along[middle] < at0 - reach:
                                first = middle + 1
                            else:
                                end = middle
                        nearest = TOLERANCE
                        for n in range(first, len(along)):
                            e0 = along[n] - at0
                            if e0 > reach:
                                break
                            m = order[n]
                            if taken[m]:
                                continue
                            e1 = points[m, 1] - at1
                            u, v = (l3 * e0 - l1 * e1) / det, (l0 * e1 - l2 * e0) / det
                            off = np.sqrt(u * u + v * v) / distance
                            if off < nearest:
                                nearest, choice[a, b] = off, m
                                cost[a, b] = off + LATE * FEW / (FEW + support)
                if cost[a, b] < best:
                    best, next_i, next_j = cost[a, b], a, b
        if next_i < 0:
            return
        i, j = next_i, next_j
        new = choice[i, j]

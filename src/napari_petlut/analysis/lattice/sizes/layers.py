"""Layers of spots: what a map shows at coarse and fine scales, and the size of array that each suggests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_petlut.analysis.lattice.numbering.growing import EMPTY, grow_grid
from napari_petlut.analysis.lattice.numbering.matching import first_steps
from napari_petlut.analysis.lattice.proposing.even_counts import spread_counts
from napari_petlut.analysis.lattice.seeing.preparing import PreparedMap
from napari_petlut.analysis.lattice.seeing.spots import find_significant_spots
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.neighbours import nearest_distances
from napari_petlut.model import FloatArray, IntArray

CRYSTALS_PER_SIDE = (2.2, 3.1, 4.4, 6.2, 8.8, 12.5, 17.5, 25.0, 35.0)
"""Pitches that spots are looked for at, as crystals along the support's side. A factor of the square root of
two apart: the Laplacian finds spots over about a factor of two."""
LEAST_PITCH = 5.0
"""Finest pitch in pixels: below it the Laplacian is narrower than a pixel."""
SIGNIFICANCE = 4.5
"""Least response of a spot in standard deviations of Poisson noise. A 512 x 512 map has some 10,000
independent places at the finest scale; noise alone passes this at 0.03 of them."""
LONGEST = 48
"""Longest side that is looked for."""
FULL_LINE = 0.4
"""A line counts when it has this share of the spots of a full line."""
ENOUGH = 0.95
"""A grid that fits its spots this well need not be grown from another spot."""
MIDDLE = 0.15
"""Share of the square at each side that the pitch is not taken from: crowded outer lines lie there."""
SEEDS = 3
"""Growth is tried from this many spots next to the middle."""


@dataclass(frozen=True, eq=False)
class Layer:
    """The spots of one scale and the grid that they form.

    Parameters
    ----------
    spots : ndarray of float64, shape (n, 2)
        In pixels of the prepared map.
    significance : ndarray of float64, shape (n,)
        In standard deviations of Poisson noise.
    owner : ndarray of int64, shape (rows, cols)
        Spot at each node of the grown grid, negative where there is none.
    share : float
        How well spots and grid fit each other, 0 to 1.
    weight : float
        Significance held by the grid: what the layer's word is worth.
    suggested : tuple of float
        Rows and columns that the whole block would have at the pitch of its middle.
    """

    spots: FloatArray
    significance: FloatArray
    owner: IntArray
    share: float
    weight: float
    suggested: tuple[float, float]


def spot_layers(ready: PreparedMap, scales: Sequence[float] = CRYSTALS_PER_SIDE) -> list[Layer]:
    """Return the layers of a map in which the spots form a grid, the weightiest first.

    Parameters
    ----------
    ready : PreparedMap
        Prepared for so few crystals that its support holds the whole block.
    scales : sequence of float
        Crystals along the support's side.
    """
    side = float(np.sqrt(max(ready.support.sum(), 1)))
    found = []
    for scale in scales:
        pitch = side / scale
        if pitch >= LEAST_PITCH:
            layer = _layer(ready, pitch)
            if layer is not None:
                found.append(layer)
    return sorted(found, key=lambda layer: -layer.weight)


def _layer(ready: PreparedMap, pitch: float) -> Layer | None:
    spots, significance = find_significant_spots(ready.counts, ready.support, pitch, SIGNIFICANCE)
    grown = _grow_layer(spots)
    if grown is None:
        return None
    owner, share = grown
    held = significance[owner[owner >= 0]]
    shape = BlockGeometry(max(owner.shape[0], 2), max(owner.shape[1], 2))
    places = spread_counts(ready, shape, pitch, spots).places
    suggested = tuple(
        1 / _middle_step(places[:, axis] / n, owner, axis) for axis, n in enumerate(shape.shape)
    )
    weight = float(held.sum() * np.sqrt(share * len(held)))
    return Layer(spots, significance, owner, share, weight, (suggested[0], suggested[1]))


def _middle_step(place: FloatArray, owner: IntArray, axis: int) -> float:
    """Return the median step from node to node along an axis, in sides of the even square."""
    nodes = np.moveaxis(owner, axis, 0)
    real = (nodes[1:] >= 0) & (nodes[:-1] >= 0)
    first, last = place[nodes[:-1][real]], place[nodes[1:][real]]
    middle = (first + last) / 2
    inside = (middle > MIDDLE) & (middle < 1 - MIDDLE)
    step = (last - first)[inside] if inside.any() else last - first
    return max(float(np.median(step)) if len(step) else 1.0, 1.0 / LONGEST)


def _grow_layer(spots: FloatArray) -> tuple[IntArray, float] | None:
    """Grow a grid over spots; return the spot at each of its nodes, and how well both fit each other."""
    if len(spots) < 4:
        return None
    pitch = float(np.median(nearest_distances(spots)))
    scaled = spots / max(pitch, 1e-9)
    tree = cKDTree(scaled)
    order = np.argsort(((scaled - np.median(scaled, axis=0)) ** 2).sum(1), kind="stable")
    side = 2 * min(LONGEST, len(spots)) + 1
    best: tuple[IntArray, float] | None = None
    for seed in order[:SEEDS]:
        base = first_steps(scaled, tree, int(seed))
        if base is None:
            continue
        owner, _ = grow_grid(scaled, int(seed), base, side, side)
        rows, cols = (_lines((owner >= 0).sum(axis=1 - axis)) for axis in (0, 1))
        cut = owner[rows, cols]
        # Both must hold: the nodes have spots, and the spots have nodes.
        share = float((cut >= 0).mean() * (owner >= 0).sum() / len(spots))
        if best is None or share > best[1]:
            best = np.where(cut >= 0, cut, EMPTY), share
        if share >= ENOUGH:
            break
    return best


def _lines(number: IntArray) -> slice:
    """Return the lines from the first to the last that holds enough spots."""
    full = np.flatnonzero(number >= FULL_LINE * np.percentile(number[number > 0], 80))
    return slice(int(full[0]), int(full[-1]) + 1)

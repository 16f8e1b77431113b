"""How many rows and columns a flood map has, when nobody says or somebody is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.lattice.fitting.contest import Hypothesis
from napari_petlut.analysis.lattice.grids import folded_cells
from napari_petlut.analysis.lattice.numbering.matching import STRAY, WEAKEST, best_match
from napari_petlut.analysis.lattice.seeing.frame import continued, cut_sides
from napari_petlut.analysis.lattice.seeing.preparing import prepare_map
from napari_petlut.analysis.lattice.seeing.repeated import repeated_pixels
from napari_petlut.analysis.lattice.seeing.scene import Scene
from napari_petlut.analysis.lattice.sizes.evidence import (
    SUGGESTION_BIAS,
    fill_widest_gap,
    layer_grid,
    log_plausibility,
    own_scale_spots,
    quick_lattice,
    shares,
    size_confidence,
    size_features,
)
from napari_petlut.analysis.lattice.sizes.layers import CRYSTALS_PER_SIDE, LONGEST, Layer, spot_layers
from napari_petlut.errors import GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

FIRST_GUESS = BlockGeometry(3, 3)
"""What a map is prepared for before anything is known: gaps between a few large spots are closed."""
SIZE_STARTS = 4
"""Sizes that layers suggest from which a better one is looked for."""
WEIGHTY = 0.25
"""Layers with a smaller share of the weightiest one's weight suggest nothing."""
RIVAL = 6.0
"""A start whose plausibility is less than e to the minus this of the best one's is not improved."""
HINTS = 3
"""So many of the weightiest layers lend their grids as a start."""
CLIMBS = 2
"""Of these starts so many are improved by a row or a column at a time."""
MAX_STEPS, QUICK_STEPS = 4, 1
"""Most times that a start is improved; fewer where a person told a size."""
GOOD_SHARE = 0.6
"""Layers whose spots and grid fit each other at least this well are tried for a complete grid."""
WORTH_SAYING = 0.02
"""Proposals less likely than this are left out."""
SETTLED_SIZE = 0.9
"""A first proposal less likely than this is called open, and every crystal of its lattice is suspect."""
RUNNERS_UP = 3
"""Other sizes that are named where it is open."""
TOLD = float(np.log(10))
"""A person who tells the size is right ten times more often than wrong by a line."""
CONTRADICTED = 0.75
"""A size that was told is contradicted when another is at least this likely all the same."""
FAR_FINER = 1.4
"""Spots are far smaller than asked for when so many more fit along a side."""
Shape = tuple[int, int]


@dataclass(frozen=True)
class GeometryProposal:
    """One possible size of the crystal array.

    Parameters
    ----------
    geometry : BlockGeometry
    confidence : float
        How sure it is, 0 to 1.
    reason : str
        What speaks for it, in words.
    score : float
        Objective of the best lattice that was found for it, smaller is better; NaN where none was fitted.
    """

    geometry: BlockGeometry
    confidence: float
    reason: str
    score: float = float("nan")


@dataclass(eq=False)
class Comparison:
    """Sizes of the array that are compared for one map.

    Parameters
    ----------
    scene : Scene
        The same one for all sizes; every size has spots of its own scale.
    layers : sequence of Layer
    grids : sequence of BlockGeometry
        Sizes of which the spots of a layer form a complete grid, one of each such layer.
    shift : ndarray of float64, shape (2,)
        From pixels of the layers to pixels of the prepared map.
    waves : bool
        See `quick_lattice`.
    """

    scene: Scene
    layers: Sequence[Layer]
    grids: Sequence[BlockGeometry]
    shift: FloatArray
    waves: bool = False
    known: dict[Shape, tuple[FloatArray, Hypothesis] | None] = field(default_factory=dict)

    def plausibility(self, shape: Shape) -> float:
        """Return the logarithm of how plausible a size is against the others."""
        agreed = AGREED_VALUE if self.agreed is not None and shape == self.agreed.shape else 0.0
        return agreed + self._plausibility_of_lattice(shape)

    def _plausibility_of_lattice(self, shape: Shape) -> float:
        if shape not in self.known:
            geometry = BlockGeometry(*shape)
            spots = own_scale_spots(self.scene.ready, geometry)
            lattice = quick_lattice(self.scene, geometry, self._hints(shape), spots, waves=self.waves)
            self.known[shape] = (
                None
                if lattice is None
                else (size_features(self.layers, self.complete, lattice, spots), lattice)
            )
        found = self.known[shape]
        return -np.inf if found is None else log_plausibility(found[0])

    @property
    def complete(self) -> BlockGeometry | None:
        """The largest size of which the spots of a layer form a complete grid."""
        return max(self.grids, key=len, default=None)

    @property
    def agreed(self) -> BlockGeometry | None:
        """The size of which the spots of several layers form a complete grid, if no layer shows another."""
        one = len(self.grids) >= AGREED_SCALES and len(set(self.grids)) == 1
        return self.grids[0] if one and len(self.grids[0]) >= NO_CHANCE else None

    def _hints(self, shape: Shape) -> list[FloatArray]:
        """Return the grids of layers, and lattices with one line less whose widest gap is filled."""
        size = BlockGeometry(*shape)
        grown = [layer_grid(layer, size) for layer in self.layers[:HINTS]]
        smaller = ((shape[0] - 1, shape[1]), (shape[0], shape[1] - 1))
        known = [(self.known.get(s), axis) for axis, s in enumerate(smaller)]
        filled = [fill_widest_gap(found[1].grid, axis) for found, axis in known if found is not None]
        return [grid + self.shift for grid in grown if grid is not None] + [
            g for g in filled if g is not None
        ]

    def values(self, shape: Shape) -> FloatArray:
        """Return the features of a size that was fitted."""
        found = self.known[shape]
        assert found is not None
        return found[0]

    def score(self, shape: Shape) -> float:
        """Return the objective of the lattice of a size that was fitted."""
        found = self.known[shape]
        return float("nan") if found is None else found[1].score

    def climb(self, here: Shape, most: int) -> Shape:
        """Walk by a row or a column at a time to a size that no neighbour betters."""
        for _ in range(most):
            best = max(neighbours(here), key=self.plausibility)
            if self.plausibility(best) <= self.plausibility(here):
                break
            here = best
        return here


def neighbours(shape: Shape) -> list[Shape]:
    """Return the sizes with a row or a column more or less."""
    around = [(shape[0] + d0, shape[1] + d1) for d0, d1 in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    return [s for s in around if min(s) >= 2 and max(s) <= LONGEST]


def compare(counts: FloatArray, also: Sequence[Shape] = (), *, quick: bool = False) -> Comparison | None:
    """Compare the sizes that a map suggests, and those given; None where no grid of spots is seen.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
    also : sequence of (int, int)
        Sizes to look at in any case.
    quick : bool
        Whether fewer sizes are looked at, and their lattices without the waves of the lines.

    Returns
    -------
    Comparison or None
    """
    rough = prepare_map(counts, FIRST_GUESS)
    layers = spot_layers(rough)
    if not layers:
        return None
    grids = complete_grids(layers)
    whole = [max(grids, key=len).shape] if grids else []
    weighty = [layer for layer in layers if layer.weight >= WEIGHTY * layers[0].weight]
    starts = list(dict.fromkeys([*also, *whole, *(nearest_size(layer.suggested) for layer in weighty)]))
    starts = starts[: SIZE_STARTS + len(also)]
    ready = prepare_map(counts, BlockGeometry(*max(starts, key=lambda s: s[0] * s[1])))
    scene = Scene(ready, np.empty((0, 2)), np.empty(0))
    comparison = Comparison(scene, layers, grids, rough.origin - ready.origin, waves=not quick)
    # Small ones first: their gaps are hints for those with a line more.
    starts.sort()
    starts.sort(key=comparison.plausibility, reverse=True)
    best = comparison.plausibility(comparison.climb(starts[0], QUICK_STEPS if quick else MAX_STEPS))
    for start in starts[1 : 1 if quick else CLIMBS]:
        if comparison.plausibility(start) > best - RIVAL:
            comparison.climb(start, MAX_STEPS)
    return comparison


def nearest_size(suggested: tuple[float, float]) -> Shape:
    """Return the size of an array next to a suggestion."""
    constant, slope = SUGGESTION_BIAS
    rows, cols = (int(np.clip(round((n + constant) / (1 - slope)), 2, LONGEST)) for n in suggested)
    return rows, cols


AGREED_SCALES, AGREED_VALUE, AGREED_SURENESS = 2, 12.0, 0.98
"""Where the spots of so many scales form a complete grid of one size, and of no other, that is the size: of
200 simulated blocks of all levels 52 had such grids, and all were right. No lattice outweighs it."""
ALIKE = 1.6
"""Largest ratio of the shape of a complete grid to the one that the counts suggest."""
NO_CHANCE = 12
"""Crystals from which a complete grid is no chance: the few largest spots of a map may lie in one."""


def complete_grids(layers: Sequence[Layer]) -> list[BlockGeometry]:
    """Return the sizes of which the spots of layers form a complete grid, one of each such layer."""
    return [size for layer in layers for size in [_complete(layer)] if size is not None]


def _complete(layer: Layer) -> BlockGeometry | None:
    """Return the size of which the spots of one layer form a complete grid; None if of none."""
    n = len(layer.spots)
    if layer.share < GOOD_SHARE:
        return None
    around = [range(max(2, int(x)), int(x) + 3) for x in layer.suggested]
    sizes = {(r, c) for r in around[0] for c in around[1]}
    # Bright or faint edges mislead the counts, which suggest the size, but not a grid that is complete.
    shape = layer.suggested[0] / max(layer.suggested[1], 1e-9)
    if n >= NO_CHANCE:
        sizes |= {(r, n // r) for r in range(2, n // 2 + 1) if 1 / ALIKE < r * r / (n * shape) < ALIKE}
    sizes = {(r, c) for r, c in sizes if min(r, c) >= 2 and r * c <= n <= (1 + STRAY) * r * c}
    for size in sorted(sizes, reverse=True):
        match = best_match(layer.spots, BlockGeometry(*size))
        if match is None or match.outside or (match.owner < 0).any() or folded_cells(match.grid).any():
            continue
        used = layer.significance[match.owner.ravel()]
        if used.min() > WEAKEST * np.median(used):
            return BlockGeometry(*size)
    return None


def propose_geometry(counts: npt.ArrayLike) -> list[GeometryProposal]:
    """Propose the number of rows and columns of a flood map, most likely first.

    Spots that Poisson noise would not make are looked for at coarse and fine scales, and joined to grids.
    Their pitch in the middle of the block, where the counts are spread evenly, suggests how many lines the
    whole block has, merged outer ones included. Quick lattices of these sizes, and of sizes with a row or a
    column more or less, are fitted and compared.

    Parameters
    ----------
    counts : array_like of float, shape (n0, n1)

    Returns
    -------
    list of GeometryProposal
        Never empty. Where the first is not sure, its reason names the runners-up.

    Raises
    ------
    GeometryError
        If no grid is seen in the map.
    """
    array = np.asarray(counts, dtype=np.float64)
    repeats = repeated_pixels(array)
    single = np.ascontiguousarray(array[:: repeats[0], :: repeats[1]])
    comparison = compare(continued(single, cut_sides(single)))
    ranked = [] if comparison is None else proposals(comparison)
    if not ranked:
        raise GeometryError("no grid of spots is seen in this map; give rows and cols")
    return ranked


def proposals(comparison: Comparison, told: BlockGeometry | None = None) -> list[GeometryProposal]:
    """Return the sizes that were compared, most likely first; a size that a person told counts for more."""
    sizes = [s for s, found in comparison.known.items() if found is not None]
    if not sizes:
        return []
    value = np.array([comparison.plausibility(s) for s in sizes])
    if told is not None:
        value += TOLD * np.array([s == told.shape for s in sizes])
    first, share = shares(value)
    sure = size_confidence(comparison.values(sizes[first]), share[first])
    if comparison.agreed is not None and sizes[first] == comparison.agreed.shape:
        sure = max(sure, AGREED_SURENESS)
    others = (1 - sure) * share / max(1 - share[first], 1e-12)
    chance = np.where(np.arange(len(sizes)) == first, sure, np.minimum(others, sure))
    order = [first, *(int(k) for k in np.argsort(-value, kind="stable") if k != first)]
    ranked = [(BlockGeometry(*sizes[k]), float(chance[k])) for k in order]
    ranked = [r for k, r in enumerate(ranked) if k == 0 or r[1] >= WORTH_SAYING]
    return [
        GeometryProposal(size, p, _reason(ranked, k, comparison), comparison.score(size.shape))
        for k, (size, p) in enumerate(ranked)
    ]


def _reason(ranked: Sequence[tuple[BlockGeometry, float]], place: int, comparison: Comparison) -> str:
    """Return in words what speaks for a size, and for the first whether others are as good."""
    size, sure = ranked[place]
    if place:
        return f"a lattice of {size} explains the map, but less well than one of {ranked[0][0]}"
    if size == comparison.complete:
        reason = f"the spots form a complete grid of {size}"
    else:
        reason = f"a lattice of {size} explains the map best"
    if sure >= SETTLED_SIZE:
        return reason
    return f"{reason}, but it is open ({sure:.0%}){_others(ranked[1:])}"


def _others(ranked: Sequence[tuple[BlockGeometry, float]]) -> str:
    """Return the runners-up in words."""
    named = ", ".join(f"{size} ({chance:.0%})" for size, chance in ranked[:RUNNERS_UP])
    return f": it could also be {named}" if named else ""


def second_thoughts(counts: npt.ArrayLike, told: BlockGeometry, *, doubted: bool = False) -> list[str]:
    """Return what a map says against the number of rows and columns that a person told; empty if nothing.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
    told : BlockGeometry
    doubted : bool
        Whether the lattice of that size speaks against it, so that the next likely size is worth naming.
    """
    comparison = compare(np.asarray(counts, dtype=np.float64), also=[told.shape], quick=True)
    ranked = [] if comparison is None else proposals(comparison, told)
    if not ranked:
        return []
    first = ranked[0]
    if first.geometry == told:
        others = [p.geometry for p in ranked[1:]]
        return [f"if it is not {told}, the map looks most like {others[0]}"] if doubted and others else []
    if first.confidence >= CONTRADICTED:
        return [f"the map looks like {first.geometry} rather than {told}"]
    likely = [(p.geometry, p.confidence) for p in ranked]
    return [f"are rows and columns right? {told} is not the likeliest{_others(likely)}"]


def finer_doubts(counts: npt.ArrayLike, told: BlockGeometry) -> list[str]:
    """Return what far smaller spots than were asked for say against the number of rows and columns.

    The search for few large crystals smooths them away before they can be counted.
    """
    scales = [s for s in CRYSTALS_PER_SIDE if s > FAR_FINER * np.sqrt(len(told))]
    layers = spot_layers(prepare_map(np.asarray(counts, dtype=np.float64), FIRST_GUESS), scales)
    found = max(complete_grids(layers), key=len, default=None)
    if found is not None and len(found) > FAR_FINER * len(told):
        return [f"the map looks like {found} rather than {told}"]
    many = [layer for layer in layers[:1] if len(layer.spots) > FAR_FINER**2 * len(told)]
    return second_thoughts(counts, told, doubted=True) if many and many[0].share >= GOOD_SHARE else []

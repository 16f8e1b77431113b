"""Whether an array that is no rectangle lies in the map as it was told, or mirrored or turned."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.searching.starting import judge_places
from napari_petlut.analysis.lattice.wishes import Wishes
from napari_petlut.geometry import BlockGeometry

BETTER = 0.1
"""Gain of the objective from which the array lies otherwise: that of a shift by one place is larger."""
ORIENTATION_FITS = 8
"""Lattices that are fitted for each way the array may lie."""


def orientation_doubts(contest: Contest, best: Hypothesis) -> list[str]:
    """Return in words how the array rather lies, if the map says that it is mirrored or turned."""
    found: list[tuple[float, str]] = []
    for geometry, words in other_ways(contest.geometry):
        other = Contest(contest.scene, Wishes(geometry), contest.budget.apart(ORIENTATION_FITS))
        judge_places(other)
        if other.pool:
            found.append((other.best.score, words))
    score, words = min(found, default=(best.score, ""))
    if score > best.score - BETTER:
        return []
    return [f"the map looks like the array {words}: turn its table, or exchange or flip the axes of the map"]


def other_ways(geometry: BlockGeometry) -> Iterator[tuple[BlockGeometry, str]]:
    """Yield the array mirrored and turned, with words, as far as that puts crystals at other places."""
    seen = [geometry.present]
    for transpose, flip_0, flip_1 in product((False, True), repeat=3):
        turned = geometry.turned(flip_0, flip_1, transpose)
        if any(p.shape == turned.present.shape and (p == turned.present).all() for p in seen):
            continue
        seen.append(turned.present)
        parts = (
            ["transposed"] * transpose + ["flipped along axis 0"] * flip_0 + ["flipped along axis 1"] * flip_1
        )
        yield turned, " and ".join(parts)

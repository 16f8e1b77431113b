"""How the lattices that compete for a map contradict the best one: where, how far, and how nearly as good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_petlut.analysis.lattice.fitting.contest import SAME, Hypothesis
from napari_petlut.analysis.lattice.grids import BoolArray, nearest_spacing, node_distance
from napari_petlut.model import FloatArray

GAP_SCALE = 0.1
"""A competitor whose objective is worse by this much counts 1 / e of an equal one."""
LARGEST_GAP = 8 * GAP_SCALE
"""Competitors that are worse by more than this say nothing."""
GLOBAL_SHARE = 0.03
"""A competitor that moves more than this share of the crystals questions the whole block."""
WHOLE_BLOCK = 0.3
"""A competitor that moves more than this share of the crystals is a doubt about all of them."""
SPREAD_SCALE, SHARP_SCALE, FURTHEST_GAP = 0.05, 0.03, 0.3
"""The same scale for how far competitors scatter a crystal and how far one moves it, and the gap from which
competitors are too much worse to count."""


@dataclass(frozen=True, eq=False)
class Contradiction:
    """The competitors of a lattice and what each of them moves, the best lattice itself among them.

    Parameters
    ----------
    gap : ndarray of float64, shape (n,)
        How much worse each is in the objective, 0 at least.
    moved : ndarray of bool, shape (n, rows, cols)
        Crystals that are elsewhere.
    distance : ndarray of float64, shape (n, rows, cols)
        How far they are away, in spacings to the nearest neighbour, one at most.
    """

    gap: FloatArray
    moved: BoolArray
    distance: FloatArray

    @classmethod
    def of(cls, pool: Sequence[Hypothesis], best: Hypothesis) -> Contradiction:
        """Hold the competitors that are not too much worse against the best lattice."""
        near = [h for h in pool if h.score <= best.score + LARGEST_GAP]
        shape = best.grid.shape[:2]
        if not near:
            return cls(np.zeros(0), np.zeros((0, *shape), bool), np.zeros((0, *shape)))
        spacing = np.maximum(nearest_spacing(best.grid), 1e-9)
        grids = np.stack([h.grid for h in near])
        gap = np.array([max(h.score - best.score, 0.0) for h in near])
        distance = np.minimum(np.linalg.norm(grids - best.grid, axis=-1) / spacing, 1.0)
        return cls(gap, node_distance(grids, best.grid) > SAME, distance)

    @property
    def share(self) -> FloatArray:
        """Share of the crystals that each competitor moves, shape (n,)."""
        return np.asarray(self.moved.mean(axis=(1, 2)))

    def rivalry(self) -> tuple[FloatArray, float]:
        """Return how strongly competitors contradict each crystal, and how strongly one the block."""
        weight = np.exp(-self.gap / GAP_SCALE)
        crystal = (weight[:, None, None] * self.moved).max(axis=0, initial=0.0)
        block = weight[self.share > GLOBAL_SHARE].max(initial=0.0)
        return np.asarray(crystal), float(block)

    def scatter(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return how far competitors scatter each crystal, move it, and whether one of the whole block does.

        Near competitors count more.

        Returns
        -------
        scattered, furthest, whole : ndarray of float64, shape (rows, cols)
            From 0 to 1.
        """
        near = self.gap <= FURTHEST_GAP
        gap, distance = self.gap[near, None, None], self.distance[near]
        weight = np.exp(-gap / SPREAD_SCALE)
        squares = (weight * distance**2).sum(axis=0) / max(float(weight.sum()), 1e-9)
        furthest = (np.exp(-gap / SHARP_SCALE) * distance).max(axis=0, initial=0.0)
        of_all = (self.share[near] > WHOLE_BLOCK)[:, None, None] & self.moved[near]
        return np.sqrt(squares), np.asarray(furthest), (weight * of_all).max(axis=0, initial=0.0)

    def disagreement(self, furthest: float) -> FloatArray:
        """Return the share of the competitors within a gap that have each crystal elsewhere, (rows, cols)."""
        near = self.moved[self.gap < furthest]
        return near.mean(axis=0) if len(near) else np.zeros(self.moved.shape[1:])

    def closest(self) -> FloatArray:
        """Return the gap of the best competitor that has each crystal elsewhere, shape (rows, cols)."""
        gap = np.where(self.moved, self.gap[:, None, None], LARGEST_GAP)
        return np.asarray(gap.min(axis=0, initial=LARGEST_GAP))

    def closest_of_block(self, share: float) -> float:
        """Return the gap of the best competitor that moves more than a share of the crystals."""
        return float(self.gap[self.share > share].min(initial=LARGEST_GAP))

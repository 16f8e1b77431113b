"""What is seen of a flood map before any lattice is tried: the map made ready, its pitch, its spots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_petlut.analysis.lattice.grids import cell_areas
from napari_petlut.analysis.lattice.seeing.binned import BinnedMap
from napari_petlut.analysis.lattice.seeing.index_space import IndexSpace, RectifiedMap
from napari_petlut.analysis.lattice.seeing.preparing import PreparedMap, prepare_map
from napari_petlut.analysis.lattice.seeing.spots import PIXELS_PER_PITCH, find_spots
from napari_petlut.analysis.lattice.seeing.squaring import Factors, squaring_factors
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import bin_map, to_bins
from napari_petlut.model import FloatArray

RANKING_BINS = 6.5
"""Bins per pitch of the maps on which hypotheses are compared, the same for all of a map: one that chose its
own would be judged by another noise. No command that is kept measures the value."""
BRIGHTNESS_BLUR = 0.2
"""Width of the blur, in pitches, under which the brightness at a crystal is read."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What is seen of a flood map.

    Parameters
    ----------
    ready : PreparedMap
        The map binned until both pitches are alike, cleaned and cut to the block.
    spots : ndarray of float64, shape (n, 2)
        In pixels of the prepared map, strongest first.
    strength : ndarray of float64, shape (n,)
        Of each spot, 1 for the strong ones of the map.
    factors : tuple of int
        Pixels of the flood map per pixel of the prepared map along each axis.
    """

    ready: PreparedMap
    spots: FloatArray
    strength: FloatArray
    factors: Factors = (1, 1)

    @cached_property
    def binned(self) -> BinnedMap:
        """The map that lattices are compared on."""
        return BinnedMap.from_counts(self.ready.counts, self.ready.pitch, RANKING_BINS)

    @cached_property
    def blurred(self) -> FloatArray:
        """The map that lattices are compared on, blurred so that brightness can be read off, (m0, m1)."""
        return gaussian_filter(self.binned.counts, BRIGHTNESS_BLUR * self.binned.pitch)

    @cached_property
    def _small(self) -> tuple[FloatArray, int]:
        factor = max(1, int(self.ready.pitch / PIXELS_PER_PITCH))
        return bin_map(self.ready.counts, factor), factor

    def brightness(self, grid: FloatArray) -> FloatArray:
        """Return the counts that each crystal's cell would hold if it were as bright as its centre."""
        bins = self.binned.to_bins(grid)
        seen = map_coordinates(self.blurred, np.moveaxis(bins, -1, 0), order=1, mode="constant")
        return np.asarray(seen * cell_areas(bins))

    def along(self, grid: FloatArray) -> tuple[IndexSpace, RectifiedMap]:
        """Return a lattice as a coordinate system, and the map rectified along it."""
        space = IndexSpace(grid)
        return space, RectifiedMap.from_counts(space.image(*self._small))

    def to_scene(self, positions: FloatArray) -> FloatArray:
        """Convert positions (..., 2) from pixels of the flood map to pixels of the prepared map."""
        return to_bins(positions, self.factors) - self.ready.origin


def look_at(counts: FloatArray, geometry: BlockGeometry) -> Scene:
    """Make a flood map ready and find its spots.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
    geometry : BlockGeometry
    """
    factors = squaring_factors(counts, geometry)
    ready = prepare_map(bin_map(counts, factors), geometry)
    spots, strength = find_spots(ready.counts, ready.support, ready.pitch)
    return Scene(ready, spots, strength, factors)

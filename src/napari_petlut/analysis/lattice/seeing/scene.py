"""What is seen of a flood map before any lattice is tried: the map made ready, its pitch, its spots."""

from __future__ import annotations

from dataclasses import dataclass

from napari_petlut.analysis.lattice.seeing.preparing import PreparedMap, prepare_map
from napari_petlut.analysis.lattice.seeing.spots import find_spots
from napari_petlut.analysis.lattice.seeing.squaring import Factors, squaring_factors
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import bin_map, to_bins
from napari_petlut.model import FloatArray


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

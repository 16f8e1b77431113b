"""A rough lattice of any map: its counts spread evenly over the crystals."""

from __future__ import annotations

import numpy as np

from napari_petlut.analysis.lattice.fitting.contest import Contest
from napari_petlut.analysis.lattice.numbering.spreading import Spreading, spread_spots
from napari_petlut.analysis.lattice.seeing.preparing import PreparedMap
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import bin_map, to_pixels
from napari_petlut.model import FloatArray

COARSE_CELLS = 4
"""Cells per pitch of the map of counts that is spread evenly; the transport itself has fewer."""
FINE_CELLS = 6
"""Cells per pitch of the map of counts that is spread evenly."""


def spread_evenly(contest: Contest) -> FloatArray:
    """Return the rough lattice that spreads the counts evenly."""
    return spread_counts(
        contest.scene.ready, contest.geometry, contest.scene.ready.pitch, cells=FINE_CELLS
    ).grid


def spread_counts(
    ready: PreparedMap,
    geometry: BlockGeometry,
    pitch: float,
    spots: FloatArray | None = None,
    cells: int = COARSE_CELLS,
) -> Spreading:
    """Spread the counts of a map evenly; where spots are given, only they are placed.

    Parameters
    ----------
    ready : PreparedMap
    geometry : BlockGeometry
    pitch : float
        Working pitch in pixels.
    spots : ndarray of float64, shape (n, 2), optional
        In pixels of the prepared map.
    cells : int
        Per pitch, into which the counts are binned.
    """
    step = max(1, int(pitch / cells))
    mass = bin_map(np.where(ready.support, ready.counts, 0.0), step)
    place = np.argwhere(mass > 0)
    centre, weight = to_pixels(place.astype(np.float64), step), mass[tuple(place.T)]
    spread = spread_spots(
        np.concatenate([centre, np.empty((0, 2)) if spots is None else spots]),
        np.concatenate([weight, np.zeros(0 if spots is None else len(spots))]),
        geometry,
    )
    return Spreading(spread.grid, spread.places[len(centre) :])

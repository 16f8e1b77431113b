"""Find the lattice of a flood map: every crystal, its number, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.lattice.numbering import number_peaks
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.prepare import prepare_map
from napari_petlut.analysis.lattice.spots import find_spots
from napari_petlut.errors import Cancelled, GeometryError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Lattice, PeakStatus


def find_lattice(
    counts: npt.ArrayLike,
    geometry: BlockGeometry | None,
    params: LatticeParameters = LatticeParameters(),
    *,
    fixed: Mapping[int, tuple[float, float]] | None = None,
    prior: npt.NDArray[np.float64] | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Lattice:
    """Find and number every crystal of a flood map."""
    counts = np.asarray(counts, dtype=np.float64)
    if geometry is None:
        raise GeometryError("the number of rows and columns is needed")
    if cancelled is not None and cancelled():
        raise Cancelled("lattice search cancelled")
    ready = prepare_map(counts, geometry)
    points, _ = find_spots(ready.counts, ready.support, ready.pitch)
    lattice = number_peaks(points + ready.origin, geometry)
    if fixed:
        positions, status = lattice.positions.copy(), lattice.status.copy()
        for crystal, place in fixed.items():
            positions[crystal], status[crystal] = place, PeakStatus.MANUAL
        lattice = replace(lattice, positions=positions, status=status)
    if progress is not None:
        progress(1.0)
    return lattice

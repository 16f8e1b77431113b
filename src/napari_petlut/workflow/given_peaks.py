"""Peaks of somebody else as the lattice of a block: numbered and doubted as if they had been found."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.lattice import number_peaks, propose_geometry
from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.formats.peaks import read_points
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, FloodMap, Lattice, Peaks, PeakStatus

PeakSource = str | os.PathLike[str] | Peaks | npt.NDArray[np.float64]
_MOST_OUTSIDE = 0.05
_CLEARLY_BRIGHTER = 1.3
_NEARBY = 0.75
"""Of the typical distance of neighbours."""
_OFF_ITS_LINES = 0.6


def load_peaks(source: PeakSource, *, exchanged: bool = False) -> Peaks:
    """Return peaks from a file or an array.

    Parameters
    ----------
    source : path, Peaks or ndarray of shape (n, 2)
        A peak table, or any table as text with two columns of positions; or positions as (axis 0, axis 1).
    exchanged : bool
        Exchange the two positions of each peak.

    Raises
    ------
    FormatError
        If the file cannot be read.
    ParameterError
        If the array does not hold pairs of finite numbers.
    """
    if isinstance(source, Peaks):
        peaks = source
    elif isinstance(source, np.ndarray):
        if source.ndim != 2 or source.shape[1] != 2 or not np.isfinite(source).all():
            raise ParameterError(f"peaks are an array of shape (n, 2) of finite numbers, not {source.shape}")
        peaks = Peaks(source)
    else:
        peaks = read_points(source)
    return replace(peaks, positions=peaks.positions[:, ::-1]) if exchanged else peaks


def lattice_of_peaks(peaks: Peaks, geometry: BlockGeometry | None, flood: FloodMap) -> Lattice:
    """Return the lattice that given peaks make, without any search.

    Peaks that number every crystal once keep their numbers; others are numbered by where they lie.

    Parameters
    ----------
    peaks : Peaks
    geometry : BlockGeometry or None
        The crystal array; proposed from the map when left out.
    flood : FloodMap
        The map that they lie on.

    Raises
    ------
    GeometryError
        If they do not form a grid, or do not lie on the map.

    Examples
    --------
    >>> points = Peaks(np.argwhere(np.ones((3, 4))) * 10.0 + 5)
    >>> lattice_of_peaks(points, BlockGeometry(3, 4), FloodMap(np.ones((30, 40)))).grid[2, 3].tolist()
    [25.0, 35.0]
    """
    _check_place(peaks.positions, flood)
    doubts: tuple[str, ...] = ()
    if geometry is None:
        proposal = propose_geometry(flood.counts)[0]
        geometry = proposal.geometry
        doubts = (f"the geometry {geometry} was proposed from the map: {proposal.reason}",)
    lattice = _as_numbered(peaks, geometry) or _with_all_peaks(number_peaks(peaks.positions, geometry))
    return replace(lattice, doubts=(*doubts, *_exchanged_doubt(lattice.positions, flood), *lattice.doubts))


def _as_numbered(peaks: Peaks, geometry: BlockGeometry) -> Lattice | None:
    """Return the lattice of peaks that number each crystal of the block once; None if they do not."""
    own = peaks.crystal >= 0
    if geometry.places is not None or not np.array_equal(
        np.sort(peaks.crystal[own]), np.arange(len(geometry))
    ):
        return None
    order = np.argsort(peaks.crystal[own])
    return Lattice(
        geometry,
        peaks.positions[own][order],
        peaks.status[own][order],
        peaks.confidence[own][order],
        ("",) * len(geometry),
        extra=peaks.positions[~own],
    )


def _with_all_peaks(lattice: Lattice) -> Lattice:
    """Give peaks that were left over to crystals that have none, where these are expected nearby.

    At bent corners the lines of the neighbours lead past a peak; a person who gives it means a crystal.
    """
    holes = np.flatnonzero(lattice.status == PeakStatus.INFERRED)
    if not len(holes) or not len(lattice.extra):
        return lattice
    distance = np.linalg.norm(lattice.positions[holes][:, None] - lattice.extra[None], axis=2)
    pitches = [np.median(np.linalg.norm(np.diff(lattice.grid, axis=axis), axis=2)) for axis in (0, 1)]
    near = _NEARBY * float(np.mean(pitches))
    from scipy.optimize import linear_sum_assignment

    hole, extra = linear_sum_assignment(np.minimum(distance, 2 * near))
    taken = distance[hole, extra] <= near
    hole, extra = holes[hole[taken]], extra[taken]
    positions, confidence, status = lattice.positions.copy(), lattice.confidence.copy(), lattice.status.copy()
    positions[hole], confidence[hole] = lattice.extra[extra], _OFF_ITS_LINES
    status[hole] = PeakStatus.SUSPECT
    reasons = list(lattice.reasons)
    for k in hole:
        reasons[k] = "its peak lies off the lines of its neighbours"
    rest = np.delete(lattice.extra, extra, axis=0)
    doubts = lattice.doubts if len(rest) else tuple(line for line in lattice.doubts if "shifted" in line)
    return replace(
        lattice,
        positions=positions,
        confidence=confidence,
        status=status,
        reasons=tuple(reasons),
        extra=rest,
        doubts=doubts,
    )


def _check_place(positions: FloatArray, flood: FloodMap) -> None:
    size = np.array(flood.shape)
    outside = ((positions < -0.5) | (positions > size - 0.5)).any(axis=1)
    if not len(positions) or outside.mean() <= _MOST_OUTSIDE:
        return
    turned = positions[:, ::-1]
    fits = (((turned < -0.5) | (turned > size - 0.5)).any(axis=1)).mean() <= _MOST_OUTSIDE
    remedy = "exchange x and y (--exchange-axes)" if fits else "give those of this map, in its pixels"
    raise GeometryError(
        f"{int(outside.sum())} of {len(positions)} peaks lie outside of the map of "
        f"{flood.shape[0]} x {flood.shape[1]} pixels; {remedy}"
    )


def _exchanged_doubt(positions: FloatArray, flood: FloodMap) -> tuple[str, ...]:
    """Return a doubt if there are clearly more counts where the peaks would be with x and y exchanged."""
    here, there = (_mean_counts(places, flood) for places in (positions, positions[:, ::-1]))
    if there <= _CLEARLY_BRIGHTER * here:
        return ()
    ratio = there / here if here > 0 else np.inf
    return (f"with x and y exchanged there are {ratio:.1f} times the counts at the peaks: --exchange-axes?",)


def _mean_counts(positions: FloatArray, flood: FloodMap) -> float:
    """Return the mean counts around places, 3 x 3 pixels each; of those on the map."""
    places = np.rint(positions).astype(np.intp)
    inside = ((places >= 1) & (places < np.array(flood.shape) - 1)).all(axis=1)
    if inside.mean() < 1 - _MOST_OUTSIDE:
        return 0.0
    near = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    rows, cols = places[inside].T
    return float(np.mean([flood.counts[rows + i, cols + j] for i, j in near]))

"""A block whose LUT comes from a file: a calibration made of it, so that it can be measured and reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_petlut.errors import GeometryError
from napari_petlut.formats._files import HeldFile, StrPath
from napari_petlut.formats.identification import Content, Hints, identify
from napari_petlut.formats.lut import read_lut
from napari_petlut.formats.lut_encoding import LUTEncoding
from napari_petlut.formats.map_kinds import map_reading
from napari_petlut.formats.peaks import read_peaks
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.cells import cell_centres
from napari_petlut.maps.grids import completed_grid
from napari_petlut.model import CrystalLUT, FloatArray, Lattice, PeakStatus, Segmentation, StatusArray
from napari_petlut.workflow.calibration import Calibration, CalibrationParameters, Inputs
from napari_petlut.workflow.sources import load_flood

METHOD = "from a file"


def calibration_of_lut(
    source: str | os.PathLike[str],
    lut: str | os.PathLike[str],
    parameters: CalibrationParameters | None = None,
    *,
    encoding: LUTEncoding | str | None = None,
    geometry: BlockGeometry | None = None,
    peaks: str | os.PathLike[str] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Calibration:
    """Return a calibration whose LUT was read instead of made.

    Parameters
    ----------
    source : path
        Raw event file, map file, or 2-D array file of the block.
    lut : path
        LUT file; if its pixels are not those of the map, each map pixel takes the id at its centre.
    parameters : CalibrationParameters, optional
        How the flood map is made of events.
    encoding : LUTEncoding or str, optional
        Of the LUT file; found out when left out.
    geometry : BlockGeometry, optional
        The crystal array; taken from the LUT when left out.
    peaks : path, optional
        Peaks CSV with positions, status and confidence; without it a peak is the centre of the counts in its
        cell, and its confidence is not known.
    progress : callable, optional
        Called with the step's name and the fraction of it that is done.

    Raises
    ------
    FormatError
        If a file cannot be used.
    GeometryError
        If no pixel of the LUT belongs to a crystal.
    """
    parameters = parameters or CalibrationParameters()
    file = identify(source, Hints(parameters.event_format, map_layout=parameters.map_layout))
    inputs = Inputs()
    inputs.add("source", file.held)
    read = read_lut(inputs.add("lut", HeldFile(lut, "a crystal LUT")), encoding, geometry).lut
    if not (read.ids >= 0).any():
        raise GeometryError(f"{lut}: no pixel belongs to a crystal; choose the LUT of this block")
    flood, used, warnings = load_flood(
        file,
        parameters.flood,
        parameters.event_format,
        map_layout=parameters.map_layout,
        progress=(lambda fraction: progress("flood map", fraction)) if progress else None,
    )
    if file.content is Content.EVENTS:
        parameters = replace(parameters, event_format=file.found.layout)
    elif file.content is Content.MAP:
        parameters = replace(parameters, map_layout=map_reading(file).layout)
    cells = read if read.shape == flood.shape else read.resampled(flood.shape)
    centres = centres_of_cells(cells, flood.counts)
    if peaks is None:
        lattice = _lattice_of_centres(centres, cells.geometry)
    else:
        lattice = _lattice_of_peaks(
            inputs.add("peaks", HeldFile(peaks, "a table of peaks")), centres, cells.geometry
        )
    drift = np.hypot(*(centres - lattice.positions).T)
    inputs.settle()
    return Calibration(
        flood=flood,
        lattice=lattice,
        segmentation=Segmentation(cells.ids, centres, drift, METHOD, np.nan, 0, 0.0),
        lut=cells,
        parameters=replace(parameters, flood=used),
        inputs=inputs.paths,
        warnings=warnings,
        source=file,
        read=inputs.held,
    )


def centres_of_cells(lut: CrystalLUT, counts: FloatArray) -> FloatArray:
    """Return the centre of the counts in each crystal's cell, shape (n, 2); NaN for crystals without counts.

    Examples
    --------
    >>> lut = CrystalLUT(np.array([[0, 0], [1, -1]]), BlockGeometry(1, 3))
    >>> centres_of_cells(lut, np.array([[1.0, 3.0], [2.0, 9.0]])).tolist()
    [[0.0, 0.75], [1.0, 0.0], [nan, nan]]
    """
    return cell_centres(lut.ids, counts, len(lut.geometry))[1]


def _lattice_of_centres(centres: FloatArray, geometry: BlockGeometry) -> Lattice:
    known = np.isfinite(centres[:, 0])
    status = np.where(known, PeakStatus.FOUND, PeakStatus.MISSING)
    return _lattice(geometry, centres, status, np.full(len(geometry), np.nan))


def _lattice_of_peaks(path: StrPath, centres: FloatArray, geometry: BlockGeometry) -> Lattice:
    """Return the lattice of a peaks CSV; a crystal that is not in it has the centre of its cell."""
    peaks = read_peaks(path)
    own = (peaks.crystal >= 0) & (peaks.crystal < len(geometry))
    ids = peaks.crystal[own]
    positions, confidence = centres.copy(), np.full(len(geometry), np.nan)
    status = np.where(np.isfinite(centres[:, 0]), PeakStatus.FOUND, PeakStatus.MISSING).astype("<U8")
    positions[ids], confidence[ids] = peaks.positions[own], peaks.confidence[own]
    status[ids] = peaks.status[own]
    return _lattice(geometry, positions, status, confidence)


def _lattice(
    geometry: BlockGeometry, positions: FloatArray, status: StatusArray, confidence: FloatArray
) -> Lattice:
    reasons = np.where(status == PeakStatus.MISSING, "no counts in its cell", "").tolist()
    return Lattice(geometry, _filled(positions, geometry), status, confidence, tuple(reasons))


def _filled(positions: FloatArray, geometry: BlockGeometry) -> FloatArray:
    """Return positions in which unknown ones are put where the lines of the others pass."""
    grid = completed_grid(positions.reshape(*geometry.shape, 2)).reshape(-1, 2)
    known = np.asarray(np.isfinite(grid).all(axis=1))
    middle = grid[known].mean(axis=0) if known.any() else np.zeros(2)
    return np.where(known[:, None], grid, middle)

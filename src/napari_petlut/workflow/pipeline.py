"""One block from start to end: `calibrate`, and `recalibrate` from a record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.energy import calibrate_energy
from napari_petlut.analysis.lattice import find_lattice
from napari_petlut.analysis.segmentation import segment
from napari_petlut.errors import FormatError, GeometryError, ParameterError
from napari_petlut.formats._files import HeldFile
from napari_petlut.formats.event_files import count_events, iter_events
from napari_petlut.formats.identification import Content, Hints, IdentifiedFile, identify
from napari_petlut.formats.map_kinds import map_reading
from napari_petlut.formats.record import InputFile, RecordKind, read_record
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import (
    CrystalLUT,
    FloatArray,
    FloodMap,
    IntArray,
    Lattice,
    Peaks,
    PeakStatus,
    Segmentation,
)
from napari_petlut.workflow.calibration import Calibration, CalibrationParameters, Inputs
from napari_petlut.workflow.given_peaks import PeakSource, lattice_of_peaks, load_peaks
from napari_petlut.workflow.sources import Source, first_positions, load_flood, load_prior

Progress = Callable[[str, float], None]
"""Called with the name of the step and the fraction of it that is done, 0 to 1."""


def calibrate(
    source: Source,
    geometry: BlockGeometry | None = None,
    parameters: CalibrationParameters | None = None,
    *,
    prior: str | os.PathLike[str] | npt.NDArray[np.float64] | None = None,
    fixed: Mapping[int, tuple[float, float]] | None = None,
    peaks: PeakSource | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Calibration:
    """Turn one block's file or flood map into a numbered crystal LUT.

    Parameters
    ----------
    source : path, IdentifiedFile, FloodMap or ndarray
        A raw event file, a map file, a plain 2-D array file, or a flood map in memory.
    geometry : BlockGeometry, optional
        The crystal array; proposed from the map when left out.
    parameters : CalibrationParameters, optional
    prior : path or ndarray of shape (rows, cols, 2), optional
        Lattice of a block of the same design: a peaks CSV, a .npy array, or positions as (axis 0, axis 1).
    fixed : mapping of int to (float, float), optional
        Peaks that a person placed or confirmed, by crystal id.
    peaks : path, Peaks or ndarray of shape (n, 2), optional
        All peaks, found elsewhere: they are numbered, doubted and segmented, and nothing is searched for.
    progress : callable, optional
        Called with the step's name and the fraction of it that is done.
    cancelled : callable, optional
        Asked now and then; when it returns True the work stops with `Cancelled`.

    Returns
    -------
    Calibration

    Raises
    ------
    FormatError
        If a file cannot be used.
    GeometryError, ParameterError
        If geometry, parameters and map do not fit together.
    Cancelled
        If `cancelled` said so.

    Examples
    --------
    >>> from napari_petlut import BlockGeometry, calibrate
    >>> from napari_petlut.simulation import BlockSimulation, simulate_block
    >>> block = simulate_block(BlockSimulation(rows=4, cols=4, resolution=2.5))
    >>> calibrate(block.flood, BlockGeometry(4, 4)).lut.shape
    (512, 512)
    """
    if not isinstance(geometry, BlockGeometry | None):
        raise GeometryError(f"the geometry is a BlockGeometry(rows, cols), not {geometry!r}")
    parameters = parameters or CalibrationParameters()
    clock = _Clock(progress)
    file, inputs = None, Inputs()
    if not isinstance(source, (FloodMap, np.ndarray)):
        source = file = identify(source, Hints(parameters.event_format, map_layout=parameters.map_layout))
        inputs.add("source", file.held)
        if file.content is Content.EVENTS:
            parameters = replace(parameters, event_format=file.found.layout)
    with clock.step("flood map") as report:
        flood, used, warnings = load_flood(
            source,
            parameters.flood,
            parameters.event_format,
            map_layout=parameters.map_layout,
            progress=report,
            cancelled=cancelled,
        )
        parameters = replace(parameters, flood=used)
        if file is not None and file.content is Content.MAP:
            parameters = replace(parameters, map_layout=map_reading(file).layout)
    prior_positions = None
    if prior is not None:
        if not isinstance(prior, np.ndarray):
            prior = inputs.add("prior", HeldFile(prior, "a prior lattice"))
        prior_positions = load_prior(prior, geometry)
    given = None
    if peaks is not None:
        if prior is not None or fixed:
            raise ParameterError("peaks that are given need no prior and no fixed ones; leave these out")
        if not isinstance(peaks, (Peaks, np.ndarray)):
            peaks = inputs.add("peaks", HeldFile(peaks, "a table of peaks"))
        given = load_peaks(peaks, exchanged=parameters.exchange_axes)
    solver = _Solver(source, geometry, parameters, prior_positions, fixed, given, clock, cancelled)
    if parameters.crystal_windows is None:
        solver.lut_of(flood)
    else:
        warnings += solver.repeat_with_crystal_windows(flood)
    assert solver.lattice is not None and solver.cells is not None
    inputs.settle()
    return Calibration(
        flood=solver.flood,
        lattice=solver.lattice,
        segmentation=solver.cells,
        lut=solver.lut,
        parameters=parameters,
        inputs=inputs.paths,
        fixed=dict(fixed or {}),
        seconds=clock.seconds,
        warnings=(*warnings, *solver.lattice.doubts, *solver.cells.warnings),
        source=file,
        read=inputs.held,
    )


class _Solver:
    """Finds lattice and cells of a flood map, and keeps the last it found."""

    def __init__(
        self,
        source: Source,
        geometry: BlockGeometry | None,
        parameters: CalibrationParameters,
        prior: FloatArray | None,
        fixed: Mapping[int, tuple[float, float]] | None,
        peaks: Peaks | None,
        clock: _Clock,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.flood: FloodMap
        self.lut: CrystalLUT
        self.lattice: Lattice | None = None
        self.cells: Segmentation | None = None
        self._source, self._geometry, self._parameters = source, geometry, parameters
        self._prior, self._fixed, self._peaks = prior, fixed, peaks
        self._clock, self._cancelled = clock, cancelled

    def lut_of(self, flood: FloodMap) -> CrystalLUT:
        """Return the LUT of a flood map; rows and columns that the first proposes hold for those after it."""
        parameters = self._parameters
        with self._clock.step("lattice") as report:
            if self._peaks is not None:
                lattice = lattice_of_peaks(self._peaks, self._geometry, flood)
            else:
                lattice = find_lattice(
                    flood.counts,
                    self._geometry,
                    parameters.lattice,
                    fixed=self._fixed,
                    prior=self._prior,
                    progress=report,
                    cancelled=self._cancelled,
                )
        with self._clock.step("segmentation") as report:
            cells, lut = cells_of_lattice(
                flood, lattice, parameters, self._source, progress=report, cancelled=self._cancelled
            )
        self.flood, self.lattice, self.cells, self.lut = flood, lattice, cells, lut
        self._geometry = lattice.geometry
        return lut

    def repeat_with_crystal_windows(self, flood: FloodMap) -> tuple[str, ...]:
        """Solve with each crystal's own energy window, by rounds until nothing changes.

        Parameters
        ----------
        flood : FloodMap
            Of the block's window.

        Returns
        -------
        tuple of str
            Warnings: that rows and columns were proposed, that it still changed at the end.
        """
        source, parameters = self._source, self._parameters
        layout, windows = parameters.event_format, parameters.crystal_windows
        if not isinstance(source, IdentifiedFile) or source.content is not Content.EVENTS:
            raise ParameterError(
                "crystals' own energy windows need a raw event file; leave them out for a map"
            )
        assert windows is not None
        proposed = self._geometry is None
        with self._clock.step("crystal windows") as report:
            found = calibrate_energy(
                lambda: iter_events(source, layout),
                self.lut_of,
                layout,
                parameters.flood,
                windows,
                events=count_events(source, layout),
                source=flood.source,
                progress=report,
                cancelled=self._cancelled,
            )
        self.flood = replace(self.flood, spectrum=flood.spectrum)
        warnings = [f"the geometry {self._geometry} was proposed from the map"] if proposed else []
        if not found.converged:
            share = f"{100 * found.changed[-1]:.2f} %"
            warnings.append(f"the crystals' windows still moved {share} of the counts; allow more rounds")
        return tuple(warnings)


def cells_of_lattice(
    flood: FloodMap,
    lattice: Lattice,
    parameters: CalibrationParameters,
    source: Source,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Segmentation, CrystalLUT]:
    """Return which pixels belong to which crystal of a lattice; see `cells_of_places`."""
    missing = np.flatnonzero(lattice.status == PeakStatus.MISSING)
    present = lattice.geometry.present.reshape(-1, 1)
    return cells_of_places(
        flood,
        np.where(present, lattice.positions, np.nan),
        missing,
        lattice.geometry,
        parameters,
        source,
        progress=progress,
        cancelled=cancelled,
    )


def cells_of_places(
    flood: FloodMap,
    places: FloatArray | None,
    missing: IntArray,
    geometry: BlockGeometry,
    parameters: CalibrationParameters,
    source: Source,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Segmentation, CrystalLUT]:
    """Return which pixels belong to which crystal, and the LUT of that.

    Parameters
    ----------
    flood : FloodMap
    places : ndarray of float64, shape (crystals, 2), or None
        (axis 0, axis 1) in pixels by crystal id; NaN for a crystal without a peak. None before there are
        peaks, for k-means from a grid or by k-means++.
    missing : ndarray of intp
        Ids of the crystals without events, whose cells belong to nobody in the LUT.
    geometry : BlockGeometry
    parameters : CalibrationParameters
    source : path, FloodMap or ndarray
        What the flood map was made from; k-means on events reads them again.
    progress, cancelled : callable, optional
        Hooks, as in `calibrate`.

    Raises
    ------
    FormatError
        If the source is to be read and cannot be.
    GeometryError, ParameterError
        If places, parameters and map do not fit together.
    Cancelled
        If `cancelled` said so.
    """
    cells = segment(
        flood.counts,
        places,
        parameters.segmentation,
        events=_clustered_events(source, parameters),
        geometry=geometry,
        progress=progress,
        cancelled=cancelled,
    )
    return cells, CrystalLUT(cells.labels, geometry).without(missing)


def _clustered_events(source: Source, parameters: CalibrationParameters) -> FloatArray | None:
    """Return the events that k-means is to cluster, None for every other segmentation."""
    chosen = parameters.segmentation
    if chosen.method != "kmeans" or chosen.kmeans.data != "events":
        return None
    return first_positions(source, chosen.kmeans.max_events, parameters.flood, parameters.event_format)


def recalibrate(record: str | os.PathLike[str], *, progress: Progress | None = None) -> Calibration:
    """Repeat a calibration from its record.

    Parameters
    ----------
    record : path-like
        A ``STEM_record.json``.
    progress : callable, optional
        As in `calibrate`.

    Raises
    ------
    FormatError
        If the file is no such record, or an input is gone or has changed since.

    Warns
    -----
    ForeignOutputWarning
        If a file beside the record is not the one that was written with it.
    """
    path = Path(record)
    content = read_record(path, RecordKind.CALIBRATION)
    content.warn_of_foreign_outputs(path)
    inputs = {role: _checked_input(path, entry) for role, entry in content.inputs.items()}
    if "source" not in inputs:
        raise FormatError(path, "a record with a source file", "a map in memory", "repeat it in Python")
    result = calibrate(
        inputs["source"],
        content.geometry,
        CalibrationParameters.from_dict(content.parameters),
        prior=inputs.get("prior"),
        fixed=content.fixed_peaks,
        # Beside a LUT that was given the peaks are those of that LUT.
        peaks=None if "lut" in inputs else inputs.get("peaks"),
        progress=progress,
    )
    for role, file in result.read.items():
        # It could have been replaced between the look at it and its reading.
        _require_content(file, content.inputs[role])
    return result


class _Clock:
    """Times named steps and passes their progress on."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[float], None]]:
        def report(fraction: float) -> None:
            if self._progress is not None:
                self._progress(name, fraction)

        begin = perf_counter()
        report(0.0)
        yield report
        report(1.0)
        # A step may run more than once.
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - begin


def _checked_input(record: Path, entry: InputFile) -> Path:
    """Return the input of a record's entry, after checking that it is still the same file."""
    path = record.parent / entry.path
    if not path.is_file():
        raise FormatError(path, "the input that the record names", "no file", "put it back beside the record")
    _require_content(HeldFile(path), entry)
    return path


def _require_content(file: HeldFile, entry: InputFile) -> None:
    """Raise `FormatError` if a file is not the one that a record tells of."""
    if file.sha256 != entry.sha256:
        raise FormatError(
            file,
            f"SHA-256 {entry.sha256[:12]}…",
            "another content",
            "use the file the record was made from",
        )

"""One block from start to end: `calibrate`, its result, and the record that repeats it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.flood import FloodParameters, energy_spectrum, flood_from_words, suggest_window
from napari_petlut.analysis.lattice import LatticeParameters, find_lattice
from napari_petlut.analysis.segmentation import SegmentationParameters, segment
from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.events import iter_words
from napari_petlut.formats.lut import LUT_PRESETS, LUTEncoding, write_lut
from napari_petlut.formats.maps import read_flood
from napari_petlut.formats.peaks import read_peaks, write_peaks
from napari_petlut.formats.record import read_record, sha256_of, write_record
from napari_petlut.formats.sniff import FileKind, identify
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EventFormat, FloodMap, Lattice, PeakStatus, Segmentation

Progress = Callable[[str, float], None]
"""Called with the name of the step and the fraction of it that is done, 0 to 1."""

Source = str | os.PathLike[str] | FloodMap | npt.NDArray[Any]

RECORDED_PACKAGES = ("napari-petlut", "numpy", "scipy", "scikit-image", "scikit-learn", "numba")
"""Packages whose version can change a result."""


@dataclass(frozen=True)
class CalibrationParameters:
    """Everything that decides the result of `calibrate`, besides the input and the geometry.

    Parameters
    ----------
    flood : FloodParameters
        From events to the flood map; used for raw event files only.
    lattice : LatticeParameters
        From the flood map to numbered peaks.
    segmentation : SegmentationParameters
        From peaks to cells.
    event_format : EventFormat
        How a raw event file packs its events.
    """

    flood: FloodParameters = field(default_factory=FloodParameters)
    lattice: LatticeParameters = field(default_factory=LatticeParameters)
    segmentation: SegmentationParameters = field(default_factory=SegmentationParameters)
    event_format: EventFormat = field(default_factory=EventFormat)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values for a record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CalibrationParameters:
        """Return the parameters that `to_dict` wrote.

        Raises
        ------
        ParameterError
            If a value is missing, unknown, of the wrong kind or out of range.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_python(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ParameterError(f"parameters: {place}: {first['msg']}") from error


@dataclass(frozen=True, eq=False)
class Calibration:
    """What `calibrate` found, and what it found it from.

    Parameters
    ----------
    flood : FloodMap
    lattice : Lattice
    segmentation : Segmentation
    lut : CrystalLUT
        The cells of the segmentation; those of missing crystals belong to nobody.
    parameters : CalibrationParameters
        As used: an automatic energy window is filled in.
    inputs : mapping of str to path
        Files read, by their role: "source", "prior".
    fixed : mapping of int to (float, float)
        Peaks that a person placed, by crystal id.
    seconds : mapping of str to float
        Wall time of each step.
    warnings : tuple of str
        What a person should know, one line each.
    """

    flood: FloodMap
    lattice: Lattice
    segmentation: Segmentation
    lut: CrystalLUT
    parameters: CalibrationParameters
    inputs: Mapping[str, Path] = field(default_factory=dict)
    fixed: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def geometry(self) -> BlockGeometry:
        """The crystal array."""
        return self.lattice.geometry

    @property
    def stem(self) -> str:
        """Name of the source without its ending; "block" for a map that came from no file."""
        return self.inputs["source"].stem if "source" in self.inputs else "block"

    def summary(self) -> dict[str, Any]:
        """Return the outcome in plain values: crystals per status, doubts, reasons, warnings."""
        doubted = [
            {"crystal": i, "status": str(self.lattice.status[i]), "confidence": round(float(self.lattice.confidence[i]), 6),
             "reason": self.lattice.reasons[i]}
            for i in np.flatnonzero(self.lattice.doubtful | (np.char.str_len(np.array(self.lattice.reasons)) > 0)).tolist()
        ]  # fmt: skip
        return {
            "rows": self.geometry.rows,
            "cols": self.geometry.cols,
            "crystals": len(self.geometry),
            "status": {str(s): int((self.lattice.status == s).sum()) for s in PeakStatus},
            "extra_peaks": len(self.lattice.extra),
            "block_doubts": list(self.lattice.doubts),
            "doubted_crystals": doubted,
            "alternatives": [
                {"description": a.description, "plausibility": round(a.plausibility, 6)}
                for a in self.lattice.alternatives
            ],
            "warnings": list(self.warnings),
        }

    def record(self, directory: Path | None = None, encoding: LUTEncoding | None = None) -> dict[str, Any]:
        """Return everything needed to repeat and to judge this result, in plain values.

        Parameters
        ----------
        directory : Path, optional
            Where the record will lie; input paths are given relative to it, so that a folder can be moved whole.
        encoding : LUTEncoding, optional
            How the LUT was written.
        """
        return {
            "record": "napari-petlut calibration",
            "record_version": 1,
            "versions": {"python": platform.python_version()} | {p: version(p) for p in RECORDED_PACKAGES},
            "inputs": {role: _input_entry(path, directory) for role, path in sorted(self.inputs.items())},
            "geometry": asdict(self.geometry),
            "parameters": self.parameters.to_dict(),
            "fixed_peaks": {str(i): list(map(float, at)) for i, at in sorted(self.fixed.items())},
            "lut_encoding": asdict(encoding) if encoding else None,
            "result": self.summary(),
        }

    def write(
        self, directory: str | os.PathLike[str], *, stem: str | None = None, encoding: str | LUTEncoding = "packed",
        overwrite: bool = False,
    ) -> dict[str, Path]:  # fmt: skip
        """Write ``STEM.lut``, ``STEM_peaks.csv`` and ``STEM_record.json``.

        Parameters
        ----------
        directory : path-like
            Made if it does not exist.
        stem : str, optional
            Beginning of the file names; the source's name without its ending by default.
        encoding : str or LUTEncoding
            How the LUT file codes a crystal; a preset's name or a value.
        overwrite : bool
            Whether files of these names may be replaced.

        Returns
        -------
        dict of str to Path
            Written files by kind: "lut", "peaks", "record".

        Raises
        ------
        FormatError
            If a file exists and `overwrite` is off (then nothing is written), or cannot be written.
        """
        directory, stem = Path(directory), stem or self.stem
        chosen = named_encoding(encoding)
        paths = output_paths(directory, stem)
        if not overwrite:
            refuse_existing(paths.values())
        _make_directory(directory)
        write_lut(paths["lut"], self.lut, chosen, overwrite=overwrite)
        write_peaks(paths["peaks"], self.lattice.to_peaks(), self.geometry, overwrite=overwrite)
        record = self.record(directory, chosen)
        record["outputs"] = {kind: {"name": paths[kind].name, "sha256": sha256_of(paths[kind])} for kind in ("lut", "peaks")}
        write_record(paths["record"], record, overwrite=overwrite)
        return paths


def output_paths(directory: Path, stem: str) -> dict[str, Path]:
    """Return where the files of a calibrated block go."""
    return {
        "lut": directory / f"{stem}.lut",
        "peaks": directory / f"{stem}_peaks.csv",
        "record": directory / f"{stem}_record.json",
    }


def refuse_existing(paths: Any) -> None:  # noqa: ANN401 - any iterable of paths
    """Raise `FormatError` for the first of `paths` that exists."""
    for path in paths:
        if Path(path).exists():
            raise FormatError(path, "no file of this name", "one", "choose another place or allow overwriting")


def named_encoding(encoding: str | LUTEncoding) -> LUTEncoding:
    """Return a LUT encoding by its preset's name, or the encoding itself.

    Raises
    ------
    ParameterError
        If there is no preset of that name.
    """
    if isinstance(encoding, LUTEncoding):
        return encoding
    if encoding not in LUT_PRESETS:
        raise ParameterError(f"unknown LUT encoding {encoding!r}; known are {', '.join(LUT_PRESETS)}")
    return LUT_PRESETS[encoding]


def calibrate(
    source: Source,
    geometry: BlockGeometry | None = None,
    parameters: CalibrationParameters | None = None,
    *,
    prior: str | os.PathLike[str] | npt.NDArray[np.float64] | None = None,
    fixed: Mapping[int, tuple[float, float]] | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Calibration:
    """Turn one block's file or flood map into a numbered crystal LUT.

    Parameters
    ----------
    source : path, FloodMap or ndarray
        A raw event file, a map file, a plain 2-D array file, or a flood map in memory.
    geometry : BlockGeometry, optional
        The crystal array; proposed from the map when left out.
    parameters : CalibrationParameters, optional
    prior : path or ndarray of shape (rows, cols, 2), optional
        Lattice of a block of the same design: a peaks CSV, a .npy array, or positions as (axis 0, axis 1).
    fixed : mapping of int to (float, float), optional
        Peaks that a person placed or confirmed, by crystal id.
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
    >>> block = simulate_block(BlockSimulation(rows=4, cols=4, events=200_000))
    >>> calibrate(block.flood, BlockGeometry(4, 4)).lut.shape
    (512, 512)
    """
    parameters = parameters or CalibrationParameters()
    clock = _Clock(progress)
    inputs = {} if isinstance(source, (FloodMap, np.ndarray)) else {"source": Path(source)}
    with clock.step("flood map") as report:
        flood, parameters, warnings = _load(source, parameters, report, cancelled)
    prior_positions = None
    if prior is not None:
        if not isinstance(prior, np.ndarray):
            inputs["prior"] = Path(prior)
        prior_positions = load_prior(prior, geometry)
    with clock.step("lattice") as report:
        lattice = find_lattice(
            flood.counts, geometry, parameters.lattice, fixed=fixed, prior=prior_positions, progress=report,
            cancelled=cancelled,
        )  # fmt: skip
    with clock.step("segmentation") as report:
        cells = segment(flood.counts, lattice.positions, parameters.segmentation, progress=report, cancelled=cancelled)
    missing = np.flatnonzero(lattice.status == PeakStatus.MISSING)
    return Calibration(
        flood=flood,
        lattice=lattice,
        segmentation=cells,
        lut=CrystalLUT(cells.labels, lattice.geometry).without(missing),
        parameters=parameters,
        inputs=inputs,
        fixed=dict(fixed or {}),
        seconds=clock.seconds,
        warnings=(*warnings, *lattice.doubts, *cells.warnings),
    )


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
    """
    path = Path(record)
    content = read_record(path)
    if content.get("record") != "napari-petlut calibration":
        raise FormatError(path, "a record of a calibration", "another JSON file", "choose a STEM_record.json")
    inputs = {role: _checked_input(path, entry) for role, entry in content["inputs"].items()}
    if "source" not in inputs:
        raise FormatError(path, "a record with a source file", "one made from a map in memory", "repeat it in Python")
    return calibrate(
        inputs["source"],
        BlockGeometry(**content["geometry"]),
        CalibrationParameters.from_dict(content["parameters"]),
        prior=inputs.get("prior"),
        fixed={int(i): (at[0], at[1]) for i, at in content["fixed_peaks"].items()},
        progress=progress,
    )


def load_prior(
    prior: str | os.PathLike[str] | npt.NDArray[np.float64], geometry: BlockGeometry | None
) -> npt.NDArray[np.float64]:
    """Return a prior lattice as positions of shape (rows, cols, 2).

    Raises
    ------
    ParameterError
        If no geometry is given, or the prior has no position for some crystal of it.
    """
    if geometry is None:
        raise ParameterError("a prior lattice needs the number of rows and columns; give both")
    if isinstance(prior, np.ndarray):
        positions = np.asarray(prior, np.float64)
    elif Path(prior).suffix.lower() == ".npy":
        positions = np.load(prior, allow_pickle=False).astype(np.float64)
    else:
        peaks = read_peaks(prior)
        positions = np.full((len(geometry), 2), np.nan)
        numbered = (peaks.crystal >= 0) & (peaks.crystal < len(geometry))
        positions[peaks.crystal[numbered]] = peaks.positions[numbered]
    if positions.size != 2 * len(geometry) or not np.isfinite(positions).all():
        raise ParameterError(f"the prior has no position for every crystal of a {geometry} block; give one of the same design")
    return positions.reshape(*geometry.shape, 2)


def _load(
    source: Source,
    parameters: CalibrationParameters,
    report: Callable[[float], None],
    cancelled: Callable[[], bool] | None,
) -> tuple[FloodMap, CalibrationParameters, tuple[str, ...]]:
    if isinstance(source, FloodMap):
        return source, parameters, ()
    if isinstance(source, np.ndarray):
        return FloodMap(source.astype(np.float64)), parameters, ()
    path = Path(source)
    if identify(path) is not FileKind.EVENTS:
        return read_flood(path), parameters, ()
    return load_events(path, parameters, progress=report, cancelled=cancelled)


def load_events(
    path: str | os.PathLike[str],
    parameters: CalibrationParameters,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[FloodMap, CalibrationParameters, tuple[str, ...]]:
    """Make the flood map of a raw event file; an energy window left open is taken from the spectrum.

    Returns
    -------
    flood : FloodMap
    parameters : CalibrationParameters
        With the window that was used.
    warnings : tuple of str
        What a person should know of the window.
    """
    layout, flood, warnings = parameters.event_format, parameters.flood, ()
    if flood.window is None:
        suggestion = suggest_window(energy_spectrum(iter_words(path, layout), layout))
        flood = replace(flood, window=suggestion.window)
        parameters = replace(parameters, flood=flood)
    counts = flood_from_words(
        iter_words(path, layout), layout, flood, source=Path(path).name, progress=progress, cancelled=cancelled
    )
    return counts, parameters, warnings

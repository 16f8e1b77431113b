"""The result of calibrating a block: its parts, its files, and the record that repeats it."""

from __future__ import annotations

import json
import os
import platform
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from napari_petlut.analysis.energy import CrystalWindowParameters
from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.lattice import LatticeParameters
from napari_petlut.analysis.segmentation import SegmentationParameters
from napari_petlut.errors import FormatError, LUTNotWrittenWarning, ParameterError
from napari_petlut.formats._files import HeldFile
from napari_petlut.formats._sets import written_together
from napari_petlut.formats.identification import IdentifiedFile
from napari_petlut.formats.lut import LUTEncoding, encode_lut, lut_encoding, write_lut
from napari_petlut.formats.map_layout import MapLayout
from napari_petlut.formats.peaks import write_peaks
from napari_petlut.formats.plain import from_plain
from napari_petlut.formats.record import InputFile, Record, RecordKind, write_record
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EventFormat, FloodMap, Lattice, PeakStatus, Segmentation
from napari_petlut.workflow.outputs import MORE_ENDINGS, check_outputs, make_directory, output_paths

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
    map_layout : MapLayout
        Where in a file of a flood map it lies, and how; what was found out is filled in.
    exchange_axes : bool
        Exchange the two positions of each peak that is given instead of found.
    crystal_windows : CrystalWindowParameters, optional
        Give each crystal its own energy window about its photopeak, by rounds of windows, map and LUT; used
        for raw event files only. Without it one window holds for the whole block.
    """

    flood: FloodParameters = field(default_factory=FloodParameters)
    lattice: LatticeParameters = field(default_factory=LatticeParameters)
    segmentation: SegmentationParameters = field(default_factory=SegmentationParameters)
    event_format: EventFormat = field(default_factory=EventFormat)
    map_layout: MapLayout = field(default_factory=MapLayout)
    exchange_axes: bool = False
    crystal_windows: CrystalWindowParameters | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values for a record."""
        return asdict(self)

    def changed(self, settings: Iterable[str]) -> CalibrationParameters:
        """Return a copy with single parameters changed.

        Parameters
        ----------
        settings : iterable of str
            Each ``NAME=VALUE``, such as ``"segmentation.kmeans.max_iterations=5"``; values as in JSON, words
            without quotes.

        Raises
        ------
        ParameterError
            If a name is unknown or a value cannot be.
        """
        values = self.to_dict()
        for setting in settings:
            name, equals, text = setting.partition("=")
            *rooms, last = name.strip().split(".")
            place = values
            for room in rooms:
                place = place.get(room) if isinstance(place, dict) else None  # type: ignore[assignment]
            if not equals or not isinstance(place, dict) or last not in place:
                raise ParameterError(
                    f"{setting!r} sets no known parameter; write NAME=VALUE, names as in a record"
                )
            try:
                place[last] = json.loads(text)
            except json.JSONDecodeError:
                place[last] = text.strip()
        return self.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CalibrationParameters:
        """Return the parameters that `to_dict` wrote.

        Raises
        ------
        ParameterError
            If a value is missing, unknown, of the wrong kind or out of range.
        """
        return from_plain(cls, values)


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
    source : IdentifiedFile, optional
        The source, where it was identified on the way.
    read : mapping of str to HeldFile
        The `inputs` as they were read, by their role: a record tells of these bytes, whatever has become of
        the files since. An input that is not here is read again for the record.
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
    source: IdentifiedFile | None = None
    read: Mapping[str, HeldFile] = field(default_factory=dict)

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
        lattice = self.lattice
        told = set(PeakStatus) - ({PeakStatus.ABSENT} if self.geometry.places is None else set())
        doubted = [
            {
                "crystal": i,
                "status": str(lattice.status[i]),
                "confidence": round(float(lattice.confidence[i]), 6),
                "reason": lattice.reasons[i],
            }
            for i in np.flatnonzero(self.geometry.present).tolist()
            if lattice.doubtful[i] or lattice.reasons[i]
        ]
        return {
            "rows": self.geometry.rows,
            "cols": self.geometry.cols,
            "crystals": self.geometry.crystals,
            "status": {str(s): int((lattice.status == s).sum()) for s in PeakStatus if s in told},
            "extra_peaks": len(self.lattice.extra),
            "block_doubts": list(self.lattice.doubts),
            "doubted_crystals": doubted,
            "alternatives": [
                {"description": a.description, "plausibility": round(a.plausibility, 6)}
                for a in self.lattice.alternatives
            ],
            "warnings": list(self.warnings),
        }

    def record(self, directory: Path | None = None, encoding: LUTEncoding | None = None) -> Record:
        """Return everything needed to repeat and to judge this result.

        Parameters
        ----------
        directory : Path, optional
            Where the record will lie; input paths are given relative to it, so that a folder can move.
        encoding : LUTEncoding, optional
            How the LUT was written.
        """
        return Record(
            kind=RecordKind.CALIBRATION,
            geometry=self.geometry,
            lut_encoding=encoding,
            inputs={
                role: InputFile.of(path, directory, self.read.get(role))
                for role, path in sorted(self.inputs.items())
            },
            parameters=self.parameters.to_dict(),
            fixed_peaks={i: (float(at[0]), float(at[1])) for i, at in sorted(self.fixed.items())},
            result=self.summary(),
            versions={"python": platform.python_version()} | {p: version(p) for p in RECORDED_PACKAGES},
        )

    def write(
        self,
        directory: str | os.PathLike[str],
        *,
        stem: str | None = None,
        encoding: str | LUTEncoding = "packed",
        more: Mapping[str, Callable[[Path], None]] | None = None,
        overwrite: bool = False,
    ) -> dict[str, Path]:
        """Write ``STEM.lut``, ``STEM_peaks.csv`` and ``STEM_record.json``: all of them, or none.

        Only a LUT that its encoding cannot hold is left out, with a warning; one of an earlier run goes.

        Parameters
        ----------
        directory : path-like
            Made if it does not exist.
        stem : str, optional
            Beginning of the file names; the source's name without its ending by default.
        encoding : str or LUTEncoding
            How the LUT file codes a crystal; a preset's name or a value. "packed" and "linear" grow with the
            map.
        more : mapping of str to callable, optional
            What else belongs to the set, by kind, as "picture" for ``STEM.png``: writes the file it is given.
        overwrite : bool
            Whether files of these names may be replaced.

        Returns
        -------
        dict of str to Path
            Written files by kind: "lut", "peaks", "record".

        Warns
        -----
        LUTNotWrittenWarning
            If the encoding cannot hold the LUT.

        Raises
        ------
        FormatError
            If a file exists and `overwrite` is off, or is one of the inputs (then nothing is written), or
            cannot be written.
        """
        directory, stem = Path(directory), stem or self.stem
        chosen = lut_encoding(encoding).holding(self.lut.shape)
        paths = output_paths(directory, stem)
        paths |= {kind: directory / f"{stem}{MORE_ENDINGS[kind]}" for kind in more or ()}
        check_outputs(paths.values(), self.inputs.values(), overwrite=overwrite)
        make_directory(directory)
        lut_path = paths.pop("lut")
        try:
            encode_lut(self.lut, chosen, path=lut_path)
        except FormatError as error:
            warnings.warn(f"no LUT: {error}", LUTNotWrittenWarning, stacklevel=2)
        else:
            paths = {"lut": lut_path, **paths}
        with written_together(directory, stem, overwrite=overwrite) as files:
            if "lut" in paths:
                write_lut(files.beside(lut_path), self.lut, chosen)
            write_peaks(files.beside(paths["peaks"]), self.lattice.to_peaks(), self.geometry)
            for kind, write in (more or {}).items():
                write(files.beside(paths[kind]))
            written = {kind: files.written(path) for kind, path in paths.items() if kind != "record"}
            record = self.record(directory, chosen if "lut" in paths else None).with_outputs(written)
            write_record(files.beside(paths["record"]), record)
        if "lut" not in paths:
            lut_path.unlink(missing_ok=True)  # of an earlier run: it would be taken for this one's
        return paths


class Inputs:
    """The files that a result is made from, each held so that its hash is that of what was read."""

    def __init__(self) -> None:
        self.held: dict[str, HeldFile] = {}

    @property
    def paths(self) -> dict[str, Path]:
        """Where they are, by role."""
        return {role: file.path for role, file in self.held.items()}

    def add(self, role: str, file: HeldFile) -> HeldFile:
        """Note a file before it is read, and return it.

        Raises
        ------
        FormatError
            If it has changed since it was first looked at.
        """
        file.require_unchanged()
        file.want_hash()
        self.held[role] = file
        return file

    def settle(self) -> None:
        """Hash what was not hashed on the way, after all reading.

        Raises
        ------
        FormatError
            If a file has changed while it was read.
        """
        for file in self.held.values():
            file.require_unchanged()
            file.sha256  # noqa: B018 - computed here, and kept


def why_no_lut(
    shape: tuple[int, int], geometry: BlockGeometry | None, encoding: LUTEncoding, path: Path
) -> str:
    """Say, before any work, why no LUT of these pixels and crystals can be written; empty if it seems to fit.

    Whether each crystal's number fits is known only once it is known which crystals have pixels.

    Parameters
    ----------
    shape : tuple of int
        Pixels of the LUT along axis 0 and axis 1.
    geometry : BlockGeometry or None
        The crystal array, if it is known.
    encoding : LUTEncoding
    path : Path
        The LUT file, for the line.
    """
    # The smallest array fits wherever any does.
    trial = CrystalLUT(np.zeros(shape, np.int32), geometry or BlockGeometry(1, 2))
    try:
        encode_lut(trial, encoding.holding(shape), path=path)
    except FormatError as error:
        return str(error)
    return ""

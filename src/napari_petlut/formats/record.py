"""The record beside a LUT: JSON that says how it was made, what repeats it, and what was done by hand."""

from __future__ import annotations

import hashlib
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from napari_petlut.errors import ForeignOutputWarning, FormatError, ParameterError, printable
from napari_petlut.formats._files import HeldFile, StrPath, one_line, open_binary
from napari_petlut.formats.kinds import CERTAIN, TEXT, Content, Finding, IdentifiedFile, Kind, Look
from napari_petlut.formats.lut_encoding import LUTEncoding
from napari_petlut.formats.plain import from_plain, plain, read_json, write_json
from napari_petlut.geometry import BlockGeometry

__all__ = ["RECORD", "HandWork", "InputFile", "OutputFile", "Record", "RecordKind", "read_record"]
__all__ += ["sha256_of", "write_record"]

RECORD_VERSION = 1
_EXPECTED = "a record of this program"
_MOST_KEYS = 50
AS_RECORDED, ABSENT = "as recorded", "absent"
FOREIGN = "not the one that was written with it"
_TOLD_OF_RESULTS = ("record", "geometry", "inputs", "versions")


class RecordKind(StrEnum):
    """What a record is about."""

    CALIBRATION = "napari-petlut calibration"
    """A whole calibration, with all that repeats it."""
    LUT = "napari-petlut LUT"
    """A LUT that was saved by itself: what is needed to read it again."""


@dataclass(frozen=True)
class InputFile:
    """A file that a result was made from.

    Parameters
    ----------
    path : str
        Relative to the record's folder, so that a folder can move.
    bytes : int
    sha256 : str
    """

    path: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path or self.bytes < 0:
            raise ParameterError("an input has a path, and 0 bytes or more")
        _require_sha256(self.sha256)

    @classmethod
    def of(cls, path: Path, directory: Path | None = None, read: HeldFile | None = None) -> InputFile:
        """Return the entry of a file, its path relative to `directory` if that is given.

        Parameters
        ----------
        path : Path
        directory : Path, optional
        read : HeldFile, optional
            The file as it was read, which may have been replaced since; without it, it is read now.

        Raises
        ------
        FormatError
            If the file has to be read, and cannot be or changes meanwhile.
        """
        shown = path if directory is None else Path(os.path.relpath(path.resolve(), directory.resolve()))
        file = HeldFile(path) if read is None else read
        return cls(shown.as_posix(), file.size, file.sha256)


@dataclass(frozen=True)
class OutputFile:
    """A file that was written with the record.

    Parameters
    ----------
    name : str
        It lies beside the record.
    sha256 : str
    """

    name: str
    sha256: str

    def __post_init__(self) -> None:
        # A record of somebody else does not lead out of its folder.
        if self.name in ("", ".", "..") or not set(self.name).isdisjoint("/\\\0"):
            raise ParameterError(f"an output is the name of a file beside the record, not {self.name!r}")
        _require_sha256(self.sha256)

    @classmethod
    def of(cls, path: Path) -> OutputFile:
        """Return the entry of a file."""
        return cls(path.name, sha256_of(path))


@dataclass(frozen=True)
class HandWork:
    """What a person did that no parameter can express.

    Parameters
    ----------
    painted_pixels : int
        Pixels of the LUT that were painted.
    peaks : tuple of int, optional
        Crystals whose peak was placed, moved or confirmed.
    without_events, without_peak : tuple of int, optional
        Crystals without events, and without a peak.
    provisional_cells : bool, optional
        Whether cells were mended around edited peaks and not segmented since.
    """

    painted_pixels: int
    peaks: tuple[int, ...] | None = None
    without_events: tuple[int, ...] | None = None
    without_peak: tuple[int, ...] | None = None
    provisional_cells: bool | None = None


@dataclass(frozen=True)
class Record:
    """How a LUT was made.

    Parameters
    ----------
    kind : RecordKind
    geometry : BlockGeometry
    lut_encoding : LUTEncoding or None
        How the LUT file stores crystals; None if none was written.
    inputs : mapping of str to InputFile
        By their role: "source", "prior", "lut".
    outputs : mapping of str to OutputFile
        By their kind: "lut", "peaks", "picture".
    parameters : mapping
        Of the steps, in plain values.
    fixed_peaks : mapping of int to (float, float)
        Peaks that a person placed, by crystal id.
    result : mapping
        What came out, in plain values.
    versions : mapping of str to str
        Of the packages whose version can change a result.
    by_hand : HandWork, optional
    """

    kind: RecordKind
    geometry: BlockGeometry
    lut_encoding: LUTEncoding | None = None
    inputs: Mapping[str, InputFile] = field(default_factory=dict)
    outputs: Mapping[str, OutputFile] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fixed_peaks: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    by_hand: HandWork | None = None

    def __post_init__(self) -> None:
        for crystal, place in self.fixed_peaks.items():
            if not 0 <= crystal < len(self.geometry) or not all(map(math.isfinite, place)):
                raise ParameterError(f"fixed_peaks: no place of a crystal of a {self.geometry} block")

    @property
    def segmentation_method(self) -> str:
        """Name of the method that made the cells, empty if the record does not tell."""
        chosen = self.parameters.get("segmentation", {})
        return str(chosen.get("method", "")) if isinstance(chosen, Mapping) else ""

    def with_outputs(self, paths: Mapping[str, Path]) -> Record:
        """Return the record of these written files."""
        return replace(self, outputs={kind: OutputFile.of(path) for kind, path in paths.items()})

    def output_states(self, directory: Path) -> dict[str, str]:
        """Return of each output in the record's folder whether it is the one that was written with it.

        Returns
        -------
        dict of str to str
            By kind: "as recorded", "absent", or what is there instead.
        """
        return {kind: _state_of_output(directory, output) for kind, output in self.outputs.items()}

    def warn_of_foreign_outputs(self, path: StrPath) -> None:
        """Say which files beside the record at `path` are not those that were written with it.

        Warns
        -----
        ForeignOutputWarning
            For each of them; files that are absent are no matter, a record may travel alone.
        """
        for kind, state in self.output_states(Path(path).parent).items():
            if state not in (AS_RECORDED, ABSENT):
                name = printable(self.outputs[kind].name)
                warnings.warn(
                    f"{printable(os.fspath(path))}: {name} beside it is {state}",
                    ForeignOutputWarning,
                    stacklevel=2,
                )

    def to_plain(self) -> dict[str, Any]:
        """Return the record as its file holds it, in plain values."""
        values: dict[str, Any] = {
            "record": self.kind,
            "geometry": {name: value for name, value in plain(self.geometry).items() if value is not None},
            "lut_encoding": self.lut_encoding,
        }
        if self.kind is RecordKind.CALIBRATION:
            values |= {
                "record_version": RECORD_VERSION,
                "versions": self.versions,
                "inputs": self.inputs,
                "parameters": self.parameters,
                "fixed_peaks": self.fixed_peaks,
                "result": self.result,
            }
        if self.outputs:
            values["outputs"] = self.outputs
        if self.by_hand is not None:
            told = asdict(self.by_hand)
            values["by_hand"] = {name: value for name, value in told.items() if value is not None}
        made: dict[str, Any] = plain(values)
        return made

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Record:
        """Return the record that `to_plain` gave; what later versions add beside it is left out.

        Raises
        ------
        ParameterError
            If it is no record, or not a whole one.
        """
        version = values.get("record_version", RECORD_VERSION)
        if version != RECORD_VERSION:
            shown = one_line(ValueError(repr(version)))
            raise ParameterError(
                f"the record has version {shown}, this program knows {RECORD_VERSION}; update it"
            )
        if not isinstance(values.get("record"), str) or values["record"] not in set(RecordKind):
            raise ParameterError("another JSON file")
        kind = RecordKind(values["record"])
        needed = {"geometry"} | ({"inputs", "parameters"} if kind is RecordKind.CALIBRATION else set())
        absent = sorted(needed - values.keys())
        if absent:
            raise ParameterError(f"the record lacks {', '.join(absent)}")
        known = {name: values[name] for name in _FIELDS if name in values}
        return from_plain(cls, {"kind": kind, **known}, "record")


def _state_of_output(directory: Path, output: OutputFile) -> str:
    path = directory / output.name
    if not path.exists():
        return ABSENT
    try:
        return AS_RECORDED if sha256_of(path) == output.sha256 else FOREIGN
    except FormatError as error:
        return f"{FOREIGN}: {error.found}"


def _require_sha256(text: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ParameterError(f"a SHA-256 has 64 hexadecimal digits, not {one_line(ValueError(repr(text)))}")


_FIELDS = tuple(name for name in Record.__dataclass_fields__ if name != "kind")


def write_record(path: StrPath, record: Record, *, overwrite: bool = False) -> None:
    """Write a record as JSON with sorted keys; the same record always gives the same bytes.

    Parameters
    ----------
    path : path-like
    record : Record
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file cannot be written.
    ParameterError
        If the record holds something that JSON cannot.
    """
    write_json(path, record.to_plain(), overwrite=overwrite)


def read_record(path: StrPath, kind: RecordKind | None = None) -> Record:
    """Read a record.

    Parameters
    ----------
    path : path-like
    kind : RecordKind, optional
        Of this kind only.

    Raises
    ------
    FormatError
        If the file is no such record, or a part of it is missing or cannot be.
    """
    try:
        record = Record.from_plain(read_json(path))
    except ParameterError as error:
        raise FormatError(path, _EXPECTED, str(error), "choose a STEM_record.json") from error
    if kind not in (None, record.kind):
        raise FormatError(path, f"a {kind} record", f"a {record.kind} record", "choose a STEM_record.json")
    return record


def sha256_of(path: StrPath) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits.

    Raises
    ------
    FormatError
        If the file is missing, not readable or empty.
    """
    with open_binary(path, "a file") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]


def _recognise(look: Look) -> Iterator[Finding]:
    if (look.text or "").lstrip().startswith("{"):
        try:
            yield Finding(CERTAIN, read_json(look))
        except FormatError:
            return


def _facts(file: IdentifiedFile) -> dict[str, Any]:
    content = file.found
    keys = {"keys": sorted(content)[:_MOST_KEYS]}
    if not isinstance(content.get("record"), str):
        return keys
    try:
        record = Record.from_plain(content)
    except ParameterError as error:
        return {"problem": str(error)} | keys
    checked = record.to_plain()
    told = {key: checked[key] for key in _TOLD_OF_RESULTS if key in checked} | keys
    states = record.output_states(file.path.parent)
    told |= (
        {"outputs": {record.outputs[kind].name: state for kind, state in states.items()}} if states else {}
    )
    foreign = [record.outputs[kind].name for kind, s in states.items() if s not in (AS_RECORDED, ABSENT)]
    if foreign:
        told["problem"] = f"{', '.join(foreign)} beside it: {FOREIGN}"
    return told


RECORD = Kind(
    "record",
    Content.RECORD,
    "a record",
    (".json",),
    "text: one JSON object",
    _recognise,
    read_record,
    _facts,
    forms=(TEXT,),
)

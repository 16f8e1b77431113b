"""The command `petlut report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_petlut.cli import ending, terminal
from napari_petlut.cli.options import (
    AsJSON,
    Block,
    Force,
    OutDir,
    Reading,
    WindowOption,
    check_outputs,
    parameters_of,
)
from napari_petlut.errors import FormatError, ParameterError

if TYPE_CHECKING:
    from napari_petlut.formats.identification import IdentifiedFile
    from napari_petlut.geometry import BlockGeometry
    from napari_petlut.report.contents import ReportContents
    from napari_petlut.workflow.calibration import Calibration, CalibrationParameters
    from napari_petlut.workflow.pipeline import Progress


@dataclass(frozen=True)
class _GivenLUT:
    """A LUT that exists, with its peaks, instead of one that is made."""

    lut: Annotated[
        Path | None,
        typer.Option(metavar="L.lut", help="Crystal LUT to judge; made when left out.", readable=False),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Encoding of the LUT file; found out when left out."),
    ] = None
    peaks: Annotated[
        Path | None,
        typer.Option(metavar="P.csv", help="Peaks that belong to the LUT.", readable=False),
    ] = None

    def __post_init__(self) -> None:
        if self.peaks is not None and self.lut is None:
            raise ParameterError("--peaks belongs to --lut; give both")

    @property
    def files(self) -> list[Path | str | None]:
        """What is read; an encoding is a file or a name."""
        return [self.lut, self.encoding, self.peaks]


def report(
    *,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="Raw events, map file, 2-D array, or STEM_record.json.", readable=False
        ),
    ],
    out: OutDir,
    block: Block,
    window: WindowOption,
    given: _GivenLUT,
    events: Annotated[
        Path | None,
        typer.Option(metavar="RAW", help="Raw events, if SOURCE is a map.", readable=False),
    ] = None,
    reading: Reading,
    stem: Annotated[str | None, typer.Option(help="Beginning of the file names; that of SOURCE.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 unless the verdict is pass.")] = False,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Judge one block, and write its report: STEM_report.html, .pdf, STEM_figures.csv and .json.

    The HTML page needs nothing beside it. Energies of the crystals are measured where events are at hand.
    """
    read = [source, events, *given.files, *reading.files]
    from_record = source.suffix.lower() == ".json"
    if stem is not None or not from_record:
        check_outputs(_paths(out, stem or source.stem), read, force=force)
    with terminal.StepProgress(quiet=as_json) as progress:
        if from_record:
            result = _repeated(source, _contradicting(block, window, given, reading), progress)
            measured = None if events is None else _events(events, result)
        else:
            measured = None if events is None else reading.events(events)
            file = reading.source(source)
            parameters = parameters_of(window, reading)
            result = _calibrated(file, block.geometry, parameters, given, progress)
        read += result.inputs.values()
        check_outputs(_paths(out, stem or result.stem), read, force=force)
        contents, files = _written(result, measured, out, stem, progress, overwrite=force)
    _show_report(contents, files, as_json=as_json)
    if strict and contents.verdict != "pass":
        raise typer.Exit(ending.EXIT_DOUBT)


def _events(path: Path, result: Calibration) -> IdentifiedFile:
    from napari_petlut.workflow.sources import require_events

    return require_events(path, result.parameters.event_format)


def _paths(directory: Path, stem: str) -> list[Path]:
    from napari_petlut.report.writing import report_paths

    return list(report_paths(directory, stem).values())


def _contradicting(block: Block, window: dict[str, Any], given: _GivenLUT, reading: Reading) -> list[str]:
    """Return the options that were given and that a record decides."""
    options = {
        "rows": block.rows,
        "cols": block.cols,
        "window": window["window"],
        "lut": given.lut,
        "event-format": reading.event_format,
        "block": reading.block,
    }
    return [f"--{name}" for name, value in options.items() if value is not None]


def _repeated(record: Path, told: list[str], progress: Progress) -> Calibration:
    """Return the calibration of a record, which says everything: other options would contradict it."""
    from napari_petlut.formats.identification import Content, identify

    if identify(record).content is not Content.RECORD:
        raise FormatError(record, "STEM_record.json", "another JSON file", "choose the record or the source")
    if told:
        raise ParameterError(f"the record already decides {', '.join(told)}; give the source instead of it")
    from napari_petlut.workflow.pipeline import recalibrate

    return recalibrate(record, progress=progress)


def _calibrated(
    file: IdentifiedFile,
    geometry: BlockGeometry | None,
    parameters: CalibrationParameters,
    given: _GivenLUT,
    progress: Progress,
) -> Calibration:
    if given.lut is None:
        from napari_petlut.workflow.pipeline import calibrate

        return calibrate(file, geometry, parameters, progress=progress)
    from napari_petlut.workflow.given_lut import calibration_of_lut

    return calibration_of_lut(
        file,
        given.lut,
        parameters,
        encoding=given.encoding,
        geometry=geometry,
        peaks=given.peaks,
        progress=progress,
    )


def _written(
    result: Calibration,
    events: IdentifiedFile | None,
    out: Path,
    stem: str | None,
    progress: terminal.StepProgress,
    *,
    overwrite: bool,
) -> tuple[ReportContents, dict[str, Path]]:
    from napari_petlut.report import report_contents, write_contents
    from napari_petlut.workflow.measuring import measure_energy, measure_quality

    energies = measure_energy(result, events, progress=progress.of("energies"))
    quality = measure_quality(result)
    progress("report", 0.0)
    contents = report_contents(result, energies, quality, title=stem, directory=out)
    files = write_contents(out, contents, overwrite=overwrite)
    progress("report", 1.0)
    return contents, files


def _show_report(contents: ReportContents, files: dict[str, Path], *, as_json: bool) -> None:
    if as_json:
        terminal.print_json(
            {
                "title": contents.title,
                "verdict": contents.verdict,
                "reasons": list(contents.verdict_reasons),
                "warnings": list(contents.warnings),
                "left_out": list(contents.left_out),
                "block": {fact.name: fact.value for fact in contents.facts if fact.value == fact.value},
                "to_see": [{"crystal": see.crystal, "reasons": list(see.reasons)} for see in contents.to_see],
                "files": {kind: str(path) for kind, path in files.items()},
            }
        )
        return
    for line in (*contents.warnings, *contents.left_out):
        terminal.warn(line)
    facts = {"verdict": contents.verdict, **{fact.title: fact.text for fact in contents.facts if fact.text}}
    terminal.print_facts(contents.title, facts)
    for line in contents.verdict_reasons:
        terminal.print_line(f"  {line}")
    rows = [(see.crystal, see.row, see.col, see.status, "; ".join(see.reasons)) for see in contents.to_see]
    if rows:
        terminal.print_table("To look at", ("crystal", "row", "col", "status", "reason"), rows)
    terminal.print_written(files, as_json=False)

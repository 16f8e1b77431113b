"""Commands of `petlut` that use a calibrated block: its energies, its LUT applied to events, its report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_petlut.cli import terminal
from napari_petlut.cli.options import (
    AsJSON,
    Cols,
    EventLayout,
    Force,
    OutDir,
    Rows,
    Window,
    geometry_of,
    window_of,
)
from napari_petlut.errors import FormatError, ParameterError

if TYPE_CHECKING:
    from napari_petlut.analysis.energy import AppliedLUT, Photopeaks
    from napari_petlut.geometry import BlockGeometry
    from napari_petlut.report.contents import ReportContents
    from napari_petlut.workflow.calibration import Calibration, CalibrationParameters

Encoding = Annotated[
    str | None,
    typer.Option("--encoding", metavar="NAME", help="Encoding of the LUT file; found out when left out."),
]
Raw = Annotated[Path, typer.Argument(metavar="RAW", help="Raw event file.", readable=False)]
LUTOption = Annotated[
    Path, typer.Option("--lut", metavar="L.lut", help="Crystal LUT file of the block.", readable=False)
]
LUTRows = Annotated[
    int | None, typer.Option("--rows", help="Crystals along axis 0, if the LUT does not tell.")
]
LUTCols = Annotated[
    int | None, typer.Option("--cols", help="Crystals along axis 1, if the LUT does not tell.")
]
FEW_CRYSTALS, MOST_CRYSTALS = 8, 20
"""Longer lists of crystals go into the files only."""


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command()(energy)
    app.command()(apply)
    app.command()(report)


def energy(
    raw: Raw,
    lut: LUTOption,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Energy LUT to write: CSV if so named, else binary.",
            readable=False,
        ),
    ],
    encoding: Encoding = None,
    rows: LUTRows = None,
    cols: LUTCols = None,
    window: Window = None,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Encoding of a binary energy LUT.")] = "cpm",
    event_format: EventLayout = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 unless every photopeak is clear.")
    ] = False,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Fit every crystal's photopeak, and write the energy LUT: the gain that puts each at 511 keV."""
    with terminal.friendly_errors(), terminal.step_progress(quiet=as_json) as progress:
        from napari_petlut.analysis.energy import energy_lut
        from napari_petlut.formats.energy_lut import energy_lut_encoding, write_energy_lut
        from napari_petlut.workflow.given_lut import calibration_of_lut
        from napari_petlut.workflow.measuring import measure_energy
        from napari_petlut.workflow.sources import require_events

        energy_lut_encoding(to)  # a wrong name is known before the work
        _check_outputs([out], [raw, lut, event_format, encoding, to], force=force)
        parameters = _parameters(window, event_format)
        events = require_events(raw, parameters.event_format)
        block = calibration_of_lut(
            events,
            lut,
            parameters,
            encoding=encoding,
            geometry=geometry_of(rows, cols),
            progress=progress,
        )
        energies = measure_energy(block, events, progress=lambda fraction: progress("energies", fraction))
        assert energies is not None
        peaks = energies.photopeaks
        write_energy_lut(out, energy_lut(peaks, block.geometry), to, overwrite=force)
    _show_photopeaks(peaks, block.geometry, out, as_json=as_json)
    if strict and not peaks.found.all():
        raise typer.Exit(terminal.EXIT_DOUBT)


def _show_photopeaks(peaks: Photopeaks, geometry: BlockGeometry, out: Path, *, as_json: bool) -> None:
    figures = {
        "photopeak": peaks.position,
        "photopeak_error": peaks.position_error,
        "energy_resolution": peaks.resolution,
        "energy_resolution_error": peaks.resolution_error,
    }
    if as_json:
        from napari_petlut.formats.plain import plain

        answer = {"rows": geometry.rows, "cols": geometry.cols, "file": out, **figures}
        terminal.print_json(plain(answer | {"status": peaks.status, "reason": peaks.reasons}))
        return
    clear = peaks.found
    facts: dict[str, Any] = {"clear photopeaks": f"{int(clear.sum())} of {len(peaks)}"}
    if clear.any():
        position, resolution = peaks.position[clear], peaks.resolution[clear]
        facts["photopeak, mean"] = (
            f"{position.mean():.1f} ch, from {position.min():.1f} to {position.max():.1f}"
        )
        facts["energy resolution, mean"] = f"{100 * resolution.mean():.1f} %"
    terminal.print_facts("Energy", facts)
    doubted = (~clear).nonzero()[0].tolist()
    look = [(i, *divmod(i, geometry.cols), str(peaks.status[i]), peaks.reasons[i]) for i in doubted]
    if look:
        columns = ("crystal", "row", "col", "photopeak", "reason")
        terminal.print_table("To look at", columns, look[:MOST_CRYSTALS])
    if len(look) > MOST_CRYSTALS:
        terminal.answers().print(f"and {len(look) - MOST_CRYSTALS} more: --json")
    terminal.print_facts("Written", {"energy LUT": str(out)})


def apply(
    raw: Raw,
    lut: LUTOption,
    encoding: Encoding = None,
    rows: LUTRows = None,
    cols: LUTCols = None,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Energies kept, in ADC channels; all when left out."),
    ] = None,
    energy_lut: Annotated[
        Path | None,
        typer.Option(
            "--energy-lut",
            metavar="E.csv",
            help="Energy LUT: energies of the list are in keV.",
            readable=False,
        ),
    ] = None,
    kev: Annotated[
        tuple[float, float] | None,
        typer.Option("--kev", metavar="LOW HIGH", help="Energies kept, in keV by the energy LUT."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.npy",
            help="Write the list of events: the crystal of each.",
            readable=False,
        ),
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(
            "--counts", metavar="FILE.csv", help="Write events per crystal as a table.", readable=False
        ),
    ] = None,
    event_format: EventLayout = None,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Apply a crystal LUT to recorded events: events per crystal, and the crystal of every event.

    The list of events is a NumPy file with one record of 8 bytes for each event of RAW, in its order: the
    crystal id (int32, -1 for none) and the energy (float32, field "channel", or "keV" with an energy LUT).
    """
    with terminal.friendly_errors(), terminal.step_progress(quiet=as_json) as progress:
        from napari_petlut.formats.energy_lut import read_energy_lut
        from napari_petlut.formats.lut import read_lut
        from napari_petlut.workflow.applying import apply_to_events, windows_in_kev, write_counts
        from napari_petlut.workflow.sources import event_layout, require_events

        if kev is not None and (energy_lut is None or window is not None):
            raise ParameterError("--kev needs --energy-lut, and excludes --window")
        if out is not None and out.suffix.lower() != ".npy":
            raise ParameterError(f"the list of events is a .npy file; name it {out.with_suffix('.npy').name}")
        if out is not None and counts is not None and out.resolve() == counts.resolve():
            raise ParameterError("--out and --counts name the same file; give each its own")
        written = {kind: path for kind, path in (("events", out), ("counts", counts)) if path is not None}
        _check_outputs(written.values(), [raw, lut, energy_lut, event_format, encoding], force=force)
        events = require_events(raw, event_layout(event_format))
        crystals = read_lut(lut, encoding, geometry_of(rows, cols)).lut
        energies = None if energy_lut is None else read_energy_lut(energy_lut, crystals.geometry)
        kept: Any = window_of(window)
        if kev is not None and energies is not None:
            kept = windows_in_kev(*kev, energies)
        result = apply_to_events(
            events,
            crystals,
            kept,
            events.found.layout,
            event_list=out,
            energy_lut=energies,
            overwrite=force,
            progress=lambda fraction: progress("events", fraction),
        )
        if counts is not None:
            write_counts(counts, result, overwrite=force)
    _show_counts(result, written, as_json=as_json)


def _show_counts(result: AppliedLUT, written: dict[str, Path], *, as_json: bool) -> None:
    from napari_petlut.workflow.applying import as_dict

    files = {kind: str(path) for kind, path in written.items()}
    answer = as_dict(result)
    if as_json:
        terminal.print_json(answer | {"files": files})
        return
    share = 100 * answer["assigned"] / max(answer["events"], 1)
    facts = {
        "crystals": str(result.geometry),
        "events in the file": f"{answer['events']:,}",
        "given to a crystal": f"{answer['assigned']:,} ({share:.2f} %)",
    }
    terminal.print_facts("Events", facts)
    grid = result.counts.reshape(result.geometry.shape).tolist()
    width = max(len(str(count)) for row in grid for count in row) + 2
    if width * (result.geometry.cols + 1) <= max(terminal.answers().width, 80):
        columns = ("row", *map(str, range(result.geometry.cols)))
        terminal.print_table("By row and column", columns, [(i, *row) for i, row in enumerate(grid)])
    else:
        order = result.counts.argsort(kind="stable")[:FEW_CRYSTALS].tolist()
        rows = [(i, *divmod(i, result.geometry.cols), int(result.counts[i])) for i in order]
        terminal.print_table("Fewest events", ("crystal", "row", "col", "events"), rows)
        terminal.answers().print("All of them: --counts FILE.csv, or --json")
    if files:
        terminal.print_facts("Written", files)


def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="Raw events, map file, 2-D array, or STEM_record.json.", readable=False
        ),
    ],
    out: OutDir,
    rows: Rows = None,
    cols: Cols = None,
    window: Window = None,
    lut: Annotated[
        Path | None,
        typer.Option(
            "--lut", metavar="L.lut", help="Crystal LUT to judge; made when left out.", readable=False
        ),
    ] = None,
    encoding: Encoding = None,
    peaks: Annotated[
        Path | None,
        typer.Option("--peaks", metavar="P.csv", help="Peaks that belong to the LUT.", readable=False),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option("--events", metavar="RAW", help="Raw events, if SOURCE is a map.", readable=False),
    ] = None,
    event_format: EventLayout = None,
    stem: Annotated[str | None, typer.Option(help="Beginning of the file names; that of SOURCE.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 unless the verdict is pass.")] = False,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Judge one block, and write its report: STEM_report.html, .pdf, STEM_figures.csv and .json.

    The HTML page needs nothing beside it. Energies of the crystals are measured where events are at hand.
    """
    with terminal.friendly_errors(), terminal.step_progress(quiet=as_json) as progress:
        from napari_petlut.report import report_contents, report_paths, write_contents
        from napari_petlut.workflow.measuring import measure_energy, measure_quality
        from napari_petlut.workflow.sources import require_events

        from_record = source.suffix.lower() == ".json"
        read = [source, lut, peaks, events, event_format, encoding]
        if stem is not None or not from_record:
            _check_outputs(report_paths(out, stem or source.stem).values(), read, force=force)
        if peaks is not None and lut is None:
            raise ParameterError("--peaks belongs to --lut; give both")
        parameters = _parameters(window, event_format)
        if events is not None and not from_record:
            require_events(events, parameters.event_format)
        geometry = geometry_of(rows, cols)
        given = {"rows": rows, "cols": cols, "window": window, "lut": lut, "event-format": event_format}
        if from_record:
            result = _repeated(source, given, progress)
        elif lut is None:
            from napari_petlut.workflow.pipeline import calibrate

            result = calibrate(source, geometry, parameters, progress=progress)
        else:
            from napari_petlut.workflow.given_lut import calibration_of_lut

            result = calibration_of_lut(
                source, lut, parameters, encoding=encoding, geometry=geometry, peaks=peaks, progress=progress
            )
        read += result.inputs.values()
        _check_outputs(report_paths(out, stem or result.stem).values(), read, force=force)
        if events is not None:
            require_events(events, result.parameters.event_format)
        energies = measure_energy(result, events, progress=lambda fraction: progress("energies", fraction))
        quality = measure_quality(result)
        progress("report", 0.0)
        contents = report_contents(result, energies, quality, title=stem, directory=out)
        files = write_contents(out, contents, overwrite=force)
        progress("report", 1.0)
    _show_report(contents, files, as_json=as_json)
    if strict and contents.verdict != "pass":
        raise typer.Exit(terminal.EXIT_DOUBT)


def _check_outputs(outputs: Iterable[Path], inputs: Iterable[Path | str | None], *, force: bool) -> None:
    """Make sure that no output is an input, and that none exists unless it may be replaced."""
    from napari_petlut.workflow.calibration import refuse_existing, refuse_inputs

    outputs = list(outputs)
    # An encoding is a .toml file, or the name of a preset.
    read = [p for p in inputs if isinstance(p, Path) or (p is not None and p.endswith(".toml"))]
    refuse_inputs(outputs, map(Path, read))
    if not force:
        refuse_existing(outputs)


def _parameters(window: tuple[float, float] | None, event_format: Path | None) -> CalibrationParameters:
    from napari_petlut.workflow.calibration import CalibrationParameters
    from napari_petlut.workflow.sources import event_layout

    parameters = CalibrationParameters(event_format=event_layout(event_format))
    return replace(parameters, flood=replace(parameters.flood, window=window_of(window)))


def _repeated(record: Path, given: dict[str, Any], progress: Any) -> Calibration:  # noqa: ANN401 - any hook
    """Return the calibration of a record, which says everything: other options would contradict it."""
    from napari_petlut.formats.identification import Content, identify
    from napari_petlut.workflow.pipeline import recalibrate

    if identify(record).content is not Content.RECORD:
        raise FormatError(record, "STEM_record.json", "another JSON file", "choose the record or the source")
    told = [f"--{name}" for name, value in given.items() if value is not None]
    if told:
        raise ParameterError(f"the record already decides {', '.join(told)}; give the source instead of it")
    return recalibrate(record, progress=progress)


def _show_report(contents: ReportContents, files: dict[str, Path], *, as_json: bool) -> None:
    written = {kind: str(path) for kind, path in files.items()}
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
                "files": written,
            }
        )
        return
    for line in (*contents.warnings, *contents.left_out):
        terminal.warn(line)
    facts = {"verdict": contents.verdict, **{fact.title: fact.text for fact in contents.facts if fact.text}}
    terminal.print_facts(contents.title, facts)
    for line in contents.verdict_reasons:
        terminal.answers().print(f"  {line}", markup=False)
    rows = [(see.crystal, see.row, see.col, see.status, "; ".join(see.reasons)) for see in contents.to_see]
    if rows:
        terminal.print_table("To look at", ("crystal", "row", "col", "status", "reason"), rows)
    terminal.print_facts("Written", written)

"""Commands of `petlut` that make a flood map and a crystal LUT."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_petlut.cli import ending, terminal
from napari_petlut.cli.answers import show_calibration
from napari_petlut.cli.options import (
    AsJSON,
    Block,
    CellOptions,
    FloodOptions,
    Force,
    OutDir,
    Raw,
    Reading,
    check_outputs,
)

if TYPE_CHECKING:
    from napari_petlut.workflow.calibration import CalibrationParameters


def flood(
    *,
    raw: Raw,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="MAP.dat", help="Map file to write; .npy or .tif work too.", readable=False
        ),
    ],
    chosen: FloodOptions,
    reading: Reading,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Make the flood map of a raw event file."""
    check_outputs([out], [raw, *reading.files], force=force)
    events = reading.events(raw)

    from napari_petlut.analysis.events.pixels import spectrum_channels
    from napari_petlut.analysis.flood import FloodParameters
    from napari_petlut.formats.maps import require_map_fits, write_flood
    from napari_petlut.workflow.sources import flood_of_events, flood_shape

    layout = events.found.layout
    pixels = flood_shape(events, FloodParameters(**chosen), layout)
    require_map_fits(out, pixels, spectrum_channels(layout))
    with terminal.StepProgress(quiet=as_json) as progress:
        parameters, hook = FloodParameters(**chosen), progress.of("flood map")
        made, used, warnings = flood_of_events(events, parameters, layout, progress=hook)
        write_flood(out, made, overwrite=force)
    for line in warnings:
        terminal.warn(line)
    assert made.spectrum is not None
    facts = {
        "written": str(out),
        "events": int(made.spectrum.sum()),
        "window": str(used.window),
        "events on the map": int(made.total),
        "pixels": f"{made.shape[0]} x {made.shape[1]}",
    }
    terminal.print_json(facts) if as_json else terminal.print_facts("Flood map", facts)


@dataclass(frozen=True)
class _MoreParameters:
    """Parameters that are no field of their own."""

    crystal_windows: Annotated[
        bool,
        typer.Option(
            "--crystal-windows", help="Give each crystal its own energy window, by rounds; raw events only."
        ),
    ] = False
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any parameter, named as in a record: segmentation.kmeans.max_iterations=5; repeatable.",
        ),
    ] = None

    def added_to(
        self, flood: dict[str, Any], cells: dict[str, Any], reading: Reading
    ) -> CalibrationParameters:
        """Return all parameters of a calibration."""
        from napari_petlut.analysis.energy import CrystalWindowParameters
        from napari_petlut.workflow.calibration import CalibrationParameters

        plain = CalibrationParameters(event_format=reading.layout, map_layout=reading.map_layout)
        return replace(
            plain,
            flood=replace(plain.flood, **flood),
            segmentation=replace(plain.segmentation, **cells),
            crystal_windows=CrystalWindowParameters() if self.crystal_windows else None,
        ).changed(self.settings or ())


@dataclass(frozen=True)
class _Writing:
    """What `petlut calibrate` writes."""

    encoding: Annotated[
        str,
        typer.Option(
            help=(
                "How the LUT codes a crystal: packed, linear, cpm, ucd, ucd-clu, cti-crm, minipet "
                "or a .toml file."
            )
        ),
    ] = "packed"
    picture: Annotated[bool, typer.Option(help="Draw STEM.png.")] = True

    def paths(self, directory: Path, stem: str) -> dict[str, Path]:
        """Return where the files go, by kind."""
        from napari_petlut.workflow.outputs import output_paths

        drawn = {"picture": directory / f"{stem}.png"} if self.picture else {}
        return output_paths(directory, stem) | drawn


def calibrate(
    *,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Raw event file, or a flood map in any kind of file (see docs/files.md).",
            readable=False,
        ),
    ],
    out: OutDir,
    block: Block,
    flood: FloodOptions,
    cells: CellOptions,
    more: _MoreParameters,
    writing: _Writing,
    prior: Annotated[
        Path | None,
        typer.Option(
            metavar="PEAKS.csv", help="Lattice of a block of the same design to start from.", readable=False
        ),
    ] = None,
    peaks: Annotated[
        Path | None,
        typer.Option(
            metavar="PEAKS.csv",
            help="Peaks found elsewhere, two columns of positions: they are numbered, nothing is searched.",
            readable=False,
        ),
    ] = None,
    exchange_axes: Annotated[
        bool, typer.Option("--exchange-axes", help="Exchange x and y of the peaks that are given.")
    ] = False,
    reading: Reading,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 if anything needs a look.")] = False,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Find and number every crystal of one block, and write its crystal LUT.

    Writes STEM.lut, STEM_peaks.csv, STEM_record.json and STEM.png; STEM is the source's name without ending.
    """
    from napari_petlut.formats.lut import encode_lut, lut_encoding
    from napari_petlut.formats.map_kinds import map_in_source
    from napari_petlut.workflow.outputs import require_writable

    encoding, geometry = lut_encoding(writing.encoding), block.geometry
    files = writing.paths(out, source.stem)
    require_writable(out)
    check_outputs(files.values(), [source, prior, peaks, *reading.files, writing.encoding], force=force)
    file = reading.source(source)
    # A map is read here, and kept: one that cannot be used is refused before anything heavy is loaded.
    map_in_source(file)

    from napari_petlut.analysis.lattice.finding import require_room
    from napari_petlut.errors import LUTNotWrittenWarning
    from napari_petlut.workflow import pipeline
    from napari_petlut.workflow.calibration import why_no_lut
    from napari_petlut.workflow.sources import flood_shape

    with terminal.StepProgress(quiet=as_json) as progress:
        parameters = replace(more.added_to(flood, cells, reading), exchange_axes=exchange_axes)
        pixels = flood_shape(file, parameters.flood, parameters.event_format, parameters.map_layout)
        no_lut = why_no_lut(pixels, geometry, encoding, files["lut"])
        if no_lut:
            terminal.warn(f"no LUT can be written, peaks and record will be: {no_lut}")
        elif encoding.holding(pixels) != encoding:
            terminal.warn(f"the map is larger than {encoding.name}: the LUT gets its own pixels")
        if geometry is not None and peaks is None:
            require_room(pixels, geometry)
        result = pipeline.calibrate(file, geometry, parameters, prior=prior, peaks=peaks, progress=progress)
        drawn: dict[str, Callable[[Path], None]] = {}
        if writing.picture:
            from napari_petlut.report import write_picture

            drawn["picture"] = partial(write_picture, result=result)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LUTNotWrittenWarning)  # an error at the end says so
            written = result.write(out, encoding=encoding, more=drawn, overwrite=force)
    show_calibration(result, written, as_json=as_json)
    if "lut" not in written:
        encode_lut(result.lut, encoding, path=files["lut"])  # raises, and says why
    if strict and (result.lattice.doubtful.any() or result.lattice.doubts):
        raise typer.Exit(ending.EXIT_DOUBT)

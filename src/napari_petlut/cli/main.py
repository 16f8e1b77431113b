"""The command line, `petlut`."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_petlut.cli import terminal
from napari_petlut.cli.analysis import add_commands
from napari_petlut.cli.answers import show_calibration, show_comparison
from napari_petlut.cli.options import (
    AsJSON,
    Bins,
    Cols,
    Comb,
    EventLayout,
    Force,
    OutDir,
    Rows,
    Seed,
    ToldCols,
    ToldRows,
    Window,
    geometry_of,
    window_of,
)
from napari_petlut.errors import ParameterError

app = typer.Typer(
    name="petlut",
    help="Crystal lookup tables for PET block detectors: from recorded events to a numbered LUT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done, 1 a file or value cannot be used, 2 wrong usage, 3 doubts under --strict, "
        "130 stopped."
    ),
)


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        import napari_petlut

        typer.echo(napari_petlut.__version__)
        raise typer.Exit


@app.command()
def demo(
    out: OutDir = Path("petlut-demo"),
    seed: Seed = 1,
    window: Annotated[bool, typer.Option(help="Open napari with the result, if there is a display.")] = True,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Simulate a 16 x 16 block, find its crystals, and hold the result against the truth."""
    with terminal.friendly_errors(), terminal.step_progress(quiet=as_json) as progress:
        from napari_petlut.cli.demo import run_demo

        result = run_demo(out, seed=seed, overwrite=force, progress=progress)
    if as_json:
        terminal.print_json(result.as_dict())
        return
    columns, rows = result.table()
    terminal.print_table("Found against the simulation's truth", columns, rows)
    terminal.print_facts(f"Written to {out}", result.files)
    if window:
        _open_window(result.files_to_open(out))


def _open_window(paths: list[Path]) -> None:
    """Open napari on the demo's result where it is installed and has a display."""
    try:
        launch = import_module("napari_petlut.plugin.launch")
    except ImportError:
        return
    launch.open_if_possible(paths)


@app.command()
def simulate(
    out: OutDir,
    preset: Annotated[
        str, typer.Option(help='Kind of block: typical, easy, hard or "small 8x8".')
    ] = "typical",
    rows: Annotated[int | None, typer.Option(help="Crystals along axis 0.")] = None,
    cols: Annotated[int | None, typer.Option(help="Crystals along axis 1.")] = None,
    events: Annotated[int, typer.Option(help="Events in the raw file, all energies.")] = 5_000_000,
    seed: Seed = 0,
    resolution: Annotated[
        float | None, typer.Option(help="Median k = distance / FWHM of neighbours.")
    ] = None,
    distortion: Annotated[
        float | None, typer.Option(help="How far swirls bend rows, share of the side.")
    ] = None,
    turn: Annotated[float | None, typer.Option(help="Turn of the array, degrees.")] = None,
    dead: Annotated[int | None, typer.Option(help="Number of crystals without events.")] = None,
    dim: Annotated[int | None, typer.Option(help="Number of crystals with few events.")] = None,
    merged: Annotated[int | None, typer.Option(help="Number of pairs on one spot.")] = None,
    background: Annotated[float | None, typer.Option(help="Share of events of no crystal.")] = None,
    stem: Annotated[str, typer.Option(help="Beginning of the file names.")] = "block",
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Simulate a block with known truth: STEM_raw.dat, STEM_map.dat and STEM_truth.npz."""
    knobs = {
        "rows": rows,
        "cols": cols,
        "resolution": resolution,
        "distortion": distortion,
        "turn": turn,
        "dead": dead,
        "dim": dim,
        "merged": merged,
        "background": background,
    }
    with terminal.friendly_errors(), terminal.step_progress(quiet=as_json) as progress:
        from napari_petlut.cli.demo import simulation_parameters, write_simulation

        chosen = simulation_parameters(preset, seed=seed, **{k: v for k, v in knobs.items() if v is not None})
        files = write_simulation(chosen, events, out, stem=stem, overwrite=force, progress=progress)
    written = {kind: str(path) for kind, path in files.items()}
    terminal.print_json(written) if as_json else terminal.print_facts("Written", written)


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="Any file of the kinds this program knows.", readable=False)],
    rows: ToldRows = None,
    cols: ToldCols = None,
    event_format: EventLayout = None,
    as_json: AsJSON = False,
) -> None:
    """Say what a file is and what it holds."""
    with terminal.friendly_errors():
        from napari_petlut.formats.identification import Hints, describe, identify
        from napari_petlut.workflow.sources import event_layout

        hints = Hints(event_layout(event_format), geometry=geometry_of(rows, cols))
        facts = describe(identify(file, hints))
    if as_json:
        terminal.print_json(facts)
        return
    if "pixels" in facts:
        facts["pixels"] = " x ".join(map(str, facts["pixels"]))
    terminal.print_facts(str(file), {name.replace("_", " "): fact for name, fact in facts.items()})


@app.command()
def flood(
    raw: Annotated[Path, typer.Argument(help="Raw event file.", readable=False)],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="MAP.dat", help="Map file to write; .npy or .tif work too.", readable=False
        ),
    ],
    window: Window = None,
    bins: Bins = 512,
    remove_comb: Comb = False,
    seed: Seed = 0,
    event_format: EventLayout = None,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Make the flood map of a raw event file."""
    with terminal.friendly_errors(), terminal.step_progress(quiet=as_json) as progress:
        from napari_petlut.analysis.flood import FloodParameters
        from napari_petlut.formats.maps import write_flood
        from napari_petlut.workflow.calibration import refuse_existing, refuse_inputs
        from napari_petlut.workflow.sources import event_layout, flood_of_events, require_events

        refuse_inputs([out], [raw])
        if not force:
            refuse_existing([out])
        events = require_events(raw, event_layout(event_format))
        parameters = FloodParameters(window_of(window), bins, dither=remove_comb, seed=seed)
        made, used, warnings = flood_of_events(
            events, parameters, events.found.layout, progress=lambda f: progress("flood map", f)
        )
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


@app.command()
def calibrate(
    source: Annotated[
        Path,
        typer.Argument(help="Raw event file, map file, or 2-D array (.npy .tif .csv .txt).", readable=False),
    ],
    out: OutDir,
    rows: Rows = None,
    cols: Cols = None,
    window: Window = None,
    bins: Bins = 512,
    remove_comb: Comb = False,
    method: Annotated[
        str | None, typer.Option(help="Segmentation: nearest, mixture, watershed, kmeans.")
    ] = None,
    max_distance: Annotated[
        float | None, typer.Option(help="Pixels farther from their peak than this, px, belong to no crystal.")
    ] = None,
    crystal_windows: Annotated[
        bool,
        typer.Option(
            "--crystal-windows", help="Give each crystal its own energy window, by rounds; raw events only."
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any parameter, named as in a record: segmentation.kmeans.max_iterations=5; repeatable.",
        ),
    ] = None,
    encoding: Annotated[
        str,
        typer.Option(
            help=(
                "How the LUT codes a crystal: packed, linear, cpm, ucd, ucd-clu, cti-crm, minipet "
                "or a .toml file."
            )
        ),
    ] = "packed",
    prior: Annotated[
        Path | None,
        typer.Option(
            metavar="PEAKS.csv", help="Lattice of a block of the same design to start from.", readable=False
        ),
    ] = None,
    seed: Seed = 0,
    event_format: EventLayout = None,
    picture: Annotated[bool, typer.Option(help="Draw STEM.png.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 if anything needs a look.")] = False,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Find and number every crystal of one block, and write its crystal LUT.

    Writes STEM.lut, STEM_peaks.csv, STEM_record.json and STEM.png; STEM is the source's name without ending.
    """
    with terminal.friendly_errors(), terminal.step_progress(quiet=as_json) as progress:
        from napari_petlut import report
        from napari_petlut.analysis.energy import CrystalWindowParameters
        from napari_petlut.formats.identification import Hints, identify
        from napari_petlut.formats.lut import lut_encoding
        from napari_petlut.workflow import calibration, pipeline
        from napari_petlut.workflow.sources import event_layout, flood_shape

        parameters = calibration.CalibrationParameters(event_format=event_layout(event_format))
        cells = {k: v for k, v in {"method": method, "max_distance": max_distance}.items() if v is not None}
        parameters = replace(
            parameters,
            flood=replace(
                parameters.flood, window=window_of(window), bins=bins, dither=remove_comb, seed=seed
            ),
            segmentation=replace(parameters.segmentation, **_checked_method(cells)),
            crystal_windows=CrystalWindowParameters() if crystal_windows else None,
        ).changed(settings or ())
        chosen = lut_encoding(encoding)
        files = calibration.output_paths(out, source.stem) | (
            {"picture": out / f"{source.stem}.png"} if picture else {}
        )
        calibration.require_writable(out)
        if not force:
            calibration.refuse_existing(files.values())
        geometry = geometry_of(rows, cols)
        file = identify(source, Hints(parameters.event_format, geometry=geometry))
        pixels = flood_shape(file, parameters.flood, parameters.event_format)
        calibration.require_fit(files["lut"], pixels, geometry, chosen)
        result = pipeline.calibrate(file, geometry, parameters, prior=prior, progress=progress)
        result.write(out, encoding=chosen, overwrite=force)
        if picture:
            report.write_picture(files["picture"], result, overwrite=force)
    show_calibration(result, files, as_json=as_json)
    if strict and (result.lattice.doubtful.any() or result.lattice.doubts):
        raise typer.Exit(terminal.EXIT_DOUBT)


def _checked_method(options: dict[str, Any]) -> dict[str, Any]:
    from typing import get_args, get_type_hints

    from napari_petlut.analysis.segmentation import SegmentationParameters

    known = get_args(get_type_hints(SegmentationParameters)["method"])
    if options.get("method", known[0]) not in known:
        raise ParameterError(f"unknown method {options['method']!r}; known are {', '.join(known)}")
    return options


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A.lut", help="A LUT file, the reference.", readable=False)],
    b: Annotated[
        Path, typer.Argument(metavar="B.lut", help="Another LUT file of the same block.", readable=False)
    ],
    flood_map: Annotated[
        Path | None,
        typer.Option(
            "--map", metavar="MAP", help="Flood map whose counts weight the pixels.", readable=False
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of both files, if it cannot be detected.")
    ] = None,
    rows: ToldRows = None,
    cols: ToldCols = None,
    worst: Annotated[int, typer.Option(help="How many of the worst crystals to list.")] = 10,
    as_json: AsJSON = False,
) -> None:
    """Print the share of pixels and counts on which two LUTs agree, overall and for the worst crystals."""
    with terminal.friendly_errors():
        from napari_petlut.analysis.comparison import compare_luts
        from napari_petlut.formats.lut import read_lut
        from napari_petlut.formats.maps import read_flood

        files = [read_lut(path, encoding, geometry_of(rows, cols)) for path in (a, b)]
        counts = None if flood_map is None else read_flood(flood_map).counts
        result = compare_luts(files[0].lut, files[1].lut, counts)
    show_comparison(result, worst, as_json=as_json)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN.lut", help="LUT file to read.", readable=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT.lut", help="LUT file to write.", readable=False)],
    to: Annotated[
        str, typer.Option("--to", metavar="NAME", help="Encoding to write: a preset's name or a .toml file.")
    ],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="Encoding of the file; detected when left out."),
    ] = None,
    rows: ToldRows = None,
    cols: ToldCols = None,
    block: Annotated[int | None, typer.Option(help="Which block of a file of several, from 0.")] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Fit the pixels to the size of the target.")
    ] = False,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Write a LUT file in another encoding."""
    with terminal.friendly_errors():
        from napari_petlut.formats.lut import lut_encoding, read_lut, write_lut

        encoding = lut_encoding(to)
        read = read_lut(source, from_, geometry_of(rows, cols), block=block)
        lut = read.lut.resampled(encoding.region) if resample else read.lut
        write_lut(target, lut, encoding, overwrite=force)
    facts = {
        "read": f"{source} as {read.encoding.name}",
        "found out": read.note or "nothing; all was told",
        "block": str(lut.geometry),
        "written": f"{target} as {encoding.name}, {lut.shape[0]} x {lut.shape[1]} pixels",
    }
    terminal.print_json(facts) if as_json else terminal.print_facts("Converted", facts)


add_commands(app)

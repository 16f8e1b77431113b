"""Commands of `petlut` about files as they are: what they hold, how LUTs differ, another encoding."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_petlut.cli import terminal
from napari_petlut.cli.answers import show_comparison
from napari_petlut.cli.options import AsJSON, Force, Reading, ToldBlock, check_outputs


def info(
    *,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Any file of a kind this program knows.", readable=False)
    ],
    block: ToldBlock,
    reading: Reading,
    as_json: AsJSON = False,
) -> None:
    """Say what a file is and what it holds."""
    from napari_petlut.formats.identification import describe, identify

    facts = describe(identify(file, reading.hints(block.geometry)))
    if as_json:
        terminal.print_json(facts)
        return
    if "pixels" in facts:
        facts["pixels"] = " x ".join(map(str, facts["pixels"]))
    terminal.print_facts(str(file), {name.replace("_", " "): fact for name, fact in facts.items()})


def compare(
    *,
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
    block: ToldBlock,
    worst: Annotated[int, typer.Option(help="How many of the worst crystals to list.")] = 10,
    as_json: AsJSON = False,
) -> None:
    """Print the share of pixels and counts on which two LUTs agree, overall and for the worst crystals."""
    from napari_petlut.formats.lut import read_lut

    files = [read_lut(path, encoding, block.geometry) for path in (a, b)]

    from napari_petlut.analysis.comparison import compare_luts
    from napari_petlut.formats.maps import read_flood

    counts = None if flood_map is None else read_flood(flood_map).counts
    show_comparison(compare_luts(files[0].lut, files[1].lut, counts), worst, as_json=as_json)


def convert(
    *,
    source: Annotated[Path, typer.Argument(metavar="IN.lut", help="LUT file to read.", readable=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT.lut", help="LUT file to write.", readable=False)],
    to: Annotated[
        str, typer.Option("--to", metavar="NAME", help="Encoding to write: a preset's name or a .toml file.")
    ],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="Encoding of the file; detected when left out."),
    ] = None,
    block: ToldBlock,
    number: Annotated[
        int | None, typer.Option("--block", help="Which block of a file of several, from 0.")
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Fit the pixels to the size of the target.")
    ] = False,
    layer: Annotated[
        int | None,
        typer.Option("--layer", help="Which layer of an array of several, from 0; all without it."),
    ] = None,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Write a LUT file in another encoding."""
    from napari_petlut.formats.lut import lut_encoding, read_lut, write_lut

    encoding = lut_encoding(to)
    check_outputs([target], [source, to, from_], force=force)
    read = read_lut(source, from_, block.geometry, block=number)
    lut = read.lut if layer is None else read.lut.layer(layer)
    lut = lut.resampled(encoding.region) if resample else lut
    write_lut(target, lut, encoding, overwrite=force)
    facts = {
        "read": f"{source} as {read.encoding.name}",
        "found out": read.note or "nothing; all was told",
        "block": str(lut.geometry),
        "written": f"{target} as {encoding.name}, {lut.shape[0]} x {lut.shape[1]} pixels",
    }
    terminal.print_json(facts) if as_json else terminal.print_facts("Converted", facts)

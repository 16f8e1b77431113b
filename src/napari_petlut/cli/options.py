"""Options that several commands of `petlut` share: one by one, and as the groups that belong together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_petlut.cli.deriving import Derived, Field
from napari_petlut.errors import ParameterError

if TYPE_CHECKING:
    from napari_petlut.formats.identification import Hints, IdentifiedFile
    from napari_petlut.formats.map_layout import MapLayout
    from napari_petlut.geometry import BlockGeometry
    from napari_petlut.model import EventFormat
    from napari_petlut.workflow.calibration import CalibrationParameters

Raw = Annotated[Path, typer.Argument(metavar="RAW", help="Raw event file.", readable=False)]
OutDir = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where the files go; made if needed.", readable=False)
]
Seed = Annotated[int, typer.Option(help="Same seed, same bytes.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
ArrayOption = Annotated[
    str | None,
    typer.Option(
        "--geometry",
        metavar="ARRAY",
        help="An array that is no rectangle: staggered:24x24:3, hexagonal:12x12, round:14x14, "
        "layers:16x16+15x15@0.5,0.5, or a .toml or .csv file (see docs/files.md).",
    ),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines instead of text.")]


def _geometry(rows: int | None, cols: int | None, array: str | None) -> BlockGeometry | None:
    if array is not None:
        if rows is not None or cols is not None:
            raise ParameterError("give the array with --geometry, or --rows and --cols, not both")
        from napari_petlut.formats.crystal_arrays import crystal_array

        return crystal_array(array)
    if rows is None and cols is None:
        return None
    if rows is None or cols is None:
        raise ParameterError("give both --rows and --cols, or neither to have them proposed")
    from napari_petlut.geometry import BlockGeometry

    return BlockGeometry(rows, cols)


@dataclass(frozen=True)
class Block:
    """The crystal array, which the map proposes."""

    rows: Annotated[
        int | None, typer.Option(help="Crystals along axis 0; proposed from the map when left out.")
    ] = None
    cols: Annotated[
        int | None, typer.Option(help="Crystals along axis 1; proposed from the map when left out.")
    ] = None
    crystal_array: ArrayOption = None

    @property
    def geometry(self) -> BlockGeometry | None:
        """The array, None if it is to be proposed."""
        return _geometry(self.rows, self.cols, self.crystal_array)


@dataclass(frozen=True)
class ToldBlock:
    """The crystal array of a LUT, which often tells it."""

    rows: Annotated[int | None, typer.Option(help="Crystals along axis 0, if the LUT does not tell.")] = None
    cols: Annotated[int | None, typer.Option(help="Crystals along axis 1, if the LUT does not tell.")] = None
    crystal_array: ArrayOption = None

    @property
    def geometry(self) -> BlockGeometry | None:
        """The array, None if the LUT is to tell it."""
        return _geometry(self.rows, self.cols, self.crystal_array)


@dataclass(frozen=True)
class Reading:
    """How a file of events or a map is to be read."""

    event_format: Annotated[
        Path | None,
        typer.Option(
            metavar="FORMAT",
            help="What raw events are like, if not the lab's: a preset's name, a .toml file, or the record "
            "(.json) of a calibration.",
            readable=False,
        ),
    ] = None
    block: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Which block is used, where a file has several: 3, or 3,1 for two numbers, or for a tile in "
            "row and column.",
        ),
    ] = None
    array: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|TOML",
            help='A map without a header, as in "<i4 512x512 header=0"; or a .toml file that tells '
            "how a map lies in a file.",
        ),
    ] = None
    array_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which array of a file that holds several.")
    ] = None
    tiles: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="ROWS COLS", help="Blocks that lie side by side in one array."),
    ] = None
    crop: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(
            metavar="R0 R1 C0 C1", help="Rows R0 to R1 and columns C0 to C1 of pixels, ends not included."
        ),
    ] = None
    transpose: Annotated[
        bool, typer.Option("--transpose", help="Exchange axis 0 and axis 1 of a map that is read.")
    ] = False

    @property
    def map_layout(self) -> MapLayout:
        """Where in a file of a map it lies, and how."""
        from napari_petlut.formats.map_layout import MapLayout, load_map_layout, map_layout_of_text

        told = MapLayout()
        if self.array is not None:
            is_file = self.array.lower().endswith(".toml")
            told = load_map_layout(self.array) if is_file else map_layout_of_text(self.array)
        given: dict[str, Any] = {
            "name": self.array_name,
            "tiles": self.tiles,
            "block": self.block_numbers,
            "crop": self.crop,
            "transposed": self.transpose or None,
        }
        return replace(told, **{name: value for name, value in given.items() if value is not None})

    @property
    def layout(self) -> EventFormat:
        """How raw events are packed."""
        from napari_petlut.formats.event_kinds import event_layout

        return event_layout(self.event_format, self.block_numbers)

    @property
    def block_numbers(self) -> tuple[int, ...] | None:
        """The block of a scanner, of tiles or of a stack, None for all there are."""
        if self.block is None:
            return None
        try:
            return tuple(int(number) for number in self.block.split(","))
        except ValueError:
            raise ParameterError(
                f"--block takes whole numbers such as 3 or 3,1, not {self.block!r}"
            ) from None

    @property
    def files(self) -> list[Path]:
        """What is read to know it; never to be written over."""
        # A preset is no file, and neither is a description in words.
        described = None if self.array is None or not self.array.lower().endswith(".toml") else self.array
        named = self.event_format if self.event_format is not None and self.event_format.suffix else None
        return [Path(name) for name in (named, described) if name is not None]

    def hints(self, geometry: BlockGeometry | None = None) -> Hints:
        """Return what is told about a file; the crystal array is that of a LUT which does not tell it."""
        from napari_petlut.formats.identification import Hints

        return Hints(self.layout, geometry=geometry, block=self.block_numbers, map_layout=self.map_layout)

    def source(self, path: Path) -> IdentifiedFile:
        """Return a file of events or of a map, with what it is; a `FormatError` refuses all others."""
        from napari_petlut.formats.identification import identify_source

        return identify_source(path, self.hints())

    def events(self, path: Path) -> IdentifiedFile:
        """Return a file of raw events, with what it is; a `FormatError` refuses all others."""
        from napari_petlut.formats.event_kinds import one_block
        from napari_petlut.formats.identification import identify

        file = identify(path, self.hints())
        one_block(file)
        return file


Window = Derived(
    "analysis/flood/parameters.py",
    "FloodParameters",
    window=Field(help="Energies kept, LOW < E < HIGH; found in the spectrum when left out."),
)
WindowOption = Annotated[dict[str, Any], Window]
FloodOptions = Annotated[
    dict[str, Any],
    Derived(
        "analysis/flood/parameters.py",
        "FloodParameters",
        **Window.chosen,
        bins=Field(),
        dither=Field("--remove-comb", "Remove the lines of integer ratios by seeded dither."),
        seed=Field(),
    ),
]
"""How events become a flood map."""
CellOptions = Annotated[
    dict[str, Any],
    Derived(
        "analysis/segmentation/parameters.py",
        "SegmentationParameters",
        method=Field(help="Segmentation, how pixels are given to crystals."),
        max_distance=Field(),
    ),
]
"""How peaks become cells."""
SimulationOptions = Annotated[
    dict[str, Any],
    Derived(
        "simulation/parameters.py",
        "BlockSimulation",
        given_only=True,
        **{
            name: Field()
            for name in (
                "rows",
                "cols",
                "resolution",
                "distortion",
                "turn",
                "dead",
                "dim",
                "merged",
                "background",
            )
        },
    ),
]
"""In what a simulated block differs from its preset."""


def parameters_of(window: dict[str, Any], reading: Reading) -> CalibrationParameters:
    """Return the parameters of a block's flood map from the options of a command that has only these."""
    from napari_petlut.workflow.calibration import CalibrationParameters

    plain = CalibrationParameters(event_format=reading.layout, map_layout=reading.map_layout)
    return replace(plain, flood=replace(plain.flood, **window))


def check_outputs(
    outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str] | None], *, force: bool
) -> None:
    """Make sure that no output is an input, and that none exists unless it may be replaced.

    Parameters
    ----------
    outputs : iterable of Path
    inputs : iterable of path-like or str
        What is read; None for what was not given. Text names an encoding, or a .toml file with one.
    force : bool
    """
    from napari_petlut.workflow.outputs import check_outputs as check

    read = [
        name for name in inputs if name is not None and (not isinstance(name, str) or name.endswith(".toml"))
    ]
    check(outputs, read, overwrite=force)

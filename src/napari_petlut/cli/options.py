"""Options that several commands of `petlut` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_petlut.errors import ParameterError

if TYPE_CHECKING:
    from napari_petlut.geometry import BlockGeometry
    from napari_petlut.model import EnergyWindow

Rows = Annotated[int | None, typer.Option(help="Crystals along axis 0; proposed from the map when left out.")]
Cols = Annotated[int | None, typer.Option(help="Crystals along axis 1; proposed from the map when left out.")]
ToldRows = Annotated[
    int | None, typer.Option("--rows", help="Crystals along axis 0, if the LUT does not tell.")
]
ToldCols = Annotated[
    int | None, typer.Option("--cols", help="Crystals along axis 1, if the LUT does not tell.")
]
Window = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="LOW HIGH", help="Energies kept, LOW < E < HIGH; found in the spectrum when left out."
    ),
]
Bins = Annotated[int, typer.Option(help="Pixels of the flood map along each axis.")]
Comb = Annotated[
    bool, typer.Option("--remove-comb", help="Remove the lines of integer ratios by seeded dither.")
]
Seed = Annotated[int, typer.Option(help="Same seed, same bytes.")]
EventLayout = Annotated[
    Path | None,
    typer.Option(
        "--event-format", metavar="TOML", help="Layout of the raw events, if not the lab's.", readable=False
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines instead of text.")]
OutDir = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where the files go; made if needed.", readable=False)
]


def geometry_of(rows: int | None, cols: int | None) -> BlockGeometry | None:
    """Return the geometry of the options --rows and --cols, None without them."""
    if (rows is None) != (cols is None):
        raise ParameterError("give both --rows and --cols, or neither to have them proposed")
    from napari_petlut.geometry import BlockGeometry

    return None if rows is None or cols is None else BlockGeometry(rows, cols)


def window_of(window: tuple[float, float] | None) -> EnergyWindow | None:
    """Return the window of the option --window, None without it."""
    from napari_petlut.model import EnergyWindow

    return None if window is None else EnergyWindow(*window)

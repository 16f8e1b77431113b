"""What a person chooses besides the core's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from napari_petlut.errors import ParameterError
from napari_petlut.formats.lut_encoding import LUT_PRESETS, Corner


@dataclass(frozen=True)
class ExportChoices:
    """What the export writes.

    Parameters
    ----------
    encoding : str
        How the LUT file stores crystals: the name of a known layout.
    origin : {"top-left", "top-right", "bottom-left", "bottom-right"}, optional
        Corner of crystal (0, 0) in the file; by default what the layout says.
    lut : bool
        Write the crystal LUT.
    peaks : bool
        Write the table of peaks as CSV.
    record : bool
        Write the record of how the LUT was made as JSON.
    picture : bool
        Write a picture of the map with peaks and cells as PNG.

    Raises
    ------
    ParameterError
        If the layout or the corner is unknown.
    """

    encoding: str = "packed"
    origin: Corner | None = None
    lut: bool = True
    peaks: bool = True
    record: bool = True
    picture: bool = False

    def __post_init__(self) -> None:
        if self.encoding not in LUT_PRESETS:
            raise ParameterError(
                f"LUT layout {self.encoding!r} is unknown; use one of {', '.join(LUT_PRESETS)}"
            )
        if self.origin is not None and self.origin not in get_args(Corner):
            raise ParameterError(
                f"corner {self.origin!r} is unknown; use one of {', '.join(get_args(Corner))}"
            )

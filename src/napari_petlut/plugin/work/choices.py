"""What a person chooses besides the core's parameters, and parameters as a session keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

from napari_petlut.errors import ParameterError
from napari_petlut.formats.lut_encoding import LUT_PRESETS, Corner

Parameters = TypeVar("Parameters")


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


def restored(parameters: type[Parameters], values: Mapping[str, Any]) -> Parameters:
    """Return a parameter dataclass made from plain values, as a session or record keeps them.

    Parameters
    ----------
    parameters : type
        The dataclass; fields that are dataclasses themselves may be mappings.
    values : mapping
        By field name; what the dataclass does not know is left out.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """
    hints = get_type_hints(parameters)
    known: dict[str, Any] = {}
    for field in fields(parameters):  # type: ignore[arg-type]
        if field.init and field.name in values:
            known[field.name] = _restored_value(hints[field.name], values[field.name])
    return parameters(**known)


def _restored_value(hint: Any, value: Any) -> Any:  # noqa: ANN401 - any field
    if isinstance(value, Mapping):
        nested = next((part for part in (hint, *get_args(hint)) if is_dataclass(part)), None)
        return restored(nested, value) if isinstance(nested, type) else value
    return tuple(value) if isinstance(value, list) else value

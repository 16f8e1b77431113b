"""How a LUT file stores crystals, as a value; and the layouts that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath, one_line
from napari_petlut.formats._settings import pair, read_settings, text, truth, whole
from napari_petlut.model.event_sources import LARGEST_HEADER

__all__ = ["LUT_PRESETS", "LUTEncoding", "load_lut_encoding", "lut_encoding"]

Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
Order = Literal["row-major", "column-major"]

LARGEST_SIDE = 8192
"""Pixels of a LUT along an axis."""

_CHOICES = {
    "code": ("packed", "linear"),
    "codec": ("plain", "rle"),
    "origin": get_args(Corner),
    "order": get_args(Order),
}


@dataclass(frozen=True)
class LUTEncoding:
    """How crystal ids and pixels are laid out in a LUT file.

    A linear value is ``id + first_id``; a packed one ``(row + first_id) * multiplier + (col + first_id)``.
    Row and column are counted from the corner `origin`.

    Parameters
    ----------
    name : str
        Shown to people and written into records.
    code : {"packed", "linear"}
        Row and column in one value, or the crystal id.
    dtype : str
        NumPy dtype of a pixel with its byte order, for example ``">u4"``.
    shape : tuple of int
        Pixels of the stored array along axis 0 and axis 1.
    region : tuple of int
        Where the block sits, ``[0:region[0], 0:region[1]]``, if everything outside of it is background.
    header_bytes : int
        Bytes before the first pixel.
    background : int, "crystals" or None
        Value of "no crystal"; ``"crystals"`` is the number of crystals of the block; None if the file has no
        such value.
    first_id : int
        Where counting starts: of ids in a linear code, of rows and columns in a packed one.
    multiplier : int
        Of the row in a packed code; at least one more than the largest column value.
    origin : {"top-left", "top-right", "bottom-left", "bottom-right"}
        Corner of crystal (0, 0) in the file's own count: top is the small end of axis 0, left that of axis 1.
    order : {"row-major", "column-major"}
        Column-major counts ids down the columns; in a packed code it exchanges row and column.
    transposed : bool
        The stored pixel array has axis 0 and axis 1 exchanged.
    flip_axis_0, flip_axis_1 : bool
        The block's stored pixel array, after the exchange of axes, is reversed along the axis.
    codec : {"plain", "rle"}
        ``"rle"``: pairs of a value and a run length, one byte each, over the flattened array.
    blocks : int or None
        Blocks in one file, one after the other; None for any number.

    Raises
    ------
    ParameterError
        If something of this cannot be.
    """

    name: str = "packed"
    code: Literal["packed", "linear"] = "packed"
    dtype: str = ">u4"
    shape: tuple[int, int] = (1024, 1024)
    region: tuple[int, int] = (512, 512)
    header_bytes: int = 0
    background: int | Literal["crystals"] | None = 0
    first_id: int = 1
    multiplier: int = 256
    origin: Corner = "top-left"
    order: Order = "row-major"
    transposed: bool = False
    flip_axis_0: bool = False
    flip_axis_1: bool = False
    codec: Literal["plain", "rle"] = "plain"
    blocks: int | None = 1

    def __post_init__(self) -> None:
        for field, words in _CHOICES.items():
            if getattr(self, field) not in words:
                raise ParameterError(
                    f"LUT {field} is one of {', '.join(words)}, not {getattr(self, field)!r}"
                )
        self._check_pixels()
        if self.first_id not in (0, 1):
            raise ParameterError(f"LUT first_id is 0 or 1, not {self.first_id!r}")
        if self.code == "packed" and not 2 <= self.multiplier <= 2**24:
            raise ParameterError(f"LUT multiplier is 2 to 2**24, not {self.multiplier!r}")
        if not 0 <= self.header_bytes <= LARGEST_HEADER or (self.blocks is not None and self.blocks < 1):
            raise ParameterError(f"LUT header_bytes is 0 to {LARGEST_HEADER:,}, and blocks 1 or more")
        self._check_background()

    def _check_pixels(self) -> None:
        for field in ("shape", "region"):
            size = getattr(self, field)
            if len(size) != 2 or not all(isinstance(n, int) and 1 <= n <= LARGEST_SIDE for n in size):
                raise ParameterError(f"LUT {field} is two numbers from 1 to {LARGEST_SIDE}, not {size!r}")
        if self.region[0] > self.shape[0] or self.region[1] > self.shape[1]:
            raise ParameterError(f"LUT region {self.region} does not fit into the shape {self.shape}")
        try:
            pixel = np.dtype(self.dtype)
        except (TypeError, ValueError, SyntaxError) as error:
            raise ParameterError(
                f"LUT dtype {self.dtype!r} is no NumPy dtype; use one such as '>u4'"
            ) from error
        if pixel.kind not in "iu":
            raise ParameterError(f"LUT dtype must be a whole number such as '>u4', not {self.dtype!r}")
        if self.codec == "rle" and pixel.itemsize != 1:
            raise ParameterError(f"a run-length coded LUT has pixels of one byte, not {self.dtype!r}")

    def _check_background(self) -> None:
        if self.background is None:
            return
        if self.background == "crystals":
            if self.code == "packed" or self.first_id == 1:
                raise ParameterError("LUT background 'crystals' needs linear ids from 0; id N is taken else")
            return
        limits = np.iinfo(self.dtype)
        if not isinstance(self.background, int) or not limits.min <= self.background <= limits.max:
            raise ParameterError(f"LUT background {self.background!r} does not fit into {self.dtype}")
        if self.first_id == 0 and self.background == 0:
            raise ParameterError("LUT background 0 and first_id 0 cannot be told apart; change one of them")

    @property
    def block_bytes(self) -> int:
        """Bytes of one block's pixels, without compression."""
        return self.shape[0] * self.shape[1] * np.dtype(self.dtype).itemsize

    def other_size(self, shape: tuple[int, int]) -> tuple[int, int] | None:
        """Return the pixels that a LUT must have in place of its own to be written so, None if it fits.

        Parameters
        ----------
        shape : tuple of int
            Pixels of the LUT along axis 0 and axis 1.

        Examples
        --------
        >>> lut_encoding("cti-crm").other_size((512, 512))
        (256, 256)
        >>> lut_encoding("packed").other_size((512, 512)) is None
        True
        """
        stored = shape[::-1] if self.transposed else shape
        inside = all(n <= most for n, most in zip(stored, self.shape, strict=True))
        if inside and (self.background is not None or stored == self.shape):
            return None
        return self.region

    def holding(self, shape: tuple[int, int]) -> LUTEncoding:
        """Return the encoding with a pixel array of a map's own size, where it may have one and needs it.

        Only "packed" and "linear" as they are may have any size; the pixels of the others are those of a
        device.

        Parameters
        ----------
        shape : tuple of int
            Pixels of the map along axis 0 and axis 1.

        Examples
        --------
        >>> lut_encoding("packed").holding((2048, 1500)).shape
        (2048, 1500)
        >>> lut_encoding("packed").holding((512, 512)) == lut_encoding("packed")
        True
        """
        grows = self in (LUT_PRESETS[name] for name in OF_ANY_SIZE)
        if not grows or all(n <= most for n, most in zip(shape, self.shape, strict=True)):
            return self
        return replace(self, shape=shape, region=shape)


LUT_PRESETS: Mapping[str, LUTEncoding] = MappingProxyType(
    {
        encoding.name: encoding
        for encoding in (
            LUTEncoding(),
            LUTEncoding("linear", code="linear"),
            # CPM_Project: one or more blocks of a readout board in a file; y counts upwards.
            LUTEncoding(
                "cpm",
                code="linear",
                dtype="<u2",
                shape=(512, 512),
                background=0xFFFF,
                first_id=0,
                origin="bottom-left",
                blocks=None,
            ),
            # UC Davis small-animal insert; the corner that its electronics give to the first crystal is open.
            LUTEncoding(
                "ucd",
                code="linear",
                dtype="<i4",
                shape=(512, 512),
                background="crystals",
                first_id=0,
            ),
            LUTEncoding("ucd-clu", code="linear", dtype="<i4", shape=(512, 512), background=-1, first_id=1),
            # CTI crystal region map: value = Y * 16 + X; 255 is crosstalk, so crystal (15, 15) has none.
            LUTEncoding(
                "cti-crm",
                dtype="u1",
                shape=(256, 256),
                region=(256, 256),
                background=255,
                first_id=0,
                multiplier=16,
                codec="rle",
            ),
            # MiniPET-II: crystal = axial * 35 + tangential, its modules in one file, no background.
            LUTEncoding(
                "minipet",
                code="linear",
                dtype="<u2",
                shape=(256, 256),
                region=(256, 256),
                background=None,
                first_id=0,
                blocks=None,
            ),
        )
    }
)
"""Known layouts by name. The lab's own is "packed"; the others follow published descriptions of the tools
that are named in the comments, which leave some details open."""
OF_ANY_SIZE = ("packed", "linear")
"""Presets whose pixel array grows with the map."""


def lut_encoding(encoding: LUTEncoding | str) -> LUTEncoding:
    """Return a LUT encoding by the name of a preset or of a TOML file, or as it is.

    Raises
    ------
    ParameterError
        If there is no such preset.
    FormatError
        As `load_lut_encoding`, if the name ends in ``.toml``.
    """
    if isinstance(encoding, LUTEncoding):
        return encoding
    if encoding.lower().endswith(".toml"):
        return load_lut_encoding(encoding)
    if encoding not in LUT_PRESETS:
        raise ParameterError(
            f"there is no LUT encoding {encoding!r}; known are {', '.join(LUT_PRESETS)}, "
            "or name a .toml file that describes one"
        )
    return LUT_PRESETS[encoding]


def load_lut_encoding(path: StrPath) -> LUTEncoding:
    """Read a LUT encoding from a small TOML file.

    The keys are the parameters of `LUTEncoding`; those that are left out have the values of "packed". Where
    None is meant, write ``background = "none"`` and ``blocks = "any"``::

        name = "our electronics"
        code = "linear"
        dtype = "<u2"
        shape = [512, 512]
        background = 65535
        first_id = 0

    Raises
    ------
    FormatError
        If the file is no TOML, has unknown keys, or describes an encoding that cannot be.
    """
    expected = "a LUT encoding in TOML"
    table = read_settings(path, _SETTINGS, expected)
    if "shape" in table:
        table.setdefault("region", table["shape"])
    try:
        return LUTEncoding(**{key: _SETTINGS[key](key, value) for key, value in table.items()})
    except ParameterError as error:
        raise FormatError(path, expected, one_line(error), "correct the value") from None


def _background(key: str, value: Any) -> int | str | None:  # noqa: ANN401 - whatever TOML can hold
    if value in ("none", "crystals"):
        return None if value == "none" else "crystals"
    return whole(key, value)


def _blocks(key: str, value: Any) -> int | None:  # noqa: ANN401
    return None if value == "any" else whole(key, value)


_SETTINGS: Mapping[str, Callable[[str, Any], Any]] = {
    "name": text,
    "code": text,
    "dtype": text,
    "shape": pair,
    "region": pair,
    "header_bytes": whole,
    "background": _background,
    "first_id": whole,
    "multiplier": whole,
    "origin": text,
    "order": text,
    "transposed": truth,
    "flip_axis_0": truth,
    "flip_axis_1": truth,
    "codec": text,
    "blocks": _blocks,
}

"""LUT files: crystal ids to bytes and back, and what a file of unknown layout holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError
from napari_petlut.formats import _lut_codes as codes
from napari_petlut.formats._files import StrPath, atomic_write, read_bytes
from napari_petlut.formats._lut_detection import (
    could_hold_lut,
    detect_encoding,
    detect_geometry,
    holds_crystals,
)
from napari_petlut.formats.kinds import BARE, CERTAIN, Content, Finding, IdentifiedFile, Kind, Look
from napari_petlut.formats.lut_encoding import LUT_PRESETS, LUTEncoding, load_lut_encoding, lut_encoding
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT

__all__ = [
    "CRYSTAL_LUT",
    "LUT_PRESETS",
    "LUTEncoding",
    "LUTFile",
    "decode_lut",
    "encode_lut",
    "load_lut_encoding",
    "lut_encoding",
    "read_lut",
    "write_lut",
    "write_luts",
]

_EXPECTED = "a crystal LUT"
_LIMIT = 2**28


@dataclass(frozen=True, eq=False)
class LUTFile:
    """A LUT as it was read from a file.

    Parameters
    ----------
    lut : CrystalLUT
    encoding : LUTEncoding
        How the file stores it.
    note : str
        What was found out and not told, in words; empty if nothing.
    """

    lut: CrystalLUT
    encoding: LUTEncoding
    note: str = ""


def encode_lut(lut: CrystalLUT, encoding: LUTEncoding | str = "packed", *, path: StrPath = "LUT") -> bytes:
    """Return the bytes of one LUT in a file, without a header.

    The block is put at ``[0:n0, 0:n1]`` of the file's array; the rest is background.

    Parameters
    ----------
    lut : CrystalLUT
    encoding : LUTEncoding or str
        Layout of the file: a value, the name of a preset, or a ``.toml`` file that describes one.
    path : path-like
        What an error calls the LUT.

    Raises
    ------
    FormatError
        If the LUT does not fit into the encoding.
    ParameterError
        If the encoding has an unknown name.
    """
    encoding = lut_encoding(encoding)
    try:
        values = codes.values_of(lut.ids, encoding, lut.geometry)
        return codes.to_stored(values, encoding, codes.background_of(encoding, lut.geometry))
    except codes.CodeError as error:
        raise FormatError(path, error.expected, error.found, error.remedy) from None


def decode_lut(
    data: bytes | memoryview,
    encoding: LUTEncoding | str,
    geometry: BlockGeometry,
    *,
    shape: tuple[int, int] | None = None,
    path: StrPath = "LUT",
) -> CrystalLUT:
    """Return the LUT of one block's bytes, the inverse of `encode_lut`.

    Parameters
    ----------
    data : bytes
        Without a header.
    encoding : LUTEncoding or str
    geometry : BlockGeometry
    shape : tuple of int, optional
        Pixels of the block in the file's array. By default the encoding's region if all outside of it is
        background, else everything.
    path : path-like
        What an error calls the LUT.

    Raises
    ------
    FormatError
        If the bytes are no such LUT.
    ParameterError
        If the encoding has an unknown name.
    """
    encoding = lut_encoding(encoding)
    if encoding.codec == "plain" and len(data) != encoding.block_bytes:
        raise FormatError(
            path, f"{encoding.block_bytes:,} bytes ({encoding.name})", f"{len(data):,}", "check the encoding"
        )
    try:
        values = codes.from_stored(memoryview(data), encoding, codes.background_of(encoding, geometry), shape)
        return CrystalLUT(codes.ids_of(values, encoding, geometry), geometry)
    except codes.CodeError as error:
        raise FormatError(path, error.expected, error.found, error.remedy) from None


def read_lut(
    path: StrPath,
    encoding: LUTEncoding | str | None = None,
    geometry: BlockGeometry | None = None,
    *,
    shape: tuple[int, int] | None = None,
    block: int | None = None,
) -> LUTFile:
    """Read a LUT file.

    Parameters
    ----------
    path : path-like
    encoding : LUTEncoding or str, optional
        How the file stores crystals, or the name of a preset. Without it, it is found out.
    geometry : BlockGeometry, optional
        The block. Only a packed code tells it by itself, as its largest row and column.
    shape : tuple of int, optional
        Pixels of the block, if fewer than the file's region.
    block : int, optional
        Which block of a file of several, from 0.

    Raises
    ------
    FormatError
        If the file is no such LUT, or it is not clear what it holds: then the line asks for it.
    ParameterError
        If the encoding has an unknown name.
    """
    data = memoryview(read_bytes(path, _EXPECTED, limit=_LIMIT))
    notes: list[str] = []
    if encoding is None:
        encoding, found_notes = detect_encoding(path, data, geometry)
        notes += found_notes
    encoding = lut_encoding(encoding)
    body = _block(path, data, encoding, block)
    if geometry is None:
        geometry, note = detect_geometry(path, body, encoding)
        notes.append(note)
    lut = decode_lut(body, encoding, geometry, shape=shape, path=path)
    return LUTFile(lut, encoding, "; ".join(notes))


def _block(path: StrPath, data: memoryview, encoding: LUTEncoding, block: int | None) -> memoryview:
    """Return one block's bytes of a file's."""
    body = data[encoding.header_bytes :]
    if encoding.codec == "rle":
        return body
    count, rest = divmod(len(body), encoding.block_bytes)
    if rest or count == 0 or encoding.blocks not in (None, count):
        header = f"{encoding.header_bytes} bytes of header and " if encoding.header_bytes else ""
        blocks = {None: "one or more times ", 1: ""}.get(encoding.blocks, f"{encoding.blocks} x ")
        raise FormatError(
            path,
            f"{header}{blocks}{encoding.block_bytes:,} bytes ({encoding.name})",
            f"{len(data):,} bytes",
            "check the file and the encoding",
        )
    if block is None and count > 1:
        raise FormatError(path, "one block", f"{count} blocks", f"say which one, 0 to {count - 1}")
    block = block or 0
    if not 0 <= block < count:
        raise FormatError(path, f"block {block}", f"{count} blocks", f"say which one, 0 to {count - 1}")
    return body[block * encoding.block_bytes : (block + 1) * encoding.block_bytes]


def write_lut(
    path: StrPath, lut: CrystalLUT, encoding: LUTEncoding | str = "packed", *, overwrite: bool = False
) -> None:
    """Write a LUT file of one block; a header is written as zeros.

    Parameters
    ----------
    path : path-like
    lut : CrystalLUT
    encoding : LUTEncoding or str
        Layout of the file: a value, the name of a preset, or a ``.toml`` file that describes one.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the LUT does not fit into the encoding, or the file cannot be written.
    ParameterError
        If the encoding has an unknown name.
    """
    write_luts(path, [lut], encoding, overwrite=overwrite)


def write_luts(
    path: StrPath,
    luts: Sequence[CrystalLUT],
    encoding: LUTEncoding | str = "packed",
    *,
    overwrite: bool = False,
) -> None:
    """Write a LUT file of several blocks, one after the other.

    Parameters
    ----------
    path : path-like
    luts : sequence of CrystalLUT
    encoding : LUTEncoding or str
        Layout of the file: a value, the name of a preset, or a ``.toml`` file that describes one.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If a LUT does not fit into the encoding, their number is wrong, or the file cannot be written.
    ParameterError
        If the encoding has an unknown name.
    """
    encoding = lut_encoding(encoding)
    if len(luts) != (encoding.blocks or max(len(luts), 1)):
        raise FormatError(
            path,
            f"{encoding.blocks or 'one or more'} block(s) in a file ({encoding.name})",
            f"{len(luts)}",
            "choose another encoding or write them together",
        )
    body = b"".join(encode_lut(lut, encoding, path=path) for lut in luts)
    atomic_write(path, bytes(encoding.header_bytes) + body, overwrite=overwrite)


def _recognise(look: Look) -> Iterator[Finding]:
    # A name that says so is believed: what does not fit into it is then told, instead of "unknown".
    if look.suffix in CRYSTAL_LUT.suffixes or (
        could_hold_lut(look.size) and holds_crystals(memoryview(look.content(_EXPECTED)))
    ):
        yield Finding(CERTAIN)


def _read(file: IdentifiedFile) -> LUTFile:
    return read_lut(file, file.hints.encoding, file.hints.geometry)


def _facts(file: IdentifiedFile) -> dict[str, Any]:
    found: LUTFile = file.read()
    ids = found.lut.ids
    return {
        "encoding": found.encoding.name,
        "note": found.note,
        "pixels": found.lut.shape,
        "rows": found.lut.geometry.rows,
        "cols": found.lut.geometry.cols,
        "crystals_with_pixels": len(np.unique(ids[ids >= 0])),
        "pixels_without_crystal": int(np.count_nonzero(ids < 0)),
    }


CRYSTAL_LUT = Kind(
    "lut",
    Content.LUT,
    "a crystal LUT",
    (".lut", ".clu", ".crm"),
    "the name, or values that are crystal numbers in a layout of this size",
    _recognise,
    _read,
    _facts,
    forms=(BARE,),
)

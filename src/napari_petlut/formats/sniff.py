"""What kind of file this is, judged by its content first and its name last."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._arrays import ARRAY_SUFFIXES, NPY_MAGIC, TIFF_MAGICS
from napari_petlut.formats._files import StrPath, file_size, open_binary, read_bytes
from napari_petlut.formats._lut_detection import holds_crystals
from napari_petlut.formats.events import event_count
from napari_petlut.formats.lut import read_lut
from napari_petlut.formats.lut_encoding import LUT_PRESETS
from napari_petlut.formats.maps import MAP_BYTES, read_flood, read_map
from napari_petlut.formats.models import load_model
from napari_petlut.formats.peaks import read_peaks
from napari_petlut.formats.plain import plain, read_json
from napari_petlut.formats.session import is_session, read_session
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EventFormat

__all__ = ["FileKind", "describe", "identify"]


class FileKind(StrEnum):
    """Kinds of files that this program knows."""

    EVENTS = "events"
    """List-mode events."""
    MAP = "map"
    """The lab's map file."""
    ARRAY = "array"
    """A plain 2-D array that may be a flood map."""
    LUT = "lut"
    """A crystal lookup table."""
    ENERGY_LUT = "energy_lut"
    """An energy lookup table as CSV."""
    PEAKS = "peaks"
    """A table of peaks or points."""
    RECORD = "record"
    """How a result was made."""
    SESSION = "session"
    """The work on a block, to be opened again."""
    MODEL = "model"
    """A fitted model."""
    UNKNOWN = "unknown"
    """Anything else."""


_HEAD_BYTES = 65_536
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_TOLD_OF_RECORDS = ("record", "geometry", "inputs", "versions")
_LUT_SUFFIXES = (".lut", ".clu", ".crm")
_OTHER_MAGICS = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"%PDF",
    b"\x1f\x8b",
    b"\x89HDF",
    b"\x7fELF",
    b"BZh",
    b"\xfd7zXZ",
)
# Real blocks leave some noise outside; bytes of another kind leave much more.
_EVENT_SHARE = 0.5


def identify(path: StrPath, fmt: EventFormat = EventFormat()) -> FileKind:
    """Return what kind of file this is.

    Text, images and archives are known by their first bytes, map and LUT files by size and values. What else
    could be list-mode events is called so if most of its words, read as `fmt` says, have a position on the
    block.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat
        Layout of event files.

    Raises
    ------
    FormatError
        If the file is missing, a directory, not readable or empty.
    """
    size = file_size(path, "a file")
    with open_binary(path, "a file") as handle:
        head = handle.read(_HEAD_BYTES)
    if head.startswith((NPY_MAGIC, *TIFF_MAGICS)):
        return FileKind.ARRAY
    if head.startswith(b"PK"):
        return _archive_kind(path)
    if head.startswith(_OTHER_MAGICS):
        return FileKind.UNKNOWN
    text = _as_text(head)
    if text is not None:
        return _text_kind(path, text)
    if size == MAP_BYTES:
        events = not _reads(read_map, path) and _looks_like_events(path, fmt)
        return FileKind.EVENTS if events else FileKind.MAP
    if _is_lut(path, size):
        return FileKind.LUT
    return FileKind.EVENTS if _looks_like_events(path, fmt) else FileKind.UNKNOWN


def _reads(reader: Callable[[StrPath], Any], path: StrPath) -> bool:
    try:
        reader(path)
    except FormatError:
        return False
    return True


def _archive_kind(path: StrPath) -> FileKind:
    if is_session(path):
        return FileKind.SESSION
    return FileKind.MODEL if _reads(load_model, path) else FileKind.UNKNOWN


def _as_text(head: bytes) -> str | None:
    """Return the beginning of a text file; None if it is none."""
    if b"\0" in head:
        return None
    for cut in range(4):
        # The last character may be cut in the middle.
        try:
            text = head[: len(head) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        return None if _CONTROL_CHARACTER.search(text) else text
    return None


def _text_kind(path: StrPath, text: str) -> FileKind:
    if text.lstrip().startswith("{"):
        return FileKind.RECORD if _reads(read_json, path) else FileKind.UNKNOWN
    first = next((line for line in text.splitlines() if line.strip()), "")
    columns = {name.strip(' "') for name in first.split(",")}
    if {"axis-0", "axis-1"} <= columns:
        return FileKind.PEAKS
    if {"crystal", "photopeak"} <= columns:
        return FileKind.ENERGY_LUT
    numeric = Path(path).suffix.lower() in ARRAY_SUFFIXES and set(text[:1000]) <= set(
        "0123456789+-.eE,;# \t\r\n"
    )
    return FileKind.ARRAY if numeric else FileKind.UNKNOWN


def _is_lut(path: StrPath, size: int) -> bool:
    if Path(path).suffix.lower() in _LUT_SUFFIXES:
        return True
    if size > max(preset.block_bytes for preset in LUT_PRESETS.values()):
        return False
    return holds_crystals(memoryview(read_bytes(path, "a file")))


def _looks_like_events(path: StrPath, fmt: EventFormat) -> bool:
    try:
        count = event_count(path, fmt)
    except FormatError:
        return False
    words = _sample(path, fmt, count)
    energy, ex, ey = (
        (words >> words.dtype.type(bits.shift)) & words.dtype.type(bits.mask)
        for bits in (fmt.energy, fmt.x, fmt.y)
    )
    on_block = (energy > 0) & (ex <= energy) & (ey <= energy) & ((ex > 0) | (ey > 0))
    return bool(on_block.mean() > _EVENT_SHARE)


def _sample(path: StrPath, fmt: EventFormat, count: int, size: int = 4096) -> npt.NDArray[Any]:
    """Return words from the beginning, the middle and the end of a file."""
    parts = []
    with open_binary(path, "a file") as handle:
        for start in sorted({0, max(count // 2 - size // 2, 0), max(count - size, 0)}):
            handle.seek(fmt.header_bytes + start * fmt.word_bytes)
            content = handle.read(size * fmt.word_bytes)
            parts.append(np.frombuffer(content[: len(content) // fmt.word_bytes * fmt.word_bytes], fmt.dtype))
    return np.concatenate(parts).astype(np.dtype(fmt.dtype).newbyteorder("="))


def describe(
    path: StrPath, fmt: EventFormat = EventFormat(), geometry: BlockGeometry | None = None
) -> dict[str, Any]:
    """Return what can be said about a file, as a record holds it: kind, size, and what is in it.

    What cannot be read, or is not clear, is told under the key ``problem``.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat
        Layout of event files.
    geometry : BlockGeometry, optional
        The block, where a LUT does not tell it.

    Raises
    ------
    FormatError
        If the file is missing, a directory, not readable or empty.
    """
    kind = identify(path, fmt)
    found: dict[str, Any] = {"file": Path(path).name, "kind": kind, "bytes": file_size(path, "a file")}
    try:
        if kind == FileKind.EVENTS:
            found |= _events_facts(path, fmt)
        elif kind == FileKind.LUT:
            found |= _lut_facts(path, geometry)
        elif kind in _FACTS:
            found |= _FACTS[kind](path)
    except FormatError as error:
        found["problem"] = f"expected {error.expected}, found {error.found}; {error.remedy}"
    facts: dict[str, Any] = plain(found)
    return facts


def _events_facts(path: StrPath, fmt: EventFormat) -> dict[str, Any]:
    left_over = (file_size(path, "a file") - fmt.header_bytes) % fmt.word_bytes
    cut = {"problem": f"{left_over} bytes after the last complete event"} if left_over else {}
    return {"format": fmt.name, "events": event_count(path, fmt), **cut}


def _flood_facts(path: StrPath) -> dict[str, Any]:
    flood = read_flood(path)
    spectrum = {} if flood.spectrum is None else {"events_in_spectrum": int(flood.spectrum.sum())}
    return {"pixels": flood.shape, "counts": flood.total, "highest": float(flood.counts.max()), **spectrum}


def _lut_facts(path: StrPath, geometry: BlockGeometry | None) -> dict[str, Any]:
    found = read_lut(path, geometry=geometry)
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


def _peaks_facts(path: StrPath) -> dict[str, Any]:
    peaks = read_peaks(path)
    statuses, numbers = np.unique(peaks.status, return_counts=True)
    return {
        "peaks": len(peaks),
        "numbered": int(np.count_nonzero(peaks.crystal >= 0)),
        "status": dict(zip(statuses.tolist(), numbers.tolist(), strict=True)),
    }


def _record_facts(path: StrPath) -> dict[str, Any]:
    content = read_json(path)
    of_a_result = isinstance(content.get("record"), str)
    told = {key: content[key] for key in _TOLD_OF_RECORDS if of_a_result and key in content}
    return told | {"keys": sorted(content)}


def _session_facts(path: StrPath) -> dict[str, Any]:
    return {"layers": [layer.name for layer in read_session(path).layers]}


def _model_facts(path: StrPath) -> dict[str, Any]:
    model = load_model(path)
    return {"name": model.name, "arrays": {key: array.shape for key, array in model.arrays.items()}}


_FACTS: dict[FileKind, Callable[[StrPath], dict[str, Any]]] = {
    FileKind.MAP: _flood_facts,
    FileKind.ARRAY: _flood_facts,
    FileKind.PEAKS: _peaks_facts,
    FileKind.RECORD: _record_facts,
    FileKind.MODEL: _model_facts,
    FileKind.SESSION: _session_facts,
}

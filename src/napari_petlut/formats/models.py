"""Named arrays and settings in one ``.npz`` file without pickle: fitted models, and whatever is alike."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath, atomic_write, one_line, read_bytes
from napari_petlut.formats.arrays.numpy_files import decode_npy
from napari_petlut.formats.kinds import CERTAIN, Content, Finding, IdentifiedFile, Kind, Look
from napari_petlut.formats.plain import plain

__all__ = ["MODEL", "StoredModel", "load_model", "save_model"]

_EXPECTED = "a saved model (.npz of this program)"
_SAVE_AGAIN = "save the model again"
_META = "petlut"
_VERSION = 1
_LIMIT = 2**30
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, eq=False)
class StoredModel:
    """What a model file holds.

    Parameters
    ----------
    name : str
        What kind of model it is, for example "mixture".
    arrays : mapping of str to ndarray
        Of numbers, truth values or text; no Python objects. Names of letters, digits and ``_.-``.
    meta : mapping of str to anything
        Settings and single numbers, as a record holds them.
    """

    name: str
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


def save_model(path: StrPath, model: StoredModel, *, overwrite: bool = False) -> None:
    """Save a model; the same model always gives the same bytes. NumPy's own ``load`` opens the file too.

    Parameters
    ----------
    path : path-like
    model : StoredModel
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file cannot be written.
    ParameterError
        If an array holds Python objects, or a name is not allowed.
    """
    head = {"version": _VERSION, "name": model.name, "meta": plain(model.meta)}
    text = json.dumps(head, sort_keys=True, allow_nan=False).encode()
    arrays = {_META: np.frombuffer(text, np.uint8)}
    for key, value in model.arrays.items():
        array = np.asarray(value)
        if key == _META or not _KEY.fullmatch(key):
            raise ParameterError(f"a model cannot hold an array of the name {key!r}")
        if array.dtype.kind not in "biufU":
            raise ParameterError(f"a model cannot hold the array {key!r} of {array.dtype}")
        arrays[key] = array

    def write(handle: BinaryIO) -> None:
        with zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:
            for key in sorted(arrays):
                # A fixed time stamp, so that the bytes do not depend on the clock.
                entry = zipfile.ZipInfo(f"{key}.npy")
                with archive.open(entry, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, arrays[key], allow_pickle=False)

    atomic_write(path, write, overwrite=overwrite)


def load_model(path: StrPath) -> StoredModel:
    """Load a model that `save_model` saved.

    Raises
    ------
    FormatError
        If the file is no such model.
    """
    data = read_bytes(path, _EXPECTED, limit=_LIMIT)
    members = _members(path, data)
    arrays = {key: decode_npy(path, content) for key, content in members.items()}
    head = _head(path, arrays.pop(_META, None))
    return StoredModel(head["name"], {key: array.copy("K") for key, array in arrays.items()}, head["meta"])


def _members(path: StrPath, data: bytes) -> dict[str, bytes]:
    """Return the content of each entry; all together they are never larger than the file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                problem = "compressed entries"
            elif sum(max(entry.file_size, 0) for entry in entries) > len(data):
                problem = "entries larger than the file"
            else:
                return {entry.filename.removesuffix(".npy"): archive.read(entry) for entry in entries}
    except Exception as error:
        # The archive reader meets arbitrary bytes here; whatever it trips over, the file is no model.
        problem = f"an error ({one_line(error)})"
    raise FormatError(path, _EXPECTED, problem, _SAVE_AGAIN)


def _head(path: StrPath, stored: npt.NDArray[Any] | None) -> dict[str, Any]:
    if stored is None or stored.dtype != np.uint8:
        raise FormatError(path, _EXPECTED, "an .npz file of another origin", "check the file")
    try:
        head = json.loads(stored.tobytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(path, _EXPECTED, f"an error ({one_line(error)})", _SAVE_AGAIN) from None
    if not isinstance(head, dict) or head.get("version") != _VERSION:
        found = f"version {head.get('version')!r}" if isinstance(head, dict) else "another content"
        raise FormatError(path, f"{_EXPECTED}, version {_VERSION}", one_line(ValueError(found)), _SAVE_AGAIN)
    if not isinstance(head.get("name"), str) or not isinstance(head.get("meta"), dict):
        raise FormatError(path, _EXPECTED, "no name or settings", _SAVE_AGAIN)
    return head


def _recognise(look: Look) -> Iterator[Finding]:
    try:
        yield Finding(CERTAIN, model=load_model(look))
    except FormatError:
        return


def _facts(file: IdentifiedFile) -> dict[str, Any]:
    model = file.read()
    return {"name": model.name, "arrays": {key: array.shape for key, array in model.arrays.items()}}


MODEL = Kind(
    "model",
    Content.MODEL,
    "a fitted model",
    (".npz",),
    "an archive with its settings",
    _recognise,
    load_model,
    _facts,
    forms=("zip",),
)

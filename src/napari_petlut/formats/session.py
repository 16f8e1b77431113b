"""Session files: the work on a block in one file, as layers of plain numbers and words.

A session is a zip archive: ``petlut-session.json`` first, and one ``.npy`` file for each array that the JSON
names with ``{"$array": "arrays/0000.npy"}``. No Python objects are stored. The same session always gives the
same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._archives import unpacked
from napari_petlut.formats._files import StrPath, atomic_write, one_line, open_binary
from napari_petlut.formats.arrays.numpy_files import decode_npy
from napari_petlut.formats.kinds import CERTAIN, Content, Finding, IdentifiedFile, Kind, Look
from napari_petlut.formats.plain import plain

__all__ = [
    "SESSION",
    "SESSION_SUFFIX",
    "Session",
    "SessionLayer",
    "is_session",
    "read_session",
    "write_session",
]

SESSION_SUFFIX = ".petlut"
SESSION_VERSION = 1

_CONTENTS = "petlut-session.json"
_ARRAY = "$array"
_EXPECTED = "a petlut session"
_AGAIN = "save the session again"
_MAGIC = b"PK\x03\x04"
_NAME_OFFSET = 30  # of the first member's name in a zip archive
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first date that a zip archive can hold
_MAX_MEMBERS = 10_000
_MAX_JSON_BYTES = 2**26
_MAX_BYTES = 2**29


@dataclass(frozen=True, eq=False)
class SessionLayer:
    """One layer of a session.

    Parameters
    ----------
    kind : str
        Type of the layer: "image", "labels", "points", "vectors" ...
    name : str
    data : ndarray
    settings : mapping
        How the layer is shown and where; values are arrays, or anything that a record can hold.
    features : mapping of str to ndarray of shape (n,)
        Columns of its table.
    info : mapping
        What is known about the layer, with the parameters of the steps; values as those of `settings`.
    """

    kind: str
    name: str
    data: npt.NDArray[Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Session:
    """The work on a block.

    Parameters
    ----------
    layers : tuple of SessionLayer
        Bottom first.
    """

    layers: tuple[SessionLayer, ...]


def is_session(path: StrPath) -> bool:
    """Say whether a file begins as a session does.

    Raises
    ------
    FormatError
        If the file is missing, not readable or empty.
    """
    name = _CONTENTS.encode()
    with open_binary(path, _EXPECTED) as handle:
        start = handle.read(_NAME_OFFSET + len(name)) or b""
    return start.startswith(_MAGIC) and start[_NAME_OFFSET:] == name


def write_session(path: StrPath, session: Session, *, overwrite: bool = False) -> None:
    """Write a session file.

    Parameters
    ----------
    path : path-like
    session : Session
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file cannot be written.
    ParameterError
        If the session holds something that is neither an array of numbers or words nor plain.
    """
    arrays: list[npt.NDArray[Any]] = []
    layers = [
        {
            "kind": layer.kind,
            "name": layer.name,
            "data": _without_arrays(layer.data, arrays),
            "settings": _without_arrays(layer.settings, arrays),
            # As a list, because the order of columns counts.
            "features": [[name, _without_arrays(column, arrays)] for name, column in layer.features.items()],
            "info": _without_arrays(layer.info, arrays),
        }
        for layer in session.layers
    ]
    contents = {
        "session": "napari-petlut",
        "version": SESSION_VERSION,
        "layers": layers,
    }
    text = json.dumps(contents, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)

    def write(handle: BinaryIO) -> None:
        with zipfile.ZipFile(handle, "w") as archive:
            _add(archive, _CONTENTS, text.encode())
            for index, array in enumerate(arrays):
                _add(archive, _array_name(index), _npy_bytes(array))

    atomic_write(path, write, overwrite=overwrite)


def read_session(path: StrPath) -> Session:
    """Read a session file.

    Raises
    ------
    FormatError
        If the file is no session, is damaged, or was written by a later version.
    """
    with open_binary(path, _EXPECTED) as handle:
        try:
            with zipfile.ZipFile(handle) as archive:
                return _session(path, archive)
        except FormatError:
            raise
        except Exception as error:
            # zipfile meets arbitrary bytes here and trips over them with many kinds of errors.
            raise FormatError(path, _EXPECTED, f"an error ({one_line(error)})", _AGAIN) from None


def _session(path: StrPath, archive: zipfile.ZipFile) -> Session:
    _check_members(path, archive)
    contents = json.loads(unpacked(archive, _CONTENTS))
    if not isinstance(contents, dict) or contents.get("session") != "napari-petlut":
        raise FormatError(path, _EXPECTED, "another archive", "choose a .petlut file")
    if contents["version"] != SESSION_VERSION:
        found = f"version {one_line(ValueError(repr(contents['version'])))}"
        raise FormatError(path, f"a session of version {SESSION_VERSION}", found, "update napari-petlut")
    arrays: dict[str, npt.NDArray[Any]] = {}

    def array(name: str) -> npt.NDArray[Any]:
        if name not in arrays:
            # A copy, because the bytes of a file are read-only and layers are there to be edited.
            arrays[name] = decode_npy(path, unpacked(archive, name)).copy()
        return arrays[name]

    return Session(tuple(_layer(path, _with_arrays(entry, array)) for entry in contents["layers"]))


def _check_members(path: StrPath, archive: zipfile.ZipFile) -> None:
    """Refuse what no session needs, before any of it is unpacked."""
    members = archive.infolist()
    if _CONTENTS not in archive.namelist():
        raise FormatError(path, _EXPECTED, "another archive", "choose a .petlut file")
    size = sum(member.file_size for member in members)
    if len(members) > _MAX_MEMBERS or size > _MAX_BYTES:
        raise FormatError(path, _EXPECTED, f"{len(members):,} parts of {size:,} bytes", "check the file")
    if archive.getinfo(_CONTENTS).file_size > _MAX_JSON_BYTES:
        raise FormatError(path, _EXPECTED, "a table of contents that is too long", "check the file")


def _layer(path: StrPath, entry: Any) -> SessionLayer:  # noqa: ANN401 - whatever the file holds
    entry = _mapping(path, entry)
    data, features = entry["data"], dict(entry["features"])
    if not isinstance(data, np.ndarray) or not all(isinstance(c, np.ndarray) for c in features.values()):
        raise FormatError(path, "arrays in every layer", "something else", _AGAIN)
    settings, info = _mapping(path, entry["settings"]), _mapping(path, entry["info"])
    return SessionLayer(str(entry["kind"]), str(entry["name"]), data, settings, features, info)


def _mapping(path: StrPath, value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the file holds
    if not isinstance(value, dict):
        raise FormatError(path, _EXPECTED, f"{type(value).__name__} where names should be", _AGAIN)
    return value


def _without_arrays(value: Any, arrays: list[npt.NDArray[Any]]) -> Any:  # noqa: ANN401 - as in a record
    """Return `value` in plain form; arrays are moved to the list `arrays`."""
    if isinstance(value, Mapping):
        return {str(key): _without_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, arrays) for item in value]
    if not isinstance(value, np.ndarray):
        return plain(value)
    if value.dtype.kind == "O":
        if not all(isinstance(item, str) for item in value.ravel()):
            raise ParameterError("a session holds arrays of numbers or words, not of Python objects")
        value = value.astype(np.str_)
    if value.dtype.kind not in "biufU":
        raise ParameterError(f"a session holds arrays of numbers or words, not of {value.dtype}")
    arrays.append(value)
    return {_ARRAY: _array_name(len(arrays) - 1)}


def _with_arrays(value: Any, array: Any) -> Any:  # noqa: ANN401 - as in a record
    """Return `value` with its arrays put back, the inverse of `_without_arrays`."""
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return array(str(value[_ARRAY]))
        return {key: _with_arrays(item, array) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, array) for item in value]
    return value


def _array_name(index: int) -> str:
    return f"arrays/{index:04d}.npy"


def _npy_bytes(array: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)
    return stream.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, _EARLIEST)
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, data)


def _recognise(look: Look) -> Iterator[Finding]:
    if is_session(look):
        yield Finding(CERTAIN)


def _facts(file: IdentifiedFile) -> dict[str, Any]:
    return {"layers": [layer.name for layer in file.read().layers]}


SESSION = Kind(
    "session",
    Content.SESSION,
    "a session",
    (SESSION_SUFFIX,),
    f"an archive that begins with {_CONTENTS}",
    _recognise,
    read_session,
    _facts,
    forms=("zip",),
)

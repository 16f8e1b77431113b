"""Opening and writing files safely: every failure is one `FormatError`, nothing is half-written."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from napari_petlut.errors import FormatError

StrPath = str | os.PathLike[str]


def one_line(error: BaseException) -> str:
    """Return the message of a library's exception on one line of sensible length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else f"{text[:117]}..."


@contextmanager
def _explained(path: StrPath, expected: str) -> Iterator[None]:
    """Turn whatever the operating system says about a file into a `FormatError`."""
    try:
        yield
    except FileNotFoundError:
        raise FormatError(path, expected, "no such file", "check the name and the folder") from None
    except PermissionError:
        raise FormatError(path, expected, "a file that may not be read", "ask for read permission") from None
    except (OSError, ValueError) as error:
        raise FormatError(path, expected, f"an error ({one_line(error)})", "check the file") from None


def file_size(path: StrPath, expected: str) -> int:
    """Return the size of a regular file that is not empty.

    Parameters
    ----------
    path : path-like
    expected : str
        What the caller wants to read, for the error line.

    Raises
    ------
    FormatError
        If the file is missing, a directory, a device or empty.
    """
    held = _held(path)
    if held is not None:
        return held.size
    with _explained(path, expected):
        status = os.stat(path)  # noqa: PTH116 - Path() would refuse some names with other errors
    if stat.S_ISDIR(status.st_mode):
        raise FormatError(path, expected, "a directory", "name a file inside it")
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(path, expected, "a device or pipe", "copy its content into a file first")
    if status.st_size == 0:
        raise FormatError(path, expected, "an empty file", "copy or record the file again")
    return status.st_size


@contextmanager
def open_binary(path: StrPath, expected: str) -> Iterator[BinaryIO]:
    """Open a file for unbuffered reading, after the checks of `file_size`; a held one is not opened again."""
    held = _held(path)
    if held is not None and (handle := held.handle()) is not None:
        yield handle
        return
    file_size(path, expected)
    with _explained(path, expected):
        handle = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115 - closed below
    with handle:
        yield handle


def read_bytes(path: StrPath, expected: str, *, limit: int | None = None) -> bytes:
    """Return a file's content.

    Parameters
    ----------
    path : path-like
    expected : str
        What the caller wants to read, for the error line.
    limit : int, optional
        More bytes than this cannot be such a file and are refused before they are read.

    Raises
    ------
    FormatError
        If the file is missing, a directory, not readable, empty or too large.
    """
    size = file_size(path, expected)
    if limit is not None and size > limit:
        raise FormatError(
            path, expected, f"{size:,} bytes, more than {limit:,}", "check that it is the right file"
        )
    held = _held(path)
    if held is not None:
        return held.content(expected)
    with _explained(path, expected):
        return Path(path).read_bytes()


class HeldFile(os.PathLike[str]):
    """A file that is looked at several times and read once; every reader takes it for a path.

    Inside its ``with`` block the file is open. What was read as a whole is kept, up to `LARGEST_HELD` bytes,
    so that all who ask see the same content, also if the file is replaced meanwhile.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    FormatError
        If the file is missing, a directory, a device or empty.
    """

    LARGEST_HELD = 2**26
    """Bytes; larger files are read again by who needs them."""

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self.size = file_size(path, "a file")
        self.held = self
        self._content: bytes | None = None
        self._open: BinaryIO | None = None

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __enter__(self) -> Self:
        with _explained(self.path, "a file"):
            self._open = open(self.path, "rb", buffering=0)  # noqa: PTH123 - as in `open_binary`
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def __getstate__(self) -> dict[str, Any]:
        # To another process goes the name, not the content.
        return self.__dict__ | {"_content": None, "_open": None}

    def handle(self) -> BinaryIO | None:
        """Return a handle at the beginning of the content that is held or open; None without either."""
        if self._content is not None:
            return BytesIO(self._content)
        if self._open is not None:
            self._open.seek(0)
        return self._open

    def content(self, expected: str) -> bytes:
        """Return all bytes of the file.

        Raises
        ------
        FormatError
            If it cannot be read, or has changed its size since it was first looked at.
        """
        if self._content is not None:
            return self._content
        with _explained(self.path, expected):
            handle = self.handle()
            content = self.path.read_bytes() if handle is None else _read_all(handle, self.size)
        if len(content) != self.size:
            raise FormatError(self.path, expected, "a file that is being written", "try again")
        if self.size <= self.LARGEST_HELD:
            self._content = content
        return content

    def release(self) -> None:
        """Forget the content."""
        self._content = None


def _held(path: StrPath) -> HeldFile | None:
    """Return the held file behind a path, also behind one that was identified."""
    held = getattr(path, "held", None)
    return held if isinstance(held, HeldFile) else None


def _read_all(handle: BinaryIO, size: int) -> bytes:
    """Return `size` bytes and one more if there are; an unbuffered read may give less at once."""
    parts = []
    while size >= 0 and (part := handle.read(size + 1)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def atomic_write(path: StrPath, data: bytes | Callable[[BinaryIO], None], *, overwrite: bool = False) -> None:
    """Write a file so that at any moment it is either absent, the old one, or the complete new one.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and take the name at last.

    Parameters
    ----------
    path : path-like
    data : bytes or callable
        The content, or a function that writes it to the open binary file it is given.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        If the file exists and `overwrite` is False, or it cannot be written.
    """
    expected = "a file that can be written"
    with _explained(path, expected):
        # A link stays a link: the file it points to is replaced.
        target = Path(os.path.realpath(path))
    refuse_special(path)
    if not overwrite and target.exists():
        raise FormatError(
            path, "a new file", "a file of this name", "choose another name or allow overwriting"
        )
    temporary = _temporary_beside(target)
    try:
        with open(temporary, "xb") as handle:  # noqa: PTH123 - keeps the person's umask
            if callable(data):
                data(handle)
            else:
                handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        _take_name(temporary, target, overwrite)
    except FileExistsError:
        raise FormatError(
            path, "a new file", "a file of this name", "choose another name or allow overwriting"
        ) from None
    except FileNotFoundError:
        raise FormatError(path, expected, "no such folder", f"create {target.parent} first") from None
    except PermissionError:
        raise FormatError(path, expected, "no permission to write there", "choose another folder") from None
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise FormatError(
            path, expected, f"an error ({reason})", "check the disk and its free space"
        ) from None
    finally:
        with suppress(OSError):  # it would hide what went wrong before
            temporary.unlink(missing_ok=True)


def refuse_special(path: StrPath) -> None:
    """Raise `FormatError` if there is something at `path`, links resolved, that is no regular file."""
    expected = "a file that can be written"
    with _explained(path, expected):
        try:
            mode = os.stat(os.path.realpath(path)).st_mode  # noqa: PTH116 - as in `file_size`
        except OSError:
            return  # nothing is there, or it will be told when it is written
    if stat.S_ISDIR(mode):
        raise FormatError(path, expected, "a directory", "give a file name inside it")
    if not stat.S_ISREG(mode):
        raise FormatError(path, expected, "a device or pipe", "write a file, and copy it there")


def _temporary_beside(target: Path) -> Path:
    """Return a name for a temporary file in the same folder; file systems count bytes, not characters."""
    start = os.fsencode(target.name)[:100].decode("utf-8", "ignore")
    return target.with_name(f".{start}.{secrets.token_hex(6)}.tmp")


def _take_name(temporary: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(target)
        return
    try:
        # Unlike a rename, a hard link fails when somebody else made the file in the meantime.
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # File systems without hard links.
        if target.exists():
            raise FileExistsError(target) from None
        temporary.replace(target)

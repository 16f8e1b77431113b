"""Opening and writing files safely: every failure is one `FormatError`, nothing is half-written."""

from __future__ import annotations

import hashlib
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
from napari_petlut.formats._claims import claimed, sweep, temporary_start

StrPath = str | os.PathLike[str]
_PIECE = 2**22


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
    return held.size if held is not None else _status(path, expected).st_size


def _status(path: StrPath, expected: str) -> os.stat_result:
    """Return what the file system says of a regular file that is not empty."""
    with _explained(path, expected):
        status = os.stat(path)  # noqa: PTH116 - Path() would refuse some names with other errors
    if stat.S_ISDIR(status.st_mode):
        raise FormatError(path, expected, "a directory", "name a file inside it")
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(path, expected, "a device or pipe", "copy its content into a file first")
    if status.st_size == 0:
        raise FormatError(path, expected, "an empty file", "copy or record the file again")
    return status


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


class _HashingReader:
    """An open file that is read along, and hashed on the way if a held file wants that.

    Parameters
    ----------
    handle : BinaryIO
        At the beginning of the file.
    hashed : bool
    """

    def __init__(self, handle: BinaryIO, *, hashed: bool) -> None:
        self._handle = handle
        self._hash = hashlib.sha256() if hashed else None

    def skip(self, count: int) -> None:
        """Go on by some bytes."""
        if self._hash is None:
            self._handle.seek(count, os.SEEK_CUR)
            return
        while count > 0 and (part := self._handle.read(min(count, _PIECE))):
            self._hash.update(part)
            count -= len(part)

    def fill(self, view: memoryview) -> int:
        """Fill a view from the file and return the bytes read; an unbuffered read may give less at once."""
        filled = 0
        while filled < len(view):
            got = self._handle.readinto(view[filled:])  # type: ignore[attr-defined]
            if not got:
                break
            filled += got
        if self._hash is not None:
            self._hash.update(view[:filled])
        return filled

    def sha256_at_end(self) -> str | None:
        """Read what is left; return the hash of all, None without one."""
        if self._hash is None:
            return None
        while part := self._handle.read(_PIECE):
            self._hash.update(part)
        return self._hash.hexdigest()


@contextmanager
def open_along(path: StrPath, expected: str) -> Iterator[_HashingReader]:
    """Open a file to be read once from its beginning on.

    A held file whose hash is wanted has it afterwards, that of the very bytes that were read, if the reading
    came to its end.
    """
    held = _held(path)
    with open_binary(path, expected) as handle:
        reader = _HashingReader(handle, hashed=held is not None and held.hash_wanted)
        yield reader
        if held is not None:
            held.note_hash(reader.sha256_at_end())


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
    expected : str
        What it should be, for the error line.

    Raises
    ------
    FormatError
        If the file is missing, a directory, a device or empty.
    """

    LARGEST_HELD = 2**26
    """Bytes; larger files are read again by who needs them."""

    def __init__(self, path: StrPath, expected: str = "a file") -> None:
        self.path = Path(path)
        status = _status(path, expected)
        self.size, self._changed = status.st_size, status.st_mtime_ns
        self.held = self
        self._hashed: str | None = None
        self._wanted = False
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

    @property
    def hash_wanted(self) -> bool:
        """Whether who reads the file along is to hash it on the way."""
        return self._wanted and self._hashed is None

    def want_hash(self) -> None:
        """Have the file hashed while it is read next, so that a record tells of the bytes that were used."""
        self._wanted = True

    def note_hash(self, sha256: str | None) -> None:
        """Keep the hash of all the bytes that were read; None is none."""
        self._hashed = self._hashed or sha256

    @property
    def sha256(self) -> str:
        """SHA-256 as 64 hexadecimal digits, of the very bytes that were read if all of them were.

        Raises
        ------
        FormatError
            If the file had to be read for it, and cannot be or has changed since it was first looked at.
        """
        if self._hashed is None:
            with open_binary(self, "a file") as handle:
                hashed = hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]
            self.require_unchanged()
            self._hashed = hashed
        return self._hashed

    def require_unchanged(self) -> None:
        """Make sure that all who read the file see the same one; a content that is held does that by itself.

        Raises
        ------
        FormatError
            If its size or its time is not that of the first look at it, or it is gone.
        """
        if self._content is not None:
            return
        status = _status(self.path, "the file that was read")
        if (status.st_size, status.st_mtime_ns) != (self.size, self._changed):
            found = "one that was changed meanwhile"
            if status.st_size != self.size:
                found += f", from {self.size:,} to {status.st_size:,} bytes"
            raise FormatError(
                self.path, "the file as it was first looked at", found, "wait until it is complete, try again"
            )


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
    sweep(target)
    with explained_writing(path):
        temporary, handle = _claimed_temporary(target)
        try:
            with handle:
                if callable(data):
                    data(handle)
                else:
                    handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
                if os.name != "nt":  # there no open file takes another name
                    _take_name(temporary, target, overwrite)
            if os.name == "nt":
                _take_name(temporary, target, overwrite)
        finally:
            with suppress(OSError):  # it would hide what went wrong before
                temporary.unlink(missing_ok=True)


@contextmanager
def explained_writing(path: StrPath) -> Iterator[None]:
    """Turn whatever the operating system says about writing a file into a `FormatError`."""
    expected = "a file that can be written"
    try:
        yield
    except FileExistsError:
        raise FormatError(
            path, "a new file", "a file of this name", "choose another name or allow overwriting"
        ) from None
    except FileNotFoundError:
        folder = Path(os.path.realpath(path)).parent
        raise FormatError(path, expected, "no such folder", f"create {folder} first") from None
    except PermissionError:
        raise FormatError(path, expected, "no permission to write there", "choose another folder") from None
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise FormatError(
            path, expected, f"an error ({reason})", "check the disk and its free space"
        ) from None


def _claimed_temporary(target: Path) -> tuple[Path, BinaryIO]:
    """Open a new temporary file beside `target` that nobody takes for a left-over."""
    while True:
        temporary = temporary_beside(target)
        handle = open(temporary, "xb")  # noqa: PTH123, SIM115 - keeps the person's umask; closed by the caller
        if claimed(handle.fileno()):
            return temporary, handle
        handle.close()


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


def temporary_beside(target: Path) -> Path:
    """Return a name for a temporary file in the same folder."""
    return target.with_name(f".{temporary_start(target.name)}.{secrets.token_hex(6)}.tmp")


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

"""Who is writing where: claims that the system takes back when a program ends, however it ends."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_petlut.errors import FormatError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PATIENCE = 30.0
"""Seconds; what is done under the claim of a folder takes a few milliseconds."""
_DAY = 86_400.0


def _try_lock(number: int) -> bool | None:
    """Lock an open file for this process alone; None where the file system has no locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def claimed(number: int) -> bool:
    """Claim a temporary file or folder of one's own, open as `number`, until it is closed.

    Returns False if somebody took it for a left-over, and took it away, before it was claimed.
    """
    if sys.platform == "win32":
        return True  # what is open there cannot be taken away
    _try_lock(number)
    return os.fstat(number).st_nlink > 0


def sweep(target: Path) -> None:
    """Take away temporary files and folders for `target` whose writers were killed."""
    with suppress(OSError):
        start = re.escape(temporary_start(target.name))
        ours = re.compile(rf"\.{start}\.[0-9a-f]{{12}}\.tmp")
        for entry in list(os.scandir(target.parent)):
            if ours.fullmatch(entry.name) and not entry.is_symlink():
                _take_away_abandoned(Path(entry.path), folder=entry.is_dir())


def temporary_start(name: str) -> str:
    """Return what the temporary names for a file begin with; file systems count bytes, not characters."""
    return os.fsencode(name)[:100].decode("utf-8", "ignore")


def _take_away_abandoned(path: Path, *, folder: bool) -> None:
    with suppress(OSError):
        if sys.platform == "win32":
            # An open file cannot be taken away; a folder has no owner that could be asked for.
            if folder and time.time() - path.stat().st_mtime > _DAY:
                shutil.rmtree(path, ignore_errors=True)
            elif not folder:
                path.unlink()
            return
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            if _try_lock(number):
                shutil.rmtree(path, ignore_errors=True) if folder else path.unlink()
        finally:
            os.close(number)


@contextmanager
def sole_writer(directory: Path) -> Iterator[None]:
    """Keep other processes of this machine from giving names in a folder at the same time.

    Raises
    ------
    FormatError
        If another process has been at it for half a minute.
    """
    number = _opened_for_claim(directory)
    try:
        until = time.monotonic() + _PATIENCE
        while _try_lock(number) is False:
            if time.monotonic() > until:
                raise FormatError(
                    directory, "nobody else writing there", "another program at it", "end it, or try again"
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(number)


def _opened_for_claim(directory: Path) -> int:
    if sys.platform == "win32":
        # Folders cannot be locked there: a file that stands for it, outside of it.
        name = hashlib.sha256(os.fsencode(os.path.realpath(directory))).hexdigest()[:24]
        return os.open(Path(tempfile.gettempdir()) / f"napari-petlut-{name}.lock", os.O_RDWR | os.O_CREAT)
    else:  # noqa: RET505 - so that the type checker sees one of the two
        return os.open(directory, os.O_RDONLY)

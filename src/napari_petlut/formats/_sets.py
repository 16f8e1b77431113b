"""Files that belong together: written beside the old ones, then given their names, all or none of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_petlut.errors import FormatError
from napari_petlut.formats._claims import claimed, sole_writer, sweep
from napari_petlut.formats._files import atomic_write, explained_writing, temporary_beside

_OLD = "old"


class FileSet:
    """Files of one folder that are being written, each under its own name in a folder beside.

    Parameters
    ----------
    folder : Path
        Temporary, in the folder that they are for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.targets: list[Path] = []

    def beside(self, target: Path) -> Path:
        """Return where to write a file of the set; what is asked for last takes its name last."""
        self.targets.append(target)
        return self.written(target)

    def written(self, target: Path) -> Path:
        """Return where a file is until it takes its name."""
        return self._folder / target.name

    def kept(self, target: Path) -> Path:
        """Return where the file that is replaced is kept until all is done."""
        return self._folder / _OLD / target.name

    def take_names(self, *, overwrite: bool) -> None:
        """Replace the files by those that were written; after a failure, by the old ones again.

        Raises
        ------
        FormatError
            If a file exists and `overwrite` is off, or a name cannot be taken.
        """
        if not overwrite:
            for target in self.targets:
                if os.path.lexists(target):
                    raise FormatError(
                        target,
                        "a new file",
                        "a file of this name",
                        "choose another name or allow overwriting",
                    )
        (self._folder / _OLD).mkdir()
        done: list[Path] = []
        try:
            for target in self.targets:
                with explained_writing(target):
                    self._keep(target)
                    done.append(target)
                    self._take_name(target)
        except BaseException:
            for target in reversed(done):
                self._bring_back(target)
            raise

    def _keep(self, target: Path) -> None:
        if not target.exists():
            return
        try:
            os.link(os.path.realpath(target), self.kept(target))
        except OSError:
            # File systems without hard links, and links to files elsewhere.
            shutil.copy2(target, self.kept(target))

    def _take_name(self, target: Path) -> None:
        if target.is_symlink():
            # A link stays a link: the file it points to is replaced, which may be on another disk.
            atomic_write(target, self.written(target).read_bytes(), overwrite=True)
        else:
            self.written(target).replace(target)

    def _bring_back(self, target: Path) -> None:
        with suppress(OSError, FormatError):
            kept = self.kept(target)
            if not kept.exists():
                target.unlink(missing_ok=True)
            elif target.is_symlink():
                atomic_write(target, kept.read_bytes(), overwrite=True)
            else:
                kept.replace(target)


@contextmanager
def written_together(directory: Path, name: str, *, overwrite: bool = False) -> Iterator[FileSet]:
    """Write files so that after any failure all of them are the old ones, or all the new ones.

    A program that is killed between two names leaves both kinds; each file is whole then, and a record that
    is written last tells with its hashes what does not belong to it. Of two programs on one machine that
    write the same set, the later one's is there in the end.

    Parameters
    ----------
    directory : Path
        Where they go; it exists.
    name : str
        What the set is called, as the stem of its files.
    overwrite : bool
        Replace existing files.

    Yields
    ------
    FileSet
        Each file is written at ``files.beside(target)``.

    Raises
    ------
    FormatError
        If a file exists and `overwrite` is off, or cannot be written.
    """
    first = directory / name
    sweep(first)
    number, folder = _claimed_folder(first)
    try:
        files = FileSet(folder)
        try:
            yield files
        except FormatError as error:
            if Path(error.path).parent != folder:
                raise
            # Told of the file that was meant, not of the place where it was written.
            shown = directory / Path(error.path).name
            raise FormatError(shown, error.expected, error.found, error.remedy) from None
        with sole_writer(directory):
            files.take_names(overwrite=overwrite)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if number is not None:
            os.close(number)


def _claimed_folder(first: Path) -> tuple[int | None, Path]:
    while True:
        folder = temporary_beside(first)
        with explained_writing(first.parent):
            folder.mkdir()
        if os.name == "nt":
            return None, folder
        number = os.open(folder, os.O_RDONLY)
        if claimed(number):
            return number, folder
        os.close(number)

"""What the command line shows: errors in one line, progress bars, tables, JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import typer

from napari_petlut.cli import ending
from napari_petlut.cli.saying import fact, shown
from napari_petlut.compiling import told_of_compiling
from napari_petlut.errors import Cancelled, PetlutError, printable

if TYPE_CHECKING:
    from rich.progress import Progress

_RED, _YELLOW, _BOLD, _PLAIN = "\x1b[1;31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn every expected error into one line and an exit code, and warnings into one line each."""
    with warnings.catch_warnings(), told_of_compiling(_note), ending.noted_interrupt() as pressed:
        warnings.showwarning = _show_warning
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            if pressed.is_set() or isinstance(error, (KeyboardInterrupt, Cancelled)):
                raise typer.Exit(ending.stopped()) from error
            if isinstance(error, ending.OutputLost):
                raise typer.Exit(error.exit_code) from error
            line = _line_of(error)
            if line is None:
                raise
            _say("error:", _RED, line)
            raise typer.Exit(ending.EXIT_ERROR) from error


def _line_of(error: BaseException) -> str | None:
    """Return the line that tells an expected error; None for a fault of this program."""
    if isinstance(error, PetlutError):
        return str(error)
    if isinstance(error, MemoryError):
        return "the memory of this computer does not suffice; close other programs, or use a smaller map"
    if isinstance(error, OSError) and error.errno is not None:
        # Not of a file that was named: those are told as what they are. Mostly a full disk under a cache.
        place = f"{os.fspath(error.filename)}: " if isinstance(error.filename, (str, os.PathLike)) else ""
        return f"{place}the system says: {error.strerror}; check the disk and its free space"
    return None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:  # noqa: ANN401 - as warnings calls it
    warn(str(message))


def warn(text: str) -> None:
    """Print one warning line to standard error."""
    _say("warning:", _YELLOW, text)


def _note(text: str) -> None:
    _say("note:", _BOLD, text)


def _say(label: str, colour: str, text: str) -> None:
    # Where progress bars are on the screen, rich puts what is written to standard error above them.
    ending.write_message(f"{_styled(label, colour, sys.stderr)} {printable(text)}\n")


def _styled(text: str, style: str, stream: Any) -> str:  # noqa: ANN401 - any text stream
    coloured = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return f"{style}{text}{_PLAIN}" if coloured else text


class StepProgress:
    """A progress bar per step on standard error, from the first step on; silent where that is no terminal.

    Parameters
    ----------
    quiet : bool
        No bars at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._progress: Progress | None = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, step: str, fraction: float) -> None:
        """Show that `fraction` (0 to 1) of `step` is done."""
        if not self._shown:
            return
        if self._progress is None:
            self._progress = _started_bars()
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=1.0)
        self._progress.update(self._tasks[step], completed=fraction)

    def of(self, step: str) -> Callable[[float], None]:
        """Return the hook of one step."""
        return lambda fraction: self(step, fraction)


class CountProgress:
    """A bar of things that are done, with rate and time left, on standard error; silent on no terminal.

    Parameters
    ----------
    what : str
        Things that are counted, in the plural.
    quiet : bool
        No bar at all.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._shown = not quiet and sys.stderr.isatty()
        self._progress: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        if not self._shown:
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self._progress = Progress(*columns, console=Console(stderr=True, soft_wrap=True), transient=True)
            self._progress.start()
            self._task = self._progress.add_task(self._what, total=total, completed=done, rate="")
        speed = self._progress.tasks[0].speed
        rate = f"{speed:.2g} {self._what}/s" if speed else ""
        self._progress.update(self._task, completed=done, rate=rate)


def _started_bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:14}"), BarColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True, soft_wrap=True), transient=True)
    progress.start()
    return progress


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object to standard output; what is not finite is null."""
    from napari_petlut.formats.plain import plain

    ending.write_answer(json.dumps(plain(value), indent=2, sort_keys=True, allow_nan=False) + "\n")


def print_written(files: Mapping[str, Path], *, as_json: bool) -> None:
    """Print which files were written, by kind."""
    written = {kind: str(path) for kind, path in files.items()}
    print_json(written) if as_json else print_facts("Written", written)


def print_line(text: str) -> None:
    """Print one line to standard output."""
    ending.write_answer(f"{printable(text)}\n")


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Print names and values, one pair a line, to standard output."""
    width = max((len(printable(name)) for name in facts), default=0)
    lines = [_styled(printable(title), _BOLD, sys.stdout)]
    lines += [f"{printable(name):{width}}  {fact(value)}".rstrip() for name, value in facts.items()]
    ending.write_answer("\n".join(lines) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table to standard output; numbers stand to the right."""
    # Drawing tables loads half a library, which an answer of a few words does without.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), title_justify="left", header_style="bold")
    for i, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], (int, float)) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    console = Console(soft_wrap=True, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    ending.write_answer(drawn.get())


def width() -> int:
    """Return how many characters fit on a line."""
    return shutil.get_terminal_size().columns

"""What the command line shows: errors in one line, progress bars, tables, JSON."""

from __future__ import annotations

import json
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

from napari_petlut.errors import Cancelled, PetlutError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

EXIT_ERROR = 1
"""A file, a parameter or the map cannot be used; the last line says why."""
EXIT_DOUBT = 3
"""All was written, but ``--strict`` found something that a person should look at."""
EXIT_INTERRUPTED = 130
"""Stopped with Ctrl-C; no file was written after that."""


# Drawing tables and colours loads half a library, which an answer of one word does without.


@cache
def messages() -> Console:
    """Return standard error, where warnings, errors and progress go."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


@cache
def answers() -> Console:
    """Return standard output, where results go."""
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False)


def _escape(text: str) -> str:
    """Return text that rich shows as it is."""
    from rich.markup import escape

    return escape(text)


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn every expected error into one line and an exit code, and warnings into one line each."""
    with warnings.catch_warnings(), _noted_interrupt() as pressed:
        warnings.showwarning = _show_warning
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            if pressed.is_set() or isinstance(error, (KeyboardInterrupt, Cancelled)):
                messages().print("stopped")
                raise typer.Exit(EXIT_INTERRUPTED) from error
            if isinstance(error, PetlutError):
                messages().print(f"[bold red]error:[/] {_escape(str(error))}")
                raise typer.Exit(EXIT_ERROR) from error
            raise


@contextmanager
def _noted_interrupt() -> Iterator[threading.Event]:
    """Note that Ctrl-C was pressed: compiled code turns the exception it raises into others."""
    pressed = threading.Event()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed
        return

    def note(*_: Any) -> None:  # noqa: ANN401 - as signal calls it
        pressed.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:  # noqa: ANN401 - as warnings calls it
    warn(str(message))


def warn(text: str) -> None:
    """Print one warning line to standard error."""
    messages().print(f"[yellow]warning:[/] {_escape(text)}")


class StepProgress:
    """A progress bar per step on standard error; silent where that is no terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def __call__(self, step: str, fraction: float) -> None:
        """Show that `fraction` (0 to 1) of `step` is done."""
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=1.0)
        self._progress.update(self._tasks[step], completed=fraction)


@contextmanager
def step_progress(*, quiet: bool = False) -> Iterator[StepProgress]:
    """Show progress bars while the block runs."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:14}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=messages(), transient=True, disable=quiet or not messages().is_terminal
    ) as progress:
        yield StepProgress(progress)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object to standard output; what is not finite is null."""
    from napari_petlut.formats.plain import plain

    sys.stdout.write(json.dumps(plain(value), indent=2, sort_keys=True, allow_nan=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table to standard output; numbers stand to the right."""
    from rich.table import Table

    table = Table(title=_escape(title), title_justify="left", header_style="bold")
    for i, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], (int, float)) for row in rows)
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_escape(_shown(value)) for value in row))
    answers().print(table)


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a table holds
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _fact(value: Any) -> str:  # noqa: ANN401 - whatever a record may hold
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_fact, value))
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1
    return f"{int(value):,}" if whole else _shown(value)


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Print names and values, one pair a line, to standard output."""
    from rich.table import Table

    table = Table(
        title=_escape(title), title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0)
    )
    table.add_column(style="bold")
    table.add_column()
    for name, value in facts.items():
        table.add_row(_escape(name), _escape(_fact(value)))
    answers().print(table)

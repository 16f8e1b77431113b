"""How the program ends: exit codes, Ctrl-C and its like, and standard output that cannot be written."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

EXIT_DONE = 0
EXIT_ERROR = 1
"""A file, a parameter or the map cannot be used; the last line says why."""
EXIT_DOUBT = 3
"""All was written, but ``--strict`` found something that a person should look at."""
EXIT_INTERRUPTED = 130
"""Stopped with Ctrl-C, TERM or HUP; no file was written after that."""
EXIT_CLOSED = 141
"""Nobody reads standard output any more, as after ``| head``; as the shell reports it for other programs."""

_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
_pressed = threading.Event()
_said = threading.Event()


class OutputLost(Exception):
    """Standard output cannot be written; it has been told as far as it can be."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"standard output cannot be written: exit code {exit_code}")
        self.exit_code = exit_code


def _note(*_: Any) -> None:  # noqa: ANN401 - as signal calls it
    _pressed.set()
    raise KeyboardInterrupt


@contextmanager
def noted_interrupt() -> Iterator[threading.Event]:
    """Note that Ctrl-C was pressed: compiled code turns the exception it raises into others.

    To be ended, and a terminal that is closed, are treated alike, so that nothing half written is left.
    Inside another such block it is the same note.
    """
    in_main = threading.current_thread() is threading.main_thread()
    current = signal.getsignal(signal.SIGINT) if in_main else None
    if current is not signal.default_int_handler:
        yield _pressed if current is _note else threading.Event()
        return
    _pressed.clear()
    _said.clear()
    # What a person has set otherwise holds: under nohup a closed terminal does not matter.
    noted = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in (signal.SIGINT, *noted):
        signal.signal(number, _note)
    try:
        yield _pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in noted:
            signal.signal(number, signal.SIG_DFL)


def stopped() -> int:
    """Say once that the program was stopped; return its exit code."""
    if not _said.is_set():
        _said.set()
        write_message("stopped\n")
    return EXIT_INTERRUPTED


def write_answer(text: str) -> None:
    """Write text to standard output, what its encoding lacks as escapes.

    Raises
    ------
    OutputLost
        If it cannot be written; one line on standard error says why.
    """
    try:
        sys.stdout.write(encodable(text, sys.stdout.encoding))
        sys.stdout.flush()
    except OSError as error:
        raise output_lost(error) from None


def output_lost(error: OSError) -> OutputLost:
    """Say why standard output cannot be written, unless nobody reads it; return what ends the program."""
    # What is left in the buffer would be tried again, and complained about, when Python ends.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return OutputLost(EXIT_CLOSED)
    reason = error.strerror or type(error).__name__
    write_message(
        f"error: standard output: expected to write to it, found an error ({reason}); "
        "check the disk and its free space\n"
    )
    return OutputLost(EXIT_ERROR)


def write_message(text: str) -> None:
    """Write text to standard error; there is nobody to tell if that fails."""
    with suppress(OSError, ValueError):
        sys.stderr.write(encodable(text, sys.stderr.encoding))
        sys.stderr.flush()


def last_words(exit_code: int) -> int:
    """Write what is left of standard output; return the exit code, another if that fails."""
    try:
        write_answer("")
    except OutputLost as error:
        return error.exit_code
    return exit_code


def encodable(text: str, encoding: str | None) -> str:
    r"""Return text in which characters that an encoding lacks are escaped.

    Examples
    --------
    >>> encodable("größer \u2265 1", "latin-1")
    'größer \\u2265 1'
    """
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding, "replace")

"""What a panel can run in the background: a computation on plain arrays, and how its result is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_petlut.errors import Cancelled

Progress = Callable[[float], None]
CancelCheck = Callable[[], bool]


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Parameters
    ----------
    title : str
        Shown while it runs.
    compute : callable
        Takes a progress and a cancel hook. Runs in another thread, so it touches no layer.
    show : callable
        Takes what `compute` returned, brings it into the layers, returns one line that says what was done.
        Runs in the main thread.
    lost : callable
        Says, in words that can follow a colon, why there is nothing left to show the result in; an empty
        string as long as there is.
    """

    title: str
    compute: Callable[[Progress, CancelCheck], Any]
    show: Callable[[Any], str]
    lost: Callable[[], str] = lambda: ""

    def run(self) -> str:
        """Do it all here and now, for scripts and tests."""
        return self.show(self.compute(_ignore, _never))


def part_of(progress: Progress, start: float, stop: float) -> Progress:
    """Return a progress hook for one part of a job, which fills the bar from `start` to `stop`."""
    return lambda fraction: progress(start + fraction * (stop - start))


def check(cancelled: CancelCheck) -> None:
    """Stop here if the person has asked to.

    Raises
    ------
    Cancelled
    """
    if cancelled():
        raise Cancelled("cancelled")


def _ignore(fraction: float) -> None:
    pass


def _never() -> bool:
    return False

"""What a panel can run in the background: a computation on plain arrays, and how its result is shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from napari_petlut.errors import Cancelled

Progress = Callable[[float], None]
CancelCheck = Callable[[], bool]


class WorkedOn(Protocol):
    """What a job has to know of the block that it is about."""

    name: str

    @property
    def lost(self) -> str:
        """Why nothing can be shown for it any more, in words; empty as long as it can."""

    def without_focus(self) -> AbstractContextManager[None]:
        """Let layers be changed without taking the focus from another block."""


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
    block : WorkedOn, optional
        The block that it is about.
    """

    title: str
    compute: Callable[[Progress, CancelCheck], Any]
    show: Callable[[Any], str]
    block: WorkedOn | None = None

    def run(self) -> str:
        """Do it all here and now, for scripts and tests."""
        return self.shown(self.compute(_ignore, _never))

    def shown(self, result: object) -> str:
        """Show a result, in its block's layers and no other's."""
        with self.block.without_focus() if self.block is not None else nullcontext():
            return self.show(result)

    @property
    def words(self) -> str:
        """What it does and to which block, for example "Run all of block_07"."""
        return f"{self.title} of {self.block.name}" if self.block is not None else self.title

    @property
    def lost(self) -> str:
        """Why there is nothing left to show a result in, in words; empty as long as there is."""
        return self.block.lost if self.block is not None else ""


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

"""Undo and redo: states that were, and states that were taken back."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from napari_petlut.errors import ParameterError

State = TypeVar("State")

DEFAULT_STEPS = 500


class History(Generic[State]):
    """The states before and after the present one.

    Parameters
    ----------
    steps : int
        How many steps can be undone; the oldest is forgotten beyond that.

    Examples
    --------
    >>> history = History()
    >>> history.push("before")
    >>> history.undo("now")
    'before'
    >>> history.redo("before")
    'now'
    """

    def __init__(self, steps: int = DEFAULT_STEPS) -> None:
        if steps < 1:
            raise ParameterError(f"a history needs room for at least 1 step, not {steps}")
        self._past: deque[State] = deque(maxlen=steps)
        self._future: list[State] = []

    @classmethod
    def of(cls, past: Sequence[State], future: Sequence[State]) -> History[State]:
        """Return a history of these states, oldest first, and of those that were taken back, latest last."""
        made: History[State] = cls()
        made._past.extend(past)
        made._future.extend(future)
        return made

    @property
    def past(self) -> list[State]:
        """The states to undo to, oldest first."""
        return list(self._past)

    @property
    def future(self) -> list[State]:
        """The states to redo to, the next one last."""
        return list(self._future)

    @property
    def undo_steps(self) -> int:
        """How many steps can be undone."""
        return len(self._past)

    @property
    def redo_steps(self) -> int:
        """How many steps can be redone."""
        return len(self._future)

    def push(self, before: State) -> None:
        """Remember the state before an edit; what had been undone can no longer be redone."""
        self._past.append(before)
        self._future.clear()

    def undo(self, now: State) -> State | None:
        """Return the state to go back to, or None if there is none; `now` can be redone."""
        return self._step(self._past, self._future, now)

    def redo(self, now: State) -> State | None:
        """Return the state that was undone last, or None if there is none; `now` can be undone."""
        return self._step(self._future, self._past, now)

    @staticmethod
    def _step(
        source: deque[State] | list[State], target: deque[State] | list[State], now: State
    ) -> State | None:
        if not source:
            return None
        target.append(now)
        return source.pop()

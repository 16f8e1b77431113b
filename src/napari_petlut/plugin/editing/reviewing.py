"""How far a person has come in the list of suspects."""

from __future__ import annotations

from collections.abc import Sequence

from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.plugin.editing.suspects import Suspect

_Place = int | tuple[float, float]


class Review:
    """The list of suspects, the one visited last, and which of all have been looked at.

    A suspect is known again by its crystal, an extra peak by its place: rows of the layer move with edits.

    Attributes
    ----------
    suspects : list of Suspect
    visited : Suspect or None
        The one flown to last; it may have been settled since.
    """

    def __init__(self) -> None:
        self.suspects: list[Suspect] = []
        self.visited: Suspect | None = None
        self._seen: set[_Place] = set()

    def begin(self) -> None:
        """Forget what was looked at: other peaks are there."""
        self._seen = set()
        self.suspects = []

    def update(self, suspects: list[Suspect], *, settled: bool) -> None:
        """Take another list.

        Parameters
        ----------
        suspects : list of Suspect
        settled : bool
            Whether those that are not in it any more were settled, and not just undone.
        """
        if settled:
            self._seen |= {_place(old) for old in self.suspects} - {_place(new) for new in suspects}
        self.suspects = suspects

    def visit(self, suspect: Suspect) -> None:
        """Remember that a person went to a suspect."""
        self.visited = suspect
        self._seen.add(_place(suspect))

    def look_at(self, suspects: Sequence[Suspect]) -> None:
        """Remember that a person has judged suspects without going to each."""
        self._seen |= {_place(suspect) for suspect in suspects}

    @property
    def current(self) -> Suspect | None:
        """The suspect visited last, as long as it is in the list."""
        return self.visited if self.visited in self.suspects else None

    def beside(self, step: int) -> Suspect | None:
        """Return the suspect so many places after the current one, or before it; None if there is none."""
        if not self.suspects:
            return None
        if self.current is not None:
            index = self.suspects.index(self.current) + step
        else:
            index = 0 if step > 0 else -1
        return self.suspects[index % len(self.suspects)]

    @property
    def counted(self) -> tuple[int, int]:
        """How many suspects have been looked at, and of how many."""
        listed = {_place(suspect) for suspect in self.suspects}
        return len(self._seen), len(listed | self._seen)

    @property
    def sentence(self) -> str:
        """How far the review is, in words; empty if there was never anything to look at."""
        done, of = self.counted
        return f"reviewed {done} of {of}" if of else ""


def _place(suspect: Suspect) -> _Place:
    if suspect.crystal != NO_CRYSTAL:
        return suspect.crystal
    return round(suspect.position[0], 3), round(suspect.position[1], 3)

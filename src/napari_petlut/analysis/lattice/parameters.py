"""What a person may choose about the search for the lattice."""

from __future__ import annotations

from dataclasses import dataclass

from napari_petlut.errors import ParameterError


@dataclass(frozen=True)
class LatticeParameters:
    """Choices of the lattice search; the defaults suit every block that we know of.

    Parameters
    ----------
    suspect_below : float
        Crystals with a smaller confidence than this are marked suspect, 0 to 1. The default marks fewer than
        2 right crystals per typical simulated block.
    missing_above : float
        Crystals that are dead with more than this probability are marked missing, 0 to 1.
    max_hypotheses : int
        How many lattices may be fitted to a doubtful map before the search stops and says what stays open.
        One that stays doubtful is searched once more along the phases of its lines, with at most so many
        again; all together ends after about two seconds of a fast core for up to 32 x 32 crystals.
    max_alternatives : int
        How many competing lattices are kept for a person to choose from.

    Raises
    ------
    ParameterError
        If a number is outside its range.
    """

    suspect_below: float = 0.992
    missing_above: float = 0.15
    max_hypotheses: int = 120
    max_alternatives: int = 3

    def __post_init__(self) -> None:
        for name in ("suspect_below", "missing_above"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ParameterError(f"{name} is a probability from 0 to 1, not {value}")
        if self.max_hypotheses < 1:
            raise ParameterError(f"max_hypotheses must be 1 or more, not {self.max_hypotheses}")
        if self.max_alternatives < 0:
            raise ParameterError(f"max_alternatives must be 0 or more, not {self.max_alternatives}")

"""What columns of usual names mean, so that a table that says what it holds needs no description."""

from __future__ import annotations

import re
from collections.abc import Sequence

from napari_petlut.model import (
    BlockOfEvent,
    EnergySum,
    EventContainer,
    EventSource,
    PositionRule,
)

_ENERGY = (
    "energy",
    "e",
    "edep",
    "etot",
    "energysum",
    "adcsum",
    "adc",
    "amplitude",
    "charge",
    "qsum",
    "pulseheight",
)
_X = ("x", "posx", "xpos", "xposition", "positionx", "angerx", "xanger")
_Y = ("y", "posy", "ypos", "yposition", "positiony", "angery", "yanger")
_BLOCK = ("block", "blockid", "module", "moduleid", "detector", "detectorid", "blocknumber", "modulenumber")
_UNIT = re.compile(r"[\[(].*$")


def source_of_names(names: Sequence[str], container: EventContainer | None = None) -> EventSource | None:
    """Return the source that the names of columns tell, None if they do not tell it.

    Known are energy, x and y; E, Ex and Ey (a ratio); energy or not, and the corner signals A, B, C and D, of
    which A and B lie at large x, A and D at large y. A column for the block may be beside them.

    Parameters
    ----------
    names : sequence of str
        Case, blanks, underscores and units in brackets do not matter.
    container : EventContainer, optional

    Examples
    --------
    >>> source_of_names(["Energy [keV]", "X", "Y"]).position.rule
    'direct'
    """
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(re.sub(r"[\s_\-.]", "", _UNIT.sub("", name)).lower(), name)
    energy, block = _first(known, _ENERGY), _first(known, _BLOCK)
    of_block = None if block is None else BlockOfEvent((block,))
    container = container or EventContainer()
    if energy is not None and {"ex", "ey"} <= set(known):
        rule = PositionRule("ratio", (known["ex"],), (known["ey"],))
        return EventSource(container, rule, EnergySum((energy,)), block=of_block)
    x, y = _first(known, _X), _first(known, _Y)
    if energy is not None and x is not None and y is not None:
        return EventSource(
            container, PositionRule("direct", (x,), (y,)), EnergySum((energy,)), block=of_block
        )
    if set("abcd") <= set(known):
        a, b, c, d = (known[corner] for corner in "abcd")
        rule = PositionRule("corners", (f"{a} + {b} - {c} - {d}",), (f"{a} + {d} - {b} - {c}",))
        energies = EnergySum(() if energy is None else (energy,))
        return EventSource(container, rule, energies, block=of_block)
    return None


def _first(known: dict[str, str], usual: Sequence[str]) -> str | None:
    return next((known[name] for name in usual if name in known), None)

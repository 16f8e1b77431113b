"""What kind of file this is, judged by its content first and its name last: once, for all who use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath
from napari_petlut.formats.energy_lut import ENERGY_TABLE
from napari_petlut.formats.event_kinds import DESCRIBED_EVENTS, NAMED_EVENTS, PACKED_EVENTS
from napari_petlut.formats.kinds import (
    CERTAIN,
    LIKELY,
    Alternative,
    Content,
    Finding,
    Hints,
    IdentifiedFile,
    Kind,
    Look,
)
from napari_petlut.formats.lut import CRYSTAL_LUT
from napari_petlut.formats.map_kinds import HEADERLESS, MAP_KINDS
from napari_petlut.formats.maps import ARRAY_SUFFIXES
from napari_petlut.formats.models import MODEL
from napari_petlut.formats.peaks import PEAK_TABLE
from napari_petlut.formats.plain import plain
from napari_petlut.formats.record import RECORD
from napari_petlut.formats.session import SESSION

__all__ = [
    "KINDS",
    "UNKNOWN",
    "Content",
    "Hints",
    "IdentifiedFile",
    "Kind",
    "describe",
    "identify",
    "identify_source",
]

KINDS: tuple[Kind, ...] = (
    SESSION,
    MODEL,
    RECORD,
    PEAK_TABLE,
    ENERGY_TABLE,
    DESCRIBED_EVENTS,
    NAMED_EVENTS,
    *(kind for kind in MAP_KINDS if kind is not HEADERLESS),
    CRYSTAL_LUT,
    HEADERLESS,
    PACKED_EVENTS,
)
"""Every kind of file that this program knows, in the order in which they are looked for."""


def _nothing(_: Look) -> Iterator[Finding]:
    return iter(())


UNKNOWN = Kind("unknown", Content.UNKNOWN, "another kind of file", (), "nothing else fits", _nothing)


def identify(path: StrPath, hints: Hints | None = None) -> IdentifiedFile:
    """Return a file with what it is.

    Text, images and archives are known by their first bytes, map and LUT files by size and values. What else
    could be list-mode events is called so if most of its words, read as the hints say, have a position on the
    block. The file is opened once and read no further than needed.

    Parameters
    ----------
    path : path-like
        A file that is identified already is returned as it is, unless other hints are given for it.
    hints : Hints, optional
        What is known of the file beforehand.

    Raises
    ------
    FormatError
        If the file is missing, a directory, a device, not readable or empty.
    """
    if isinstance(path, IdentifiedFile):
        if hints is None or hints.add_nothing_to(path.hints):
            return path
        path = path.path
    with Look(path, hints or Hints()) as look:
        candidates = []
        for candidate in _candidates(look):
            candidates.append(candidate)
            if candidate.finding.certainty >= CERTAIN:
                break
    # The order of the table decides between equals.
    candidates.sort(key=lambda candidate: -candidate.finding.certainty)
    if candidates and candidates[0].finding.certainty >= LIKELY:
        best, *others = candidates
        return IdentifiedFile(look, best.kind, best.finding, tuple(others))
    return IdentifiedFile(look, UNKNOWN, Finding(0.0), tuple(candidates))


def identify_source(path: StrPath, hints: Hints | None = None) -> IdentifiedFile:
    """Return a file that a flood map can be had from, with what it is: events, or a map.

    Raises
    ------
    FormatError
        As `identify`, and if the file is of another kind.
    """
    file = identify(path, hints)
    # Who gives an array means a map, whatever it looks like; its reader says best what is wrong with it.
    if file.content not in (Content.EVENTS, Content.MAP) and file.held.suffix not in ARRAY_SUFFIXES:
        raise file.refusal("raw events or a flood map")
    return file


def _candidates(look: Look) -> Iterator[Alternative]:
    if look.hints.map_layout.headerless:
        yield from (Alternative(HEADERLESS, finding) for finding in HEADERLESS.recognise(look))
        return
    for kind in KINDS:
        for finding in kind.findings(look):
            yield Alternative(kind, finding)


def describe(file: IdentifiedFile) -> dict[str, Any]:
    """Return what can be said about a file, as a record holds it: kind, size, and what is in it.

    What cannot be read, or is not clear, is told under the key ``problem``, what a file of no known kind
    could be under ``could_be``.

    Parameters
    ----------
    file : IdentifiedFile
    """
    told: dict[str, Any] = {"file": file.path.name, "kind": file.kind.name, "bytes": file.size}
    if file.problem:
        told["problem"] = file.problem
    else:
        try:
            told |= file.kind.facts(file)
        except FormatError as error:
            told["problem"] = error.problem
        others = [other.finding for other in file.alternatives if other.finding.tell]
        if file.kind is UNKNOWN and others:
            told["could_be"] = "; ".join(f"{other.why}: {other.tell}" for other in others)
    facts: dict[str, Any] = plain(told)
    return facts

"""What a kind of file is, and what a file turned out to be.

A kind is one value: what such a file holds, how it is recognised, which reader opens it. Each stands in the
module of its reader, and `napari_petlut.formats.identification` lists them all; that one table feeds the
command line, what is dropped on napari, the tests and the docs. To add a kind, write next to its reader ::

    def _recognise(look: Look) -> Iterator[Finding]:
        if holds_an_image(look):              # cheap first: the name, the size
            yield Finding(CERTAIN)

    FITS = Kind(
        "fits", Content.MAP, "a FITS image", (".fits",), "an image", _recognise, read_fits, forms=("fits",)
    )

and put ``FITS`` into ``KINDS``. Only files of its forms are shown to it. A recogniser that is not certain
yields each thing the file could be, with what a person has to tell the program to have it so; these become
the `IdentifiedFile.alternatives`. Libraries that not everybody has are imported inside the reader, never
beside the kind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import HeldFile, StrPath, open_binary
from napari_petlut.formats._text import text_of_head
from napari_petlut.formats.map_layout import MapLayout
from napari_petlut.model import EventFormat

if TYPE_CHECKING:
    from napari_petlut.formats.lut_encoding import LUTEncoding
    from napari_petlut.geometry import BlockGeometry

_Made = TypeVar("_Made")

CERTAIN = 1.0
"""Nothing else has to be looked for."""
LIKELY = 0.5
"""From here a file is taken for what it seems to be; what is less likely is an alternative only."""

_HEAD_BYTES = 65_536
_MOST_TOLD = 3
_UNKNOWN_REMEDY = "check the file; events of another layout need their format"
SIGNATURES: Mapping[str, tuple[bytes, ...]] = {
    "npy": (b"\x93NUMPY",),
    "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "zip": (b"PK",),
    "png": (b"\x89PNG",),
    "jpeg": (b"\xff\xd8\xff",),
    "pdf": (b"%PDF",),
    "gzip": (b"\x1f\x8b",),
    "hdf5": (b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file"),
    "mat": (b"MATLAB 5.0 MAT-file",),
    "fits": (b"SIMPLE  =",),
    "root": (b"root\0",),
    "elf": (b"\x7fELF",),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ",),
}
"""First bytes that name a format."""
TEXT, BARE = "text", "bare"
"""Forms of files whose first bytes name none: letters, or numbers without anything that says so."""


class Content(StrEnum):
    """What a file can hold."""

    EVENTS = "events"
    """List-mode events."""
    MAP = "map"
    """A flood map."""
    LUT = "lut"
    """A crystal lookup table."""
    ENERGY_LUT = "energy_lut"
    """An energy lookup table."""
    PEAKS = "peaks"
    """A table of peaks or points."""
    RECORD = "record"
    """How a result was made."""
    SESSION = "session"
    """The work on a block, to be opened again."""
    MODEL = "model"
    """A fitted model."""
    UNKNOWN = "unknown"
    """Anything else."""


@dataclass(frozen=True)
class Hints:
    """What a person has told about a file.

    Parameters
    ----------
    event_format : EventFormat
        How an event file packs its events.
    encoding : LUTEncoding or str, optional
        How a LUT file stores crystals.
    geometry : BlockGeometry, optional
        The crystal array.
    block : tuple of int, optional
        Which block of a scanner, where the file holds several.
    map_layout : MapLayout
        Where in a file of a flood map it lies, and how.
    """

    event_format: EventFormat = field(default_factory=EventFormat)
    encoding: LUTEncoding | str | None = None
    geometry: BlockGeometry | None = None
    block: tuple[int, ...] | None = None
    map_layout: MapLayout = field(default_factory=MapLayout)

    def add_nothing_to(self, others: Hints) -> bool:
        """Say whether a file that was identified with the other hints is the same with these."""
        return (
            self.event_format == others.event_format
            and self.encoding in (None, others.encoding)
            and self.geometry in (None, others.geometry)
            and self.block in (None, others.block)
            and self.map_layout in (MapLayout(), others.map_layout)
        )


class Look(HeldFile):
    """A file while it is identified: its beginning, and more of it for who needs more.

    Parameters
    ----------
    path : path-like
    hints : Hints

    Raises
    ------
    FormatError
        If the file is missing, a directory, a device or empty.
    """

    def __init__(self, path: StrPath, hints: Hints) -> None:
        super().__init__(path)
        self.hints = hints

    @property
    def suffix(self) -> str:
        """Ending of the name in small letters, with its dot."""
        return self.path.suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with open_binary(self, "a file") as handle:
            return handle.read(_HEAD_BYTES)

    @cached_property
    def signature(self) -> str:
        """Name of the format that the first bytes tell, as in `SIGNATURES`; empty if they tell none."""
        return next((name for name, marks in SIGNATURES.items() if self.head.startswith(marks)), "")

    @cached_property
    def text(self) -> str | None:
        """The beginning of a text file in UTF-8, UTF-16 or Latin-1; None if it is none."""
        return None if self.signature else text_of_head(self.head)

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names in the first line of a text file, parted by commas; none for another file."""
        first = next((line for line in (self.text or "").splitlines() if line.strip()), "")
        return frozenset(name.strip(' "') for name in first.split(","))

    @cached_property
    def form(self) -> str:
        """Its signature; `TEXT` or `BARE` where it has none."""
        return self.signature or (BARE if self.text is None else TEXT)

    @property
    def bare(self) -> bool:
        """Whether the file is numbers without anything that says so: no signature, no text."""
        return self.form == BARE


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that a file could be.

    Parameters
    ----------
    certainty : float
        0 to 1; `CERTAIN` ends the search.
    found : object, optional
        What was found out of it while looking: an event format, the layout of an array.
    model : object, optional
        What the kind's reader returns, where it had to be read to be recognised.
    problem : str
        Why it cannot be used, one line; empty if it can.
    why : str
        What speaks for it, in words: "99.6 % of the events land on the map".
    tell : str
        What a person tells the program to have the file taken so: "--event-format lab-big-endian".
    """

    certainty: float
    found: Any = None
    model: Any = None
    problem: str = ""
    why: str = ""
    tell: str = ""


def _no_facts(_: IdentifiedFile) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Parameters
    ----------
    name : str
        As ``petlut info`` prints it; no two kinds share one.
    content : Content
        What such a file holds, and so what can be done with it.
    words : str
        What messages call it: "a map file".
    suffixes : tuple of str
        Endings that such files usually have; the content decides.
    known_by : str
        How it is recognised, in words, for the docs.
    recognise : callable
        Yields what a file of one of the forms could be, if of this kind at all; reads as little as it can.
    read : callable, optional
        Returns the model of an identified file: FloodMap, LUTFile, Peaks ... Events have none; they stream.
    facts : callable
        Returns what can be said about an identified file, as a record holds it.
    forms : tuple of str
        Forms that such files have, see `Look.form`; looked at before `recognise` is asked. None are all.
    """

    name: str
    content: Content
    words: str
    suffixes: tuple[str, ...]
    known_by: str
    recognise: Callable[[Look], Iterable[Finding]]
    read: Callable[[IdentifiedFile], Any] | None = None
    facts: Callable[[IdentifiedFile], dict[str, Any]] = _no_facts
    forms: tuple[str, ...] = ()

    def findings(self, look: Look) -> Iterable[Finding]:
        """Return what the file could be, if it could be of this kind."""
        return self.recognise(look) if not self.forms or look.form in self.forms else ()


@dataclass(frozen=True, eq=False)
class Alternative:
    """Something else that a file could be: its kind, and what was found."""

    kind: Kind
    finding: Finding


@dataclass(frozen=True, eq=False)
class IdentifiedFile(os.PathLike[str]):
    """A file of which it is known what it is; made once by `identify`, and passed on as such.

    It can stand wherever a path can. What was read of it while it was identified is not read again.

    Parameters
    ----------
    held : Look
        The file, with what was read of it.
    kind : Kind
        `napari_petlut.formats.identification.UNKNOWN` if nothing known fits.
    finding : Finding
        What was found while looking.
    alternatives : tuple of Alternative
        What else it could be, best first.
    """

    held: Look = field(repr=False)
    kind: Kind
    finding: Finding = field(repr=False)
    alternatives: tuple[Alternative, ...] = ()
    _models: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.held.path

    @property
    def size(self) -> int:
        """Bytes, when it was identified."""
        return self.held.size

    @property
    def hints(self) -> Hints:
        """What was told about it."""
        return self.held.hints

    @property
    def content(self) -> Content:
        """What it holds."""
        return self.kind.content

    @property
    def found(self) -> Any:  # noqa: ANN401 - of every kind its own
        """What was found out of it while looking, of every kind its own."""
        return self.finding.found

    @property
    def problem(self) -> str:
        """Why it cannot be used, one line; empty if it can."""
        return self.finding.problem

    @property
    def sha256(self) -> str:
        """SHA-256 of its content as 64 hexadecimal digits, of the very bytes that were read if it was."""
        return self.held.sha256

    def read(self) -> Any:  # noqa: ANN401 - of every kind its own
        """Return what it holds, as the reader of its kind does; it is read at the first call only.

        Raises
        ------
        FormatError
            If it cannot be read, or its kind has no reader.
        """
        if self.finding.model is not None:
            return self.finding.model
        if self.kind.read is None:
            raise FormatError(self.path, "a file that is read whole", self.kind.words, "choose another file")
        return self.kept("model", lambda: self.kind.read(self))  # type: ignore[misc]

    def kept(self, name: str, make: Callable[[], _Made]) -> _Made:
        """Return what `make` returns, made at the first call with this name only."""
        if name not in self._models:
            self._models[name] = make()
        made: _Made = self._models[name]
        return made

    def taken_as(self, alternative: Alternative) -> IdentifiedFile:
        """Return the same file as something else that it could be."""
        others = tuple(other for other in self.alternatives if other is not alternative)
        own = (Alternative(self.kind, self.finding),) if self.content is not Content.UNKNOWN else ()
        return replace(self, kind=alternative.kind, finding=alternative.finding, alternatives=(*own, *others))

    def refusal(self, wanted: str, remedy: str = "choose another file") -> FormatError:
        """Return the error that says that a file of another kind was wanted, and what could help.

        Parameters
        ----------
        wanted : str
            What the caller can use.
        remedy : str
            What to do if it is a file of a known kind.
        """
        if self.content is not Content.UNKNOWN:
            return FormatError(self.path, wanted, self.kind.words, remedy)
        told = [other.finding for other in self.alternatives if other.finding.tell]
        found = f"{self.size:,} bytes that look like none"
        if told:
            remedy = "; ".join(f"{finding.why}: {finding.tell}" for finding in told[:_MOST_TOLD])
            return FormatError(self.path, wanted, found, remedy)
        return FormatError(
            self.path, wanted, found, "check the file; events of another layout need their format"
        )

"""How files of events are recognised, and what is said about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath
from napari_petlut.formats.event_files import count_blocks, count_events, open_table
from napari_petlut.formats.event_formats import event_format
from napari_petlut.formats.event_names import source_of_names
from napari_petlut.formats.event_placement import (
    Placement,
    other_readings,
    placement_of_words,
    sample_words,
)
from napari_petlut.formats.event_settling import settled
from napari_petlut.formats.event_tables.text import text_layout
from napari_petlut.formats.kinds import BARE, CERTAIN, LIKELY, Content, Finding, IdentifiedFile, Kind, Look
from napari_petlut.model import EventContainer, EventFormat

_TABLE_MAGICS = (b"\x89HDF", b"root", b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"\x93NUMPY", b"PK")
_DOUBTFUL = 0.4
_LAST_RESORT = 0.1
MOST_LISTED_BLOCKS = 24


@dataclass(frozen=True)
class EventsFound:
    """What was found out about a file of events.

    Parameters
    ----------
    layout : EventFormat
        Settled: with what was taken from the events.
    placement : Placement
        Where the events of a sample lie.
    """

    layout: EventFormat
    placement: Placement


def _recognise_described(look: Look) -> Iterator[Finding]:
    """Recognise what a person has described; as any file could be binary records, these must look right."""
    fmt = look.hints.event_format
    if fmt.source is None or (fmt.source.container.kind == "records" and not look.bare):
        # Text and pictures are no binary records, whatever their numbers would be.
        return
    try:
        source = fmt.source if look.hints.block is None else fmt.source.with_block(look.hints.block)
        table = open_table(look, source.container, source.columns)
        if not table.rows:
            return
        layout, placement = settled(look, replace(fmt, source=source))
    except ParameterError as error:
        yield Finding(_LAST_RESORT, why=f"as {fmt.name}", tell=str(error))
        return
    except FormatError as error:
        # Told last: it may be a file of another kind altogether.
        yield Finding(_LAST_RESORT, why=f"as {fmt.name}: {error.problem}", tell="correct the event format")
        return
    found = EventsFound(layout, placement)
    if placement.plausible:
        yield Finding(LIKELY if source.container.kind == "records" else CERTAIN, found)
        return
    yield from _otherwise(look, fmt, placement)


def _recognise_named(look: Look) -> Iterator[Finding]:
    """Recognise tables whose columns say what they are."""
    if look.hints.event_format.source is not None:
        return
    try:
        names = _names(look)
        source = source_of_names(names)
        if source is None:
            return
        if look.hints.block is not None:
            source = source.with_block(look.hints.block)
        layout, placement = settled(look, EventFormat(name="by its columns", source=source))
    except FormatError as error:
        if error.remedy.startswith("install"):
            yield Finding(
                _LAST_RESORT, why=f"expected {error.expected}, found {error.found}", tell=error.remedy
            )
        return
    except ParameterError as error:
        yield Finding(_LAST_RESORT, why="a table of events by its columns", tell=str(error))
        return
    if placement.plausible:
        yield Finding(CERTAIN, EventsFound(layout, placement))


def _names(look: Look) -> tuple[str, ...]:
    """Return the names of the columns, if the file could be a table."""
    if look.head.startswith(_TABLE_MAGICS):
        return open_table(look, EventContainer()).names
    wide = look.head[:2] in (b"\xff\xfe", b"\xfe\xff")
    return text_layout(look, look.head).names if wide or look.text is not None else ()


def _recognise_words(look: Look) -> Iterator[Finding]:
    fmt = look.hints.event_format
    if fmt.source is not None:
        return
    if look.size < fmt.header_bytes + fmt.word_bytes:
        return
    placement = placement_of_words(sample_words(look, fmt), fmt)
    # A header moves the events by some bytes, a wrong byte order leaves most of them somewhere on the map:
    # what places clearly more of them is meant.
    if placement.plausible and (placement.share > 0.95 or not other_readings(look, fmt, placement)):
        yield Finding(max(placement.share, LIKELY), EventsFound(fmt, placement))
        return
    yield from _otherwise(look, fmt, placement)


def _otherwise(look: Look, fmt: EventFormat, placement: Placement) -> Iterator[Finding]:
    """Yield what the file could be if it were read another way, and at last what is wrong with this one."""
    for reading in other_readings(look, fmt, placement):
        found = EventsFound(reading.event_format, Placement(placement.looked_at, reading.share, 0.5))
        yield Finding(_DOUBTFUL * reading.share, found, why=reading.why, tell=reading.tell)
    words = "the bytes are as random ones are" if placement.random else f"as {fmt.name} only {placement}"
    if placement.share > 0.5 and not placement.random:
        words = f"as {fmt.name} {placement}, crowded at one side as arbitrary bytes are"
    if fmt != EventFormat() or placement.share > _DOUBTFUL:
        yield Finding(_LAST_RESORT * placement.share, why=words, tell="check the file and the event format")


def _facts(file: IdentifiedFile) -> dict[str, Any]:
    layout: EventFormat = file.found.layout
    facts: dict[str, Any] = {"format": layout.name}
    count = count_events(file.path, layout)
    if count is not None:
        facts["events"] = count
    placement: Placement = file.found.placement
    facts["on_the_map"] = f"{100 * placement.share:.1f} % of {placement.looked_at:,} looked at"
    if layout.source is None:
        left_over = (file.size - layout.header_bytes) % layout.word_bytes
        return facts | ({"problem": f"{left_over} bytes after the last complete event"} if left_over else {})
    position = layout.source.position
    facts |= {
        "container": layout.source.container.kind,
        "position": position.rule,
        "axis_0": "{:g} to {:g}".format(*(position.x_range or ())),
        "axis_1": "{:g} to {:g}".format(*(position.y_range or ())),
        "energy_of_a_channel": layout.source.energy.step,
    }
    if layout.source.block is not None and layout.source.block.chosen is None:
        facts["blocks"] = listed_blocks(count_blocks(file.path, layout))
    return facts


def event_layout(name: StrPath | None, block: Sequence[int] | None = None) -> EventFormat:
    """Return the event format of a preset, a TOML file or a record; the lab's without one.

    Parameters
    ----------
    name : str or path, optional
    block : sequence of int, optional
        The block of a scanner whose events are meant.

    Raises
    ------
    FormatError
        If it is none of these.
    ParameterError
        If a block is given, and the format does not say which block an event is of.
    """
    fmt = event_format(name)
    if block is None or fmt.source is None:
        return fmt
    return replace(fmt, source=fmt.source.with_block(block))


def one_block(file: IdentifiedFile) -> EventFormat:
    """Return the format of a file of events, after making sure that these are of one block.

    Raises
    ------
    FormatError
        If the file holds no events, or those of several blocks and none is chosen; the error lists them.
    """
    if file.content is not Content.EVENTS:
        raise file.refusal("raw events")
    layout: EventFormat = file.found.layout
    block = None if layout.source is None else layout.source.block
    if block is not None and block.chosen is None:
        counts = count_blocks(file.path, layout)
        if len(counts) > 1:
            found = f"{len(counts)} blocks: {listed_blocks(counts)}"
            raise FormatError(file.path, "events of one block", found, "choose one: --block N")
    return layout


def listed_blocks(counts: dict[tuple[int, ...], int]) -> str:
    """Return blocks and their events on one line.

    Examples
    --------
    >>> listed_blocks({(0,): 1200, (3,): 7})
    '0 (1,200 events), 3 (7 events)'
    """
    named = [f"{','.join(map(str, block))} ({count:,} events)" for block, count in counts.items()]
    more = len(named) - MOST_LISTED_BLOCKS
    return ", ".join(named[:MOST_LISTED_BLOCKS]) + (f" and {more} more" if more > 0 else "")


DESCRIBED_EVENTS = Kind(
    "described_events",
    Content.EVENTS,
    "events as described",
    (),
    "an event format that was given for it",
    _recognise_described,
    facts=_facts,
)
NAMED_EVENTS = Kind(
    "table_of_events",
    Content.EVENTS,
    "a table of events",
    (".csv", ".txt", ".npy", ".npz", ".h5", ".hdf5", ".root", ".parquet", ".arrow", ".feather"),
    "columns named energy, x and y, or E, Ex and Ey, or A, B, C and D",
    _recognise_named,
    facts=_facts,
)
PACKED_EVENTS = Kind(
    "events",
    Content.EVENTS,
    "raw events",
    (".dat", ".raw"),
    "most of its words have a position on the block",
    _recognise_words,
    facts=_facts,
    forms=(BARE,),
)

"""What a file of events is like if it is read by some description: its first events, and their map."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events import EventChunk
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.formats.event_files import count_blocks, iter_events, open_table
from napari_petlut.formats.event_kinds import EventsFound
from napari_petlut.formats.event_placement import Placement
from napari_petlut.formats.event_settling import SAMPLE_ROWS, resolved_bins
from napari_petlut.formats.identification import Content, Hints, identify
from napari_petlut.model import EventFormat, FloodMap


@dataclass(frozen=True, eq=False)
class EventPreview:
    """A look at a file of events.

    Parameters
    ----------
    event_format : EventFormat
        Settled: with the ranges that were taken from the events.
    placement : Placement
        Where the first events lie.
    columns : tuple of str
        All columns of the file that hold numbers; E, Ex, Ey of words.
    rows : mapping of str to ndarray
        The first rows, by column.
    flood : FloodMap
        Of the first events, all energies.
    blocks : mapping of tuple of int to int
        Events of each block of a scanner; empty where events do not say which block they are of.
    """

    event_format: EventFormat
    placement: Placement
    columns: tuple[str, ...]
    rows: Mapping[str, npt.NDArray[np.generic]]
    flood: FloodMap
    blocks: Mapping[tuple[int, ...], int] = field(default_factory=dict)


def preview_events(
    path: str | os.PathLike[str],
    event_format: EventFormat,
    *,
    rows: int = 20,
    block: tuple[int, ...] | None = None,
    parameters: FloodParameters = FloodParameters(),
) -> EventPreview:
    """Return a look at a file of events, from its beginning.

    Parameters
    ----------
    path : path-like
    event_format : EventFormat
        What the file is taken for; the lab's means "whatever it says itself".
    rows : int
        How many of the first rows to return.
    block : tuple of int, optional
        The block of a scanner; events of all blocks make the map without it.
    parameters : FloodParameters
        Bins of the map; with a window only the events in it.

    Raises
    ------
    FormatError
        If the file cannot be read so, or its events hardly land on the map; the error says what would do.
    """
    file = identify(path, Hints(event_format, block=block))
    if file.content is not Content.EVENTS:
        raise file.refusal("raw events")
    found: EventsFound = file.found
    layout = found.layout
    chunks: Iterator[EventChunk] = iter_events(file.path, layout, chunk_events=SAMPLE_ROWS)
    first = next(chunks)
    bins = resolved_bins(layout, parameters.bins)
    chosen = FloodParameters(parameters.window, bins, parameters.dither, parameters.seed)
    flood = flood_from_words([first], layout, chosen, source=file.path.name)
    if layout.source is None:
        assert isinstance(first, np.ndarray)
        fields = {"E": layout.energy, "Ex": layout.x, "Ey": layout.y}
        shown = {
            name: (first[:rows] >> first.dtype.type(bits.shift)) & first.dtype.type(bits.mask)
            for name, bits in fields.items()
        }
        return EventPreview(layout, found.placement, tuple(fields), shown, flood)
    table = open_table(file.path, layout.source.container, layout.source.columns)
    beginning = next(table.chunks(table.names, rows))
    shown = {name: np.asarray(beginning.column(name)) for name in table.names}
    blocks = {} if layout.source.block is None else count_blocks(file.path, layout)
    return EventPreview(layout, found.placement, table.names, shown, flood, blocks)

"""A file of any known kind -> layers."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_petlut.errors import FormatError, GeometryError, ParameterError
from napari_petlut.formats.identification import Content, Hints, IdentifiedFile, identify
from napari_petlut.formats.lut import LUTEncoding, LUTFile, lut_encoding, read_lut
from napari_petlut.formats.map_kinds import map_reading
from napari_petlut.formats.map_layout import MapLayout, SeveralBlocksError
from napari_petlut.formats.record import Record, read_record
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model import EventFormat
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.context import tell
from napari_petlut.plugin.work.preferences import WHERE, ReadingPreferences, reading_preferences

if TYPE_CHECKING:
    from napari.components import ViewerModel

JustRead = Callable[[Path], bool]
MOST_BLOCKS = 64
"""Blocks of one file that are opened at once; of more, which is meant has to be told."""


def open_file(
    path: Path,
    viewer: ViewerModel | None = None,
    *,
    open_events: Callable[[IdentifiedFile], list[Layer]] | None = None,
    just_read: JustRead | None = None,
) -> list[Layer]:
    """Return the layers of a file.

    Parameters
    ----------
    path : Path
    viewer : ViewerModel, optional
        Where the layers will be shown; its other layers may tell what the file does not.
    open_events : callable, optional
        Opens raw event files; by default they are counted at once.
    just_read : callable, optional
        Takes a file that a record names, and tells whether it was read a moment ago.

    Raises
    ------
    FormatError
        If the file cannot be used.
    """
    try:
        file = identify(path, Hints(event_format(reading_preferences())))
        return open_identified(file, viewer, open_events=open_events, just_read=just_read)
    except (ParameterError, GeometryError) as error:
        raise FormatError(path, "a file that can be shown", str(error), "correct the file") from error


def open_identified(
    file: IdentifiedFile,
    viewer: ViewerModel | None = None,
    *,
    open_events: Callable[[IdentifiedFile], list[Layer]] | None = None,
    just_read: JustRead | None = None,
) -> list[Layer]:
    """Return the layers of a file of which it is known what it is.

    Parameters
    ----------
    file, viewer, open_events, just_read
        As for `open_file`.

    Raises
    ------
    PetlutError
        If the file cannot be used.
    """
    openers: dict[Content, Callable[[IdentifiedFile], list[Layer]]] = {
        Content.EVENTS: open_events or open_events_now,
        Content.MAP: open_map,
        Content.LUT: lambda lut: open_lut(lut, viewer, reading_preferences()),
        Content.PEAKS: open_peaks,
        Content.RECORD: lambda record: open_record(record, viewer, just_read),
        Content.SESSION: lambda session: ly.with_own_blocks(open_session(session), viewer),
    }
    if file.content not in openers:
        raise FormatError(
            file,
            "raw events, a map, a LUT, a peak table, a record or a session",
            file.kind.words,
            f"check the file; if it holds raw events of another layout, set that in {WHERE}",
        )
    return openers[file.content](file)


# -- flood maps -------------------------------------------------------------------------------------------


def open_map(file: IdentifiedFile) -> list[Layer]:
    """Return the Image layer of a flood map; of the lab's map file, the block's region only.

    What had to be found out or changed to read it is told.
    """
    try:
        return [_map_layer(file)]
    except SeveralBlocksError as several:
        if not 1 < len(several.layouts) <= MOST_BLOCKS:
            raise
        return _map_layers(file, several)


def _map_layer(file: IdentifiedFile, number: str = "") -> Image:
    """Return the layer of one map; how it was read goes along, and with it into the record."""
    reading = map_reading(file)
    for note in reading.notes:
        tell(f"{file.path.name}{number}: {note}")
    layer = ly.file_flood_layer(reading.flood, file.path)
    if number:
        layer.name, ly.info(layer).block = f"{layer.name}{number}", f"{ly.block_of(layer)}{number}"
    ly.info(layer).parameters[MapLayout.__name__] = reading.layout
    return layer


def _map_layers(file: IdentifiedFile, several: SeveralBlocksError) -> list[Layer]:
    """Return a layer for each block of a file of several; the first is shown.

    A block without counts is passed over.
    """
    layers: list[Layer] = []
    for layout in several.layouts:
        number = " " + ",".join(map(str, layout.block or ()))
        try:
            layer = _map_layer(identify(file.path, replace(file.hints, map_layout=layout)), number)
        except FormatError as error:
            tell(f"{file.path.name}{number}: {error.problem}")
            continue
        layer.visible = not layers
        layers.append(layer)
    tell(
        f"{file.path.name} holds {several.found}: each is a block of its own; "
        "the arrows beside the flood map go from one to the next"
    )
    return layers


def event_format(chosen: ReadingPreferences) -> EventFormat:
    """Return the layout of raw event files that the person has set.

    Raises
    ------
    FormatError
        If its file cannot be used.
    """
    from napari_petlut.formats.event_formats import event_format as named

    return named(chosen.event_format.strip() or None)


def open_events_now(file: IdentifiedFile) -> list[Layer]:
    """Return the Image layer of a raw event file, counted before this function returns."""
    from napari_petlut.analysis.flood import FloodParameters
    from napari_petlut.workflow.sources import flood_of_events

    layout = file.found.layout
    return [ly.events_layer(file.path, layout, *flood_of_events(file, FloodParameters(), layout))]


# -- peaks ------------------------------------------------------------------------------------------------


def open_peaks(file: IdentifiedFile) -> list[Layer]:
    """Return the Points layer of a peak table; it waits for the block that it belongs to."""
    layer = ly.peaks_layer(file.read(), name=file.path.stem, geometry=_geometry_of_table(file))
    ly.info(layer).path = file.path.resolve()
    return [layer]


def _geometry_of_table(file: IdentifiedFile) -> BlockGeometry | None:
    """Return the crystal array that the columns of a peak table tell; it holds at least all of its peaks."""
    table = StringIO(file.held.content("a peak table").decode("utf-8-sig"), newline="")
    places = [
        tuple(_whole(line.get(column)) for column in ("crystal", "row", "col"))
        for line in csv.DictReader(table, skipinitialspace=True)
    ]
    numbered = [place for place in places if min(place) >= 0]
    steps = {(crystal - col) // row for crystal, row, col in numbered if row > 0}
    if len(steps) != 1:
        return None  # one row, or no numbers at all: the columns could be any number
    return BlockGeometry(1 + max(row for _, row, _ in numbered), steps.pop())


def _whole(field: str | None) -> int:
    value = float(field or "nan")
    return int(value) if np.isfinite(value) else NO_CRYSTAL


# -- LUTs -------------------------------------------------------------------------------------------------


def open_lut(file: IdentifiedFile, viewer: ViewerModel | None, chosen: ReadingPreferences) -> list[Layer]:
    """Return the Labels layers of a LUT file, drawn as outlines; hovering shows crystal, row and column.

    What the file does not tell is taken from the record beside it, the person's preferences, or the block
    that is open in the viewer, in this order. A file of several blocks gives a layer for each, of which the
    first is shown.
    """
    path = file.path
    encoding, geometry = encoding_in_record(file)
    known = [
        (encoding, geometry),
        (chosen.encoding, chosen.geometry),
        (chosen.encoding, geometry_in_viewer(viewer, ly.block_name(path))),
    ]
    found = _read_luts_knowing(file, [(e, g) for e, g in known if e or g])
    layers: list[Layer] = []
    for index, lut in enumerate(found):
        layer = _lut_layer(lut, path, f" {index}" if len(found) > 1 else "")
        layer.visible = index == 0
        _put_over_map(layer, viewer)
        layers.append(layer)
    return layers


def _lut_layer(found: LUTFile, path: Path, number: str) -> Labels:
    name = ly.layer_name(f"{path.stem}{number}", ly.LayerKind.LUT)
    layer = ly.cells_layer(
        found.lut, name=name, block=f"{ly.block_name(path)}{number}", kind=ly.LayerKind.LUT
    )
    known = ly.info(layer)
    known.path, known.encoding, known.note = path.resolve(), found.encoding, found.note
    return layer


def _put_over_map(layer: Labels, viewer: ViewerModel | None) -> None:
    """Let a LUT cover its block's map, or the only map there is, also if it has larger or smaller pixels."""
    floods = [known for known in viewer.layers if ly.is_flood_candidate(known)] if viewer is not None else []
    own = [flood for flood in floods if ly.block_of(flood) == ly.block_of(layer)]
    if not (own or len(floods) == 1):
        return
    flood = (own or floods)[-1]
    pixels = np.divide(flood.data.shape, layer.data.shape)
    # Pixel centres have whole coordinates, so the first pixel begins half a pixel before 0.
    layer.translate = np.asarray(flood.translate) + np.asarray(flood.scale) * (pixels - 1) / 2
    layer.scale = np.asarray(flood.scale) * pixels
    layer.units = flood.units


def _read_luts_knowing(
    file: IdentifiedFile, known: list[tuple[LUTEncoding | str | None, BlockGeometry | None]]
) -> list[LUTFile]:
    """Read a LUT with the first knowledge that fits, then with none; complain about the first attempt."""
    first: FormatError | None = None
    for encoding, geometry in [*known, (None, None)]:
        try:
            blocks = lut_blocks(file, encoding) if encoding else 1
            numbers = range(blocks) if blocks > 1 else [None]
            return [read_lut(file, encoding, geometry, block=number) for number in numbers]
        except FormatError as error:
            first = first or error
    assert first is not None
    remedy = (
        f"open the block's flood map first and set its rows and columns in the Block panel, or set rows, "
        f"columns and encoding in {WHERE}"
    )
    raise FormatError(file, first.expected, first.found, remedy)


def lut_blocks(file: IdentifiedFile, encoding: LUTEncoding | str) -> int:
    """Return how many blocks a LUT file of this layout holds, judged by its size."""
    layout = lut_encoding(encoding)
    if layout.codec != "plain":
        return 1
    return max((file.size - layout.header_bytes) // layout.block_bytes, 1)


def encoding_in_record(file: IdentifiedFile) -> tuple[LUTEncoding | None, BlockGeometry | None]:
    """Return what the record beside a LUT file says about exactly this file, nothing without one."""
    beside = file.path.with_name(f"{file.path.stem}_record.json")
    try:
        record = read_record(beside)
        if record.outputs["lut"].sha256 != file.sha256:
            return None, None
        return record.lut_encoding, record.geometry
    except (FormatError, LookupError):
        return None, None  # no record, or of another kind: the file itself has to tell


def geometry_in_viewer(viewer: ViewerModel | None, block: str) -> BlockGeometry | None:
    """Return the crystal array of the same block in the viewer, else the only one that is open there."""
    layers = list(viewer.layers) if viewer is not None else []
    known = {ly.geometry_of(layer) for layer in layers if ly.block_of(layer) == block} - {None}
    known = known or {ly.geometry_of(layer) for layer in layers if ly.kind_of(layer)} - {None}
    return known.pop() if len(known) == 1 else None


# -- several layers at once -------------------------------------------------------------------------------


def files_of_record(path: Path, record: Record) -> list[Path]:
    """Return the files of a calibrated block: its map or events, its LUT and its peaks."""
    names = [path.parent / record.inputs["source"].path] if "source" in record.inputs else []
    outputs = (record.outputs[kind] for kind in ("lut", "peaks") if kind in record.outputs)
    return names + [path.parent / written.name for written in outputs]


def open_record(
    file: IdentifiedFile, viewer: ViewerModel | None, just_read: JustRead | None = None
) -> list[Layer]:
    """Return map, cells and peaks of a calibrated block from its record, as far as they are there.

    Those of them that were dropped with the record, and read before it, are not read again; their LUT becomes
    the block's cells where it is.
    """
    path, record = file.path, read_record(file)
    record.warn_of_foreign_outputs(path)
    names = files_of_record(path, record)
    method = record.segmentation_method
    there = [name for name in names if name.is_file()]
    if not there:
        found = f"none of {', '.join(name.name for name in names)}"
        raise FormatError(path, "the files that the record names", found, "put them back beside the record")
    before = [name.resolve() for name in there if just_read is not None and just_read(name)]
    new = [name for name in there if name.resolve() not in before]
    layers = [layer for name in new for layer in open_file(name, viewer)]
    ours = [layer for layer in viewer.layers if ly.kind_of(layer)] if viewer is not None else []
    for layer in [*layers, *(layer for layer in ours if ly.info(layer).path in before)]:
        if method and ly.kind_of(layer) is ly.LayerKind.LUT:
            become_cells(layer, method)
    return layers


def become_cells(layer: Labels, method: str) -> None:
    """Make a LUT the cells that follow the peaks of its block, as if they had just been computed."""
    known = ly.info(layer)
    known.kind, known.method = ly.LayerKind.CELLS, method
    layer.name = ly.layer_name(ly.block_of(layer), ly.LayerKind.CELLS)


def open_session(file: IdentifiedFile) -> list[Layer]:
    """Return the layers of a session, as they were."""
    from napari_petlut.plugin.io.session import layers_of_session

    return layers_of_session(file.read())

"""The kinds of files that hold a flood map: how each is recognised, and read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath
from napari_petlut.formats.arrays import (
    fits,
    hdf5,
    headerless,
    matlab,
    numpy_files,
    pictures,
    root,
    text,
    tiff,
)
from napari_petlut.formats.arrays.entries import LONGEST, ArrayEntry, Pixels, choose_entry
from napari_petlut.formats.kinds import (
    BARE,
    CERTAIN,
    LIKELY,
    TEXT,
    Content,
    Finding,
    IdentifiedFile,
    Kind,
    Look,
)
from napari_petlut.formats.map_layout import MapLayout
from napari_petlut.formats.map_reading import (
    Entries,
    MapReading,
    ReadEntry,
    read_contained,
    reading_of_pixels,
)
from napari_petlut.formats.maps import MAP_BYTES, read_array, read_map
from napari_petlut.model import FloodMap

_SURE = 0.95
"""Of what is told by content, but may be told otherwise by another kind."""
_FEWEST_COLUMNS = 4
_READING = "map reading"


def map_reading(file: IdentifiedFile) -> MapReading:
    """Return the flood map of an identified file, and how it was read; it is read at the first call only.

    Parameters
    ----------
    file : IdentifiedFile
        Of a kind in `MAP_KINDS`.

    Raises
    ------
    FormatError
        If it cannot be read, or something has to be told; or if it is a file of another kind.
    """
    reader = _READERS.get(file.kind.name)
    if reader is None:
        raise file.refusal("a flood map")
    return file.kept(_READING, lambda: reader(file))


def map_in_source(file: IdentifiedFile) -> MapReading | None:
    """Return the flood map of a source, read at the first call only; None if it holds events.

    Parameters
    ----------
    file : IdentifiedFile
        As `napari_petlut.formats.identification.identify_source` returns it.

    Raises
    ------
    FormatError
        If it cannot be read, or something has to be told.
    """
    if file.content is Content.EVENTS:
        return None
    if file.problem:
        raise FormatError(file.path, "a flood map", file.problem, "check the file")
    if file.content is not Content.MAP:
        return file.kept(_READING, lambda: MapReading(read_array(file), file.hints.map_layout))
    return map_reading(file)


def _flood(file: IdentifiedFile) -> FloodMap:
    return map_reading(file).flood


def flood_facts(file: IdentifiedFile) -> dict[str, Any]:
    """Return what can be said about the flood map that a file holds."""
    reading = map_reading(file)
    flood = reading.flood
    facts: dict[str, Any] = {
        "pixels": flood.shape,
        "counts": flood.total,
        "highest": float(flood.counts.max()),
    }
    if flood.spectrum is not None:
        facts["events_in_spectrum"] = int(flood.spectrum.sum())
    return facts | ({"note": "; ".join(reading.notes)} if reading.notes else {})


# -- the lab's own ----------------------------------------------------------------------------------------


def _recognise_lab_map(look: Look) -> Iterator[Finding]:
    if look.size == MAP_BYTES and not look.hints.map_layout.headerless:
        try:
            yield Finding(CERTAIN, found=read_map(look))
        except FormatError as error:
            # A map without counts is one too, if it is nothing else.
            yield Finding(LIKELY, problem=error.problem)


def _read_lab_map(file: IdentifiedFile) -> MapReading:
    flood = file.found if isinstance(file.found, FloodMap) else read_map(file)
    layout = file.hints.map_layout
    if layout == MapLayout():
        return MapReading(flood, layout)
    reading = reading_of_pixels(file, Pixels(flood.counts), layout)
    return replace(reading, flood=replace(reading.flood, spectrum=flood.spectrum))


# -- without a header -------------------------------------------------------------------------------------


def _recognise_headerless(look: Look) -> Iterator[Finding]:
    told = look.hints.map_layout
    if told.headerless:
        yield Finding(CERTAIN, found=told, why="told to be one")
        return
    if look.suffix in _LUT_SUFFIXES:
        return
    proposals = headerless.propose_layouts(look)
    clear = headerless.clear_proposal(proposals)
    for proposal in proposals:
        likely = proposal is clear
        layout = replace(
            told,
            dtype=proposal.layout.dtype,
            shape=proposal.layout.shape,
            header_bytes=proposal.layout.header_bytes,
        )
        why = f"smooth counts if read as {proposal.layout.array_text}"
        certainty = (_SURE if likely else 0.9 * LIKELY) * proposal.likeness
        yield Finding(max(certainty, LIKELY) if likely else certainty, layout, why=why, tell=proposal.tell)


_LUT_SUFFIXES = (".lut", ".clu", ".crm")


def _read_headerless(file: IdentifiedFile) -> MapReading:
    layout: MapLayout = file.found
    reading = reading_of_pixels(file, Pixels(headerless.read_headerless(file, layout)), layout)
    if file.hints.map_layout.headerless:
        return reading
    note = f'no header: read as --array "{layout.array_text}", which looks like a flood map'
    return replace(reading, notes=(note, *reading.notes))


# -- text -------------------------------------------------------------------------------------------------


def _recognise_text(look: Look) -> Iterator[Finding]:
    head = look.text or ""
    if head.lstrip().startswith("{") or {"axis-0", "axis-1"} <= look.columns:
        return
    if len(look.head) < look.size:
        # The last line is cut.
        head = head[: head.rfind("\n") + 1] or head
    try:
        table = text.parse_table(look, head)
    except FormatError as error:
        # Who gives a file of numbers with such a name means a map; its reader says what is wrong with it.
        if look.suffix in TEXT_MAP.suffixes and _mostly_numbers(head):
            yield Finding(LIKELY, problem=error.problem)
        return
    lines, columns = table.values.shape
    expected_lines = lines * look.size / max(len(look.head), 1)
    names = {name.strip().lower() for name in table.names}
    if names & {"energy", "e", "time", "photopeak", "crystal"}:
        return
    if columns == 3 and lines > 3:
        yield from _recognise_triplets(look)
    elif (columns >= _FEWEST_COLUMNS and expected_lines <= LONGEST * columns) or expected_lines <= 4:
        yield Finding(_SURE)


def _recognise_triplets(look: Look) -> Iterator[Finding]:
    try:
        yield Finding(_SURE, found=text.read_text(look, ArrayEntry("", ())))
    except FormatError:
        return


def _mostly_numbers(head: str) -> bool:
    return len(re.sub(r"[\d+\-.eE,;#\s]", "", head[:1000])) <= 0.02 * len(head[:1000])


# -- containers -------------------------------------------------------------------------------------------


def _container(entries: Entries, read: ReadEntry) -> Callable[[IdentifiedFile], MapReading]:
    return lambda file: read_contained(file, file.hints.map_layout, entries, read)


def _certainly(_: Look) -> Iterator[Finding]:
    """Recognise what the form of the file says alone."""
    yield Finding(CERTAIN)


def _by_arrays(entries: Entries) -> Callable[[Look], Iterator[Finding]]:
    """Return a recogniser of files that may hold other things too: they need an array that can be a map."""

    def recognise(look: Look) -> Iterator[Finding]:
        try:
            found = entries(look)
            choose_entry(look, found, look.hints.map_layout.name)
        except FormatError as error:
            several = error.expected == "one map" or "no library" in error.found
            yield Finding(_SURE if several else 0.1, problem=error.problem)
            return
        yield Finding(_SURE)

    return recognise


def _read_text_map(file: IdentifiedFile) -> MapReading:
    if isinstance(file.found, Pixels):
        return reading_of_pixels(file, file.found, file.hints.map_layout)
    return read_contained(file, file.hints.map_layout, text.text_entries, text.read_text)


def _kind(
    name: str,
    words: str,
    suffixes: tuple[str, ...],
    known_by: str,
    recognise: Callable[[Look], Iterator[Finding]],
    *forms: str,
) -> Kind:
    return Kind(name, Content.MAP, words, suffixes, known_by, recognise, _flood, flood_facts, forms)


LAB_MAP = _kind("map", "a map file", (".dat",), f"{MAP_BYTES:,} bytes", _recognise_lab_map, BARE)
HEADERLESS = _kind(
    "headerless map",
    "a map without a header",
    (".raw", ".dat", ".bin"),
    "its size, and counts that are smooth",
    _recognise_headerless,
    BARE,
)
NPY = _kind("array", "a NumPy array", (".npy",), "the first bytes", _certainly, "npy")
TIFF = _kind("tiff", "a TIFF image", (".tif", ".tiff"), "the first bytes", _certainly, "tiff")
PICTURE = _kind(
    "picture", "a picture", (".png", ".jpg", ".jpeg"), "the first bytes", _certainly, "png", "jpeg"
)
NPZ = _kind(
    "npz",
    "a NumPy archive",
    (".npz",),
    "an archive with an array of 2 or 3 axes",
    _by_arrays(numpy_files.npz_entries),
    "zip",
)
MAT = _kind("mat", "a MATLAB file", (".mat",), "the first bytes", _certainly, "mat")
HDF5 = _kind(
    "hdf5",
    "an HDF5 file with a map",
    (".h5", ".hdf5", ".mat"),
    "the first bytes, and an array of 2 or 3 axes",
    _by_arrays(hdf5.hdf5_entries),
    "hdf5",
)
FITS = _kind("fits", "a FITS image", (".fits", ".fit", ".fts"), "the first bytes", _certainly, "fits")
ROOT = _kind(
    "root",
    "a ROOT file with a TH2",
    (".root",),
    "the first bytes, and a TH2",
    _by_arrays(root.root_entries),
    "root",
)
TEXT_MAP = _kind(
    "text map",
    "a map as text",
    (".csv", ".txt", ".tsv", ".asc"),
    "lines of as many numbers, or x, y and counts of its bins",
    _recognise_text,
    TEXT,
)

_READERS: dict[str, Callable[[IdentifiedFile], MapReading]] = {
    LAB_MAP.name: _read_lab_map,
    HEADERLESS.name: _read_headerless,
    NPY.name: _container(numpy_files.npy_entries, numpy_files.read_npy),
    TIFF.name: _container(tiff.tiff_entries, tiff.read_tiff),
    PICTURE.name: _container(pictures.picture_entries, pictures.read_picture),
    NPZ.name: _container(numpy_files.npz_entries, numpy_files.read_npz),
    MAT.name: _container(matlab.mat_entries, matlab.read_mat),
    HDF5.name: _container(hdf5.hdf5_entries, hdf5.read_hdf5),
    FITS.name: _container(fits.fits_entries, fits.read_fits),
    ROOT.name: _container(root.root_entries, root.read_root),
    TEXT_MAP.name: _read_text_map,
}

MAP_KINDS: tuple[Kind, ...] = (
    NPY,
    TIFF,
    PICTURE,
    NPZ,
    MAT,
    HDF5,
    FITS,
    ROOT,
    TEXT_MAP,
    LAB_MAP,
    HEADERLESS,
)
"""Every kind of file that holds a flood map; one that is told to have no header comes first."""


def read_any_map(path: StrPath, layout: MapLayout = MapLayout()) -> MapReading:
    """Read the flood map of a file of any kind.

    Parameters
    ----------
    path : path-like
    layout : MapLayout
        What is told about it.

    Raises
    ------
    FormatError
        If it holds no map, or something has to be told.
    """
    from napari_petlut.formats.identification import identify
    from napari_petlut.formats.kinds import Hints

    return map_reading(identify(path, Hints(map_layout=layout)))

"""A scanner's list-mode file split into the flood maps of its blocks, in one pass over its events.

A block's energy window is needed before its events can be counted, and is seen in its spectrum: the first
events of a block wait until there are enough of them for that. Then they are counted, and so is everything
that comes after.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.locating import Locator
from napari_petlut.analysis.events.pixels import energies_in, map_of_pixels, pixel_rule, spectrum_channels
from napari_petlut.analysis.flood import FloodParameters, suggest_window
from napari_petlut.batch.blocks import BatchBlock, safe_name
from napari_petlut.errors import Cancelled, FormatError, ParameterError, PetlutError
from napari_petlut.formats.event_files import count_events, iter_scanner
from napari_petlut.formats.identification import Content, Hints, IdentifiedFile, identify
from napari_petlut.formats.maps import write_flood
from napari_petlut.formats.plain import plain, read_json, write_json
from napari_petlut.formats.record import sha256_of
from napari_petlut.model import SPECTRUM_BINS, EnergyWindow, EventColumns, EventFormat, FloodMap
from napari_petlut.workflow.outputs import make_directory

WINDOW_EVENTS = 50_000
"""First events of a block that its energy window is taken from; their spectrum shows the photopeak of a block
as safely as that of all does, and they take 0.4 MB at most."""
SPLIT = "split.json"
_MAP_FILE = ((512, 512), SPECTRUM_BINS)
"""Pixels and channels of a map file."""
MOST_MEMORY = 2**31
"""Bytes that the counts of all blocks may take."""


@dataclass(frozen=True)
class SplitScanner:
    """What a scanner's file was split into.

    Parameters
    ----------
    blocks : tuple of BatchBlock
        In the order of their numbers; each with the file of its map.
    events : int
        Events of all blocks, whatever their energy.
    notes : tuple of str
        What a person should know of the energy windows, one line each.
    """

    blocks: tuple[BatchBlock, ...]
    events: int
    notes: tuple[str, ...] = ()


def split_scanner(
    paths: Sequence[str | os.PathLike[str]],
    event_format: EventFormat,
    directory: str | os.PathLike[str],
    parameters: FloodParameters | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SplitScanner:
    """Write the flood map of every block of a scanner's list-mode files, in one pass over them.

    Every block takes ``4 * (bins + 1)**2`` bytes for its map, 4 bytes for each channel of its spectrum, and
    until its window is known up to 8 bytes for each of its first 50,000 events: 1.5 MB with 512 bins.

    Parameters
    ----------
    paths : sequence of path-like
        Events that tell which block they are of; those of several files belong together.
    event_format : EventFormat
        Its description, with the block's columns.
    directory : path-like
        Where the maps go, as ``STEM_BLOCK.dat`` or, where such a file cannot hold them, ``.npy``. With them
        goes ``split.json``: where it says that the same was done before, it is not done again.
    parameters : FloodParameters, optional
        Window and bins of the maps. A window left open is taken from the first events of each block.
    overwrite : bool
        Whether files of these names may be replaced that no earlier call has written, or that were changed.
    progress, cancelled : callable, optional
        Hooks; `progress` gets the fraction that is done.

    Raises
    ------
    FormatError
        If the file cannot be used, its blocks would take too much memory, or a map cannot be written.
    ParameterError
        If the events do not say which block they are of.
    Cancelled
        If `cancelled` said so; nothing was written.
    """
    parameters, directory = parameters or FloodParameters(), Path(directory)
    files = [identify(path, Hints(event_format)) for path in paths]
    if not files:
        raise ParameterError("a scanner has one file of events or more")
    for file in files:
        if file.content is not Content.EVENTS:
            raise file.refusal("events of a scanner")
    # What was taken from the events of the first file, such as the range of their positions, holds for all.
    layout: EventFormat = files[0].found.layout
    key = _key(files, layout, parameters)
    made, own = _made_before(directory, key)
    if made is not None:
        return made
    counted = _counted(files, layout, parameters, progress, cancelled)
    make_directory(directory)
    stem = files[0].path.stem if len(files) == 1 else "scanner"
    blocks, notes = [], []
    for number in sorted(counted.blocks):
        flood, note = counted.flood(number)
        name = safe_name(f"{stem}_{'_'.join(map(str, number))}")
        ending = ".dat" if (flood.shape, len(counted.blocks[number].spectrum)) == _MAP_FILE else ".npy"
        path = directory / f"{name}{ending}"
        write_flood(path, flood, overwrite=overwrite or path in own)
        blocks.append(BatchBlock(name, path, place=number))
        notes += [f"{name}: {note}"] if note else []
    made = SplitScanner(tuple(blocks), counted.events, tuple(notes))
    _keep(directory, key, made)
    return made


def _counted(
    files: Sequence[IdentifiedFile],
    layout: EventFormat,
    parameters: FloodParameters,
    progress: Callable[[float], None] | None,
    cancelled: Callable[[], bool] | None,
) -> _Scanner:
    counted = _Scanner(files[0].path, layout, parameters)
    known = [count_events(file, layout) for file in files]
    total = sum(number or 0 for number in known)
    for events, blocks, which in chain.from_iterable(iter_scanner(file, layout) for file in files):
        if cancelled is not None and cancelled():
            raise Cancelled("stopped as asked; nothing was kept")
        counted.add(events, blocks, which)
        if progress is not None and total:
            progress(min(counted.events / total, 1.0))
    return counted


def _key(files: Sequence[IdentifiedFile], layout: EventFormat, parameters: FloodParameters) -> str:
    """Return the hash of all that decides the maps."""
    told = [[file.sha256 for file in files], layout, parameters, version("napari-petlut")]
    return hashlib.sha256(json.dumps(plain(told), sort_keys=True).encode()).hexdigest()


def _keep(directory: Path, key: str, made: SplitScanner) -> None:
    maps = [
        {"file": block.path.name, "place": block.place, "sha256": sha256_of(block.path)}
        for block in made.blocks
    ]
    told = {"key": key, "maps": maps, "events": made.events, "notes": made.notes}
    write_json(directory / SPLIT, told, overwrite=True)


def _made_before(directory: Path, key: str) -> tuple[SplitScanner | None, frozenset[Path]]:
    """Return the blocks of an earlier call, if it did the same, and those of its maps that are unchanged."""
    path = directory / SPLIT
    if not path.is_file():
        return None, frozenset()
    try:
        told = read_json(path)
        files = [directory / Path(entry["file"]).name for entry in told["maps"]]
        own = frozenset(
            file
            for file, entry in zip(files, told["maps"], strict=True)
            if file.is_file() and sha256_of(file) == entry["sha256"]
        )
        blocks = [
            BatchBlock(file.stem, file, place=tuple(entry["place"]))
            for file, entry in zip(files, told["maps"], strict=True)
        ]
        made = SplitScanner(tuple(blocks), int(told["events"]), tuple(map(str, told["notes"])))
    except (PetlutError, OSError, KeyError, TypeError, ValueError):
        return None, frozenset()
    return (made if told["key"] == key and own == {*files} else None), own


@dataclass(eq=False)
class _Block:
    """Counts of one block, and the first of its events as long as its window is not known."""

    spectrum: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint32]
    rule: Any = None
    window: EnergyWindow | None = None
    note: str = ""
    events: int = 0
    waiting: list[npt.NDArray[Any]] = field(default_factory=list)


class _Scanner:
    """Counts of all blocks."""

    def __init__(self, path: Path, layout: EventFormat, parameters: FloodParameters) -> None:
        if layout.source is None or layout.source.block is None:
            raise ParameterError("these events do not say which block they are of")
        self.blocks: dict[tuple[int, ...], _Block] = {}
        self.events = 0
        self._path, self._layout, self._parameters = path, layout, parameters
        # Positions do not depend on the window, which comes later.
        self._rule = pixel_rule(layout, parameters.bins, dither=parameters.dither, seed=parameters.seed)
        self._locator = Locator(layout.source, self._rule)

    def add(self, events: EventColumns, blocks: Sequence[tuple[int, ...]], which: npt.NDArray[Any]) -> None:
        """Count events of some blocks.

        Parameters
        ----------
        events : EventColumns
        blocks : sequence of tuple of int
        which : ndarray of int, shape (events,)
            Which of them each event is of.
        """
        known = [self.blocks.get(number) or self._new(number) for number in blocks]
        self.events += events.size
        if self._parameters.dither:
            # What is added to an event depends on its place among those of its block.
            for code, block in enumerate(known):
                for words, _, _ in self._locator.parts(events.of_events(which == code), block.events):
                    self._take(block, words)
            return
        # Located as they come, then sorted once: a block's map stays in the processor's cache.
        words = np.concatenate([part.copy() for part, _, _ in self._locator.parts(events, 0)])
        words = words[np.argsort(which, kind="stable")]
        words.flags.writeable = False  # as the locator's: one compiled loop takes both
        ends = np.cumsum(np.bincount(which, minlength=len(known))).tolist()
        for block, first, end in zip(known, [0, *ends], ends, strict=False):
            self._take(block, words[first:end])

    def _take(self, block: _Block, words: npt.NDArray[Any]) -> None:
        """Count located events of one block, or let them wait."""
        block.events += len(words)
        if block.rule is not None:
            self._count(block, words)
            return
        block.waiting.append(words.copy())
        if self._parameters.window is not None or sum(map(len, block.waiting)) >= WINDOW_EVENTS:
            self._settle(block)

    def flood(self, number: tuple[int, ...]) -> tuple[FloodMap, str]:
        """Return the map of a block, and a note on its window."""
        block = self.blocks[number]
        if block.rule is None:
            self._settle(block)
        flood = FloodMap(
            counts=map_of_pixels(block.counts.astype(np.int64), self._parameters.bins),
            spectrum=block.spectrum.astype(np.int64),
            window=block.window,
            full_scale=self._layout.full_scale,
            source=self._path.name,
        )
        return flood, block.note

    def _new(self, number: tuple[int, ...]) -> _Block:
        channels, pixels = spectrum_channels(self._layout), self._rule.pixels
        if 4 * (channels + pixels) * (len(self.blocks) + 1) > MOST_MEMORY:
            found = f"{len(self.blocks) + 1:,} blocks or more, of {self._parameters.bins} pixels a side"
            raise FormatError(
                self._path, f"maps of {MOST_MEMORY >> 30} GB at most", found, "choose fewer bins"
            )
        block = _Block(np.zeros(channels, np.uint32), np.zeros(pixels, np.uint32))
        self.blocks[number] = block
        return block

    def _settle(self, block: _Block) -> None:
        """Choose the window of a block, and count the events that waited for it."""
        words = np.concatenate(block.waiting)
        words.flags.writeable = False
        block.waiting.clear()
        # The window is to be the same however the events are cut into chunks.
        block.window = self._parameters.window or self._suggested(block, words[:WINDOW_EVENTS])
        first, last = energies_in(block.window, self._layout)
        block.rule = self._rule._replace(first_energy=first, last_energy=last)
        self._count(block, words)

    def _suggested(self, block: _Block, words: npt.NDArray[Any]) -> EnergyWindow | None:
        from napari_petlut.analysis.events.loops import count_energies

        spectrum = np.zeros(block.spectrum.size, np.uint32)
        count_energies(words, self._rule, spectrum)
        found = suggest_window(spectrum)
        if found.window is None:
            block.note = f"no photopeak found ({found.reason}): all energies are kept; give the window"
        elif found.reason:
            block.note = f"the photopeak is uncertain: {found.reason}; give the window"
        return found.window

    @staticmethod
    def _count(block: _Block, words: npt.NDArray[Any]) -> None:
        from napari_petlut.analysis.events.loops import count_flood

        count_flood(words, 0, block.rule, block.spectrum, block.counts)

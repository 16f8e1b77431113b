"""The filter and the peak search as they are set right now, shown before anything is taken over."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import create_worker
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_petlut.analysis.detection import (
    FilterParameters,
    PeakParameters,
    completed_parameters,
    filter_map,
    find_peaks,
)
from napari_petlut.errors import PetlutError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.workbench import Workbench

_DELAY_MS = 120
"""A person who turns a wheel should not wait for every number on the way."""


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What a preview is asked about; a later question makes it void."""

    block: weakref.ref[BlockController]
    counts: FloatArray
    smoothing: FilterParameters
    search: PeakParameters
    geometry: BlockGeometry
    peaks: bool

    def same(self, other: _Wanted | None) -> bool:
        return (
            other is not None
            and self.block() is other.block()
            and self.counts is other.counts
            and self.smoothing == other.smoothing
            and self.search == other.search
            and self.geometry == other.geometry
            and self.peaks <= other.peaks
        )


@dataclass(frozen=True, eq=False)
class _Seen:
    """The answer."""

    filtered: FloatArray
    search: PeakParameters
    peaks: Peaks | None


class SearchPreview:
    """Works out what filter and peak search give on the block in focus, while a person changes their numbers.

    Use `preview_of` to get the one of a workbench.

    Attributes
    ----------
    changed : Signal
        After something new is known, or forgotten.
    """

    changed = Signal()

    def __init__(self, bench: Workbench) -> None:
        self._bench = weakref.ref(bench)
        self._filter, self._peaks = False, False
        self._asked: _Wanted | None = None
        self._known: tuple[_Wanted, _Seen] | None = None
        self._own_filtered: weakref.WeakSet[Any] = weakref.WeakSet()
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._ask)
        bench.block_changed.connect(self._on_changed)
        bench.parameters_changed.connect(self._on_changed)
        bench.edited.connect(self._on_edited)

    # -- what is wanted -----------------------------------------------------------------------------------

    @property
    def filter_shown(self) -> bool:
        """Whether the filtered map is shown as it would be."""
        return self._filter

    @filter_shown.setter
    def filter_shown(self, on: bool) -> None:
        self._filter = on
        self._on_changed()

    @property
    def peaks_shown(self) -> bool:
        """Whether the peaks that would be found are shown."""
        return self._peaks

    @peaks_shown.setter
    def peaks_shown(self, on: bool) -> None:
        self._peaks = on
        self._on_changed()

    @property
    def chosen(self) -> PeakParameters | None:
        """The parameters of the peak search with the fields filled in that were left to the program."""
        return self._known[1].search if self._current() and self._known is not None else None

    @property
    def found(self) -> int | None:
        """How many peaks would be found; None while they are not shown or not known yet."""
        peaks = self._known[1].peaks if self._current() and self._known is not None else None
        return len(peaks) if peaks is not None and self._peaks else None

    def request(self) -> None:
        """See that what was chosen by the program is known soon; `changed` tells."""
        wanted = self._wanted()
        if wanted is not None and not self._current() and not wanted.same(self._asked):
            self._timer.start()

    # -- finding out --------------------------------------------------------------------------------------

    def _wanted(self) -> _Wanted | None:
        bench = self._bench()
        block = bench.current if bench is not None and bench.viewer is not None else None
        if block is None or block.lost:
            return None
        return _Wanted(
            weakref.ref(block),
            block.flood_layer.data,
            block.parameters(FilterParameters),
            block.parameters(PeakParameters),
            block.geometry,
            self._peaks,
        )

    def _current(self) -> bool:
        wanted = self._wanted()
        return wanted is not None and self._known is not None and wanted.same(self._known[0])

    def _on_edited(self) -> None:
        """After an edit of the peaks, or of rows and columns, which matter here."""
        if (self._filter or self._peaks) and not self._current():
            self._timer.start()

    def _on_changed(self) -> None:
        bench = self._bench()
        if bench is None or bench.viewer is None:
            return
        if not (self._filter or self._peaks):
            self._take_away()
            return
        if self._current():
            self._show()
            return
        self._timer.start()

    def _ask(self) -> None:
        wanted = self._wanted()
        if wanted is None or (wanted.same(self._asked) and not self._current()):
            return
        self._asked = wanted
        worker = create_worker(_search, wanted)
        worker.returned.connect(self._on_answer)
        _WORKERS.add(worker)
        worker.finished.connect(lambda: _WORKERS.discard(worker))
        worker.start()

    def _on_answer(self, answer: tuple[_Wanted, _Seen | None]) -> None:
        wanted, seen = answer
        if self._asked is wanted:
            self._asked = None
        now = self._wanted()
        if now is None or not now.same(wanted):
            self._timer.start()  # changed meanwhile
            return
        self._known = (wanted, seen) if seen is not None else None
        self._show()
        self.changed.emit()

    # -- showing ------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if self._known is None:
            return
        wanted, seen = self._known
        block = wanted.block()
        if block is None or block.lost:
            return
        with block.without_focus():
            if self._filter:
                fresh = ly.find_layer(block.viewer, ly.LayerKind.FILTERED, block.name) is None
                shown = show_filtered(block, seen.filtered)
                if fresh:
                    self._own_filtered.add(shown)
            if self._peaks and seen.peaks is not None:
                name = block.flood_layer.name
                layer = ly.found_layer(seen.peaks, name, ly.LayerKind.PREVIEW, block=block.name)
                ly.add_quietly(block.viewer, layer, like=block.flood_layer)
        self._take_away()

    def _take_away(self) -> None:
        """Remove what a preview drew and is no longer wanted, of all blocks."""
        bench = self._bench()
        viewer = bench.viewer if bench is not None else None
        for layer in list(viewer.layers) if viewer is not None else []:
            if (not self._peaks and ly.kind_of(layer) is ly.LayerKind.PREVIEW) or (
                not self._filter and layer in self._own_filtered
            ):
                viewer.layers.remove(layer)  # type: ignore[union-attr]
                self.changed.emit()


def show_filtered(block: BlockController, filtered: FloatArray) -> Any:  # noqa: ANN401 - a napari layer
    """Show a filtered map under what is drawn on its block, and return its layer."""
    layer = ly.image_layer(filtered, block.flood_layer.name, ly.LayerKind.FILTERED, block=block.name)
    layer.colormap = block.flood_layer.colormap
    return ly.add_quietly(block.viewer, layer, like=block.flood_layer)


def _search(wanted: _Wanted) -> tuple[_Wanted, _Seen | None]:
    """Filter and search; runs in another thread, so it touches no layer."""
    try:
        filtered = filter_map(wanted.counts, wanted.smoothing)
        chosen = completed_parameters(filtered, wanted.search, wanted.geometry)
        peaks = find_peaks(filtered, chosen, geometry=wanted.geometry) if wanted.peaks else None
    except PetlutError:
        return wanted, None
    return wanted, _Seen(filtered, chosen, peaks)


_WORKERS: set[object] = set()
"""Keeps them alive until they have ended."""
_PREVIEWS: weakref.WeakKeyDictionary[Workbench, SearchPreview] = weakref.WeakKeyDictionary()


def preview_of(bench: Workbench) -> SearchPreview:
    """Return the preview of a workbench; all its panels share it."""
    if bench not in _PREVIEWS:
        _PREVIEWS[bench] = SearchPreview(bench)
    return _PREVIEWS[bench]

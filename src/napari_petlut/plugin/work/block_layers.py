"""The layers of one block, kept in step: its flood map, its peaks, lines, cells and the list of suspects."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Points
from psygnal import Signal

from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import to_pixels
from napari_petlut.model import FloatArray, FloodMap, IntArray, Lattice, Peaks, PeakStatus
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.cells_state import CellsState
from napari_petlut.plugin.editing.following import PeakEditor
from napari_petlut.plugin.editing.keys import call_weakly
from napari_petlut.plugin.editing.live import FollowingCells, draw_lines
from napari_petlut.plugin.editing.navigation import shown_in_own_order
from napari_petlut.plugin.editing.reviewing import Review
from napari_petlut.plugin.editing.shortcuts import SHORTCUTS, Scope, shortcut_for
from napari_petlut.plugin.editing.spots import SpotMaxima, off_their_spots
from napari_petlut.plugin.editing.suspects import ACCEPTED_REASON, Suspect, list_suspects
from napari_petlut.plugin.work.counting import PeakCount, count_peaks, hide_count, show_count
from napari_petlut.plugin.work.focus import Spotlight
from napari_petlut.plugin.work.seeing import ViewedBlock, draw_marks, thin_out

if TYPE_CHECKING:
    from napari.components import ViewerModel

Chosen = TypeVar("Chosen")
PROVISIONAL = f"cells provisional: {shortcut_for('segment_again').shown_key} segments again"
DEFAULT_GEOMETRY = BlockGeometry(16, 16)


class BlockLayers:
    """Keeps the layers of one block in step while a person edits the peaks.

    What the person asks for, by keys and panels, is in `napari_petlut.plugin.work.block.BlockController`.

    Parameters
    ----------
    viewer : ViewerModel
        Held weakly.
    flood : Image
        The flood map; any 2-D image.
    spotlight : Spotlight, optional
        Shared by all blocks of the viewer.

    Attributes
    ----------
    review : Review
        The list of what there is to look at, and how far the person has come in it.
    message : tuple of str and bool
        What was said last about this block, and whether it was good.
    lattice : Lattice or None
        The lattice that was found last, for its alternatives; the layers hold what is valid now.
    changed : Signal
        After every change of peaks, numbers, suspects or the place in their list.
    parameters_changed : Signal
        After other parameters were chosen for a step.
    """

    changed = Signal()
    parameters_changed = Signal()

    def __init__(self, viewer: ViewerModel, flood: Image, spotlight: Spotlight | None = None) -> None:
        self._viewer = weakref.ref(viewer)
        self._spotlight = spotlight or Spotlight(viewer)
        self._in_focus = False
        self.message = "", True
        self.flood_layer = flood
        self.review = Review()
        self.lattice: Lattice | None = None
        self._editor: PeakEditor | None = None
        self._places = np.empty((0, 2))
        self._cells = FollowingCells()
        self._spots = SpotMaxima()
        self._snap = False
        known = ly.info(flood)
        known.kind = ly.LayerKind.FLOOD
        known.block = self.name = known.block or flood.name
        self._geometry = ly.geometry_of(flood) or DEFAULT_GEOMETRY
        existing = ly.find_layer(viewer, ly.LayerKind.PEAKS, self.name)
        if isinstance(existing, Points):
            self.attach(existing)

    # -- what there is ------------------------------------------------------------------------------------

    @property
    def viewer(self) -> ViewerModel:
        """The viewer.

        Raises
        ------
        RuntimeError
            If it has been closed.
        """
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("the viewer of this block has been closed")
        return viewer

    @property
    def in_focus(self) -> bool:
        """Whether this is the block that is worked on, whose count stands on the canvas."""
        return self._in_focus

    @in_focus.setter
    def in_focus(self, on: bool) -> None:
        self._in_focus = on
        if on:
            self.refresh_suspects()

    @property
    def lost(self) -> str:
        """Why nothing can be shown for this block any more, in words; empty as long as it can."""
        viewer = self._viewer()
        if viewer is None:
            return "the viewer was closed"
        gone = self.flood_layer not in viewer.layers
        return f"the flood map {self.flood_layer.name!r} was removed" if gone else ""

    @contextmanager
    def without_focus(self) -> Iterator[None]:
        """Let the layers of this block be changed without taking the focus from another one."""
        with nullcontext() if self._in_focus else self._spotlight.elsewhere():
            yield

    @property
    def flood(self) -> FloodMap:
        """The flood map as the layer shows it now."""
        return ly.flood_from_layer(self.flood_layer)

    @property
    def peaks_layer(self) -> Points | None:
        """The layer that the person edits, if there are peaks yet."""
        return self._editor.layer if self._editor else None

    @property
    def cells_layer(self) -> Labels | None:
        """The cells, if the block has been segmented."""
        layer = ly.find_layer(self.viewer, ly.LayerKind.CELLS, self.name)
        return layer if isinstance(layer, Labels) else None

    @property
    def provisional(self) -> bool:
        """Whether cells were only mended around edited peaks since they were segmented."""
        cells = self.cells_layer
        return cells is not None and ly.info(cells).stale

    @property
    def editor(self) -> PeakEditor | None:
        """What follows the peaks layer."""
        return self._editor

    @property
    def peaks(self) -> Peaks:
        """The peaks as they are now, none without a layer."""
        return ly.peaks_from_layer(self._editor.layer) if self._editor else Peaks(np.empty((0, 2)))

    @property
    def places(self) -> FloatArray:
        """Positions by crystal id, shape (rows * cols, 2); NaN where there is no peak."""
        if self._editor is None:
            return np.full((len(self._geometry), 2), np.nan)
        numbering = self._editor.numbering
        return np.where(numbering.occupied[:, None], numbering.places, np.nan)

    @property
    def missing(self) -> IntArray:
        """Ids of crystals without events, whose cells belong to nobody."""
        if self._editor is None:
            return np.empty(0, np.intp)
        features = self._editor.features
        crystal = features["crystal"].to_numpy()[features["status"].to_numpy() == PeakStatus.MISSING]
        return np.unique(crystal[crystal >= 0]).astype(np.intp)

    @property
    def suspects(self) -> list[Suspect]:
        """What there is to look at."""
        return self.review.suspects

    @property
    def count(self) -> PeakCount:
        """How many peaks there are, and should be."""
        if self._editor is None:
            return PeakCount(0, self._geometry.crystals, 0)
        return count_peaks(self._editor.features, self._geometry, len(self.suspects))

    @property
    def geometry(self) -> BlockGeometry:
        """The crystal array; setting it numbers the peaks anew."""
        return self._geometry

    @geometry.setter
    def geometry(self, geometry: BlockGeometry) -> None:
        if geometry == self._geometry and self.geometry_known:
            return
        self._geometry = geometry
        ly.info(self.flood_layer).geometry = geometry
        if self._editor:
            self._editor.geometry = geometry
        else:
            self.changed.emit()

    @property
    def geometry_known(self) -> bool:
        """Whether rows and columns were set, by a person or a file; else they are only assumed."""
        return ly.geometry_of(self.flood_layer) is not None

    def parameters(self, step: type[Chosen]) -> Chosen:
        """Return what was chosen for a step, an instance of its parameter dataclass, or its defaults."""
        return ly.info(self.flood_layer).chosen(step)

    def choose(self, chosen: object) -> None:
        """Remember what was chosen for a step, with the flood map; all panels share it."""
        known = ly.info(self.flood_layer).parameters
        if known.get(type(chosen).__name__) != chosen:
            known[type(chosen).__name__] = chosen
            self.parameters_changed.emit()

    def rescale(self, factors: tuple[float, float]) -> None:
        """Let peaks, lines and cells follow a flood map that was made anew with other pixels.

        What else was drawn on the old pixels is taken out of the viewer. The history of edits begins anew.
        """
        cells, shape = self.cells_layer, self.flood.shape
        for layer in [layer for layer in self.viewer.layers if ly.kind_of(layer) in ly.OF_OLD_PIXELS]:
            if ly.block_of(layer) == self.name:
                self.viewer.layers.remove(layer)
        if cells is not None:
            # On the old pixels they would be mended around every peak, as if all had been edited.
            lut = ly.lut_from_labels(cells.data, {"metadata": cells.metadata}, self._geometry)
            new = lut.resampled(shape).to_labels().astype(ly.LABEL_DTYPE)
            known = ly.info(cells)
            known.computed, known.stale = new.copy(), True
            cells.data = new
        if self._editor is not None:
            self._places = to_pixels(self._places, factors)
            self._editor.rescale(factors)

    # -- peaks --------------------------------------------------------------------------------------------

    def set_peaks(self, peaks: Peaks, reasons: list[str] | None = None) -> Points:
        """Show peaks: in the layer that is there, as one step that can be undone, or in a new one."""
        reasons = reasons or []
        self.review.begin()
        if self._editor is not None:
            self._editor.replace(peaks, reasons, self._geometry)
            return self._editor.layer
        name = ly.layer_name(self.flood_layer.name, ly.LayerKind.PEAKS)
        layer = ly.peaks_layer(peaks, name=name, block=self.name, geometry=self._geometry, reasons=reasons)
        ly.show_layer(self.viewer, layer, like=self.flood_layer)
        self.attach(layer)
        return layer

    def attach(self, layer: Points) -> None:
        """Follow a Points layer, whatever made it, as the peaks of this block."""
        if self._editor is not None and self._editor.layer is layer:
            return
        self.detach()
        ly.adopt_points(layer, self.name, self._geometry)
        self._editor = PeakEditor(layer, self._geometry, self._counts)
        self._editor.snap = self._snap
        self._editor.edited.connect(self._on_edited)
        self._bind_keys(layer)
        self.review.begin()
        self._places = self.places
        self._cells.start(self._editor)
        draw_lines(self.viewer, self.name, self._places, self._geometry)
        self.refresh_suspects()

    def detach(self) -> None:
        """Let go of the peaks layer; it stays in the viewer as it is."""
        if self._editor is None:
            return
        self._editor.edited.disconnect(self._on_edited)
        self._editor.close()
        for shortcut in SHORTCUTS:
            if shortcut.scope is Scope.PEAKS:
                self._editor.layer.bind_key(shortcut.key, None)
        self._editor = None
        self.review = Review()

    def _counts(self) -> npt.NDArray[np.float64] | None:
        return np.asarray(self.flood_layer.data)

    def _bind_keys(self, layer: Points) -> None:
        for shortcut in SHORTCUTS:
            if shortcut.scope is Scope.PEAKS:
                layer.bind_key(shortcut.key, call_weakly(self, shortcut.action), overwrite=True)

    def _on_edited(self) -> None:
        """After an edit: lines, cells, suspects, count."""
        if self._editor is None or self._viewer() is None:
            return
        before, self._places = self._places, self.places
        draw_lines(self.viewer, self.name, self._places, self._geometry)
        in_part = shown_in_own_order(self.viewer)
        self._cells.follow(
            self._editor, self.cells_layer, before, self._places, self.missing, in_part=in_part
        )
        self.refresh_suspects()

    def show_cells(self, layer: Labels, *, own_step: bool = True) -> Labels:
        """Show new cells, in the layer that is there or a new one; a step that can be undone.

        Parameters
        ----------
        layer : Labels
        own_step : bool
            Off if they belong to the step in which the peaks were changed just before.
        """
        before = self.cells_layer
        if before is not None and self._editor is not None and own_step:
            self._cells.begin_step(self._editor, before)
        shown = ly.show_layer(self.viewer, layer, like=self.flood_layer)
        ly.info(shown).max_distance = ly.info(layer).max_distance  # None tells something here
        if self._editor is not None:
            self._editor.state.cells = CellsState.of(shown)
        self.refresh_suspects()
        return shown

    @property
    def landing(self) -> tuple[float, float] | None:
        """Where accepting the suspect visited last would put a missing peak, None if it would not."""
        suspect = self.review.current
        if self._editor is None or suspect is None or suspect.point >= 0:
            return None
        return self._editor.landing(suspect.position) if np.isfinite(suspect.position).all() else None

    def show_marks(self) -> None:
        """Write the numbers of rows and columns on the block, under its peaks."""
        made = draw_marks(self._viewed, self._places, self._geometry, self.landing, wanted=True)
        layers, peaks = self.viewer.layers, self.peaks_layer
        if made is not None and peaks in layers:
            layers.move(layers.index(made), layers.index(peaks))

    def look_again(self) -> None:
        """Bring what is drawn in step with the zoom: numbers that fit, and less where it is crowded."""
        if self._editor is None or self._viewer() is None:
            return
        draw_marks(self._viewed, self._places, self._geometry, self.landing)
        thin_out(self._viewed, self._places)

    def _notes(self) -> list[str]:
        """Return what stands below the count: the suspect visited last, and what is out of date."""
        notes = [self.review.current.text] if self.review.current is not None else []
        if self.landing is not None:
            notes[0] += f"; {shortcut_for('accept_suspect').shown_key} puts it at the cross"
        return [*notes, PROVISIONAL] if self.provisional else notes

    @property
    def _viewed(self) -> ViewedBlock:
        return ViewedBlock(self.viewer, self.flood_layer, self.name)

    def refresh_suspects(self) -> None:
        """Make the list of suspects and the count anew; the count is shown for the block in focus."""
        if self._editor is None:
            if self._in_focus:
                hide_count(self.viewer)
            self.changed.emit()
            return
        editor = self._editor
        placed = editor.features["status"].to_numpy() == PeakStatus.MANUAL
        placed &= editor.features["reason"].to_numpy() != ACCEPTED_REASON
        off_spot = off_their_spots(
            editor.positions, editor.numbering.crystal, placed, np.asarray(self.flood_layer.data), self._spots
        )
        found = list_suspects(editor.positions, editor.features, editor.numbering, self._geometry, off_spot)
        self.review.update(found, settled=not editor.restoring)
        self.look_again()
        if self._in_focus:
            show_count(self.viewer, self.count, self._notes())
        self.changed.emit()

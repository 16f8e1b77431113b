"""One block in the viewer: what a person does with it, by keys, panels and the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.model import FloatArray, PeakStatus
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.navigation import fly_to
from napari_petlut.plugin.editing.suspects import ACCEPTED_REASON, Suspect, SuspectKind, crystal_text
from napari_petlut.plugin.work.block_layers import BlockLayers
from napari_petlut.plugin.work.focus import Spotlight

if TYPE_CHECKING:
    from napari.components import ViewerModel

_CONFIRMABLE = (SuspectKind.DOUBTFUL, SuspectKind.OFF_LATTICE, SuspectKind.OFF_SPOT)


class BlockController(BlockLayers):
    """Keeps the layers of one block in step, and does what a person asks for; see `BlockLayers`."""

    def __init__(self, viewer: ViewerModel, flood: Image, spotlight: Spotlight | None = None) -> None:
        super().__init__(viewer, flood, spotlight)
        self._line: frozenset[int] = frozenset()
        self._line_from: frozenset[int] = frozenset()

    # -- actions of the keys; see shortcuts.py ------------------------------------------------------------

    def undo(self) -> None:
        """Take back the last edit of the peaks."""
        if self._editor:
            self._editor.undo()

    def redo(self) -> None:
        """Do the edit again that was taken back."""
        if self._editor:
            self._editor.redo()

    @property
    def snap(self) -> bool:
        """Whether new and moved peaks jump to the local maximum."""
        return self._snap

    @snap.setter
    def snap(self, on: bool) -> None:
        self._snap = on
        if self._editor:
            self._editor.snap = on
        self.changed.emit()

    def toggle_snap(self) -> None:
        """Turn snapping on or off."""
        self.snap = not self.snap

    def select_row(self) -> None:
        """Select the peaks of all rows that the selected peaks are in."""
        self._select_lines("row")

    def select_col(self) -> None:
        """Select the peaks of all columns that the selected peaks are in."""
        self._select_lines("col")

    def _select_lines(self, column: str) -> None:
        layer = self.peaks_layer
        if layer is None:
            return
        selected = frozenset(int(point) for point in layer.selected_data)
        # Of a line that was just selected, the peaks it was selected from: not each of them has its column.
        origin = self._line_from if selected == self._line else selected
        lines = layer.features[column].to_numpy()
        chosen = {int(lines[point]) for point in origin if point < len(lines)} - {NO_CRYSTAL}
        if chosen:
            self._line = frozenset(int(point) for point in np.flatnonzero(np.isin(lines, list(chosen))))
            self._line_from = origin
            layer.selected_data = set(self._line)
            layer.mode = "select"

    def next_suspect(self) -> None:
        """Fly to the next suspect."""
        self._step_to(1)

    def previous_suspect(self) -> None:
        """Fly to the previous suspect."""
        self._step_to(-1)

    def _step_to(self, step: int) -> None:
        suspect = self.review.beside(step)
        if suspect is not None:
            self.visit(suspect)

    @property
    def visited(self) -> Suspect | None:
        """The suspect flown to last."""
        return self.review.visited

    def visit(self, suspect: Suspect) -> None:
        """Fly to a suspect, and select its peak; peaks that were hidden are shown for that."""
        self.review.visit(suspect)
        fly_to(self.viewer, self.flood_layer, suspect.position, self._places)
        layer = self.peaks_layer
        if layer is not None:
            layer.visible = True
            self.viewer.layers.selection.active = layer
            layer.mode = "select"
            layer.selected_data = {suspect.point} if suspect.point >= 0 else set()
        self.refresh_suspects()
        if self.landing is not None:
            self.show_marks()

    def accept_suspect(self) -> None:
        """Settle the suspect last visited.

        A doubtful peak is confirmed, a missing one placed where it should be, an extra one removed.
        """
        suspect, editor = self.review.current, self._editor
        if suspect is None or editor is None:
            return
        index = self.suspects.index(suspect)
        if suspect.kind in (SuspectKind.DOUBLED, SuspectKind.EXTRA):
            editor.layer.remove([suspect.point])
        elif suspect.point >= 0:
            status = editor.features["status"][suspect.point]
            kept = status if status == PeakStatus.MISSING else PeakStatus.MANUAL.value
            editor.set_features(suspect.point, status=kept, confidence=1.0, reason=ACCEPTED_REASON)
        elif np.isfinite(suspect.position).all():
            editor.layer.add(suspect.position)
            last = len(editor.positions) - 1
            editor.set_features(last, new_step=False, reason=ACCEPTED_REASON)
        if self.suspects:
            self.visit(self.suspects[min(index, len(self.suspects) - 1)])

    @property
    def confirmable(self) -> list[Suspect]:
        """The suspects that are peaks to be confirmed; missing, doubled and extra ones are none."""
        return [suspect for suspect in self.suspects if suspect.kind in _CONFIRMABLE]

    def accept_all(self) -> None:
        """Confirm all doubtful peaks by one edit; missing, doubled and extra ones stay listed."""
        confirmed = self.confirmable
        points = [suspect.point for suspect in confirmed]
        if points and self._editor is not None:
            self.review.look_at(confirmed)
            manual = PeakStatus.MANUAL.value
            self._editor.set_features(points, status=manual, confidence=1.0, reason=ACCEPTED_REASON)

    # -- under the mouse ----------------------------------------------------------------------------------

    def describe(self, world: tuple[float, ...]) -> str:
        """Return the crystal under a world position in words: of its cell, else of the nearest peak."""
        pixel = np.asarray(self.flood_layer.world_to_data(world[-2:]))
        crystal = self._crystal_at(pixel)
        return crystal_text(crystal, self._geometry) if crystal != NO_CRYSTAL else ""

    def _crystal_at(self, pixel: FloatArray) -> int:
        cells = self.cells_layer
        index = tuple(np.rint(pixel).astype(int))
        if cells is not None and cells.visible:
            inside = all(0 <= i < n for i, n in zip(index, cells.data.shape, strict=True))
            label = int(cells.data[index]) if inside else 0
            return label - 1 if label <= len(self._geometry) else NO_CRYSTAL
        if not np.isfinite(self._places).any():
            return NO_CRYSTAL
        distance = np.linalg.norm(self._places - pixel, axis=1)
        nearest = int(np.nanargmin(distance))
        return nearest if distance[nearest] < ly.PEAK_SIZE else NO_CRYSTAL

"""What one viewer knows of quality: measurements, the figure over the cells, the chosen crystal."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.navigation import fly_to
from napari_petlut.plugin.quality.crystal_map import crystal_map, show_map
from napari_petlut.plugin.quality.measuring import Measurement, measure_job
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import Job
from napari_petlut.plugin.work.workbench import Workbench
from napari_petlut.report.contents import CrystalFigure

if TYPE_CHECKING:
    from napari.components import ViewerModel

FIRST_FIGURE = "k"
"""The figure that is drawn over the cells before another one was chosen."""
_STILL = 4.0
"""A mouse that moved no more canvas pixels between press and release has clicked."""
_CLICK_MODES = ("pan_zoom", "select")
_MARK = "  ·  "


class QualityInspector:
    """What the panels of one viewer know of quality: measurements, the figure on the map, the crystal chosen.

    Use `inspector_of` to get the one of a workbench.

    Parameters
    ----------
    bench : Workbench
        Held weakly.

    Attributes
    ----------
    figure : str or None
        Name of the figure that is drawn over the cells, None for none.
    crystal : int
        Id of the chosen crystal, -1 for none.
    stale : bool
        Whether the current block was edited since it was measured.
    changed : Signal
        After another measurement or block, another figure, or when a measurement became stale.
    crystal_changed : Signal
        With the id, after another crystal was chosen.
    """

    changed = Signal()
    crystal_changed = Signal(int)

    def __init__(self, bench: Workbench) -> None:
        self._bench = weakref.ref(bench)
        self._known: weakref.WeakKeyDictionary[BlockController, Measurement] = weakref.WeakKeyDictionary()
        self._watchers = 0
        self.figure: str | None = FIRST_FIGURE
        self.crystal = NO_CRYSTAL
        self.stale = False
        bench.block_changed.connect(self._on_block)
        for signal in (bench.edited, bench.parameters_changed, bench.layers_changed):
            signal.connect(self._on_edited)
        if bench.viewer is not None:
            bench.viewer.events.status.connect(self._on_status)

    @property
    def block(self) -> BlockController | None:
        """The block that is worked on."""
        bench = self._bench()
        return bench.current if bench is not None else None

    @property
    def measurement(self) -> Measurement | None:
        """What was measured on the current block, None if nothing yet."""
        block = self.block
        return self._known.get(block) if block is not None else None

    @property
    def drawn(self) -> CrystalFigure | None:
        """The figure that is drawn over the cells of the current block, if it was measured."""
        return self._drawn_of(self.measurement)

    def _drawn_of(self, made: Measurement | None) -> CrystalFigure | None:
        if made is None or self.figure is None:
            return None
        return made.figure(self.figure) or made.figure(FIRST_FIGURE)

    def job(self, block: BlockController) -> Job:
        """Return the job that measures a block and shows it; see `measure_job`."""
        return measure_job(block, self._known.get(block), lambda made: self._take(block, made))

    def _take(self, block: BlockController, made: Measurement) -> str:
        self._known[block] = made
        if block.cells_layer is not None:
            for event in (block.cells_layer.events.paint, block.cells_layer.events.set_data):
                event.connect(self._on_edited)  # once, however often this is called
        self._draw(block)
        if block is self.block:
            self.stale = not made.fits(block)
            self.changed.emit()
        return f"Verdict: {made.quality.verdict}."

    def choose_figure(self, name: str | None) -> None:
        """Draw another figure over the cells; None takes the map away."""
        if name == self.figure:
            return
        self.figure = name
        if self.block is not None:
            self._draw(self.block)
            shown = ly.find_layer(self.block.viewer, ly.LayerKind.CRYSTAL_MAP, self.block.name)
            if shown is not None:
                shown.visible = True
        self.changed.emit()

    def _draw(self, block: BlockController) -> None:
        made, viewer = self._known.get(block), block.viewer
        figure = self._drawn_of(made)
        shown = ly.find_layer(viewer, ly.LayerKind.CRYSTAL_MAP, block.name)
        if made is not None and figure is not None:
            ids = made.calibration.lut.ids
            layer = crystal_map(figure, ids, source=block.flood_layer.name, block=block.name)
            show_map(viewer, layer, block.flood_layer)
        elif shown is not None:
            viewer.layers.remove(shown)

    # -- the chosen crystal -------------------------------------------------------------------------------

    def choose(self, crystal: int) -> None:
        """Choose a crystal, without moving anything."""
        if crystal != self.crystal:
            self.crystal = crystal
            self.crystal_changed.emit(crystal)

    def visit(self, crystal: int) -> None:
        """Choose a crystal, fly to it and select its peak."""
        self.choose(crystal)
        block, made = self.block, self.measurement
        if block is None or made is None:
            return
        place = block.places[crystal] if crystal < len(block.geometry) else np.full(2, np.nan)
        if not np.isfinite(place).all():
            place = made.calibration.lattice.positions[crystal]
        fly_to(block.viewer, block.flood_layer, (float(place[0]), float(place[1])), block.places)
        peaks = block.peaks_layer
        if peaks is not None:
            selection = block.viewer.layers.selection
            if selection.active is not block.cells_layer:  # who paints keeps the brush
                selection.active, peaks.mode = peaks, "select"
            peaks.selected_data = set(np.flatnonzero(block.peaks.crystal == crystal)[:1].tolist())

    def crystal_at(self, world: tuple[float, ...]) -> int:
        """Return the crystal whose measured cell lies at a world position, -1 if none does."""
        block, made = self.block, self.measurement
        if block is None or made is None:
            return NO_CRYSTAL
        pixel = np.rint(np.asarray(block.flood_layer.world_to_data(world[-2:]))).astype(int)
        ids = made.calibration.lut.ids
        inside = bool((pixel >= 0).all() and (pixel < ids.shape).all())
        return int(ids[tuple(pixel)]) if inside else NO_CRYSTAL

    # -- the mouse ----------------------------------------------------------------------------------------

    def watch_clicks(self) -> None:
        """Let clicks on the canvas choose crystals, until `unwatch_clicks` was called as often."""
        self._watchers += 1
        viewer = self._viewer
        if self._watchers == 1 and viewer is not None:
            viewer.mouse_drag_callbacks.append(self._on_press)

    def unwatch_clicks(self) -> None:
        """Leave the mouse alone again."""
        self._watchers -= 1
        viewer = self._viewer
        if self._watchers == 0 and viewer is not None and self._on_press in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._on_press)

    @property
    def _viewer(self) -> ViewerModel | None:
        bench = self._bench()
        return bench.viewer if bench is not None else None

    def _on_press(self, viewer: ViewerModel, event: Any) -> Generator[None, None, None]:  # noqa: ANN401 - napari's
        active = viewer.layers.selection.active
        if event.button != 1 or event.modifiers or (active and active.mode not in _CLICK_MODES):
            return
        start, world = np.asarray(event.pos), event.position
        yield
        while event.type == "mouse_move":
            yield
        crystal = self.crystal_at(world)
        if crystal != NO_CRYSTAL and np.abs(np.asarray(event.pos) - start).max() <= _STILL:
            self.choose(crystal)

    def _on_status(self, event: object = None) -> None:
        """Add the figures of the crystal under the mouse to what the status bar says."""
        viewer, made = self._viewer, self.measurement
        if viewer is None or made is None or not isinstance(viewer.status, dict):
            return
        shown = str(viewer.status.get("coordinates", ""))
        crystal = self.crystal_at(tuple(viewer.cursor.position)) if _MARK not in shown else NO_CRYSTAL
        if crystal != NO_CRYSTAL:
            words = made.words(crystal) + (" (before the last edit)" if self.stale else "")
            viewer.status = {**viewer.status, "coordinates": f"{shown}{_MARK}{words}"}

    # -- what others change -------------------------------------------------------------------------------

    def _on_block(self) -> None:
        made = self.measurement
        self.stale = made is not None and self.block is not None and not made.fits(self.block)
        self.choose(NO_CRYSTAL)
        self.changed.emit()

    def _on_edited(self, event: object = None) -> None:
        made, block = self.measurement, self.block
        stale = made is not None and block is not None and not made.fits(block)
        if stale != self.stale:
            self.stale = stale
            self.changed.emit()


_INSPECTORS: weakref.WeakKeyDictionary[Workbench, QualityInspector] = weakref.WeakKeyDictionary()


def inspector_of(bench: Workbench) -> QualityInspector:
    """Return the inspector of a workbench; all its panels share it."""
    if bench not in _INSPECTORS:
        _INSPECTORS[bench] = QualityInspector(bench)
    return _INSPECTORS[bench]

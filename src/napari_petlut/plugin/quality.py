"""How good a block is, and its crystals' energies: measured, drawn over the cells, crystal by crystal."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from psygnal import Signal

from napari_petlut.analysis.quality import BlockQuality, QualityThresholds
from napari_petlut.calibration import Calibration
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.measuring import CrystalEnergy, measure_energy, measure_quality
from napari_petlut.model import EventFormat
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.block import BlockController
from napari_petlut.plugin.exporting import calibration_of, lattice_of
from napari_petlut.plugin.jobs import CancelCheck, Job, Progress, check, part_of
from napari_petlut.plugin.navigation import fly_to
from napari_petlut.plugin.workbench import Workbench
from napari_petlut.report.contents import CrystalFigure
from napari_petlut.report.figures import crystal_figures

if TYPE_CHECKING:
    from napari.components import ViewerModel

FIRST_FIGURE = "k"
"""The figure that is drawn over the cells before another one was chosen."""
SHORT_TITLES = {
    "energy_resolution": "ΔE/E",
    "misassigned": "M",
    "residual": "residual",
    "fwhm_0": "FWHM 0",
    "fwhm_1": "FWHM 1",
}
"""What figures are called where there is little room."""
_IN_STATUS = ("counts", "photopeak", "energy_resolution", "k", "pvr", "misassigned", "confidence")
_COLOR_RANGE = 1.0, 99.0
"""Percentiles at the ends of the colours: a few crystals far off must not take them all."""
_QUALITY_SHARE = 0.1
_STILL = 4.0
"""A mouse that moved no more canvas pixels between press and release has clicked."""
_CLICK_MODES = ("pan_zoom", "select")
_MARK = "  ·  "

Events = tuple[Path, EventFormat]


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was measured on a block, and what it was measured on.

    Parameters
    ----------
    calibration : Calibration
        Map, peaks and cells as the layers showed them.
    quality : BlockQuality
    energy : CrystalEnergy or None
        None if there are no events to measure energies with.
    events : tuple of Path and EventFormat, optional
        The file with them.
    note : str
        Why the energies are left out; empty if they are not.
    figures : tuple of CrystalFigure
        Every figure of the crystals.
    """

    calibration: Calibration
    quality: BlockQuality
    energy: CrystalEnergy | None
    events: Events | None
    note: str
    figures: tuple[CrystalFigure, ...]

    @property
    def mapped(self) -> tuple[CrystalFigure, ...]:
        """The figures that are worth a map."""
        return tuple(figure for figure in self.figures if figure.mapped)

    def figure(self, name: str) -> CrystalFigure | None:
        """Return a figure by name, None if it was not measured."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def words(self, crystal: int) -> str:
        """Return the figures of a crystal in one line, for the status bar."""
        told = [figure for figure in self.figures if figure.name in _IN_STATUS]
        return ", ".join(f"{short_title(figure)} {figure.text(figure.values[crystal])}" for figure in told)

    def fits(self, block: BlockController) -> bool:
        """Return whether map, cells and peaks of a block are still what was measured."""
        cells, seen = block.cells_layer, self.calibration
        if cells is None or block.editor is None or block.geometry != seen.geometry:
            return False
        now = lattice_of(block)
        return (
            np.array_equal(cells.data, seen.lut.to_labels())
            and np.array_equal(block.flood_layer.data, seen.flood.counts)
            and np.array_equal(now.positions, seen.lattice.positions, equal_nan=True)
            and np.array_equal(now.status, seen.lattice.status)
            and np.array_equal(now.confidence, seen.lattice.confidence, equal_nan=True)
        )


def short_title(figure: CrystalFigure) -> str:
    """Return what a figure is called where there is little room."""
    title = SHORT_TITLES.get(figure.name, figure.title)
    return title if title[:2].isupper() else title[0].lower() + title[1:]


# -- measuring --------------------------------------------------------------------------------------------


def events_behind(block: BlockController) -> tuple[Events | None, str]:
    """Return the event file of a block's flood map, or None and why there is none."""
    events = ly.events_of(block.flood_layer)
    if events is None:
        return None, "No events behind this map: photopeaks and energy resolutions are left out."
    if not events[0].is_file():
        return None, f"{events[0].name} is not there any more: energies are left out."
    return events, ""


def measure_job(block: BlockController, known: Measurement | None, show: Callable[[Measurement], str]) -> Job:
    """Return the job that measures a block as its layers show it now.

    Parameters
    ----------
    block : BlockController
    known : Measurement, optional
        An earlier one of the block; its energies are taken over where cells and events are still the same.
    show : callable
        Takes the measurement, returns what is said about it.

    Raises
    ------
    ParameterError
        If there are no cells or no peaks yet.
    """
    if block.cells_layer is None or block.editor is None:
        raise ParameterError("there are no cells to measure yet; run all steps first")
    calibration, thresholds = calibration_of(block), block.parameters(QualityThresholds)
    events, note = events_behind(block)
    energy = known.energy if known is not None and _same_source(known, calibration, events) else None

    def compute(progress: Progress, cancelled: CancelCheck) -> Measurement:
        quality = measure_quality(calibration, thresholds)
        progress(_QUALITY_SHARE)
        check(cancelled)
        energies = energy
        if energies is None and events is not None:
            part = part_of(progress, _QUALITY_SHARE, 1.0)
            energies = measure_energy(calibration, events[0], progress=part, cancelled=cancelled)
        figures = tuple(crystal_figures(calibration, energies, quality))
        return Measurement(calibration, quality, energies, events, note, figures)

    return Job("Energy and quality", compute, show)


def _same_source(known: Measurement, calibration: Calibration, events: Events | None) -> bool:
    return (
        known.events == events
        and known.calibration.geometry == calibration.geometry
        and np.array_equal(known.calibration.lut.ids, calibration.lut.ids)
    )


# -- maps -------------------------------------------------------------------------------------------------


def crystal_map(figure: CrystalFigure, measurement: Measurement, *, source: str, block: str) -> Image:
    """Return the Image layer that colours each cell by a figure; without a value it is transparent."""
    values = np.append(figure.values, np.nan).astype(np.float32)
    values[np.isinf(values)] = np.nan if not figure.known.size else figure.known.max()
    metadata = {"kind": ly.LayerKind.CRYSTAL_MAP.value, "block": block, "figure": figure.name}
    unit = f" ({figure.unit})" if figure.unit else ""
    return Image(
        values[measurement.calibration.lut.ids],  # "no crystal" is -1, the last
        name=f"{source} - {figure.title}{unit}",
        colormap="viridis",
        contrast_limits=_color_range(figure),
        interpolation2d="nearest",
        opacity=0.85,
        metadata={ly.INFO_KEY: metadata},
    )


def _color_range(figure: CrystalFigure) -> tuple[float, float]:
    if figure.limits is not None:
        return figure.limits
    if not figure.known.size:
        return 0.0, 1.0
    low, high = (float(end) for end in np.percentile(figure.known, _COLOR_RANGE))
    return (low, high) if high > low else (low, low + max(abs(low), 1.0) * 0.01)


def show_map(viewer: ViewerModel, layer: Image, like: Image) -> Image:
    """Bring a crystal map into the viewer, under the drawings: into its layer if there is one."""
    existing = ly.find_layer(viewer, ly.LayerKind.CRYSTAL_MAP, ly.block_of(layer))
    if isinstance(existing, Image):
        ly.update_layer(existing, layer)
        existing.name = layer.name
        return existing
    for key, value in ly.place_of(like).items():
        setattr(layer, key, value)
    active = viewer.layers.selection.active
    ly.add_below_drawings(viewer, layer)
    layer.colorbar.update({"visible": True, "size": (16, 120), "font_size": 8, "position": "bottom_right"})
    viewer.layers.selection.active = active  # a new layer takes it, and with it the tools in use
    return layer


# -- crystal by crystal -----------------------------------------------------------------------------------


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
        bench.edited.connect(self._on_edited)
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
        made = self.measurement
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
        if block is self.block:
            self.stale = not made.fits(block)
            self._draw(block)
            self.changed.emit()
        return f"Verdict: {made.quality.verdict}."

    def choose_figure(self, name: str | None) -> None:
        """Draw another figure over the cells; None takes the map away."""
        if name == self.figure:
            return
        self.figure = name
        if self.block is not None:
            self._draw(self.block)
        self.changed.emit()

    def _draw(self, block: BlockController) -> None:
        made, figure, viewer = self.measurement, self.drawn, block.viewer
        shown = ly.find_layer(viewer, ly.LayerKind.CRYSTAL_MAP, block.name)
        if made is not None and figure is not None:
            layer = crystal_map(figure, made, source=block.flood_layer.name, block=block.name)
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

"""2: the flood map, its energy window and its comb."""

from __future__ import annotations

from dataclasses import replace

from magicgui.widgets import CheckBox, FloatSpinBox
from magicgui.widgets.bases import Widget
from napari.utils.theme import get_theme
from qtpy.compat import isalive
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_petlut.analysis.flood import FloodParameters, suggest_window
from napari_petlut.errors import PetlutError
from napari_petlut.model import SPECTRUM_BINS, EnergyWindow
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.widgets.body import FormBody, row
from napari_petlut.plugin.widgets.export import proposed_stem
from napari_petlut.plugin.widgets.spectrum import SpectrumPlot
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.context import cause_first


class FloodBody(FormBody):
    """The spectrum with its window, and how events become a map."""

    title = "Flood map"
    parameters = FloodParameters
    only = ("bins", "dither", "seed")

    def build(self) -> None:
        """Add the spectrum above the form."""
        self.plot = SpectrumPlot()
        self.plot.window_changed.connect(self._on_dragged)
        self.plot.saved.connect(self._on_saved)
        holder = QWidget()
        layout = QVBoxLayout(holder)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.low = FloatSpinBox(min=0, max=SPECTRUM_BINS, step=1, label="")
        self.high = FloatSpinBox(min=0, max=SPECTRUM_BINS, step=1, label="")
        for edge in (self.low, self.high):
            edge.changed.connect(self._on_typed)
        self.edges = row(self.low, self.high)
        self.edges.label = "window"
        self.edges.tooltip = "Energies that are kept, low < E < high, in ADC channels."
        super().build()
        self.native.layout().insertRow(0, holder) if hasattr(
            self.native.layout(), "insertRow"
        ) else self.native.layout().insertWidget(0, holder)
        self.insert(0, self.edges)
        viewer = self.bench.viewer
        if viewer is not None:
            viewer.events.theme.connect(self._on_theme)
        self._on_theme()

    def buttons(self) -> list[Widget]:
        """Make the map, suggest a window, take out the comb."""
        self.comb = CheckBox(
            value=False,
            text="remove comb",
            tooltip="Even out the lines that dividing whole numbers leaves, in maps without their events. "
            "With an event file, dither is better.",
        )
        self.comb.changed.connect(self._on_comb)
        self.make = self.button(
            "Make map", self._run, "Read the event file again with these settings.", self._can_make
        )
        self.suggest = self.button("Suggest window", self._suggest, "Put the window around the photopeak.")
        return [row(self.make, self.suggest), self.comb]

    def refresh(self) -> None:
        """Show spectrum, window and settings of the current flood map."""
        super().refresh()
        block = self.block
        known = ly.info(block.flood_layer) if block else ly.LayerInfo()
        self.plot.show_spectrum(known.spectrum)
        if block is not None:
            self.plot.proposed = proposed_stem(block)
        has_events = known.events is not None
        chosen = block.parameters(FloodParameters) if block else FloodParameters()
        window = chosen.window or known.window
        self._show_window((window.low, window.high) if window else None)
        for widget in (self.form, self.suggest, self.edges):
            widget.enabled = has_events
        self.comb.enabled = block is not None and not has_events
        with self.comb.changed.blocked():
            self.comb.value = known.with_comb is not None

    def _can_make(self) -> bool:
        return (
            self.block is not None and self.can_start() and ly.events_of(self.block.flood_layer) is not None
        )

    def _show_window(self, window: tuple[float, float] | None) -> None:
        self.plot.show_window(window)
        with self.low.changed.blocked(), self.high.changed.blocked():
            self.low.value, self.high.value = window or (0, SPECTRUM_BINS)

    def _on_theme(self, event: object = None) -> None:
        viewer = self.bench.viewer
        if viewer is not None and isalive(self.plot):
            self.plot.use_text_color(get_theme(viewer.theme).text.as_hex())

    def _on_saved(self, text: str, good: bool) -> None:
        self.say(text, good=good)

    def _on_dragged(self, low: float, high: float) -> None:
        self._choose_window(low, high)

    def _on_typed(self) -> None:
        if self.low.value < self.high.value:
            self._choose_window(self.low.value, self.high.value)

    def _choose_window(self, low: float, high: float) -> None:
        """Take another window, and make the map again if its events are there."""
        if self.block is None:
            return
        try:
            window = EnergyWindow(low, high)
        except PetlutError as error:
            self.say(cause_first(error), good=False)
            return
        self.block.choose(replace(self.block.parameters(FloodParameters), window=window))
        if ly.info(self.block.flood_layer).events is not None:
            self._run()
        else:
            self.say(
                "This map was made with a fixed window; open its event file to choose another.", good=False
            )

    def _suggest(self) -> None:
        spectrum = ly.info(self.block.flood_layer).spectrum if self.block else None
        if self.block is None or spectrum is None:
            self.say("This flood map has no energy spectrum.", good=False)
            return
        found = suggest_window(spectrum)
        if found.window is None:
            self.say(f"No window suggested: {found.reason}.", good=False)
        elif found.reason:
            self.block.choose(replace(self.block.parameters(FloodParameters), window=found.window))
            self.say(
                f"The photopeak is uncertain: {found.reason}. {found.window} holds all that may be it; "
                "make the map with it, or choose another window.",
                good=False,
            )
        else:
            self._choose_window(found.window.low, found.window.high)

    def _run(self) -> None:
        self.start(steps.flood_job)

    def _on_comb(self, removed: bool) -> None:
        if self.block is not None:
            self.say(steps.set_comb_removed(self.block, removed))

"""Energy and quality: the verdict, maps over the cells, every crystal's figures and spectrum, the report."""

from __future__ import annotations

from pathlib import Path

from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, Container, FileEdit
from napari.utils.theme import get_theme
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from superqt import QCollapsible

from napari_petlut.analysis.quality import QualityThresholds
from napari_petlut.errors import ParameterError, PetlutError
from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.plugin.editing.suspects import crystal_text
from napari_petlut.plugin.quality.files import (
    CSV,
    energy_layouts,
    energy_lut_path,
    export_energy_lut,
    report_files,
    report_job,
)
from napari_petlut.plugin.quality.inspector import inspector_of
from napari_petlut.plugin.quality.measuring import Measurement
from napari_petlut.plugin.widgets.body import StepBody, narrow, row
from napari_petlut.plugin.widgets.export import proposed_stem
from napari_petlut.plugin.widgets.forms import ParameterForm
from napari_petlut.plugin.widgets.quality_spectrum import CrystalSpectrumPlot
from napari_petlut.plugin.widgets.quality_table import CrystalTable
from napari_petlut.plugin.widgets.quality_verdict import VerdictLabel, threshold_grid
from napari_petlut.plugin.work.context import cause_first, may_overwrite

_TABLE_HEIGHT = 210
_SPECTRUM_DELAY_MS = 60
"""A person who holds an arrow key down should not wait for every spectrum on the way."""
_NO_MAP = "no map"


class QualityBody(StepBody):
    """Measures the current block and shows what was found."""

    title = "Energy and quality"
    fills = True

    def build(self) -> None:
        """Add the button, verdict, map, table, spectrum, thresholds and files, from top to bottom."""
        self.inspector = inspector_of(self.bench)
        self._shown: Measurement | None = None
        self._proposed: Path | None = None
        measure = self.button(
            "Measure",
            self._measure,
            "Figures of merit on the unfiltered map; photopeaks too if it was made from an event file.",
            self._can_measure,
        )
        self.figure = narrow(
            ComboBox(
                choices=self._figures,
                label="colour cells by",
                tooltip="Figure that is drawn over the cells; the eye in the layer list hides it.",
            )
        )
        self.figure.changed.connect(self._on_figure)
        self.extend([measure, self.figure])
        self._add_native()
        self._add_files()
        self.inspector.changed.connect(self._refresh_if_alive)
        self.inspector.crystal_changed.connect(self._on_crystal)
        viewer = self.bench.viewer
        if viewer is not None:
            viewer.events.theme.connect(self._on_theme)
        self._on_theme()

    def _add_native(self) -> None:
        """Add what magicgui has no widget for: verdict, table, spectrum, and the folded thresholds."""
        layout = self.native.layout()
        self.verdict = VerdictLabel(self.inspector)
        layout.insertWidget(1, self.verdict)
        self.table = CrystalTable()
        self.table.setMinimumHeight(_TABLE_HEIGHT)
        self.table.setToolTip("Click a row to fly to the crystal, a title to sort.")
        self.table.crystal_visited.connect(self.inspector.visit)
        self.table.appeared.connect(self.inspector.watch_clicks)
        self.table.vanished.connect(self.inspector.unwatch_clicks)
        self.spectrum = CrystalSpectrumPlot()
        self.spectrum.saved.connect(self._on_saved)
        self._drawing = QTimer(self.native)
        self._drawing.setSingleShot(True)
        self._drawing.setInterval(_SPECTRUM_DELAY_MS)
        self._drawing.timeout.connect(self._draw_spectrum)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.spectrum)
        self._draw_spectrum()

    def _add_files(self) -> None:
        """Add the thresholds, and what can be written."""
        self.thresholds = ParameterForm(QualityThresholds)
        self.thresholds.changed.connect(self._on_thresholds)
        fold = QCollapsible("Thresholds of the verdict", expandedIcon="▾", collapsedIcon="▸")
        fold.setDuration(0)
        for inner in (fold.layout(), fold.content().layout()):
            if inner is not None:
                inner.setContentsMargins(0, 0, 0, 0)
        fold.addWidget(threshold_grid(self.thresholds))
        self.path = FileEdit(
            mode=FileDialogMode.OPTIONAL_FILE,
            label="name",
            tooltip="Folder and beginning of the file names; the endings are added.",
        )
        self.energy_layout = ComboBox(
            choices=list(energy_layouts()),
            label="energy LUT",
            tooltip=f"{CSV}: photopeak and gain of each crystal; others are binary layouts of the field.",
        )
        self.write_energy = self.button(
            "Energy LUT", self._write_energy, "Write the gain to 511 keV of every crystal."
        )
        self.write_report = self.button(
            "Report", self._write_report, "Write HTML and PDF, and the figures as CSV and JSON."
        )
        files: Container = Container(
            widgets=[self.path, self.energy_layout, row(self.write_energy, self.write_report)]
        )
        files.margins = (0, 0, 0, 0)
        self.files = files
        for widget in (files.native, fold):  # below the native ones
            self.native.layout().addWidget(widget)

    # -- what is shown ------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show what was measured on the current block."""
        made = self.inspector.measurement
        self.verdict.refresh()
        with self.figure.changed.blocked():
            self.figure.reset_choices()
            drawn = self.inspector.drawn
            self.figure.value = drawn.name if drawn else _NO_MAP
        if made is not self._shown:
            self._shown = made
            self._fill_table(made)
            self._drawing.start()
        self.write_report.enabled = made is not None
        for widget in (self.write_energy, self.energy_layout):
            widget.enabled = made is not None and made.energy is not None
        if self.block is not None:
            self.thresholds.write(self.block.parameters(QualityThresholds))
            if self.path.value in (None, Path(), self._proposed):
                self._proposed = self.path.value = proposed_stem(self.block)

    def _fill_table(self, made: Measurement | None) -> None:
        if made is None:
            self.table.table.clear()
        else:
            lattice = made.calibration.lattice
            self.table.show_crystals(made.figures, lattice.geometry, lattice.status)
            self.table.show_crystal(self.inspector.crystal)

    def _figures(self, widget: object = None) -> list[tuple[str, str]]:
        made = self.inspector.measurement
        known = [(figure.title, figure.name) for figure in made.mapped] if made else []
        return [(_NO_MAP, _NO_MAP), *known]

    def _on_crystal(self, crystal: int) -> None:
        if isalive(self.native):
            self.table.show_crystal(crystal)
            self._drawing.start()

    def _draw_spectrum(self) -> None:
        """Draw the spectrum of the chosen crystal, if there are any."""
        made, crystal = self.inspector.measurement, self.inspector.crystal
        self.spectrum.setVisible(made is not None and made.energy is not None)
        if made is None or made.energy is None:
            self.spectrum.clear("")
        elif crystal == NO_CRYSTAL:
            self.spectrum.clear("Click a crystal on the map or in the table.")
        else:
            name = crystal_text(crystal, made.calibration.geometry)
            self.spectrum.proposed = self.stem.parent / f"{self.stem.name}_crystal{crystal}"
            self.spectrum.show_crystal(made.energy, crystal, name)

    def _on_saved(self, text: str, good: bool) -> None:
        self.say(text, good=good)

    def _on_theme(self, event: object = None) -> None:
        viewer = self.bench.viewer
        if viewer is not None and isalive(self.spectrum):
            self.spectrum.use_text_color(get_theme(viewer.theme).text.as_hex())

    # -- what the person does -----------------------------------------------------------------------------

    def _can_measure(self) -> bool:
        return self.can_start() and self.block is not None and self.block.peaks_layer is not None

    def _measure(self) -> None:
        self.start(self.inspector.job)

    def _on_figure(self, name: str) -> None:
        self.inspector.choose_figure(None if name == _NO_MAP else name)

    def _on_thresholds(self) -> None:
        if self.block is None:
            return
        try:
            self.block.choose(self.thresholds.read(self.block.parameters(QualityThresholds)))
            self.say("Measure again to judge by these thresholds.")
        except PetlutError as error:
            self.say(cause_first(error), good=False)

    def _write_energy(self) -> None:
        try:
            made, layout = self._measured(), str(self.energy_layout.value)
            existing = [path for path in [energy_lut_path(self.stem, layout)] if path.exists()]
            if existing and not may_overwrite(existing):
                self.say("Nothing was written.")
                return
            self.say(export_energy_lut(made, self.stem, layout, overwrite=bool(existing)))
        except PetlutError as error:
            self.say(cause_first(error), good=False)

    def _write_report(self) -> None:
        try:
            made = self._measured()
            existing = [path for path in report_files(self.stem) if path.exists()]
        except PetlutError as error:
            self.say(cause_first(error), good=False)
            return
        if existing and not may_overwrite(existing):
            self.say("Nothing was written.")
            return
        self.runner.try_start(lambda: report_job(made, self.stem, overwrite=bool(existing)))

    def _measured(self) -> Measurement:
        made = self.inspector.measurement
        if made is None:
            raise ParameterError("there are no figures yet; measure first")
        return made

    @property
    def stem(self) -> Path:
        """Folder and beginning of the file names, as typed."""
        typed = self.path.value
        return typed if isinstance(typed, Path) else Path()

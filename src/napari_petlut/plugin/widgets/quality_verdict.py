"""The verdict on a block in a few lines, and the step of the workflow that measures it."""

from __future__ import annotations

import re
from html import escape

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from napari_petlut.analysis.quality import Verdict
from napari_petlut.plugin.quality.inspector import QualityInspector, inspector_of
from napari_petlut.plugin.quality.measuring import Measurement
from napari_petlut.plugin.widgets.body import StepBody, row
from napari_petlut.plugin.widgets.forms import ParameterForm

_COLORS = {Verdict.PASS: "#2ea55a", Verdict.REVIEW: "#f08c00", Verdict.FAIL: "#ff3b30"}
_LINK_COLOR = "#4f8fe6"
_MOST_REASONS = 4
_PERCENT = "\u202f%"
_NOT_YET = "Run all steps, then measure: figures of every crystal, and how good the block is."
_STALE = "Edited since it was measured: measure again."
_PLACES = re.compile(r"\(crystals? [^)]*\)")
_ID = re.compile(r"\b\d+\b(?! more)")
PLUGIN, PANEL = "napari-petlut", "Energy and quality"


class VerdictLabel(QLabel):
    """Says how good the current block is and why; a click on a crystal's id flies there.

    Parameters
    ----------
    inspector : QualityInspector
    """

    def __init__(self, inspector: QualityInspector) -> None:
        super().__init__()
        self._inspector = inspector
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        policy = self.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)  # the panel's width decides, not the text's
        self.setSizePolicy(policy)
        self.linkActivated.connect(self._on_link)

    def refresh(self) -> None:
        """Say what was measured."""
        self.setText(verdict_text(self._inspector.measurement, stale=self._inspector.stale))

    def _on_link(self, crystal: str) -> None:
        self._inspector.visit(int(crystal))


def verdict_text(made: Measurement | None, *, stale: bool = False) -> str:
    """Return the verdict and its reasons as rich text; crystals are links whose target is their id.

    Parameters
    ----------
    made : Measurement, optional
    stale : bool
        Whether the block was edited since.
    """
    if made is None:
        return _NOT_YET
    quality = made.quality
    lines = [f'<b style="color:{_COLORS[quality.verdict]}">{quality.verdict.upper()}</b>', _facts(made)]
    lines += [f"• {_linked(reason)}" for reason in quality.reasons[:_MOST_REASONS]]
    if len(quality.reasons) > _MOST_REASONS:
        lines.append(f"• and {len(quality.reasons) - _MOST_REASONS} more reasons, in the report")
    if made.note:
        lines.append(f"<i>{escape(made.note)}</i>")
    if stale:
        lines.append(f'<span style="color:{_COLORS[Verdict.REVIEW]}">{_STALE}</span>')
    return "<br>".join(lines)


def _facts(made: Measurement) -> str:
    """Return the most telling figures of the block in a few words."""
    figures, energy = made.quality.figures, made.energy
    words = [f"k {figures['k']:.2f}", f"PVR {figures['pvr']:.2f}"]
    words.append(f"M {100 * figures['misassigned']:.0f}{_PERCENT}")
    if energy is not None and energy.photopeaks.found.any():
        peaks = energy.photopeaks
        words.append(f"ΔE/E {100 * float(np.median(peaks.resolution[peaks.found])):.1f}{_PERCENT}")
    return ", ".join(words)


def _linked(reason: str) -> str:
    link = rf'<a href="\g<0>" style="color:{_LINK_COLOR}">\g<0></a>'
    return _PLACES.sub(lambda places: _ID.sub(link, places.group()), escape(reason))


def threshold_grid(form: ParameterForm) -> QWidget:
    """Return a form of `QualityThresholds` as a table: a figure in each row, its two limits in columns."""
    shown = QWidget()
    grid = QGridLayout(shown)
    grid.setContentsMargins(4, 2, 4, 2)
    grid.setVerticalSpacing(2)
    levels = ("review", "fail")
    for column, level in enumerate(levels, start=1):
        grid.addWidget(QLabel(level), 0, column)
    names = dict.fromkeys(name.rpartition("_")[0] for name in form.field_names)
    for line, name in enumerate(names, start=1):
        grid.addWidget(QLabel(name.replace("_", " ")), line, 0)
        for column, level in enumerate(levels, start=1):
            grid.addWidget(form[f"{name}_{level}"].native, line, column)
    return shown


class QualityStep(StepBody):
    """9: measures the block; all figures are in a panel of their own."""

    title = PANEL

    def build(self) -> None:
        """Add the verdict below two buttons."""
        self.inspector = inspector_of(self.bench)
        tip = "How good the block is, and every crystal's figures."
        measure = self.button("Measure", self._measure, tip, self._can_measure)
        figures = self.button(
            "Figures ...", self._open, f"Open the panel {PANEL}: map, table, spectra, files."
        )
        self.append(row(measure, figures))
        self.verdict = VerdictLabel(self.inspector)
        self.native.layout().addWidget(self.verdict)
        self.follow(self.inspector.changed)

    def refresh(self) -> None:
        """Show the verdict on the current block."""
        self.verdict.refresh()

    def _can_measure(self) -> bool:
        return self.can_start() and self.block is not None and self.block.peaks_layer is not None

    def _measure(self) -> None:
        self.start(self.inspector.job)

    def _open(self) -> None:
        window = getattr(self.bench.viewer, "window", None)
        if window is None:
            self.say(f"There is no window to open the panel {PANEL} in.", good=False)
            return
        dock, _ = window.add_plugin_dock_widget(PLUGIN, PANEL, tabify=True)
        dock.show()
        dock.raise_()

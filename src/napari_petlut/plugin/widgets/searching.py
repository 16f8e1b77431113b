"""3 and 4: the notebook's peak search: the filter, and the local maxima of the filtered map."""

from __future__ import annotations

from magicgui.widgets import CheckBox, Label
from magicgui.widgets.bases import Widget
from qtpy.QtCore import QEvent, QObject

from napari_petlut.analysis.detection import FilterParameters, PeakParameters, suggest_parameters
from napari_petlut.plugin.widgets.body import FormBody, row
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.beside import beside_job, hide_beside, is_beside
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import Job
from napari_petlut.plugin.work.previewing import SearchPreview, preview_of

_LIVE = "preview live"


class FilterBody(FormBody):
    """Smoothing before the peak search."""

    title = "Filter"
    parameters = FilterParameters

    def buttons(self) -> list[Widget]:
        """Show the filtered map, live or beside the raw one, or choose sigma from the map."""
        self.preview = preview_of(self.bench)
        self.live = CheckBox(
            value=self.preview.filter_shown,
            text=_LIVE,
            tooltip="Show the filtered map as sigma is changed.",
        )
        self.live.changed.connect(self._on_live)
        self.beside = CheckBox(
            value=False,
            text="raw beside filtered",
            tooltip="Both maps side by side, each with the peaks that are found in it.",
        )
        self.beside.changed.connect(self._on_beside)
        self.follow(self.bench.layers_changed)
        return [
            row(self.live, self.beside),
            row(
                self.button("Show filtered map", self._run, live=self.can_start),
                self.button(
                    "Suggest", self._suggest, "Choose the filter from noise and spot size.", self.can_start
                ),
            ),
        ]

    def refresh(self) -> None:
        """Show the parameters of the current block, and what is shown of it."""
        super().refresh()
        with self.live.changed.blocked(), self.beside.changed.blocked():
            self.live.value = self.preview.filter_shown
            self.beside.value = self.block is not None and is_beside(self.block)

    def _run(self) -> None:
        self.start(steps.filter_job)

    def _suggest(self) -> None:
        self.start(_suggestion_job)

    def _on_live(self, on: bool) -> None:
        self.preview.filter_shown = on

    def _on_beside(self, on: bool) -> None:
        if on:
            self.start(beside_job)
        elif self.block is not None:
            hide_beside(self.block)


def _suggestion_job(block: BlockController) -> Job:
    counts, geometry = block.flood.counts, block.geometry

    def show(found: tuple[FilterParameters, PeakParameters]) -> str:
        for chosen in found:
            block.choose(chosen)
        smoothing, peaks = found
        return f"Suggested: sigma {smoothing.sigma:.2g} px, threshold {peaks.threshold or 0:.3g}."

    return Job("Suggest", lambda progress, cancelled: suggest_parameters(counts, geometry), show, block)


class PeaksBody(FormBody):
    """Local maxima of the filtered map."""

    title = "Peak search"
    parameters = PeakParameters

    def buttons(self) -> list[Widget]:
        """Find the peaks, or see which would be found."""
        self.preview = preview_of(self.bench)
        self.live = CheckBox(
            value=self.preview.peaks_shown,
            text=_LIVE,
            tooltip="Show the peaks that would be found while the numbers are changed; nothing is replaced.",
        )
        self.live.changed.connect(self._on_live)
        self.found = Label(value="")
        self.follow(self.preview.changed)
        self.follow(self.bench.edited)
        self._shown = _WhenShown(self.preview)
        self.native.installEventFilter(self._shown)
        tip = "Local maxima of the filtered map; replaces the peaks."
        find = self.button("Find peaks", self._run, tip, self.can_start)
        return [row(self.live, self.found), find]

    def refresh(self) -> None:
        """Show the parameters of the current block, what the program chose, and how many peaks that gives."""
        super().refresh()
        self.form.show_chosen(self.preview.chosen)
        with self.live.changed.blocked():
            self.live.value = self.preview.peaks_shown
        found, crystals = self.preview.found, self.block.geometry.crystals if self.block else 0
        self.found.value = f"{found} for {crystals} crystals" if found is not None else ""
        if self.native.isVisible():
            self.preview.request()

    def _on_live(self, on: bool) -> None:
        self.preview.peaks_shown = on
        self.refresh()

    def _run(self) -> None:
        self.start(steps.peaks_job)


class _WhenShown(QObject):
    """Asks what the program chooses when the panel is unfolded: nobody needs to know it before."""

    def __init__(self, preview: SearchPreview) -> None:
        super().__init__()
        self._preview = preview

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Show:
            self._preview.request()
        return False

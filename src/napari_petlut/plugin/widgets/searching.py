"""The panels of the notebook's peak search: the filter, and the local maxima of the filtered map."""

from __future__ import annotations

from magicgui.widgets.bases import Widget

from napari_petlut.analysis.detection import FilterParameters, PeakParameters, suggest_parameters
from napari_petlut.plugin.widgets.body import FormBody, row
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import Job


class FilterBody(FormBody):
    """3: smoothing before the peak search."""

    title = "Filter"
    parameters = FilterParameters

    def buttons(self) -> list[Widget]:
        """Show the filtered map, or choose sigma from the map."""
        return [
            row(
                self.button("Show filtered map", self._run),
                self.button("Suggest", self._suggest, "Choose the filter from noise and spot size."),
            )
        ]

    def _run(self) -> None:
        self.start(steps.filter_job)

    def _suggest(self) -> None:
        self.start(_suggestion_job)


def _suggestion_job(block: BlockController) -> Job:
    counts, geometry = block.flood.counts, block.geometry

    def show(found: tuple[FilterParameters, PeakParameters]) -> str:
        for chosen in found:
            block.choose(chosen)
        smoothing, peaks = found
        return f"Suggested: sigma {smoothing.sigma:.2g} px, threshold {peaks.threshold or 0:.3g}."

    return Job("Suggest", lambda progress, cancelled: suggest_parameters(counts, geometry), show, block)


class PeaksBody(FormBody):
    """4: local maxima of the filtered map."""

    title = "Peak search"
    parameters = PeakParameters

    def buttons(self) -> list[Widget]:
        """Find the peaks."""
        return [self.button("Find peaks", self._run, "Local maxima of the filtered map; replaces the peaks.")]

    def _run(self) -> None:
        self.start(steps.peaks_job)

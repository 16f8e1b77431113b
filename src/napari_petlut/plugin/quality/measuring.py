"""How good a block is, and its crystals' energies: measured on what its layers show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_petlut.analysis.quality import BlockQuality, QualityThresholds
from napari_petlut.errors import ParameterError
from napari_petlut.model import EventFormat
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.exporting import calibration_of, lattice_of
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress, check, part_of
from napari_petlut.report.contents import CrystalFigure, Shown
from napari_petlut.report.figures import crystal_figures
from napari_petlut.workflow.calibration import Calibration
from napari_petlut.workflow.measuring import CrystalEnergy, measure_energy, measure_quality

if TYPE_CHECKING:
    pass

SHORT_TITLES = {
    "light_yield": "light",
    "energy_resolution": "ΔE/E",
    "misassigned": "M",
    "misidentified": "M all",
    "residual": "residual",
    "fwhm_0": "FWHM 0",
    "fwhm_1": "FWHM 1",
}
"""What figures are called where there is little room."""
_IN_STATUS = ("counts", "photopeak", "energy_resolution", "k", "pvr", "misassigned", "confidence")
_QUALITY_SHARE = 0.1

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
        Every figure of the crystals that is worth looking at.
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
        figures = tuple(
            figure
            for figure in crystal_figures(calibration, energies, quality)
            if figure.shown is not Shown.FILE
        )
        return Measurement(calibration, quality, energies, events, note, figures)

    return Job("Energy and quality", compute, show, block)


def _same_source(known: Measurement, calibration: Calibration, events: Events | None) -> bool:
    return (
        known.events == events
        and known.calibration.geometry == calibration.geometry
        and np.array_equal(known.calibration.lut.ids, calibration.lut.ids)
    )

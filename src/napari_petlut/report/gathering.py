"""From a calibration, and what was measured with it, to the contents of its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import EnergyWindow, FloodMap
from napari_petlut.report.contents import CrystalSpectrum, PeakMark, ReportContents, crystals_to_see
from napari_petlut.report.figures import (
    CrystalEnergies,
    block_facts,
    crystal_figures,
    crystal_words,
    line_rows,
)

if TYPE_CHECKING:
    from napari_petlut.analysis.quality import BlockQuality
    from napari_petlut.workflow.calibration import Calibration

MOST_WARNINGS = 8
"""Longer lists are cut in the report; the record holds them all."""
_DRAWN_BELOW, _DRAWN_ABOVE = 1.8, 3.5
"""Standard deviations around the photopeak in which the fitted curve is drawn, as it was fitted."""


def report_contents(
    calibration: Calibration,
    energy: CrystalEnergies | None = None,
    quality: BlockQuality | None = None,
    *,
    title: str | None = None,
    directory: Path | None = None,
) -> ReportContents:
    """Return what a report of a block shows.

    Parameters
    ----------
    calibration : Calibration
    energy : CrystalEnergies, optional
        Without it the report has no photopeaks and says so.
    quality : BlockQuality, optional
        Without it the report has no verdict and no figures of merit, and says so.
    title : str, optional
        Name of the block; that of the source by default.
    directory : Path, optional
        Where the report will lie; the record's paths are relative to it.
    """
    figures = crystal_figures(calibration, energy, quality)
    to_see = crystals_to_see(calibration.lattice, figures, {} if energy is None else _photopeak_notes(energy))
    spectra = {}
    if energy is not None:
        window = calibration.flood.window
        seen = [see.crystal for see in to_see if energy.spectra.counts[see.crystal].any()]
        spectra = {crystal: _crystal_spectrum(energy, crystal, window) for crystal in seen}
    return ReportContents(
        title=title or calibration.stem,
        verdict="" if quality is None else str(quality.verdict),
        verdict_reasons=() if quality is None else quality.reasons,
        facts=tuple(block_facts(calibration, energy, quality)),
        figures=tuple(figures),
        words=crystal_words(energy),
        pairs={} if quality is None else quality.to_dict()["pairs"],
        flood=calibration.flood,
        lattice=calibration.lattice,
        ids=calibration.lut.ids,
        spectrum=_block_spectrum(calibration.flood, energy),
        crystal_spectra=spectra,
        to_see=to_see,
        left_out=tuple(_left_out(energy, quality)),
        warnings=_shortened(calibration.warnings),
        record=_record(calibration, directory),
        crosstalk={} if quality is None else _lists(quality.crosstalk_table()),
        lines=() if quality is None else line_rows(quality),
    )


def _lists(columns: dict[str, npt.NDArray[Any]]) -> dict[str, list[Any]]:
    return {name: column.tolist() for name, column in columns.items()}


def _photopeak_notes(energy: CrystalEnergies) -> dict[int, str]:
    """Return what is wrong with the photopeaks that are not clear, by crystal id."""
    peaks = energy.photopeaks
    return {
        crystal: ": ".join(filter(None, (f"photopeak {peaks.status[crystal]}", peaks.reasons[crystal])))
        for crystal in np.flatnonzero(~peaks.found).tolist()
    }


def _left_out(energy: CrystalEnergies | None, quality: BlockQuality | None) -> list[str]:
    lines = []
    if energy is None:
        lines.append("Made without events: photopeaks and energy resolutions are left out.")
    if quality is None:
        lines.append("The quality was not measured: figures of merit and verdict are left out.")
    return lines


def _shortened(warnings: tuple[str, ...]) -> tuple[str, ...]:
    if len(warnings) <= MOST_WARNINGS:
        return warnings
    more = len(warnings) - MOST_WARNINGS + 1
    return (*warnings[: MOST_WARNINGS - 1], f"and {more} more, in the record")


def _record(calibration: Calibration, directory: Path | None) -> dict[str, Any]:
    record = calibration.record(directory).to_plain()
    if "lut" in calibration.inputs:
        # The LUT came from a file: nobody knows by which steps.
        kept = ("flood", "event_format")
        record["parameters"] = {k: v for k, v in record["parameters"].items() if k in kept}
    return record


def _block_spectrum(flood: FloodMap, energy: CrystalEnergies | None) -> CrystalSpectrum | None:
    if flood.spectrum is not None and flood.spectrum.any():
        return CrystalSpectrum(flood.spectrum, flood.window)
    return None if energy is None else CrystalSpectrum(energy.spectra.total, flood.window)


def _crystal_spectrum(energy: CrystalEnergies, crystal: int, window: EnergyWindow | None) -> CrystalSpectrum:
    counts, core = energy.spectra.counts[crystal], energy.spectra.core[crystal]
    peaks = energy.photopeaks
    if energy.windows is not None:
        first, last = energy.windows[crystal].tolist()
        window = EnergyWindow(max(first - 1, 0), max(last + 1, first))
    position, fwhm = float(peaks.position[crystal]), float(peaks.fwhm[crystal])
    if not np.isfinite(position + fwhm):
        return CrystalSpectrum(counts, window, core)
    mark = PeakMark(position, fwhm)
    if not peaks.height[crystal] > 0:
        return CrystalSpectrum(counts, window, core, mark)
    channels = position + fwhm / FWHM_PER_SIGMA * np.linspace(-_DRAWN_BELOW, _DRAWN_ABOVE, 60)
    return CrystalSpectrum(counts, window, core, mark, (channels, peaks.curve(crystal, channels)))

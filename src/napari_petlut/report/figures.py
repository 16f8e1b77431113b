"""The figures of a report: which there are, what they are called, and on which side they are bad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_petlut.maps.cells import cell_counts
from napari_petlut.model import FloatArray, PeakStatus
from napari_petlut.report.contents import Bad, BlockFact, CrystalFigure, LineRow, Shown, whole

if TYPE_CHECKING:
    from napari_petlut.analysis.energy import CrystalSpectra, Photopeaks
    from napari_petlut.analysis.quality import BlockQuality
    from napari_petlut.workflow.calibration import Calibration


class CrystalEnergies(Protocol):
    """What a report needs to know of the crystals' energies.

    `napari_petlut.workflow.measuring.CrystalEnergy` and `analysis.energy.EnergyCalibration` are such.
    """

    @property
    def spectra(self) -> CrystalSpectra:
        """Energy spectrum of every crystal."""

    @property
    def photopeaks(self) -> Photopeaks:
        """Photopeak of every crystal."""

    @property
    def windows(self) -> npt.NDArray[np.int64] | None:
        """First and last energy that is kept, by crystal id, or None if one window is for all."""


def crystal_figures(
    calibration: Calibration, energy: CrystalEnergies | None, quality: BlockQuality | None
) -> list[CrystalFigure]:
    """Return every figure of the crystals that is known, in the order of the report."""
    figures = [_counts(calibration)]
    if energy is not None:
        figures += _energy_figures(energy)
    if quality is not None:
        figures += _quality_figures(quality)
    return [*figures, _drift(calibration, quality), _confidence(calibration)]


def _counts(calibration: Calibration) -> CrystalFigure:
    return CrystalFigure(
        "counts",
        "Counts",
        cell_counts(calibration.lut.ids, calibration.flood.counts, len(calibration.geometry)),
        digits=0,
        note="Events of the flood map in the crystal's cell.",
        bad=Bad.LOW,
    )


def _drift(calibration: Calibration, quality: BlockQuality | None) -> CrystalFigure:
    missing = calibration.lattice.status == PeakStatus.MISSING
    fitted = quality is not None
    drift = quality.crystals.drift if quality is not None else calibration.segmentation.drift
    return CrystalFigure(
        "drift",
        "Drift",
        np.where(missing, np.nan, drift),
        unit="px",
        note=f"Distance from the peak to the centre of its {'fitted spot' if fitted else 'cell'}.",
        bad=Bad.HIGH,
        shown=Shown.TABLE,
    )


def _confidence(calibration: Calibration) -> CrystalFigure:
    return CrystalFigure(
        "confidence",
        "Confidence",
        np.asarray(calibration.lattice.confidence, np.float64),
        digits=3,
        note="Probability that position and number are right.",
        bad=Bad.LOW,
        limits=(0.0, 1.0),
        spread=0.02,
    )


def _energy_figures(energy: CrystalEnergies) -> list[CrystalFigure]:
    from napari_petlut.analysis.photopeak import RESOLUTION_CONVENTION

    return [
        CrystalFigure(
            "photopeak",
            "Photopeak",
            energy.photopeaks.position,
            digits=1,
            unit="ch",
            note="Centre of the fitted photopeak, ADC channels.",
        ),
        CrystalFigure(
            "light_yield",
            "Light yield",
            _over_mean(energy.photopeaks),
            note="Photopeak over the mean of the clear ones.",
            bad=Bad.NEITHER,
        ),
        CrystalFigure(
            "energy_resolution",
            "Energy resolution",
            100 * energy.photopeaks.resolution,
            digits=1,
            unit="%",
            note=f"{RESOLUTION_CONVENTION}.",
            bad=Bad.HIGH,
            spread=0.5,
        ),
        CrystalFigure(
            "photopeak_error",
            "Photopeak error",
            energy.photopeaks.position_error,
            unit="ch",
            note="Standard deviation of the photopeak's centre.",
            shown=Shown.FILE,
        ),
        CrystalFigure(
            "energy_resolution_error",
            "Energy resolution error",
            100 * energy.photopeaks.resolution_error,
            unit="%",
            note="Standard deviation of the energy resolution.",
            shown=Shown.FILE,
        ),
        *_window_figures(energy),
    ]


def _over_mean(peaks: Photopeaks) -> FloatArray:
    """Return each photopeak over the mean of those that are clear; NaN if none is."""
    mean = float(peaks.position[peaks.found].mean()) if peaks.found.any() else np.nan
    return np.asarray(peaks.position / mean)


def _window_figures(energy: CrystalEnergies) -> list[CrystalFigure]:
    if energy.windows is None:
        return []
    names = {"window_first": "First energy kept", "window_last": "Last energy kept"}
    return [
        CrystalFigure(
            name,
            title,
            energy.windows[:, end].astype(np.float64),
            digits=0,
            unit="ch",
            note=f"{title}, in the crystal's own window.",
            shown=Shown.FILE,
        )
        for end, (name, title) in enumerate(names.items())
    ]


def crystal_words(energy: CrystalEnergies | None) -> dict[str, tuple[str, ...]]:
    """Return what is known of the crystals in words, by column."""
    if energy is None:
        return {}
    peaks = energy.photopeaks
    return {
        "photopeak_status": tuple(map(str, peaks.status.tolist())),
        "photopeak_reason": tuple(peaks.reasons),
    }


def _quality_figures(quality: BlockQuality) -> list[CrystalFigure]:
    crystals = quality.crystals
    return [
        CrystalFigure(
            "relative_counts",
            "Uniformity",
            crystals.relative_counts,
            note="Counts over the mean of all crystals.",
            shown=Shown.FILE,
        ),
        CrystalFigure(
            "k",
            "k",
            quality.worst_of_pairs("k"),
            note="Distance to the worst neighbour over mean FWHM; two equal spots merge below 0.85.",
            bad=Bad.LOW,
            spread=0.1,
        ),
        CrystalFigure(
            "pvr",
            "PVR",
            quality.worst_of_pairs("pvr_line"),
            note="Peak-to-valley ratio to the worst neighbour, by line profile.",
            bad=Bad.LOW,
            spread=0.1,
        ),
        CrystalFigure(
            "misassigned",
            "Misassigned",
            100 * crystals.misassigned,
            digits=1,
            unit="%",
            note="Core misassignment: expected share of its one-site events that the LUT gives to others.",
            bad=Bad.HIGH,
            spread=2.0,
        ),
        CrystalFigure(
            "misidentified",
            "Misidentified",
            100 * crystals.misidentified,
            digits=1,
            unit="%",
            note="Expected share of all its events, by the first interaction, that the LUT gives to others.",
            bad=Bad.HIGH,
            shown=Shown.TABLE,
        ),
        CrystalFigure(
            "residual",
            "Lattice residual",
            crystals.residual,
            note="Distance from where its neighbours would have it, in pitches.",
            bad=Bad.HIGH,
            spread=0.03,
        ),
        *(
            CrystalFigure(
                f"fwhm_{axis}",
                f"FWHM axis {axis}",
                crystals.fwhm[:, axis],
                digits=1,
                unit="px",
                note=f"Full width at half maximum of the fitted spot along axis {axis}.",
                bad=Bad.HIGH,
                shown=Shown.TABLE,
            )
            for axis in (0, 1)
        ),
        CrystalFigure(
            "pvr_border",
            "PVR border",
            quality.worst_of_pairs("pvr_border"),
            note="Peak-to-valley ratio to the worst neighbour, by the border of the cells.",
            bad=Bad.LOW,
            spread=0.1,
            shown=Shown.TABLE,
        ),
    ]


def line_rows(quality: BlockQuality) -> tuple[LineRow, ...]:
    """Return k and peak-to-valley ratios within each row, then within each column."""
    from napari_petlut.analysis.quality.lines import LINE_FIGURES

    table = {name: column.tolist() for name, column in quality.line_table().items()}
    return tuple(
        LineRow(line, table["number"][i], table["pairs"][i], {name: table[name][i] for name in LINE_FIGURES})
        for i, line in enumerate(table["line"])
    )


def block_facts(
    calibration: Calibration, energy: CrystalEnergies | None, quality: BlockQuality | None
) -> list[BlockFact]:
    """Return the figures of the block that are known, in the order of the report."""
    facts = _map_facts(calibration)
    if energy is not None:
        facts += _energy_facts(energy)
    if quality is not None:
        facts += _quality_facts(quality)
    return facts


def _map_facts(calibration: Calibration) -> list[BlockFact]:
    flood = calibration.flood
    share = float(flood.counts[calibration.lut.ids >= 0].sum()) / max(flood.total, 1e-300)
    size = f"{flood.shape[0]} x {flood.shape[1]}"
    facts = [
        BlockFact("pixels", "pixels of the map", size, size),
        BlockFact("map_events", "events on the map", flood.total, whole(flood.total)),
        BlockFact("crystal_share", "of these on a crystal", share, f"{100 * share:.2f} %"),
    ]
    if flood.window is not None:
        facts.append(BlockFact("window", "energy window", str(flood.window), str(flood.window)))
    return facts


def _energy_facts(energy: CrystalEnergies) -> list[BlockFact]:
    from napari_petlut.analysis.photopeak import PHOTOPEAK_MODEL, RESOLUTION_CONVENTION

    peaks = energy.photopeaks
    found = int(peaks.found.sum())
    events = int(energy.spectra.total.sum())
    facts = [
        BlockFact("events", "events in the file", events, whole(events)),
        BlockFact("photopeaks_found", "clear photopeaks", found, f"{found} of {len(peaks)}"),
    ]
    if found:
        position, resolution = peaks.position[peaks.found], 100 * peaks.resolution[peaks.found]
        middle, width = float(np.median(position)), float(np.median(resolution))
        spread = 100 * float(position.std() / position.mean())
        facts += [
            BlockFact("photopeak_median", "photopeak, median", middle, f"{middle:.1f} ch"),
            BlockFact("photopeak_spread", "photopeak, spread (SD)", spread, f"{spread:.1f} %"),
            BlockFact(
                "energy_resolution_median",
                "energy resolution (background excluded), median",
                width,
                f"{width:.1f} %",
            ),
            # Without a text: for the JSON file; the page says it below the map.
            BlockFact("photopeak_model", "", PHOTOPEAK_MODEL, ""),
            BlockFact("energy_resolution_convention", "", RESOLUTION_CONVENTION, ""),
        ]
    return facts


def _quality_facts(quality: BlockQuality) -> list[BlockFact]:
    shown = {
        "counts_median": ("counts per crystal, median", "{:,.0f}", 1),
        "cv": ("counts per crystal, SD over mean", "{:.1f} %", 100),
        "non_uniformity": ("non-uniformity, mean |counts − mean|", "{:.1f} %", 100),
        "fwhm_0": ("spot FWHM, axis 0, median", "{:.1f} px", 1),
        "fwhm_1": ("spot FWHM, axis 1, median", "{:.1f} px", 1),
        "k_rows": ("k of neighbouring rows, median", "{:.2f}", 1),
        "k_rows_mean": ("k of neighbouring rows, mean", "{:.2f}", 1),
        "k_rows_sd": ("k of neighbouring rows, SD", "{:.2f}", 1),
        "k_cols": ("k of neighbouring columns, median", "{:.2f}", 1),
        "k_cols_mean": ("k of neighbouring columns, mean", "{:.2f}", 1),
        "k_cols_sd": ("k of neighbouring columns, SD", "{:.2f}", 1),
        "worst_k": ("k of the worst pair", "{:.2f}", 1),
        "pvr": ("PVR by line profile, median", "{:.2f}", 1),
        "pvr_border": ("PVR by border (another definition), median", "{:.2f}", 1),
        "misassigned": ("core misassignment (one-site events), mean", "{:.1f} %", 100),
        "misidentified": ("crystal misidentification (all events), mean", "{:.1f} %", 100),
        "scattered": ("events off their spot's core (two-site light)", "{:.0f} %", 100),
    }
    facts = []
    for name, (title, form, factor) in shown.items():
        value = quality.figures.get(name, np.nan)
        if np.isfinite(value):
            facts.append(BlockFact(name, title, value, form.format(value * factor)))
    told = {fact.name for fact in facts}
    others: dict[str, Any] = {k: v for k, v in quality.figures.items() if k not in told}
    # Without a text: for the JSON file only.
    return facts + [BlockFact(name, "", value, "") for name, value in others.items()]

"""What is measured with a calibration in hand: the energies of its crystals, and how good the block is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.energy import (
    CrystalSpectra,
    Photopeaks,
    core_pixels,
    crystal_photopeaks,
    crystal_spectra,
)
from napari_petlut.analysis.quality import BlockQuality, QualityThresholds, block_quality
from napari_petlut.formats.event_files import count_events, iter_events
from napari_petlut.formats.identification import Content, Hints, identify
from napari_petlut.model import EventFormat
from napari_petlut.workflow.calibration import Calibration
from napari_petlut.workflow.sources import require_events


@dataclass(frozen=True, eq=False)
class CrystalEnergy:
    """The energies of a block's crystals.

    Parameters
    ----------
    spectra : CrystalSpectra
        Energy spectrum of every crystal, and of its core, where neighbours mix in least.
    photopeaks : Photopeaks
        Photopeak of each core.
    windows : ndarray of int64, shape (rows * cols, 2), optional
        First and last energy that is kept, by crystal id, where each crystal has a window of its own.
    """

    spectra: CrystalSpectra
    photopeaks: Photopeaks
    windows: npt.NDArray[np.int64] | None = None


def measure_energy(
    calibration: Calibration,
    events: str | os.PathLike[str] | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> CrystalEnergy | None:
    """Return spectra and photopeaks of a calibrated block's crystals, from one pass over its events.

    Parameters
    ----------
    calibration : Calibration
    events : path, optional
        Raw event file; by default the calibration's source, if it is one.
    progress, cancelled : callable, optional
        Hooks; `progress` gets the fraction that is done.

    Returns
    -------
    CrystalEnergy or None
        None if there are no events: the source is a map, or is gone.

    Raises
    ------
    FormatError
        If the event file cannot be used.
    Cancelled
        If `cancelled` said so.
    """
    if events is None:
        if events_of(calibration) is None:
            return None
        events = calibration.source or calibration.inputs["source"]
    file = require_events(events, calibration.parameters.event_format)
    event_format: EventFormat = file.found.layout
    spectra = crystal_spectra(
        iter_events(file, event_format),
        calibration.lut,
        event_format,
        core=core_pixels(calibration.lut, calibration.flood.counts),
        events=count_events(file, event_format),
        progress=progress,
        cancelled=cancelled,
    )
    return CrystalEnergy(spectra, crystal_photopeaks(spectra))


def events_of(calibration: Calibration) -> Path | None:
    """Return the raw event file that a calibration was made from; None if it was made from a map."""
    path = calibration.inputs.get("source")
    if path is None or not path.is_file():
        return None
    # A layout of another size than the lab's must not make its file look like something else.
    hints = Hints(calibration.parameters.event_format)
    file = calibration.source or identify(path, hints)
    return path if file.content is Content.EVENTS else None


def measure_quality(calibration: Calibration, thresholds: QualityThresholds | None = None) -> BlockQuality:
    """Return the figures of merit of a calibrated block, on its unfiltered map, and the verdict.

    Parameters
    ----------
    calibration : Calibration
    thresholds : QualityThresholds, optional
        Where the figures stop being good.

    Raises
    ------
    ParameterError
        If the map holds no counts, or every crystal is missing.
    """
    return block_quality(calibration.flood.counts, calibration.lattice, calibration.lut, thresholds)

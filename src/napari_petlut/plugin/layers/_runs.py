"""What a segmentation came to: one line of the table in which variants are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_petlut.analysis.segmentation import SegmentationParameters
from napari_petlut.model import Segmentation


@dataclass(frozen=True)
class SegmentationRun:
    """One segmentation of a block.

    Parameters
    ----------
    number : int
        Runs of a block are counted from 1.
    parameters : SegmentationParameters
        What it was told.
    cells : int
        Cells it made.
    numbered : bool
        Whether cells have the numbers of crystals; without peaks they are clusters in no order.
    inertia : float, optional
        What was minimised, in counts or events times pixels squared: of a method, `Segmentation.inertia`; of
        k-means, on the data it clustered, where the weight of peaks counts too.
    iterations : int
    seconds : float
        Wall time.
    median_drift, largest_drift : float, optional
        How far centres ended from their peaks, in pixels; None without peaks.
    counts : float
        Total of the map that it ran on.
    """

    number: int
    parameters: SegmentationParameters
    cells: int
    numbered: bool
    inertia: float | None
    iterations: int
    seconds: float
    median_drift: float | None
    largest_drift: float | None
    counts: float

    @property
    def name(self) -> str:
        """What was run, in a few words, for example "k-means, map ×100, peaks"."""
        chosen = self.parameters
        if chosen.method != "kmeans":
            return chosen.method
        weight = f" ×{chosen.kmeans.peak_weight:g}" if chosen.kmeans.peak_weight != 1 else ""
        return f"k-means, {chosen.kmeans.data}{weight}, {chosen.kmeans.start}"


def run_of(
    found: Segmentation, parameters: SegmentationParameters, *, number: int, numbered: bool, counts: float
) -> SegmentationRun:
    """Return the line of a segmentation.

    Parameters
    ----------
    found : Segmentation
    parameters : SegmentationParameters
        What it was told.
    number : int
    numbered : bool
        Whether its cells have the numbers of crystals.
    counts : float
        Total of the map that it ran on.
    """
    drift = found.drift[np.isfinite(found.drift)]
    return SegmentationRun(
        number=number,
        parameters=parameters,
        cells=int(np.unique(found.labels[found.labels >= 0]).size),
        numbered=numbered,
        inertia=float(found.inertia) if np.isfinite(found.inertia) else None,
        iterations=int(found.iterations),
        seconds=float(found.seconds),
        median_drift=float(np.median(drift)) if drift.size else None,
        largest_drift=float(drift.max()) if drift.size else None,
        counts=float(counts),
    )

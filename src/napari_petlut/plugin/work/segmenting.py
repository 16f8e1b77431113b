"""The segmentation of one block as a job: cells come out of the peaks and go into a Labels layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.lattice import LatticeParameters
from napari_petlut.analysis.segmentation import SegmentationParameters
from napari_petlut.errors import ParameterError
from napari_petlut.model import CrystalLUT, EventFormat, FloatArray, Segmentation
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress
from napari_petlut.workflow.calibration import CalibrationParameters
from napari_petlut.workflow.pipeline import cells_of_places
from napari_petlut.workflow.sources import Source


@dataclass(frozen=True, eq=False)
class Cells:
    """What a segmentation found, and the peaks that it began with.

    Parameters
    ----------
    segmentation : Segmentation
    lut : CrystalLUT
        Without the cells of crystals that have no events.
    places : ndarray of float64, shape (rows * cols, 2)
        (axis 0, axis 1) in pixels by crystal id.
    max_distance : float, optional
        How far from its centre a pixel of a cell may lie, in pixels.
    """

    segmentation: Segmentation
    lut: CrystalLUT
    places: FloatArray
    max_distance: float | None


def segmentation_job(block: BlockController, *, show_drift: bool = False) -> Job:
    """Give every pixel to a crystal.

    Raises
    ------
    ParameterError
        If there are no numbered peaks.
    """
    places, missing, geometry = block.places, block.missing, block.geometry
    if not np.isfinite(places).any():
        raise ParameterError("there are no numbered peaks yet; run the lattice first")
    flood, source, parameters = block.flood, source_of(block), calibration_parameters(block)

    def compute(progress: Progress, cancelled: CancelCheck) -> Cells:
        hooks: dict[str, Any] = {"progress": progress, "cancelled": cancelled}
        found, lut = cells_of_places(flood, places, missing, geometry, parameters, source, **hooks)
        return Cells(found, lut, places, parameters.segmentation.max_distance)

    return Job("Segmentation", compute, lambda cells: show_cells(block, cells, show_drift=show_drift), block)


def calibration_parameters(block: BlockController) -> CalibrationParameters:
    """Return what was chosen for all steps of a block."""
    origin = ly.events_of(block.flood_layer)
    return CalibrationParameters(
        flood=block.parameters(FloodParameters),
        lattice=block.parameters(LatticeParameters),
        segmentation=block.parameters(SegmentationParameters),
        event_format=origin.format if origin else EventFormat(),
    )


def source_of(block: BlockController) -> Source:
    """Return what the flood map was made from.

    Raises
    ------
    ParameterError
        If k-means is to run on events that are not there.
    """
    origin, chosen = ly.events_of(block.flood_layer), block.parameters(SegmentationParameters)
    if origin is None and chosen.method == "kmeans" and chosen.kmeans.data == "events":
        raise ParameterError("k-means on events needs a raw event file; choose k-means on the map")
    return origin.path if origin else block.flood


def show_cells(
    block: BlockController, cells: Cells, *, show_drift: bool = False, own_step: bool = True
) -> str:
    """Show cells, and where their centres went if asked, and return what was found, in words."""
    found, lut, source = cells.segmentation, cells.lut, block.flood_layer.name
    name = ly.layer_name(source, ly.LayerKind.CELLS)
    layer = ly.cells_layer(lut, name=name, block=block.name, method=found.method)
    ly.info(layer).max_distance = cells.max_distance
    shown = block.show_cells(layer, own_step=own_step)
    put_below_peaks(block, shown)
    if show_drift:
        drift = ly.drift_layer(cells.places, found.centres, source, block=block.name)
        centres = ly.centres_layer(found.centres, source, block=block.name)
        for extra in (drift, centres):
            put_below_peaks(block, ly.show_layer(block.viewer, extra, like=block.flood_layer))
    if block.peaks_layer is not None:
        block.viewer.layers.selection.active = block.peaks_layer
    made = int(np.unique(lut.ids[lut.ids >= 0]).size)
    return "\n".join([f"{made} cells by {found.method}.", *map(sentence, found.warnings)])


def put_below_peaks(block: BlockController, layer: Any) -> None:  # noqa: ANN401 - any napari layer
    """Move a new layer under the peaks, which the mouse must reach, and the lines under them too."""
    layers, peaks = block.viewer.layers, block.peaks_layer
    if peaks is None or layers.index(layer) < layers.index(peaks):
        return
    lines = ly.find_layer(block.viewer, ly.LayerKind.LATTICE, block.name)
    below = [known for known in (lines, peaks) if known is not None and known is not layer]
    layers.move(layers.index(layer), min(layers.index(known) for known in below))
    layers.selection.active = peaks


def sentence(text: str) -> str:
    """Return what the core says, as a sentence of its own."""
    end = "" if text.endswith((".", "?", "!")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"

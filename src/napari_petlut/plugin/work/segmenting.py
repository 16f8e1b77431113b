"""The segmentation of one block as a job: cells come out of the peaks and go into a Labels layer.

K-means from a grid or by k-means++ needs no peaks: it makes clusters, which can be numbered afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.lattice import LatticeParameters
from napari_petlut.analysis.segmentation import SegmentationParameters, weighted_map
from napari_petlut.errors import ParameterError
from napari_petlut.formats.map_layout import MapLayout
from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.model import CrystalLUT, EventFormat, FloatArray, Peaks, Segmentation
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress
from napari_petlut.plugin.work.runs import note_run
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
    parameters : SegmentationParameters
        What the segmentation was told.
    """

    segmentation: Segmentation
    lut: CrystalLUT
    places: FloatArray
    parameters: SegmentationParameters


@dataclass(frozen=True)
class Extras:
    """What is shown besides the cells.

    Parameters
    ----------
    drift : bool
        The centres, and arrows from the peaks to them.
    weighted : bool
        The map that k-means clustered, with its peaks weighted.
    """

    drift: bool = False
    weighted: bool = False


def segmentation_job(block: BlockController, extras: Extras | None = None) -> Job:
    """Give every pixel to a crystal; without peaks, by k-means that needs none, to a cluster.

    Raises
    ------
    ParameterError
        If there are no numbered peaks and the method needs them.
    """
    places, missing, geometry = block.places, block.missing, block.geometry
    flood, source, parameters = block.flood, source_of(block), calibration_parameters(block)
    chosen, also = parameters.segmentation, extras or Extras()
    if not np.isfinite(places).any():
        if chosen.method != "kmeans" or chosen.kmeans.start == "peaks":
            raise ParameterError(
                "there are no numbered peaks yet; run the lattice first, "
                "or k-means from a grid or by k-means++"
            )
        return _clusters_job(block, also)

    def compute(progress: Progress, cancelled: CancelCheck) -> Cells:
        hooks: dict[str, Any] = {"progress": progress, "cancelled": cancelled}
        found, lut = cells_of_places(flood, places, missing, geometry, parameters, source, **hooks)
        return Cells(found, lut, places, chosen)

    return Job("Segmentation", compute, lambda cells: show_cells(block, cells, also), block)


def _clusters_job(block: BlockController, also: Extras) -> Job:
    """Cluster map or events into as many clusters as there are crystals, which get no numbers."""
    flood, source, parameters = block.flood, source_of(block), calibration_parameters(block)
    geometry, nobody = block.geometry, np.empty(0, np.intp)

    def compute(progress: Progress, cancelled: CancelCheck) -> Segmentation:
        hooks: dict[str, Any] = {"progress": progress, "cancelled": cancelled}
        return cells_of_places(flood, None, nobody, geometry, parameters, source, **hooks)[0]

    def show(found: Segmentation) -> str:
        name = block.flood_layer.name
        layer = ly.clusters_layer(found.labels, found.centres, name, block=block.name)
        shown = ly.show_layer(block.viewer, layer, like=block.flood_layer)
        shown.visible = True
        put_below_peaks(block, shown)
        if also.drift:
            centres = ly.centres_layer(found.centres, name, block=block.name)
            put_below_peaks(block, ly.show_layer(block.viewer, centres, like=block.flood_layer))
        run = note_run(block, found, parameters.segmentation, numbered=False)
        lost = [sentence(text) for text in found.warnings if "lost all their counts" in text]
        return "\n".join([f"{run.cells} clusters by {run.name}; they have no crystal numbers yet.", *lost])

    return Job("Segmentation", compute, show, block)


def number_clusters(block: BlockController) -> str:
    """Make the clusters' centres the peaks, number them, and make the clusters the cells of their crystals.

    The cells are provisional: they are those of the clusters, not of the numbered peaks.

    Raises
    ------
    ParameterError
        If there are no clusters.
    """
    clusters = clusters_of(block)
    centres = ly.info(clusters).centres if clusters is not None else None
    if clusters is None or centres is None:
        raise ParameterError("there are no clusters to number; segment by k-means from a grid or k-means++")
    labels = np.asarray(clusters.data).astype(np.intp)
    labels[labels > len(centres)] = 0  # painted with a label that no cluster has
    fresh = block.editor is None
    block.set_peaks(Peaks(centres))
    assert block.editor is not None
    if fresh:
        block.editor.renumber()
    crystal = np.append(block.editor.numbering.crystal, NO_CRYSTAL)  # the last one is that of label 0
    lut = CrystalLUT(crystal[labels - 1].astype(np.int32), block.geometry)
    name = ly.layer_name(block.flood_layer.name, ly.LayerKind.CELLS)
    layer = ly.cells_layer(lut, name=name, block=block.name, method="kmeans")
    shown = block.show_cells(layer, own_step=False)
    ly.info(shown).stale = True
    put_below_peaks(block, shown)
    clusters.visible = False
    block.refresh_suspects()
    without = int((crystal[:-1] == NO_CRYSTAL).sum())
    rest = f"; {without} fit no crystal" if without else ""
    numbered = len(centres) - without
    return f"{numbered} clusters numbered{rest}. Segment again to make cells from their centres."


def clusters_of(block: BlockController) -> Labels | None:
    """Return the layer of clusters that have no numbers, None if there is none."""
    layer = ly.find_layer(block.viewer, ly.LayerKind.CLUSTERS, block.name)
    return layer if isinstance(layer, Labels) else None


def calibration_parameters(block: BlockController) -> CalibrationParameters:
    """Return what was chosen for all steps of a block."""
    origin = ly.events_of(block.flood_layer)
    return CalibrationParameters(
        flood=block.parameters(FloodParameters),
        lattice=block.parameters(LatticeParameters),
        segmentation=block.parameters(SegmentationParameters),
        event_format=origin.format if origin else EventFormat(),
        map_layout=MapLayout() if origin else block.parameters(MapLayout),
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
    block: BlockController, cells: Cells, also: Extras | None = None, *, own_step: bool = True
) -> str:
    """Show cells, and what else was asked for, and return what was found, in words."""
    also = also or Extras()
    found, lut, source = cells.segmentation, cells.lut, block.flood_layer.name
    name = ly.layer_name(source, ly.LayerKind.CELLS)
    layer = ly.cells_layer(lut, name=name, block=block.name, method=found.method)
    ly.info(layer).max_distance = cells.parameters.max_distance
    shown = block.show_cells(layer, own_step=own_step)
    put_below_peaks(block, shown)
    clusters = clusters_of(block)
    if clusters is not None:
        clusters.visible = False
    if also.weighted:
        _show_weighted(block, cells)
    if also.drift:
        drift = ly.drift_layer(cells.places, found.centres, source, block=block.name)
        centres = ly.centres_layer(found.centres, source, block=block.name)
        for extra in (drift, centres):
            put_below_peaks(block, ly.show_layer(block.viewer, extra, like=block.flood_layer))
    if block.peaks_layer is not None:
        block.viewer.layers.selection.active = block.peaks_layer
    note_run(block, found, cells.parameters, numbered=True)
    made = int(np.unique(lut.ids[lut.ids >= 0]).size)
    return "\n".join([f"{made} cells by {found.method}.", *map(sentence, found.warnings)])


def _show_weighted(block: BlockController, cells: Cells) -> None:
    """Show the map that k-means clustered, as bright as the flood map: weighted peaks outshine all."""
    flood, factor = block.flood_layer, cells.parameters.kmeans.peak_weight
    counts = weighted_map(flood.data, cells.places, factor)
    layer = ly.image_layer(counts, flood.name, ly.LayerKind.WEIGHTED, block=block.name)
    layer.colormap = flood.colormap
    known = ly.find_layer(block.viewer, ly.LayerKind.WEIGHTED, block.name)
    if known is None:
        for key, value in ly.place_of(flood).items():
            setattr(layer, key, value)
        ly.add_below_drawings(block.viewer, layer)
        known = layer
    else:
        ly.update_layer(known, layer)
    known.contrast_limits = flood.contrast_limits


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

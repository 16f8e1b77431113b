"""The segmentations that were run on a block: their figures stay, and each can be shown again."""

from __future__ import annotations

import csv
import zlib
from io import StringIO
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels

from napari_petlut.analysis.segmentation import KMeansParameters, SegmentationParameters
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, LabelArray, Segmentation
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.block import BlockController

_CONVERGED = 300
"""Iterations at most where the notebook sets no limit: the default of scikit-learn."""

NOTEBOOK_VARIANTS: dict[str, KMeansParameters] = {
    "4.1 events, k-means++": KMeansParameters("events", "k-means++", _CONVERGED),
    "4.2 map, k-means++": KMeansParameters("map", "k-means++", _CONVERGED),
    "4.3 map, grid": KMeansParameters("map", "grid", _CONVERGED),
    "5.4 map, peaks": KMeansParameters("map", "peaks", _CONVERGED),
    "5.5 map, peaks, 1 iteration": KMeansParameters("map", "peaks", 1),
    "5.6 map ×100, peaks, 1 iteration": KMeansParameters("map", "peaks", 1, peak_weight=100.0),
    "5.7 map ×100, peaks, 5 iterations": KMeansParameters("map", "peaks", 5, peak_weight=100.0),
}
"""By section of the notebook. Where it drew k-means++ ten times, one draw is made here."""

_Labels = dict[int, tuple[tuple[int, int], BlockGeometry, bytes]]
_LABELS: WeakKeyDictionary[BlockController, _Labels] = WeakKeyDictionary()
"""The cells of each run, packed; a session keeps the figures alone."""

_COLUMNS = (
    "run",
    "method",
    "data",
    "start",
    "max_iterations",
    "peak_weight",
    "cells",
    "numbered",
    "inertia",
    "iterations",
    "seconds",
    "median_drift",
    "largest_drift",
    "counts",
)


def runs_of(block: BlockController) -> tuple[ly.SegmentationRun, ...]:
    """Return the segmentations of a block, first one first."""
    return ly.info(block.flood_layer).runs


def note_run(
    block: BlockController, found: Segmentation, parameters: SegmentationParameters, *, numbered: bool
) -> ly.SegmentationRun:
    """Add a segmentation to those of its block, and tell the panels."""
    known = ly.info(block.flood_layer)
    number = 1 + max((run.number for run in known.runs), default=0)
    counts = float(np.asarray(block.flood_layer.data).sum())
    run = ly.run_of(found, parameters, number=number, numbered=numbered, counts=counts)
    known.runs = (*known.runs, run)
    shape = (found.labels.shape[0], found.labels.shape[1])
    packed = zlib.compress(found.labels.astype(np.int32).tobytes(), 1)
    _LABELS.setdefault(block, {})[number] = shape, block.geometry, packed
    block.parameters_changed.emit()
    return run


def forget_runs(block: BlockController) -> None:
    """Empty the table of a block."""
    ly.info(block.flood_layer).runs = ()
    _LABELS.pop(block, None)
    block.parameters_changed.emit()


def labels_of(block: BlockController, run: ly.SegmentationRun) -> tuple[LabelArray, BlockGeometry] | None:
    """Return the cells of a run and its crystal array, None if they were not kept, as from a session."""
    kept = _LABELS.get(block, {}).get(run.number)
    if kept is None:
        return None
    shape, geometry, packed = kept
    return np.frombuffer(zlib.decompress(packed), np.int32).reshape(shape), geometry


def show_run(block: BlockController, run: ly.SegmentationRun) -> Labels:
    """Show the cells of a run as a layer of its own, to be looked at and compared.

    Raises
    ------
    ParameterError
        If its cells were not kept.
    """
    kept = labels_of(block, run)
    if kept is None:
        raise ParameterError(
            f"the cells of run {run.number} were not kept in the session; use its settings and segment again"
        )
    name = f"{block.flood_layer.name} - run {run.number}: {run.name}"
    for known in block.viewer.layers:
        if known.name == name and ly.kind_of(known) is ly.LayerKind.RUN:
            known.visible = True
            return known
    layer = ly.cells_layer(
        CrystalLUT(*kept), name=name, block=block.name, kind=ly.LayerKind.RUN, method=run.parameters.method
    )
    ly.info(layer).numbered = run.numbered
    for key, value in ly.place_of(block.flood_layer).items():
        setattr(layer, key, value)
    active = block.viewer.layers.selection.active
    block.viewer.layers.insert(ly.lowest_drawing(block.viewer, block.name), layer)
    block.viewer.layers.selection.active = active
    return layer


def runs_table(block: BlockController) -> str:
    """Return the runs of a block as CSV."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for run in runs_of(block):
        kmeans = run.parameters.kmeans if run.parameters.method == "kmeans" else None
        of_kmeans = (kmeans.data, kmeans.start, kmeans.max_iterations, kmeans.peak_weight) if kmeans else ()
        figures = (run.inertia, run.iterations, run.seconds, run.median_drift, run.largest_drift, run.counts)
        described = (run.number, run.parameters.method, *(of_kmeans or ("", "", "", "")))
        table.writerow([*described, run.cells, int(run.numbered), *figures])
    return text.getvalue()

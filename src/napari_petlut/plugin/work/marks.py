"""How far the work on a block is: which steps are done, running, out of date, or not done yet."""

from __future__ import annotations

import zlib
from enum import Enum

import numpy as np
from napari.layers import Layer

from napari_petlut.analysis.detection import FilterParameters, PeakParameters
from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.lattice import LatticeParameters
from napari_petlut.analysis.segmentation import SegmentationParameters
from napari_petlut.formats.plain import from_plain, plain
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.block import BlockController


class Mark(Enum):
    """How a step stands; its value is what is shown."""

    NOT_YET = "○"
    RUNNING = "…"
    DONE = "✓"
    OLD = "↻"

    @property
    def words(self) -> str:
        """What the mark says."""
        return {
            Mark.NOT_YET: "not yet",
            Mark.RUNNING: "running",
            Mark.DONE: "done",
            Mark.OLD: "out of date: the map, the parameters or the peaks have changed since",
        }[self]


class Step(Enum):
    """A step of the workflow that leaves its mark on the block's layers."""

    BLOCK = "block"
    FLOOD = "flood map"
    FILTER = "filter"
    PEAKS = "peak search"
    LATTICE = "lattice"
    CORRECT = "correct peaks"
    SEGMENTATION = "segmentation"
    EXPORT = "export"


def note_made(block: BlockController, layer: Layer, *chosen: object) -> None:
    """Remember what a layer was made from: the block's map as it is, and these parameters."""
    ly.info(layer).made_from = _fingerprint(block, *chosen)


def note_exported(block: BlockController) -> None:
    """Remember what was exported."""
    block.exported = _exported_fingerprint(block)


def mark_of(block: BlockController | None, step: Step) -> Mark:
    """Return how a step of a block stands, without regard to what runs."""
    if block is None:
        return Mark.NOT_YET
    marks = {
        Step.BLOCK: _block_mark,
        Step.FLOOD: _flood_mark,
        Step.FILTER: _filter_mark,
        Step.PEAKS: _peaks_mark,
        Step.LATTICE: _lattice_mark,
        Step.CORRECT: _correct_mark,
        Step.SEGMENTATION: _segmentation_mark,
        Step.EXPORT: _export_mark,
    }
    return marks[step](block)


def _block_mark(block: BlockController) -> Mark:
    return Mark.DONE if block.geometry_known else Mark.NOT_YET


def _flood_mark(block: BlockController) -> Mark:
    known, chosen = ly.info(block.flood_layer), block.parameters(FloodParameters)
    other = known.events is not None and chosen.window is not None and chosen.window != known.window
    return Mark.OLD if other else Mark.DONE


def _filter_mark(block: BlockController) -> Mark:
    layer = ly.find_layer(block.viewer, ly.LayerKind.FILTERED, block.name)
    return _made_mark(block, layer, block.parameters(FilterParameters))


def _peaks_mark(block: BlockController) -> Mark:
    chosen = block.parameters(FilterParameters), block.parameters(PeakParameters)
    layer = block.peaks_layer
    made = layer is not None and ly.info(layer).made_from == _fingerprint(block, *chosen)
    return Mark.DONE if made else Mark.NOT_YET  # the lattice needs no peaks


def _lattice_mark(block: BlockController) -> Mark:
    layer = block.peaks_layer
    if layer is None or not np.isfinite(block.places).any():
        return Mark.NOT_YET
    return _made_mark(block, layer, *lattice_choices(block))


def lattice_choices(block: BlockController) -> tuple[object, ...]:
    """Return what decides the lattice, besides the map."""
    return block.geometry, block.parameters(LatticeParameters)


def _correct_mark(block: BlockController) -> Mark:
    return Mark.DONE if block.peaks_layer is not None and block.count.complete else Mark.NOT_YET


def _segmentation_mark(block: BlockController) -> Mark:
    if block.provisional:
        return Mark.OLD
    return _made_mark(block, block.cells_layer, block.parameters(SegmentationParameters))


def _export_mark(block: BlockController) -> Mark:
    if not block.exported:
        return Mark.NOT_YET
    return Mark.DONE if block.exported == _exported_fingerprint(block) else Mark.OLD


def _made_mark(block: BlockController, layer: Layer | None, *chosen: object) -> Mark:
    if layer is None:
        return Mark.NOT_YET
    made_from = ly.info(layer).made_from  # unknown of what came from a file: nothing says that it is old
    return Mark.DONE if made_from in (None, _fingerprint(block, *chosen)) else Mark.OLD


def _fingerprint(block: BlockController, *chosen: object) -> str:
    """Return a short name of the block's map and of parameters, the same after a session was reopened."""
    code = zlib.crc32(np.ascontiguousarray(block.flood_layer.data).tobytes())
    for parameters in chosen:
        same = from_plain(type(parameters), plain(parameters))
        code = zlib.crc32(repr(same).encode(), code)
    return f"{code:08x}"


def _exported_fingerprint(block: BlockController) -> str:
    cells = block.cells_layer
    code = zlib.crc32(block.places.tobytes())
    return f"{zlib.crc32(np.ascontiguousarray(cells.data).tobytes(), code):08x}" if cells is not None else ""

"""Thin panels: read the form, call the controller, show the answer. The manifest names the classes here."""

from __future__ import annotations

from napari_petlut.plugin.widgets.compare import CompareBody
from napari_petlut.plugin.widgets.correct import CorrectBody
from napari_petlut.plugin.widgets.export import ExportBody
from napari_petlut.plugin.widgets.flood import FloodBody
from napari_petlut.plugin.widgets.frame import Panel
from napari_petlut.plugin.widgets.quality import QualityBody
from napari_petlut.plugin.widgets.quality_verdict import QualityStep
from napari_petlut.plugin.widgets.searching import FilterBody, PeaksBody
from napari_petlut.plugin.widgets.segmentation import SegmentationBody
from napari_petlut.plugin.widgets.steps import BlockBody, LatticeBody

__all__ = [
    "BlockPanel",
    "ComparePanel",
    "CorrectPanel",
    "ExportPanel",
    "FilterPanel",
    "FloodPanel",
    "LatticePanel",
    "PeaksPanel",
    "QualityPanel",
    "SegmentationPanel",
    "WorkflowPanel",
]


class WorkflowPanel(Panel):
    """All steps from the flood map to the exported LUT."""

    steps = (
        BlockBody,
        FloodBody,
        FilterBody,
        PeaksBody,
        LatticeBody,
        CorrectBody,
        SegmentationBody,
        ExportBody,
        QualityStep,
    )
    opened = (BlockBody, CorrectBody)
    run_all = True


class BlockPanel(Panel):
    """Rows, columns and the first crystal."""

    steps = (BlockBody,)


class FloodPanel(Panel):
    """Energy window, bins and comb."""

    steps = (FloodBody,)


class FilterPanel(Panel):
    """Smoothing."""

    steps = (FilterBody,)


class PeaksPanel(Panel):
    """Local maxima."""

    steps = (PeaksBody,)


class LatticePanel(Panel):
    """Numbered crystals."""

    steps = (LatticeBody,)


class CorrectPanel(Panel):
    """Suspects, undo, keys."""

    steps = (CorrectBody,)


class SegmentationPanel(Panel):
    """Cells."""

    steps = (SegmentationBody,)


class ExportPanel(Panel):
    """Files."""

    steps = (ExportBody,)


class ComparePanel(Panel):
    """Two LUTs."""

    steps = (CompareBody,)


class QualityPanel(Panel):
    """Verdict, crystal maps, spectra, report."""

    steps = (QualityBody,)

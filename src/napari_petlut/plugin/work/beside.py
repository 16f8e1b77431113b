"""The filtered map beside the raw one, each with the peaks that are found in it."""

from __future__ import annotations

import numpy as np

from napari_petlut.analysis.detection import FilterParameters, PeakParameters, filter_map, find_peaks
from napari_petlut.model import FloatArray, Peaks
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress

_GAP = 0.04
"""Between both maps, as a share of their width."""
_KINDS = (ly.LayerKind.BESIDE, ly.LayerKind.PEAKS_RAW, ly.LayerKind.PEAKS_BESIDE)
_Found = tuple[FloatArray, Peaks, Peaks]


def beside_job(block: BlockController) -> Job:
    """Show the filtered map to the right of the raw one, with what the peak search finds in both."""
    counts, geometry = block.flood.counts, block.geometry
    smoothing, search = block.parameters(FilterParameters), block.parameters(PeakParameters)

    def compute(progress: Progress, cancelled: CancelCheck) -> _Found:
        filtered = filter_map(counts, smoothing)
        raw = find_peaks(counts, search, geometry=geometry)
        progress(0.5)
        return filtered, raw, find_peaks(filtered, search, geometry=geometry)

    def show(found: _Found) -> str:
        filtered, raw, of_filtered = found
        name, flood = block.flood_layer.name, block.flood_layer
        image = ly.image_layer(filtered, name, ly.LayerKind.BESIDE, block=block.name)
        image.colormap = flood.colormap
        drawn = (
            (image, True),
            (ly.found_layer(raw, name, ly.LayerKind.PEAKS_RAW, block=block.name), False),
            (ly.found_layer(of_filtered, name, ly.LayerKind.PEAKS_BESIDE, block=block.name), True),
        )
        for layer, aside in drawn:
            shown = ly.add_quietly(block.viewer, layer, like=flood)
            shown.visible = True
            if aside:
                step = np.array([0.0, (1 + _GAP) * flood.data.shape[1]])
                shown.translate = np.asarray(flood.translate) + step * np.asarray(flood.scale)
        block.viewer.reset_view()
        return (
            f"Raw map: {len(raw)} peaks; filtered with sigma {smoothing.sigma:g} px: {len(of_filtered)}. "
            f"The block has {geometry.crystals} crystals."
        )

    return Job("Raw beside filtered", compute, show, block)


def is_beside(block: BlockController) -> bool:
    """Return whether both maps stand side by side."""
    layer = ly.find_layer(block.viewer, ly.LayerKind.BESIDE, block.name)
    return layer is not None and layer.visible


def hide_beside(block: BlockController) -> None:
    """Show only the raw map; the layers stay, hidden: napari may crash when several are taken out at once."""
    for kind in _KINDS:
        layer = ly.find_layer(block.viewer, kind, block.name)
        if layer is not None:
            layer.visible = False
    block.viewer.reset_view()

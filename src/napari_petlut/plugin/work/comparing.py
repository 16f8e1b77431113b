"""Two Labels layers against each other: a layer of the pixels that differ, and the agreement in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels

from napari_petlut.analysis.comparison import LUTComparison, compare_luts, disagreement
from napari_petlut.errors import ParameterError
from napari_petlut.model import CrystalLUT
from napari_petlut.plugin import layers as ly

if TYPE_CHECKING:
    from napari.components import ViewerModel

_SHOWN_CRYSTALS = 5


def comparable_layers(viewer: ViewerModel) -> list[Labels]:
    """Return the Labels layers that hold a LUT, bottom first."""
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels)
        and layer.ndim == 2
        and ly.kind_of(layer) in (ly.LayerKind.CELLS, ly.LayerKind.LUT, None)
    ]


def compare_layers(
    viewer: ViewerModel, a: Labels, b: Labels, flood: Image | None = None
) -> tuple[Labels, LUTComparison]:
    """Show where two LUTs differ, and return that layer and the agreement.

    Parameters
    ----------
    viewer : ViewerModel
    a, b : Labels
        `a` is the reference.
    flood : Image, optional
        Gives the counts; without it, or with another size, pixels are counted.

    Raises
    ------
    ParameterError
        If neither layer says its crystal array, or both are the same layer.
    GeometryError
        If they differ in crystal array or size.
    """
    if a is b:
        raise ParameterError("choose two different Labels layers to compare")
    luts = _lut(a, b), _lut(b, a)
    counts = None
    if flood is not None and tuple(flood.data.shape) == luts[0].shape:
        counts = ly.flood_from_layer(flood).counts
    found = compare_luts(*luts, counts if counts is not None and counts.any() else None)
    layer = ly.difference_layer(disagreement(*luts), a.name, b.name)
    return ly.show_layer(viewer, layer, like=a), found


def _lut(layer: Labels, other: Labels) -> CrystalLUT:
    geometry = ly.geometry_of(layer) or ly.geometry_of(other)
    return ly.lut_from_labels(np.asarray(layer.data), {"metadata": layer.metadata}, geometry)


def agreement_text(found: LUTComparison) -> str:
    """Return the agreement in words: overall, then the crystals that agree least."""
    parts = [f"{found.pixels:.2%} of all pixels agree"]
    if not math.isnan(found.counts):
        parts.append(f"{found.counts:.2%} of the counts")
    lines = [", ".join(parts) + "."]
    for worst in found.worst(_SHOWN_CRYSTALS):
        share = worst.pixels if math.isnan(worst.counts) else worst.counts
        taker = f", most of the rest in crystal {worst.taken_by}" if worst.taken_by >= 0 else ""
        lines.append(f"Crystal {worst.crystal} ({worst.row}, {worst.col}): {share:.1%}{taker}.")
    return "\n".join(lines)

"""Two Labels layers against each other: a layer of the pixels that differ, and the agreement in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from scipy.optimize import linear_sum_assignment

from napari_petlut.analysis.comparison import LUTComparison, compare_luts, disagreement
from napari_petlut.errors import ParameterError
from napari_petlut.model import CrystalLUT, LabelArray
from napari_petlut.plugin import layers as ly

if TYPE_CHECKING:
    from napari.components import ViewerModel

_SHOWN_CRYSTALS = 5
_COMPARABLE = (ly.LayerKind.CELLS, ly.LayerKind.LUT, ly.LayerKind.CLUSTERS, ly.LayerKind.RUN, None)


def comparable_layers(viewer: ViewerModel) -> list[Labels]:
    """Return the Labels layers that hold a LUT, bottom first."""
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels) and layer.ndim == 2 and ly.kind_of(layer) in _COMPARABLE
    ]


def compare_layers(
    viewer: ViewerModel, a: Labels, b: Labels, flood: Image | None = None
) -> tuple[Labels, LUTComparison]:
    """Show where two LUTs differ, and return that layer and the agreement.

    Parameters
    ----------
    viewer : ViewerModel
    a, b : Labels
        `a` is the reference. Clusters that have no numbers take those of the cells that they cover best.
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
    luts = _luts(a, b)
    counts = None
    if flood is not None and tuple(flood.data.shape) == luts[0].shape:
        counts = ly.flood_from_layer(flood).counts
    found = compare_luts(*luts, counts if counts is not None and counts.any() else None)
    layer = ly.difference_layer(disagreement(*luts), a.name, b.name)
    return ly.show_layer(viewer, layer, like=a), found


def _luts(a: Labels, b: Labels) -> tuple[CrystalLUT, CrystalLUT]:
    """Return both as LUTs of one crystal array, and with numbers that can be compared."""
    geometry = ly.geometry_of(a) or ly.geometry_of(b)
    labels = [np.asarray(layer.data).astype(np.int32) for layer in (a, b)]
    numbered = [ly.info(layer).numbered for layer in (a, b)]
    if not all(numbered) and labels[0].shape == labels[1].shape:
        # The reference keeps its numbers, unless they are the ones that mean nothing.
        given, taking = (1, 0) if numbered[1] else (0, 1)
        labels[taking] = best_numbers(labels[given], labels[taking])
    made = [
        ly.lut_from_labels(values, {}, ly.geometry_of(layer) or geometry)
        for layer, values in zip((a, b), labels, strict=True)
    ]
    return made[0], made[1]


def best_numbers(reference: LabelArray, labels: LabelArray) -> LabelArray:
    """Return `labels` with the numbers of the reference, so that as many pixels as can be agree.

    Parameters
    ----------
    reference, labels : ndarray of int32, shape (n0, n1)
        0 is nobody's in both.

    Returns
    -------
    ndarray of int32, shape (n0, n1)
        Labels beyond those of the reference are 0.

    Examples
    --------
    >>> best_numbers(np.array([[1, 1, 2, 2]]), np.array([[5, 5, 5, 3]])).tolist()
    [[1, 1, 1, 2]]
    """
    sizes = int(reference.max()) + 1, int(labels.max()) + 1
    shared = np.bincount((reference * sizes[1] + labels).ravel(), minlength=sizes[0] * sizes[1])
    overlap = shared.reshape(sizes)[1:, 1:]
    taken, found = linear_sum_assignment(overlap, maximize=True)
    numbers = np.zeros(sizes[1], np.int32)
    numbers[found + 1] = taken + 1
    return numbers[labels]


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

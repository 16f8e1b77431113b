"""LUTs as Labels layers, and where two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from colorsys import hsv_to_rgb
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Labels, Layer
from napari.utils.colormaps import CyclicLabelColormap
from scipy import ndimage

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT
from napari_petlut.plugin.layers._info import LayerKind, geometry_of, info, layer_name, made_info

LABEL_DTYPE = np.uint16
"""Holds every id of the largest block, and napari draws it several times faster than wider integers."""
_CELL_COLORS = 61
_GOLDEN = 0.618033988749895


def cell_colors() -> CyclicLabelColormap:
    """Return bright colours for cells: outlines must show on the dark parts of a map.

    Their number is prime and large, so that cells side by side, in a row or in a column, differ.
    """
    hues = (np.arange(_CELL_COLORS) * _GOLDEN) % 1
    bright = [hsv_to_rgb(hue, 0.45, 1.0) for hue in hues]
    colors = np.vstack([np.zeros(4), np.column_stack([bright, np.ones(_CELL_COLORS)])])
    return CyclicLabelColormap(name="cells", colors=colors.astype(np.float32))


def cell_features(geometry: BlockGeometry) -> pd.DataFrame:
    """Return the table napari shows on hover: label value -> crystal, row, col."""
    ids = np.arange(len(geometry))
    row, col = geometry.row_col(ids)
    return pd.DataFrame({"index": ids + 1, "crystal": ids, "row": row, "col": col})


def clusters_layer(
    labels: npt.NDArray[np.int32], centres: npt.NDArray[np.float64], source: str, *, block: str
) -> Labels:
    """Return the Labels layer of clusters that are no crystals yet.

    Parameters
    ----------
    labels : ndarray of int32, shape (n0, n1)
        Cluster of each pixel from 0, -1 for none.
    centres : ndarray of float64, shape (n, 2)
        (axis 0, axis 1) in pixels by cluster.
    source : str
        Name of the flood map's layer.
    block : str
    """
    index = np.arange(len(centres))
    known = made_info(LayerKind.CLUSTERS, block, centres=centres, numbered=False)
    layer = Labels(
        (labels + 1).astype(LABEL_DTYPE),
        name=layer_name(source, LayerKind.CLUSTERS),
        features=pd.DataFrame({"index": index + 1, "cluster": index}),
        opacity=0.6,
        colormap=cell_colors(),
        metadata=known,
    )
    layer.contour = 1
    return layer


def cells_layer(
    lut: CrystalLUT,
    *,
    name: str,
    block: str = "",
    kind: LayerKind = LayerKind.CELLS,
    method: str | None = None,
    contour: int = 1,
) -> Labels:
    """Return the Labels layer of a LUT, values id + 1, drawn `contour` pixels wide, or filled at 0."""
    labels = lut.to_labels().astype(LABEL_DTYPE)
    layer = Labels(
        labels,
        name=name,
        features=cell_features(lut.geometry),
        opacity=0.6,
        colormap=cell_colors(),
        metadata=made_info(kind, block, lut.geometry, computed=labels.copy(), method=method),
    )
    layer.contour = contour
    return layer


def lut_from_labels(
    labels: npt.ArrayLike, metadata: Mapping[str, Any], geometry: BlockGeometry | None = None
) -> CrystalLUT:
    """Return the LUT of a Labels layer as it stands, painting included.

    Parameters
    ----------
    labels : array_like of int, shape (n0, n1)
        Crystal id + 1, 0 for none.
    metadata : mapping
        The layer's keywords, as a writer gets them, or its ``{"metadata": ...}``.
    geometry : BlockGeometry, optional
        Wins over the one in `metadata`.

    Raises
    ------
    ParameterError
        If neither tells the geometry.
    """
    if not info(metadata).numbered:
        raise ParameterError(
            "these cells are clusters without crystal numbers; number them in the Segmentation panel first"
        )
    block = geometry or geometry_of(metadata)
    if block is None:
        raise ParameterError(
            "this Labels layer does not say its crystal array; set rows and columns in the Block panel"
        )
    return CrystalLUT.from_labels(np.asarray(labels), block)


def painted(layer: Layer) -> npt.NDArray[np.bool_]:
    """Return which pixels of a cells layer were changed by hand since they were computed."""
    computed = info(layer).computed
    labels = np.asarray(layer.data)
    if computed is None or computed.shape != labels.shape:
        return np.zeros(labels.shape, bool)
    return labels != computed


def show_labels(layer: Labels, values: npt.NDArray[Any], *, in_part: bool = False) -> None:
    """Put new values into a Labels layer, in place where possible: fast, and its undo history stays.

    Parameters
    ----------
    layer : Labels
    values : ndarray of int, shape (n0, n1)
    in_part : bool
        Whether the layer's axes are drawn in their own order, in 2-D. Then only the part that differs need be
        drawn, which saves napari the outlines of all other cells.
    """
    labels = layer.data
    if not (isinstance(labels, np.ndarray) and labels.shape == values.shape and labels.flags.writeable):
        layer.data = values.copy()
        return
    part = _box(labels != values)
    if part is None:
        return
    labels[part] = values[part]
    if not layer.visible:
        return  # napari draws it anew when it is shown again
    if in_part and layer.loaded and labels.dtype in (np.uint8, np.uint16):
        part = tuple(slice(max(0, s.start - 1 - layer.contour), s.stop + 1 + layer.contour) for s in part)
        drawn = _outlines(layer, part) if layer.contour > 0 else labels[part]
        layer.events.labels_update(data=drawn, offset=[s.start for s in part])
    else:
        layer.refresh(thumbnail=False, highlight=False, extent=False)


def _box(marked: npt.NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """Return the smallest rectangle around the marked pixels, None if there are none."""
    lines = [np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0)]
    if not lines[0].size:
        return None
    return tuple(slice(int(line[0]), int(line[-1]) + 1) for line in lines)


def _outlines(layer: Labels, part: tuple[slice, ...]) -> npt.NDArray[Any]:
    """Return a part of the labels with all but the outlines set to the background, as napari draws them."""
    labels, margin = np.asarray(layer.data), 1 + layer.contour
    wide = tuple(slice(max(0, s.start - margin), s.stop + margin) for s in part)
    cross = ndimage.generate_binary_structure(2, 1)
    thick = ndimage.iterate_structure(cross, layer.contour).astype(bool)
    inside = ndimage.grey_dilation(labels[wide], footprint=cross) == ndimage.grey_erosion(
        labels[wide], footprint=thick
    )
    outlines = np.where(inside, layer.colormap.background_value, labels[wide]).astype(labels.dtype)
    own = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, wide, strict=True))
    return outlines[tuple(own)]


def difference_layer(different: npt.NDArray[np.bool_], first: str, second: str) -> Labels:
    """Return the Labels layer of the pixels that two LUTs give to different crystals: 1 where they differ."""
    from napari.utils.colormaps import direct_colormap

    return Labels(
        different.astype(np.uint8),
        name=f"{first} vs {second} - difference",
        opacity=0.8,
        colormap=direct_colormap({0: "transparent", 1: "#ff3b30", None: "#ff3b30"}),
        metadata=made_info(LayerKind.DIFFERENCE, ""),
    )

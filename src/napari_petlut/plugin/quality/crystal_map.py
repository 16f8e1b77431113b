"""A figure of the crystals as colours over their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_petlut.model import LabelArray
from napari_petlut.plugin import layers as ly
from napari_petlut.report.contents import CrystalFigure

if TYPE_CHECKING:
    from napari.components import ViewerModel

_COLOR_RANGE = 1.0, 99.0
"""Percentiles at the ends of the colours: a few crystals far off must not take them all."""


def crystal_map(figure: CrystalFigure, ids: LabelArray, *, source: str, block: str) -> Image:
    """Return the Image layer that colours each cell by a figure; without a value it is transparent.

    Parameters
    ----------
    figure : CrystalFigure
    ids : ndarray of int32, shape (n0, n1)
        Crystal id of each pixel, -1 for "no crystal".
    source : str
        Name of the flood map, for the layer's name.
    block : str
    """
    values = np.append(figure.values, np.nan).astype(np.float32)
    values[np.isinf(values)] = np.nan if not figure.known.size else figure.known.max()
    unit = f" ({figure.unit})" if figure.unit else ""
    return Image(
        values[ids],  # "no crystal" is -1, the last
        name=f"{source} - {figure.title}{unit}",
        colormap="viridis",
        contrast_limits=_color_range(figure),
        interpolation2d="nearest",
        opacity=0.85,
        metadata=ly.made_info(ly.LayerKind.CRYSTAL_MAP, block, figure=figure.name),
    )


def _color_range(figure: CrystalFigure) -> tuple[float, float]:
    if figure.limits is not None:
        return figure.limits
    if not figure.known.size:
        return 0.0, 1.0
    low, high = (float(end) for end in np.percentile(figure.known, _COLOR_RANGE))
    return (low, high) if high > low else (low, low + max(abs(low), 1.0) * 0.01)


def show_map(viewer: ViewerModel, layer: Image, like: Image) -> Image:
    """Bring a crystal map into the viewer, under the drawings: into its layer if there is one."""
    existing = ly.find_layer(viewer, ly.LayerKind.CRYSTAL_MAP, ly.block_of(layer))
    if isinstance(existing, Image):
        ly.update_layer(existing, layer)
        existing.name = layer.name
        return existing
    for key, value in ly.place_of(like).items():
        setattr(layer, key, value)
    active = viewer.layers.selection.active
    ly.add_below_drawings(viewer, layer)
    layer.colorbar.update({"visible": True, "size": (16, 120), "font_size": 8, "position": "bottom_right"})
    viewer.layers.selection.active = active  # a new layer takes it, and with it the tools in use
    return layer

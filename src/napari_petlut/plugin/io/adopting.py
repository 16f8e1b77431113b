"""What napari's own reader has opened before us: whole numbers as labels, stacks as volumes.

napari opens ``.npy`` and ``.tif`` by itself. Whole numbers it takes for labels, of which nobody can make a
lookup table, and several maps for a volume. Both are opened once more, as the command line reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_petlut.errors import PetlutError
from napari_petlut.formats.arrays.likeness import SMOOTH, flood_likeness, looks_like_lut
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.opening import open_file

if TYPE_CHECKING:
    from napari.components import ViewerModel

LARGEST = 2**24
"""Pixels of a layer that is looked at by itself."""


def is_mistaken(layer: Layer) -> bool:
    """Return whether napari's reader took a flood map for labels: a map is not made of areas of one value."""
    if not isinstance(layer, Labels) or ly.kind_of(layer) is not None or layer.source.path is None:
        return False
    values = np.asarray(layer.data)
    if values.ndim != 2 or not 0 < values.size <= LARGEST or values.min() < 0:
        return False
    return not looks_like_lut(values) and flood_likeness(values.astype(np.float64)) > SMOOTH


def holds_several(layer: Layer) -> bool:
    """Return whether a layer is a volume of a file: a stack of maps, where it came from a map file."""
    stack = isinstance(layer, (Image, Labels)) and layer.ndim > 2
    return stack and ly.kind_of(layer) is None and layer.source.path is not None


def open_again(viewer: ViewerModel, layer: Layer) -> list[Layer]:
    """Put the flood maps of a layer's file in its place; return them.

    Raises
    ------
    PetlutError
        If the file is none of a map.
    """
    path = layer.source.path
    if path is None:
        raise PetlutError(f"layer {layer.name!r} comes from no file: split it with napari's own tools")
    opened = open_file(Path(path), viewer)
    viewer.layers.remove(layer)
    for new in opened:
        viewer.add_layer(new)
    if opened:
        viewer.layers.selection.active = opened[0]
    return opened

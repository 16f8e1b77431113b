"""Putting layers into a viewer, or their news into the layers that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Points, Vectors

from napari_petlut.plugin.layers._info import LayerKind, block_of, find_layer, info, kind_of, place_of

if TYPE_CHECKING:
    from napari.components import ViewerModel


def show_layer(viewer: ViewerModel, layer: Layer, *, like: Layer | None = None) -> Layer:
    """Update the viewer's layer of the same kind and block, or add this one.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Layer
        As the functions of this module make them.
    like : Layer, optional
        A layer whose scale, translation and units a new layer takes over.

    Returns
    -------
    Layer
        The layer that is in the viewer.
    """
    kind = kind_of(layer)
    existing = find_layer(viewer, kind, block_of(layer)) if kind is not None else None
    if existing is not None:
        update_layer(existing, layer)
        return existing
    if like is not None:
        for key, value in place_of(like).items():
            setattr(layer, key, value)
    viewer.layers.append(layer)
    return layer


def add_quietly(viewer: ViewerModel, layer: Layer, *, like: Layer) -> Layer:
    """Update the viewer's layer of the same kind and block, or add this one; what is selected stays selected.

    An image goes under the drawings of its block, anything else on top.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Layer
    like : Layer
        A layer whose scale, translation and units a new layer takes over.
    """
    selection = viewer.layers.selection
    selected, active = set(selection), selection.active
    kind = kind_of(layer)
    known = find_layer(viewer, kind, block_of(layer)) if kind is not None else None
    if known is not None:
        update_layer(known, layer)
        return known
    for key, value in place_of(like).items():
        setattr(layer, key, value)
    if isinstance(layer, Image):
        add_below_drawings(viewer, layer)
    else:
        viewer.layers.append(layer)
    selection.clear()
    selection.update(selected)
    selection.active = active
    return layer


def add_below_drawings(viewer: ViewerModel, layer: Layer) -> None:
    """Add an Image layer under the peaks, lines and cells of its block, which it would hide."""
    viewer.layers.insert(lowest_drawing(viewer, block_of(layer)), layer)


def lowest_drawing(viewer: ViewerModel, block: str) -> int:
    """Return the index of the lowest layer that is drawn on a block's maps, or the end of the list.

    Peaks that do not know their block yet count too.
    """
    for index, layer in enumerate(viewer.layers):
        own = kind_of(layer) is not None and block_of(layer) in (block, "")
        if own and not isinstance(layer, Image):
            return index
    return len(viewer.layers)


def update_layer(layer: Layer, new: Layer) -> None:
    """Take over data, features and metadata of `new`; what the person set, such as colours, stays."""
    if isinstance(layer, Points):
        layer.selected_data = set()
    layer.data = new.data
    if isinstance(layer, (Points, Labels, Vectors)):
        layer.features = new.features
    if isinstance(layer, Vectors) and len(new.data):
        color_lines(layer, new.edge_color)
    if isinstance(layer, Image):
        layer.contrast_limits = new.contrast_limits
    info(layer).take_over(info(new))


def color_lines(layer: Vectors, colors: npt.ArrayLike) -> None:
    """Give lines their colours, unless a person has given all of them one colour of her own.

    Parameters
    ----------
    layer : Vectors
        With its new lines.
    colors : array_like of float, shape (n, 4)
        RGBA of each line.
    """
    shown, usual = np.asarray(layer.edge_color), np.asarray(colors)
    own = len(shown) > 1 and (shown == shown[0]).all() and not (usual == shown[0]).all(axis=1).any()
    layer.edge_color = shown[0] if own else usual


def with_own_blocks(layers: Sequence[Layer], viewer: ViewerModel | None) -> list[Layer]:
    """Rename the blocks of layers whose flood map would share its block with one that is in the viewer.

    So a session can be opened beside the work it was saved from, and neither follows the other's edits.
    """
    taken = {block_of(layer) for layer in viewer.layers if kind_of(layer)} if viewer is not None else set()
    names = {block_of(layer) for layer in layers if kind_of(layer) is LayerKind.FLOOD}
    for name in sorted(names & taken - {""}):
        number = 1
        while f"{name} [{number}]" in taken | names:
            number += 1
        for layer in layers:
            if kind_of(layer) is not None and block_of(layer) == name:
                info(layer).block = f"{name} [{number}]"
    return list(layers)

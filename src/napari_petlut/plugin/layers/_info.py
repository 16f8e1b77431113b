"""What the plugin knows about a layer, in the layer's own metadata."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_petlut.geometry import BlockGeometry

if TYPE_CHECKING:
    from napari.components import ViewerModel

INFO_KEY = "petlut"


class LayerKind(StrEnum):
    """What a layer is for."""

    FLOOD = "flood"
    FILTERED = "filtered"
    PEAKS = "peaks"
    LATTICE = "lattice"
    CELLS = "cells"
    LUT = "lut"
    CENTRES = "centres"
    DRIFT = "drift"
    DIFFERENCE = "difference"
    CRYSTAL_MAP = "crystal map"


_SUFFIX = {LayerKind.FLOOD: "flood map", LayerKind.LUT: "LUT"}


def layer_name(source: str, kind: LayerKind) -> str:
    """Return the name of a layer, ``"<source> - peaks"``."""
    return f"{source} - {_SUFFIX.get(kind, kind.value)}"


def info(layer: Layer | Mapping[str, Any]) -> dict[str, Any]:
    """Return what the plugin knows about a layer, as the live dictionary in its metadata.

    Parameters
    ----------
    layer : napari layer, or the metadata dictionary of a layer-data tuple
    """
    if isinstance(layer, Mapping):
        return dict(layer.get("metadata", {}).get(INFO_KEY, {}))
    known: dict[str, Any] = layer.metadata.setdefault(INFO_KEY, {})
    return known


def kind_of(layer: Layer) -> LayerKind | None:
    """Return what a layer is for, or None if the plugin has nothing to do with it."""
    word = layer.metadata.get(INFO_KEY, {}).get("kind")
    return LayerKind(word) if word in set(LayerKind) else None


def block_of(layer: Layer) -> str:
    """Return the name of the block a layer belongs to, empty if none."""
    return str(layer.metadata.get(INFO_KEY, {}).get("block", ""))


def geometry_of(layer: Layer | Mapping[str, Any]) -> BlockGeometry | None:
    """Return the crystal array a layer was made for, where known."""
    known = info(layer).get("geometry")
    return BlockGeometry(int(known["rows"]), int(known["cols"])) if known else None


def find_layer(viewer: ViewerModel, kind: LayerKind, block: str) -> Layer | None:
    """Return the viewer's layer of this kind and block, the topmost if there are several."""
    for layer in reversed(viewer.layers):
        if kind_of(layer) is kind and block_of(layer) == block:
            return layer
    return None


def made_info(
    kind: LayerKind, block: str, geometry: BlockGeometry | None = None, **more: object
) -> dict[str, Any]:
    known: dict[str, Any] = {"kind": kind.value, "block": block}
    if geometry is not None:
        known["geometry"] = {"rows": geometry.rows, "cols": geometry.cols}
    return {INFO_KEY: known | {key: value for key, value in more.items() if value is not None}}


def place_of(layer: Layer) -> dict[str, Any]:
    """Return the keywords that put another layer at the same place: scale, translate, units, axis labels."""
    return {
        "scale": tuple(layer.scale),
        "translate": tuple(layer.translate),
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }

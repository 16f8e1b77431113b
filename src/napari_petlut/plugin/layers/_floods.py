"""Flood maps and images made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, EventFormat, FloodMap
from napari_petlut.plugin.layers._info import LayerKind, info, layer_name, made_info
from napari_petlut.plugin.work.choices import restored


def contrast_limits(counts: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return display limits that show dim crystals too: 0 to the 99.5 % quantile of the filled pixels."""
    filled = counts[counts > 0]
    high = float(np.quantile(filled, 0.995)) if filled.size else 1.0
    return 0.0, max(high, 1e-9)


def flood_layer(flood: FloodMap, *, name: str, geometry: BlockGeometry | None = None) -> Image:
    """Return the Image layer of a flood map, with its spectrum, window and source in the metadata."""
    window = (flood.window.low, flood.window.high) if flood.window else None
    metadata = made_info(
        LayerKind.FLOOD,
        name,
        geometry,
        spectrum=flood.spectrum,
        window=window,
        full_scale=flood.full_scale,
        source=flood.source or name,
    )
    return Image(flood.counts, name=name, metadata=metadata, **_image_style(flood.counts))


def _image_style(counts: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {
        "colormap": "inferno",
        "contrast_limits": contrast_limits(counts),
        "interpolation2d": "nearest",
    }


def events_of(layer: Layer) -> tuple[Path, EventFormat] | None:
    """Return the event file and its format that a flood map was made from, None if it was made otherwise."""
    known = info(layer).get("events")
    if not known:
        return None
    fmt = known["format"]
    return Path(known["path"]), fmt if isinstance(fmt, EventFormat) else restored(EventFormat, fmt)


def is_flood_candidate(layer: Layer) -> bool:
    """Return whether a layer can serve as a flood map: any plain 2-D image."""
    return isinstance(layer, Image) and layer.ndim == 2 and not layer.rgb and not layer.multiscale


def flood_from_layer(layer: Image) -> FloodMap:
    """Return the flood map of an Image layer, whatever opened it.

    Raises
    ------
    ParameterError
        If the image is not 2-D, or holds negative or non-finite values.
    """
    known = info(layer)
    window = known.get("window")
    try:
        return FloodMap(
            counts=np.asarray(layer.data, dtype=np.float64),
            spectrum=known.get("spectrum"),
            window=EnergyWindow(*window) if window else None,
            full_scale=known.get("full_scale"),
            source=str(known.get("source", layer.name)),
        )
    except ParameterError as error:
        raise ParameterError(f"layer {layer.name!r} cannot be a flood map: {error}") from error


def image_layer(counts: npt.NDArray[np.float64], source: str, kind: LayerKind, *, block: str) -> Image:
    """Return an Image layer made from a block's flood map, such as the filtered map."""
    name = layer_name(source, kind)
    return Image(counts, name=name, metadata=made_info(kind, block), **_image_style(counts))

"""Flood maps and images made from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.display import brightest
from napari_petlut.model import EventFormat, FloodMap
from napari_petlut.plugin.layers._info import EventSource, LayerKind, info, layer_name, made_info

if TYPE_CHECKING:
    from napari_petlut.analysis.flood import FloodParameters

_KIND_WORDS = re.compile(r"[ ._-]+(raw|events|listmode|map|flood|peaks|lut)$", re.IGNORECASE)


def contrast_limits(counts: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return display limits that show dim crystals too, those of the report's pictures."""
    return 0.0, brightest(counts)


def flood_layer(flood: FloodMap, *, name: str, geometry: BlockGeometry | None = None) -> Image:
    """Return the Image layer of a flood map, with its spectrum, window and source in the metadata."""
    metadata = made_info(
        LayerKind.FLOOD,
        name,
        geometry,
        spectrum=flood.spectrum,
        window=flood.window,
        full_scale=flood.full_scale,
        source=flood.source or name,
    )
    return Image(flood.counts, name=name, metadata=metadata, **_image_style(flood.counts))


def block_name(path: Path) -> str:
    """Return the name of the block that a file belongs to: ``block_07`` for ``block_07_map.dat``.

    Examples
    --------
    >>> block_name(Path("block_07_raw.dat")), block_name(Path("map.dat"))
    ('block_07', 'map')
    """
    return _KIND_WORDS.sub("", path.stem) or path.stem


def file_flood_layer(flood: FloodMap, path: Path) -> Image:
    """Return the Image layer of a flood map that comes from a file."""
    layer = flood_layer(flood, name=path.stem)
    known = info(layer)
    known.block, known.path = block_name(path), path.resolve()
    return layer


def events_layer(
    path: Path, fmt: EventFormat, flood: FloodMap, parameters: FloodParameters, notes: tuple[str, ...]
) -> Image:
    """Return the Image layer of counted events; it remembers how to count them again."""
    layer = file_flood_layer(flood, path)
    known = info(layer)
    known.events, known.note = EventSource(path.resolve(), fmt), "; ".join(notes)
    known.parameters[type(parameters).__name__] = parameters
    return layer


def _image_style(counts: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {
        "colormap": "inferno",
        "contrast_limits": contrast_limits(counts),
        "interpolation2d": "nearest",
    }


def events_of(layer: Layer) -> EventSource | None:
    """Return the event file and its format that a flood map was made from, None if it was made otherwise."""
    return info(layer).events


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
    try:
        return FloodMap(
            counts=np.asarray(layer.data, dtype=np.float64),
            spectrum=known.spectrum,
            window=known.window,
            full_scale=known.full_scale,
            source=known.source or layer.name,
        )
    except ParameterError as error:
        raise ParameterError(f"layer {layer.name!r} cannot be a flood map: {error}") from error


def image_layer(counts: npt.NDArray[np.float64], source: str, kind: LayerKind, *, block: str) -> Image:
    """Return an Image layer made from a block's flood map, such as the filtered map."""
    name = layer_name(source, kind)
    return Image(counts, name=name, metadata=made_info(kind, block), **_image_style(counts))

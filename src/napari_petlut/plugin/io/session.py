"""Layers <-> session: the work on a block, saved to one file and opened again as it was."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image, Labels, Layer, Points, Vectors

from napari_petlut.analysis.detection import FilterParameters, PeakParameters
from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.lattice import LatticeParameters
from napari_petlut.analysis.quality import QualityThresholds
from napari_petlut.analysis.segmentation import SegmentationParameters
from napari_petlut.errors import ParameterError, PetlutWarning
from napari_petlut.formats.session import Session, SessionLayer
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.choices import ExportChoices

LayerData = tuple[Any, Mapping[str, Any], str]
"""A layer as napari hands it to writers: data, keywords, type."""

_EVERYWHERE = (
    "scale",
    "translate",
    "rotate",
    "shear",
    "units",
    "axis_labels",
    "opacity",
    "blending",
    "visible",
)
_KEPT: dict[str, tuple[str, ...]] = {
    "image": ("contrast_limits", "gamma", "interpolation2d", "colormap"),
    "labels": ("contour",),
    "points": ("size", "symbol", "face_color", "border_color", "border_width", "canvas_size_limits"),
    "vectors": ("edge_width", "edge_color", "vector_style", "length"),
}
_STEPS: tuple[type[object], ...] = (
    FloodParameters,
    FilterParameters,
    PeakParameters,
    LatticeParameters,
    SegmentationParameters,
    QualityThresholds,
    ExportChoices,
)
_TYPES: dict[str, type[Layer]] = {"image": Image, "labels": Labels, "points": Points, "vectors": Vectors}


def can_be_saved(layer: Layer) -> bool:
    """Return whether a session can hold a layer: 2-D image, labels, points or vectors."""
    kind = layer.as_layer_data_tuple()[2]
    if kind == "image":
        return ly.is_flood_candidate(layer)
    return kind in _TYPES and layer.ndim == 2 and not getattr(layer, "multiscale", False)


def data_of(layer: Layer) -> LayerData:
    """Return a layer as writers get it, with the outline width of Labels, which napari leaves out."""
    data, meta, kind = layer.as_layer_data_tuple()
    return data, {**meta, "contour": layer.contour} if isinstance(layer, Labels) else meta, kind


def session_of(layers: Iterable[LayerData]) -> Session:
    """Return the session of layers.

    Parameters
    ----------
    layers : iterable of layer-data tuples
        Bottom first; see `data_of`.
    """
    return Session(tuple(_to_session(*layer) for layer in layers))


def layers_of_session(session: Session) -> list[Layer]:
    """Return the layers of a session, bottom first.

    Raises
    ------
    ParameterError
        If the session holds a layer that cannot be.
    """
    return [_from_session(layer) for layer in session.layers]


def _to_session(data: Any, meta: Mapping[str, Any], kind: str) -> SessionLayer:  # noqa: ANN401 - any layer's
    if kind not in _TYPES:
        raise ParameterError(f"a session holds {', '.join(_TYPES)}; layer {meta['name']!r} is of type {kind}")
    settings = {key: _stored(key, meta[key]) for key in (*_EVERYWHERE, *_KEPT[kind]) if key in meta}
    features = pd.DataFrame(meta.get("features", {}))
    columns = {str(name): _column(features[name]) for name in features}
    info = ly.info(meta).to_stored() if ly.INFO_KEY in meta.get("metadata", {}) else {}
    return SessionLayer(kind, str(meta["name"]), np.asarray(data), settings, columns, info)


def _stored(key: str, value: Any) -> Any:  # noqa: ANN401 - any setting
    """Return a setting as arrays, words and numbers."""
    if key == "units":
        return [str(unit) for unit in value]
    if key == "colormap":
        return value["name"] if isinstance(value, Mapping) else value.name
    if key == "symbol":
        return np.array([str(symbol) for symbol in value], dtype=np.str_)
    return value


def _column(column: pd.Series) -> np.ndarray[Any, Any]:
    values = column.to_numpy()
    return values if values.dtype.kind in "biuf" else values.astype(str)


def _from_session(stored: SessionLayer) -> Layer:
    try:
        layer = _layer_of(stored)
        _check(layer)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        # Whoever edits a session by hand can put anything anywhere, and napari trips over it in many ways.
        raise ParameterError(
            f"the session's layer {stored.name!r} cannot be shown: {' '.join(str(error).split())[:200]}"
        ) from error
    return layer


def _layer_of(stored: SessionLayer) -> Layer:
    settings = {key: value for key, value in stored.settings.items() if key in _kept(stored.kind)}
    contour = int(settings.pop("contour", 1))
    known = ly.LayerInfo.from_stored(stored.info)
    if known.kind is ly.LayerKind.PEAKS:
        settings |= {key: value for key, value in ly.PEAK_STYLE.items() if key != "size"}
    if known.kind in (ly.LayerKind.CELLS, ly.LayerKind.LUT, ly.LayerKind.CLUSTERS, ly.LayerKind.RUN):
        settings["colormap"] = ly.cell_colors()
    if stored.features:
        settings["features"] = pd.DataFrame(
            {name: c.astype(object) if c.dtype.kind == "U" else c for name, c in stored.features.items()}
        )
    if stored.kind in ("points", "vectors"):
        settings["ndim"] = 2
    if stored.info:
        _drop_bad_choices(known, stored.name)
        settings["metadata"] = {ly.INFO_KEY: known}
    layer = _TYPES[stored.kind](stored.data, name=stored.name, **_shown(settings))
    if isinstance(layer, Labels):
        layer.contour = contour
    if known.kind is ly.LayerKind.MARKS and isinstance(layer, Points):
        ly.dress_marks(layer)
    return layer


def _drop_bad_choices(known: ly.LayerInfo, layer: str) -> None:
    """Leave out what was chosen for a step where this version cannot take it, and say so."""
    for step in _STEPS:
        try:
            known.chosen(step)
        except ParameterError as error:
            del known.parameters[step.__name__]
            warnings.warn(
                f"layer {layer!r} of the session: {error}; the defaults are used instead",
                PetlutWarning,
                stacklevel=2,
            )


def _check(layer: Layer) -> None:
    """Let what is wrong with a layer of ours come out now, and not in the middle of the work."""
    kind = ly.kind_of(layer)
    if kind is None:
        return
    if kind is ly.LayerKind.FLOOD:
        ly.flood_from_layer(layer)
    elif kind is ly.LayerKind.PEAKS:
        ly.peaks_from_layer(layer)
    elif kind in (ly.LayerKind.CELLS, ly.LayerKind.LUT):
        ly.painted(layer)


def _kept(kind: str) -> tuple[str, ...]:
    return (*_EVERYWHERE, *_KEPT.get(kind, ()))


def _shown(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a session as napari takes them."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    name = settings.get("colormap", "inferno")
    if isinstance(name, str) and name not in AVAILABLE_COLORMAPS:
        settings["colormap"] = "inferno"
    return settings

"""What the plugin knows about a layer, in the layer's own metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Points, Vectors

from napari_petlut.errors import ParameterError
from napari_petlut.formats.lut_encoding import LUTEncoding
from napari_petlut.formats.plain import from_plain, plain
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, EventFormat
from napari_petlut.plugin.layers._runs import SegmentationRun

if TYPE_CHECKING:
    from napari.components import ViewerModel

INFO_KEY = "petlut"
Chosen = TypeVar("Chosen")


class LayerKind(StrEnum):
    """What a layer is for."""

    FLOOD = "flood"
    FILTERED = "filtered"
    WEIGHTED = "weighted"
    BESIDE = "filtered beside"
    PREVIEW = "preview of peaks"
    PEAKS_RAW = "peaks of the raw map"
    PEAKS_BESIDE = "peaks of the filtered map"
    PEAKS = "peaks"
    LATTICE = "lattice"
    MARKS = "numbers"
    CELLS = "cells"
    CLUSTERS = "clusters"
    RUN = "run"
    LUT = "lut"
    CENTRES = "centres"
    DRIFT = "drift"
    DIFFERENCE = "difference"
    CRYSTAL_MAP = "crystal map"


_TYPES: dict[LayerKind, type[Layer]] = {
    LayerKind.FLOOD: Image,
    LayerKind.FILTERED: Image,
    LayerKind.WEIGHTED: Image,
    LayerKind.BESIDE: Image,
    LayerKind.PREVIEW: Points,
    LayerKind.PEAKS_RAW: Points,
    LayerKind.PEAKS_BESIDE: Points,
    LayerKind.PEAKS: Points,
    LayerKind.LATTICE: Vectors,
    LayerKind.MARKS: Points,
    LayerKind.CELLS: Labels,
    LayerKind.CLUSTERS: Labels,
    LayerKind.RUN: Labels,
    LayerKind.LUT: Labels,
    LayerKind.CENTRES: Points,
    LayerKind.DRIFT: Vectors,
    LayerKind.DIFFERENCE: Labels,
    LayerKind.CRYSTAL_MAP: Image,
}
OF_OLD_PIXELS = frozenset(
    {
        LayerKind.FILTERED,
        LayerKind.WEIGHTED,
        LayerKind.BESIDE,
        LayerKind.PREVIEW,
        LayerKind.PEAKS_RAW,
        LayerKind.PEAKS_BESIDE,
        LayerKind.CLUSTERS,
        LayerKind.RUN,
        LayerKind.CENTRES,
        LayerKind.DRIFT,
    }
)
"""Layers that mean nothing any more once the flood map has other pixels."""
_SUFFIX = {LayerKind.FLOOD: "flood map", LayerKind.LUT: "LUT", LayerKind.WEIGHTED: "weighted map"}


def layer_name(source: str, kind: LayerKind) -> str:
    """Return the name of a layer, ``"<source> - peaks"``."""
    return f"{source} - {_SUFFIX.get(kind, kind.value)}"


class EventSource(NamedTuple):
    """The raw event file that a flood map was made from."""

    path: Path
    format: EventFormat


@dataclass(eq=False, kw_only=True)
class LayerInfo:
    """What the plugin knows about one layer: ``layer.metadata["petlut"]``, read with `info`.

    None says that it is not known, or of no concern to this kind of layer.

    Parameters
    ----------
    kind : LayerKind, optional
        What the layer is for.
    block : str
        Name of the block the layer belongs to; all layers of one block share it.
    geometry : BlockGeometry, optional
        The crystal array, on every kind where it is known.
    path : Path, optional
        The file that the layer was read from.
    note : str
        What was found out about the file when it was read.
    aside : bool
        Whether the layer is hidden only because another block is in focus.
    source : str, optional
        File name or other origin (flood map).
    spectrum : ndarray of int64, shape (channels,), optional
        Energies of all events (flood map).
    window : EnergyWindow, optional
        The energy window the map was made with (flood map).
    full_scale : float, optional
        Size of the position scale (flood map).
    events : EventSource, optional
        The file the map was made from (flood map).
    with_comb : ndarray of float64, optional
        The counts from before the comb was removed (flood map).
    parameters : dict of str to object
        By class name, what was chosen for each step: the core's dataclasses, or, from a session, their plain
        values; see `chosen` (flood map).
    computed : ndarray of int, optional
        The cells as they were computed, before any painting: crystal id + 1, 0 for none (cells).
    method : str, optional
        Name of the segmentation method (cells).
    max_distance : float, optional
        How far from its peak a pixel may lie, in pixels (cells).
    centres : ndarray of float64, shape (n, 2), optional
        Where the clusters have their centres, in pixels (clusters).
    numbered : bool
        Whether labels are crystals; off for clusters in no order (clusters, run).
    runs : tuple of SegmentationRun
        The segmentations that were run (flood map).
    stale : bool
        True after an edit, until a method other than "nearest" is run again (cells).
    encoding : LUTEncoding, optional
        Of the file (LUT).
    figure : str, optional
        Name of the figure that is shown (crystal map).
    history : ndarray of uint8 or callable, optional
        The undo steps, packed, as a session holds them; or what gives them while somebody works (peaks).
    """

    kind: LayerKind | None = None
    block: str = ""
    geometry: BlockGeometry | None = None
    path: Path | None = None
    note: str = ""
    aside: bool = False
    source: str | None = None
    spectrum: npt.NDArray[np.int64] | None = None
    window: EnergyWindow | None = None
    full_scale: float | None = None
    events: EventSource | None = None
    with_comb: npt.NDArray[np.float64] | None = None
    parameters: dict[str, object] = field(default_factory=dict)
    computed: npt.NDArray[Any] | None = None
    method: str | None = None
    max_distance: float | None = None
    centres: npt.NDArray[np.float64] | None = None
    numbered: bool = True
    runs: tuple[SegmentationRun, ...] = ()
    stale: bool = False
    encoding: LUTEncoding | None = None
    figure: str | None = None
    history: npt.NDArray[np.uint8] | Callable[[], npt.NDArray[np.uint8] | None] | None = None

    def chosen(self, step: type[Chosen]) -> Chosen:
        """Return what was chosen for a step, an instance of its parameter dataclass, or its defaults.

        Raises
        ------
        ParameterError
            If a session holds values for it that cannot be.
        """
        known = self.parameters.get(step.__name__)
        if isinstance(known, Mapping):
            return from_plain(step, known, step.__name__)
        return known if isinstance(known, step) else step()

    def take_over(self, new: LayerInfo) -> None:
        """Take over everything that `new` tells about data; what was chosen for other steps stays."""
        self.parameters |= new.parameters
        for name in _NAMES:
            value = getattr(new, name)
            if value is not None and name not in _STAYING:
                setattr(self, name, value)

    def of_a_copy(self) -> LayerInfo:
        """Return what is known about a copy that a person made of the layer: no block works on it.

        A flood map begins a block of its own, peaks wait for one, cells are a LUT; all else is just a layer.
        """
        kinds = {LayerKind.CELLS: LayerKind.LUT}
        kept = (LayerKind.FLOOD, LayerKind.PEAKS, LayerKind.LUT)
        kind = kinds.get(self.kind, self.kind) if self.kind is not None else None
        if kind not in kept:
            return LayerInfo()
        parameters = dict(self.parameters)
        return replace(self, kind=kind, block="", parameters=parameters, aside=False, runs=(), history=None)

    def to_stored(self) -> dict[str, Any]:
        """Return what is known in arrays and plain values, as session files hold it."""
        known = {name: getattr(self, name) for name in _NAMES}
        if callable(self.history):
            known["history"] = self.history()
        told = {name: value for name, value in known.items() if not _is_default(name, value)}
        if self.window is not None:
            told["window"] = [self.window.low, self.window.high]
        if self.events is not None:
            told["events"] = {"path": str(self.events.path), "format": self.events.format}
        return {
            name: value if isinstance(value, np.ndarray) else plain(value) for name, value in told.items()
        }

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> LayerInfo:
        """Return what `to_stored` gave, also in a session that an earlier version wrote.

        Raises
        ------
        ParameterError
            If a value is of the wrong kind or out of range.
        """
        made = cls()
        for name in _NAMES:
            value = values.get(name)
            if value is not None:
                setattr(made, name, _restored(name, value))
        return made


_NAMES = tuple(field.name for field in fields(LayerInfo))
_STAYING = ("parameters", "aside", "runs", "history")
"""What belongs to the layer and not to its data."""
_ARRAYS = ("spectrum", "with_comb", "computed", "centres", "history")
_WORDS = ("block", "note", "source", "method", "figure")


def _is_default(name: str, value: object) -> bool:
    if name == "block":
        return False  # an empty one says something too: the layer waits for its block
    if name == "numbered":
        return bool(value)
    return value is None or (not isinstance(value, np.ndarray) and value in ("", False, {}, ()))


def _restored(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever a session holds
    if name in _ARRAYS:
        if not isinstance(value, np.ndarray):
            raise ParameterError(f"{name} is no array")
        return value
    try:
        return _restored_plain(name, value)
    except (TypeError, LookupError, ValueError) as error:
        raise ParameterError(f"{name}: {' '.join(str(error).split())}") from error


def _restored_plain(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever a session holds
    if name in _WORDS:
        return str(value)
    if name == "kind":
        return LayerKind(value) if value in set(LayerKind) else None
    if name == "geometry":
        return from_plain(BlockGeometry, value, name)
    if name == "window":
        return EnergyWindow(*value)
    if name == "events":
        return EventSource(Path(value["path"]), _format(value["format"]))
    if name == "encoding":
        return from_plain(LUTEncoding, value, name)
    if name == "parameters":
        return dict(value)
    if name == "runs":
        return tuple(from_plain(SegmentationRun, run, name) for run in value)
    makers = {"path": Path, "full_scale": float, "max_distance": float}
    return makers.get(name, bool)(value)


def _format(value: object) -> EventFormat:
    return value if isinstance(value, EventFormat) else from_plain(EventFormat, value, "format")


# -- of layers --------------------------------------------------------------------------------------------


def info(layer: Layer | Mapping[str, Any]) -> LayerInfo:
    """Return what the plugin knows about a layer; changes of it stay with the layer.

    Parameters
    ----------
    layer : napari layer, or the metadata dictionary of a layer-data tuple
    """
    metadata = layer.get("metadata", {}) if isinstance(layer, Mapping) else layer.metadata
    known = metadata.get(INFO_KEY)
    if not isinstance(known, LayerInfo):
        known = LayerInfo.from_stored(known or {})
        if isinstance(layer, Layer):
            layer.metadata[INFO_KEY] = known
    return known


def _peek(layer: Layer) -> LayerInfo:
    """Return what is known about a layer, without making it one of the plugin's."""
    return info(layer) if INFO_KEY in layer.metadata else LayerInfo()


def kind_of(layer: Layer) -> LayerKind | None:
    """Return what a layer is for, or None if the plugin has nothing to do with it.

    A layer that was converted to another type is no longer what it was.
    """
    kind = _peek(layer).kind
    return kind if kind is not None and isinstance(layer, _TYPES[kind]) else None


def block_of(layer: Layer) -> str:
    """Return the name of the block a layer belongs to, empty if none."""
    return _peek(layer).block


def geometry_of(layer: Layer | Mapping[str, Any]) -> BlockGeometry | None:
    """Return the crystal array a layer was made for, where known."""
    return info(layer).geometry if isinstance(layer, Mapping) else _peek(layer).geometry


def find_layer(viewer: ViewerModel, kind: LayerKind, block: str) -> Layer | None:
    """Return the viewer's layer of this kind and block, the topmost if there are several."""
    for layer in reversed(viewer.layers):
        if kind_of(layer) is kind and block_of(layer) == block:
            return layer
    return None


def made_info(
    kind: LayerKind,
    block: str,
    geometry: BlockGeometry | None = None,
    **more: Any,  # noqa: ANN401
) -> dict[str, LayerInfo]:
    """Return the metadata of a new layer; `more` are other fields of `LayerInfo`."""
    return {INFO_KEY: LayerInfo(kind=kind, block=block, geometry=geometry, **more)}


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

"""The one place where the model becomes napari layers, and layers become the model.

Every layer the plugin makes or adopts carries a dictionary ``layer.metadata["petlut"]``, read with `info`:

========== ==========================================================================
key        value
========== ==========================================================================
kind       a `LayerKind` word
block      name of the block the layer belongs to; all layers of one block share it
geometry   ``{"rows": 16, "cols": 16}``, on every kind where it is known
spectrum   ndarray of int64, shape (4096,): energies of all events (flood)
window     ``(low, high)``: the energy window the map was made with (flood)
full_scale size of the position scale (flood)
source     file name or other origin (flood)
computed   ndarray of int32: the cells as they were computed, before any painting (cells)
method     name of the segmentation method (cells)
path       the file that the layer was read from
events     ``{"path": str, "format": EventFormat}``: the file a flood map was made from (flood)
parameters by class name, what was chosen for each step: the core's dataclasses, or mappings (flood)
encoding   fields of the `LUTEncoding` of the file (lut)
figure     name of the figure that is shown (crystal map)
note       what was found out about the file when it was read
stale      True after an edit, until a method other than "nearest" is run again (cells)
========== ==========================================================================

Label values are crystal id + 1; 0 is "no crystal".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from colorsys import hsv_to_rgb
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Image, Labels, Layer, Points, Vectors
from napari.utils.colormaps import CyclicLabelColormap
from scipy.spatial import cKDTree

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model import (
    CrystalLUT,
    EnergyWindow,
    EventFormat,
    FloodMap,
    Lattice,
    Peaks,
    PeakStatus,
)
from napari_petlut.plugin.choices import restored

if TYPE_CHECKING:
    from napari.components import ViewerModel

INFO_KEY = "petlut"
LABEL_DTYPE = np.uint16
"""Holds every id of the largest block, and napari draws it several times faster than wider integers."""
_CELL_COLORS = 61
_GOLDEN = 0.618033988749895
PEAK_SIZE = 7.0
"""Largest diameter of a peak's ring, in flood-map pixels."""
_RING_SHARE, _SMALLEST_RING = 0.35, 1.5


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

STATUS_COLORS: dict[str, str] = {
    PeakStatus.FOUND: "#2ee56b",
    PeakStatus.INFERRED: "#35c7ff",
    PeakStatus.MANUAL: "#ff5cf4",
    PeakStatus.SUSPECT: "#ff9d1e",
    PeakStatus.MISSING: "#ff3b30",
}
"""Colour of a peak by its status."""

LINE_COLORS: dict[str, str] = {"row": "#ffd23f", "col": "#4fc3f7"}
"""Colour of a lattice line by what it joins: neighbours in one row, or in one column."""

PEAK_COLUMNS = ("crystal", "row", "col", "status", "confidence", "reason")


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


def _info(
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


# -- flood maps -------------------------------------------------------------------------------------------


def contrast_limits(counts: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return display limits that show dim crystals too: 0 to the 99.5 % quantile of the filled pixels."""
    filled = counts[counts > 0]
    high = float(np.quantile(filled, 0.995)) if filled.size else 1.0
    return 0.0, max(high, 1e-9)


def flood_layer(flood: FloodMap, *, name: str, geometry: BlockGeometry | None = None) -> Image:
    """Return the Image layer of a flood map, with its spectrum, window and source in the metadata."""
    window = (flood.window.low, flood.window.high) if flood.window else None
    metadata = _info(
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
    return Image(counts, name=name, metadata=_info(kind, block), **_image_style(counts))


# -- peaks ------------------------------------------------------------------------------------------------


def peak_features(
    peaks: Peaks, geometry: BlockGeometry | None = None, reasons: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the features table of a peaks layer.

    Parameters
    ----------
    peaks : Peaks
    geometry : BlockGeometry, optional
        Gives the columns ``row`` and ``col``; -1 without it.
    reasons : sequence of str, optional
        Why a peak is doubted, one per peak; those after the end are empty.
    """
    n = len(peaks)
    none = np.full(n, NO_CRYSTAL)
    row, col = geometry.row_col(peaks.crystal) if geometry else (none, none)
    why = [*reasons, *[""] * n][:n]
    return pd.DataFrame(
        {
            "crystal": peaks.crystal.astype(np.int64),
            "row": np.asarray(row, np.int64),
            "col": np.asarray(col, np.int64),
            "status": peaks.status.astype(object),
            "confidence": peaks.confidence.astype(np.float64),
            "reason": np.array(why, dtype=object),
        }
    )


def peaks_layer(
    peaks: Peaks,
    *,
    name: str,
    block: str = "",
    geometry: BlockGeometry | None = None,
    reasons: Sequence[str] = (),
) -> Points:
    """Return the Points layer of peaks, coloured by status; positions are in flood-map pixels."""
    size = ring_size(peaks.positions)
    layer = Points(
        peaks.positions.copy(),
        ndim=2,
        name=name,
        features=peak_features(peaks, geometry, reasons),
        metadata=_info(LayerKind.PEAKS, block, geometry),
        **(PEAK_STYLE | {"size": size}),
    )
    layer.current_size = size  # of the points that will be added
    set_feature_defaults(layer)
    return layer


def set_feature_defaults(layer: Points) -> None:
    """Give a peaks layer the features of a point that nothing is known about.

    Without them napari cannot colour the first point of an empty layer.
    """
    layer.feature_defaults = pd.DataFrame(
        {
            "crystal": [-1],
            "row": [-1],
            "col": [-1],
            "status": ["found"],
            "confidence": [np.nan],
            "reason": [""],
        }
    )


def ring_size(positions: npt.NDArray[np.float64]) -> float:
    """Return a diameter that leaves the rings of most neighbours apart, at most `PEAK_SIZE`."""
    if len(positions) < 2:
        return PEAK_SIZE
    distance = np.asarray(cKDTree(positions).query(positions, k=2)[0])
    return float(np.clip(_RING_SHARE * np.median(distance[:, 1]), _SMALLEST_RING, PEAK_SIZE))


PEAK_STYLE: dict[str, Any] = {
    "size": PEAK_SIZE,
    "symbol": "disc",
    "face_color": "transparent",
    "border_color": "status",
    "border_color_cycle": STATUS_COLORS,
    "border_width": 0.18,
    "border_width_is_relative": True,
    "canvas_size_limits": (6, 40),
}


def peaks_from_points(data: npt.ArrayLike, features: pd.DataFrame | Mapping[str, Any]) -> Peaks:
    """Return the peaks of a Points layer, with the columns that its features table has.

    Parameters
    ----------
    data : array_like, shape (n, 2)
        (axis 0, axis 1) in flood-map pixels.
    features : DataFrame or mapping
        Columns ``crystal``, ``status`` and ``confidence`` are used where they exist.
    """
    positions = np.asarray(data, np.float64).reshape(-1, 2)
    table = pd.DataFrame(features)
    columns: dict[str, Any] = {}
    for column, dtype in (("crystal", np.intp), ("status", "<U8"), ("confidence", np.float64)):
        if column in table and len(table) == len(positions):
            columns[column] = table[column].to_numpy().astype(dtype)
    return Peaks(positions, **columns)


def peaks_from_layer(layer: Points) -> Peaks:
    """Return the peaks of a Points layer, whatever opened it."""
    return peaks_from_points(layer.data, layer.features)


def adopt_points(layer: Points, block: str, geometry: BlockGeometry) -> None:
    """Give a Points layer that something else made the features, colours and metadata of a peaks layer."""
    peaks = peaks_from_points(layer.data, layer.features)
    if np.asarray(layer.data).dtype.kind != "f":
        layer.data = peaks.positions.copy()  # whole-number coordinates would truncate every drag
    reasons = layer.features["reason"].astype(str).tolist() if "reason" in layer.features else ()
    layer.features = peak_features(peaks, geometry, reasons)
    set_feature_defaults(layer)
    layer.border_color_cycle = STATUS_COLORS
    layer.border_color = "status"
    layer.face_color = "transparent"
    info(layer).update(_info(LayerKind.PEAKS, block, geometry)[INFO_KEY])


# -- lattice lines ----------------------------------------------------------------------------------------


def lattice_segments(grid: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    """Return the lines between neighbours of a lattice.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        (axis 0, axis 1) of each crystal; NaN where it has no peak, which leaves out its lines.

    Returns
    -------
    vectors : ndarray of float64, shape (m, 2, 2)
        Start and projection of each line, as napari's Vectors layer takes them.
    along : array of str, shape (m,)
        ``"row"`` for a line between neighbours in one row, ``"col"`` between neighbours in one column.
    """
    across = np.stack([grid[:, :-1], grid[:, 1:] - grid[:, :-1]], axis=2).reshape(-1, 2, 2)
    down = np.stack([grid[:-1], grid[1:] - grid[:-1]], axis=2).reshape(-1, 2, 2)
    vectors = np.concatenate([across, down])
    along = np.repeat(["row", "col"], [len(across), len(down)])
    whole = np.isfinite(vectors).all(axis=(1, 2))
    return vectors[whole], along[whole]


def line_colors(along: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """Return RGBA colours of lattice lines, shape (m, 4)."""
    from napari.utils.colormaps.standardize_color import transform_color

    row, col = transform_color([LINE_COLORS["row"], LINE_COLORS["col"]])
    return np.where((along == "row")[:, None], row, col)


def lattice_layer(
    grid: npt.NDArray[np.float64], source: str, *, block: str, geometry: BlockGeometry
) -> Vectors:
    """Return the Vectors layer that joins neighbours; see `lattice_segments`."""
    vectors, along = lattice_segments(grid)
    return Vectors(
        vectors,
        ndim=2,
        name=layer_name(source, LayerKind.LATTICE),
        vector_style="line",
        edge_width=0.8,
        edge_color=line_colors(along) if len(vectors) else "white",
        opacity=0.75,
        metadata=_info(LayerKind.LATTICE, block, geometry),
    )


def grid_from_peaks(peaks: Peaks, geometry: BlockGeometry) -> npt.NDArray[np.float64]:
    """Return positions by (row, col), shape (rows, cols, 2); NaN where no peak has the crystal's id."""
    grid = np.full((len(geometry), 2), np.nan)
    numbered = (peaks.crystal >= 0) & (peaks.crystal < len(geometry))
    # The first peak of a crystal counts; reversing lets it be written last.
    grid[peaks.crystal[numbered][::-1]] = peaks.positions[numbered][::-1]
    return grid.reshape(*geometry.shape, 2)


# -- cells ------------------------------------------------------------------------------------------------


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
        metadata=_info(kind, block, lut.geometry, computed=labels.copy(), method=method),
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
    block = geometry or geometry_of(metadata)
    if block is None:
        raise ParameterError(
            "this Labels layer does not say its crystal array; set rows and columns in the Block panel"
        )
    return CrystalLUT.from_labels(np.asarray(labels), block)


def painted(layer: Layer) -> npt.NDArray[np.bool_]:
    """Return which pixels of a cells layer were changed by hand since they were computed."""
    computed = info(layer).get("computed")
    labels = np.asarray(layer.data)
    if computed is None or computed.shape != labels.shape:
        return np.zeros(labels.shape, bool)
    return labels != computed


def difference_layer(different: npt.NDArray[np.bool_], first: str, second: str) -> Labels:
    """Return the Labels layer of the pixels that two LUTs give to different crystals: 1 where they differ."""
    from napari.utils.colormaps import direct_colormap

    return Labels(
        different.astype(np.uint8),
        name=f"{first} vs {second} - difference",
        opacity=0.8,
        colormap=direct_colormap({0: "transparent", 1: "#ff3b30", None: "#ff3b30"}),
        metadata=_info(LayerKind.DIFFERENCE, ""),
    )


# -- centres after clustering -----------------------------------------------------------------------------


def centres_layer(centres: npt.NDArray[np.float64], source: str, *, block: str) -> Points:
    """Return the Points layer of cluster centres, by crystal id, shape (n, 2)."""
    shown = np.isfinite(centres).all(axis=1)
    return Points(
        centres[shown],
        ndim=2,
        name=layer_name(source, LayerKind.CENTRES),
        size=5.0,
        symbol="cross",
        face_color="white",
        border_width=0.0,
        features=pd.DataFrame({"crystal": np.flatnonzero(shown)}),
        metadata=_info(LayerKind.CENTRES, block),
    )


def drift_layer(
    peaks: npt.NDArray[np.float64], centres: npt.NDArray[np.float64], source: str, *, block: str
) -> Vectors:
    """Return the Vectors layer from each peak to its cluster centre, both by crystal id, shape (n, 2)."""
    vectors = np.stack([peaks, centres - peaks], axis=1)
    whole = np.isfinite(vectors).all(axis=(1, 2))
    return Vectors(
        vectors[whole],
        ndim=2,
        name=layer_name(source, LayerKind.DRIFT),
        vector_style="arrow",
        edge_width=1.0,
        edge_color="white",
        features=pd.DataFrame({"crystal": np.flatnonzero(whole)}),
        metadata=_info(LayerKind.DRIFT, block),
    )


def lattice_peaks(lattice: Lattice) -> tuple[Peaks, list[str]]:
    """Return a lattice's peaks and the reasons that go with them, extra peaks last."""
    return lattice.to_peaks(), [*lattice.reasons, *["belongs to no crystal"] * len(lattice.extra)]


# -- blocks that are opened again --------------------------------------------------------------------------


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
                info(layer)["block"] = f"{name} [{number}]"
    return list(layers)


# -- putting layers into a viewer -------------------------------------------------------------------------


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
        layer.edge_color = new.edge_color
    if isinstance(layer, Image):
        layer.contrast_limits = new.contrast_limits
    info(layer).update(info(new))

"""Peaks as a Points layer: features, colours, and peaks that something else has drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Points
from napari.layers.base import ActionType

from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.maps.neighbours import nearest_distances
from napari_petlut.model import Lattice, Peaks, PeakStatus
from napari_petlut.plugin.layers._info import LayerKind, info, layer_name, made_info

PEAK_SIZE = 7.0
"""Largest diameter of a peak's ring, in flood-map pixels."""
_RING_SHARE, _SMALLEST_RING = 0.35, 1.5
_FOUND_SIZE, _FOUND_COLOR = 6.0, "#7df9ff"

STATUS_COLORS: dict[str, str] = {
    PeakStatus.FOUND: "#2ee56b",
    PeakStatus.INFERRED: "#35c7ff",
    PeakStatus.MANUAL: "#ff5cf4",
    PeakStatus.SUSPECT: "#ff9d1e",
    PeakStatus.MISSING: "#ff3b30",
}
"""Colour of a peak by its status."""


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
        metadata=made_info(LayerKind.PEAKS, block, geometry),
        **(PEAK_STYLE | {"size": size}),
    )
    layer.current_size = size  # of the points that will be added
    set_feature_defaults(layer)
    return layer


def found_layer(peaks: Peaks, source: str, kind: LayerKind, *, block: str) -> Points:
    """Return a Points layer of maxima that are only looked at; no block takes them for its peaks."""
    return Points(
        peaks.positions.copy(),
        ndim=2,
        name=layer_name(source, kind),
        symbol="+",
        size=_FOUND_SIZE,
        face_color=_FOUND_COLOR,
        border_color=_FOUND_COLOR,  # on a small canvas the border is most of what is seen
        border_width=0.0,
        canvas_size_limits=(2, 14),
        metadata=made_info(kind, block),
    )


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


def move_points(layer: Points, positions: npt.NDArray[np.float64]) -> None:
    """Put the points of a layer elsewhere, in place as napari's own drag does.

    Setting ``layer.data`` would set up all else about the points anew as well, which takes several times as
    long.

    Parameters
    ----------
    layer : Points
    positions : ndarray of float64, shape (n, 2)
        As many as the layer has points.
    """
    moved = np.flatnonzero((layer.data != positions).any(axis=1))
    about: dict[str, Any] = {"data_indices": tuple(moved.tolist()), "vertex_indices": ((),)}
    layer.events.data(value=layer.data, action=ActionType.CHANGING, **about)
    layer.data[...] = positions
    layer.refresh(thumbnail=False)
    layer.events.data(value=layer.data, action=ActionType.CHANGED, **about)


def ring_size(positions: npt.NDArray[np.float64]) -> float:
    """Return a diameter that leaves the rings of most neighbours apart, at most `PEAK_SIZE`."""
    if len(positions) < 2:
        return PEAK_SIZE
    typical = np.median(nearest_distances(positions))
    return float(np.clip(_RING_SHARE * typical, _SMALLEST_RING, PEAK_SIZE))


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


def color_by_status(layer: Points) -> None:
    """Let the rings tell the status again, where somebody has given them colours by hand.

    Colours that a person has chosen for a status stay.
    """
    if layer.border_color_mode != "cycle":
        layer.border_color = "status"


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
    known = info(layer)
    known.kind, known.block, known.geometry = LayerKind.PEAKS, block, geometry


def lattice_peaks(lattice: Lattice) -> tuple[Peaks, list[str]]:
    """Return a lattice's peaks and the reasons that go with them, extra peaks last."""
    return lattice.to_peaks(), [*lattice.reasons, *["belongs to no crystal"] * len(lattice.extra)]

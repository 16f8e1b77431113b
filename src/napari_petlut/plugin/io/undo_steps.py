"""Undo steps as a session keeps them: states of peaks and cells as arrays and plain values."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from napari_petlut.errors import ParameterError
from napari_petlut.formats.plain import from_plain, plain
from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.cells_state import CellsState
from napari_petlut.plugin.editing.following import PeakState
from napari_petlut.plugin.editing.history import History

KEPT_STEPS = 100
"""The most recent steps to undo, and as many to redo; a session of more would grow by tens of megabytes."""
_WHOLE = ("crystal", "row", "col")
_WORDS = ("status", "reason")


def stored_history(history: History[PeakState]) -> dict[str, Any]:
    """Return the last steps of a history as a session holds them."""
    past, future = history.states
    return {
        "past": [_stored_state(state) for state in past[-KEPT_STEPS:]],
        "future": [_stored_state(state) for state in future[-KEPT_STEPS:]],
    }


def history_of(stored: Mapping[str, Any]) -> History[PeakState]:
    """Return the history that `stored_history` gave.

    Raises
    ------
    ParameterError
        If it is damaged.
    """
    try:
        past, future = ([_state(state) for state in stored[part]] for part in ("past", "future"))
    except (LookupError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise ParameterError(f"its undo steps are damaged ({' '.join(str(error).split())[:100]})") from error
    return History.of(past, future)


def _stored_state(state: PeakState) -> dict[str, Any]:
    features = state.features
    stored: dict[str, Any] = {
        "positions": state.positions,
        "geometry": plain(state.geometry),
        "confidence": features["confidence"].to_numpy(np.float64),
    }
    stored |= {name: features[name].to_numpy(np.int64) for name in _WHOLE}
    for name in _WORDS:  # few different ones, some of them long
        words, index = np.unique(features[name].to_numpy().astype(str), return_inverse=True)
        stored[name] = {"words": words, "index": index.astype(np.uint16)}
    if state.cells is not None:
        stored["cells"] = _stored_cells(state.cells)
    return stored


def _state(stored: Mapping[str, Any]) -> PeakState:
    positions = np.array(stored["positions"], np.float64).reshape(-1, 2)
    columns: dict[str, Any] = {name: np.asarray(stored[name], np.int64) for name in _WHOLE}
    for name in _WORDS:
        words, index = stored[name]["words"], stored[name]["index"]
        columns[name] = np.asarray(words, object)[index] if len(index) else np.empty(0, object)
    columns["confidence"] = np.asarray(stored["confidence"], np.float64)
    features = pd.DataFrame(columns)[["crystal", "row", "col", "status", "confidence", "reason"]]
    if len(features) != len(positions):
        raise ParameterError("a table of another length than its peaks")
    cells = _cells(stored["cells"]) if "cells" in stored else None
    return PeakState(positions, features, from_plain(BlockGeometry, stored["geometry"], "geometry"), cells)


def _stored_cells(cells: CellsState) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "shape": list(cells.shape),
        "computed": np.frombuffer(cells.computed, np.uint8),
        "stale": cells.stale,
        "method": cells.method,
        "max_distance": cells.max_distance,
        "geometry": plain(cells.geometry),
    }
    if cells.shown != cells.computed:
        stored["shown"] = np.frombuffer(cells.shown, np.uint8)
    return stored


def _cells(stored: Mapping[str, Any]) -> CellsState:
    shape = int(stored["shape"][0]), int(stored["shape"][1])
    computed = _checked(stored["computed"], shape)
    geometry = stored["geometry"]
    return CellsState(
        shape=shape,
        computed=computed,
        shown=_checked(stored["shown"], shape) if "shown" in stored else computed,
        stale=bool(stored["stale"]),
        method=stored["method"],
        max_distance=stored["max_distance"],
        geometry=None if geometry is None else from_plain(BlockGeometry, geometry, "geometry"),
    )


def _checked(packed: Any, shape: tuple[int, int]) -> bytes:  # noqa: ANN401 - whatever a session holds
    content = np.asarray(packed, np.uint8).tobytes()
    size = shape[0] * shape[1] * np.dtype(ly.LABEL_DTYPE).itemsize
    if len(zlib.decompressobj().decompress(content, size + 1)) != size:
        raise ParameterError("cells of another size")
    return content

"""Undo steps as an array, as session files hold it: compressed JSON, in which numbers keep every bit."""

from __future__ import annotations

import json
import weakref
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_petlut.errors import ParameterError
from napari_petlut.formats.plain import from_plain, plain
from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin.editing.cells_state import CellsState
from napari_petlut.plugin.editing.history import History
from napari_petlut.plugin.editing.peak_state import PeakState

if TYPE_CHECKING:
    from napari_petlut.plugin.editing.following import PeakEditor

Packed = npt.NDArray[np.uint8]
MOST_STEPS = 200
"""Steps on either side of the present state that are kept in a file."""
_MOST_BYTES = 2**28
_COLUMNS: Mapping[str, Any] = {
    "crystal": np.int64,
    "row": np.int64,
    "col": np.int64,
    "status": object,
    "confidence": np.float64,
    "reason": object,
}


class LiveHistory:
    """Gives the undo steps of an editor as they are when a session is saved; holds the editor weakly."""

    def __init__(self, editor: PeakEditor) -> None:
        self._editor = weakref.ref(editor)

    def __call__(self) -> Packed | None:
        """Return the packed steps, None if there are none."""
        editor = self._editor()
        return packed_history(editor.history) if editor is not None else None


def packed_history(history: History[PeakState]) -> Packed | None:
    """Return the latest steps of a history as an array of bytes, None if there are none."""
    past, future = history.past[-MOST_STEPS:], history.future[-MOST_STEPS:]
    if not past and not future:
        return None
    told = {"past": [_told(state) for state in past], "future": [_told(state) for state in future]}
    return np.frombuffer(zlib.compress(json.dumps(told, separators=(",", ":")).encode()), np.uint8)


def restored_history(packed: Packed) -> History[PeakState]:
    """Return the history that `packed_history` gave.

    Raises
    ------
    ParameterError
        If the array holds something else.
    """
    try:
        told = json.loads(_unpacked(packed.tobytes(), _MOST_BYTES))
        past, future = ([_state(state) for state in told[side]] for side in ("past", "future"))
    except (ValueError, TypeError, LookupError, zlib.error) as error:
        raise ParameterError(
            f"its undo steps cannot be read: {' '.join(str(error).split())[:200]}"
        ) from error
    return History.of(past, future)


def _told(state: PeakState) -> dict[str, Any]:
    features = state.features
    return {
        "positions": state.positions.tolist(),
        "features": {name: features[name].tolist() for name in _COLUMNS},
        "geometry": plain(state.geometry),
        "cells": _told_cells(state.cells) if state.cells is not None else None,
    }


def _told_cells(cells: CellsState) -> dict[str, Any]:
    shown = None if cells.shown is cells.computed else b64encode(cells.shown).decode()
    return {
        "shape": list(cells.shape),
        "computed": b64encode(cells.computed).decode(),
        "shown": shown,
        "stale": cells.stale,
        "method": cells.method,
        "max_distance": cells.max_distance,
        "geometry": plain(cells.geometry),
    }


def _state(told: Mapping[str, Any]) -> PeakState:
    positions = np.array(told["positions"], np.float64).reshape(-1, 2)
    columns = {name: np.array(told["features"][name], dtype) for name, dtype in _COLUMNS.items()}
    if any(column.shape != (len(positions),) for column in columns.values()):
        raise ValueError("a table has not as many rows as there are peaks")
    cells = told["cells"]
    return PeakState(
        positions,
        pd.DataFrame(columns),
        from_plain(BlockGeometry, told["geometry"], "geometry"),
        _cells(cells) if cells is not None else None,
    )


def _cells(told: Mapping[str, Any]) -> CellsState:
    rows, cols = (int(n) for n in told["shape"])
    computed = _labels(told["computed"], rows * cols)
    geometry, bound = told["geometry"], told["max_distance"]
    return CellsState(
        shape=(rows, cols),
        computed=computed,
        shown=computed if told["shown"] is None else _labels(told["shown"], rows * cols),
        stale=bool(told["stale"]),
        method=None if told["method"] is None else str(told["method"]),
        max_distance=None if bound is None else float(bound),
        geometry=None if geometry is None else from_plain(BlockGeometry, geometry, "geometry"),
    )


def _labels(told: str, pixels: int) -> bytes:
    """Return packed labels, after a look at whether they are as many as they should be."""
    packed = b64decode(told, validate=True)
    wanted = 2 * pixels
    if not 0 < wanted <= _MOST_BYTES or len(_unpacked(packed, wanted + 1)) != wanted:
        raise ValueError("cells have another number of pixels")
    return packed


def _unpacked(packed: bytes, most: int) -> bytes:
    """Return compressed bytes as they were, no more than `most` of them."""
    worker = zlib.decompressobj()
    data = worker.decompress(packed, most)
    if worker.unconsumed_tail:
        raise ValueError("more bytes than there can be")
    return data

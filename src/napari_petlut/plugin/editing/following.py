"""Follows a Points layer while a person edits it: renumbers, marks what was touched, and can undo it all.

napari's own tools do the editing. What has to be known about them (napari 0.9):

- adding, deleting and dragging fire ``events.data``, a drag only once at its end, with the data already
  changed in place; pasting fires no data event at all, only ``events.set_data``;
- a new point copies the features of the point that was selected last;
- the layer has no undo.

So the editor compares the layer with the state it saw last whenever something may have changed, and takes
that state for the step to undo to.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Points
from napari.layers.base import ActionType
from napari.utils.events import Event
from psygnal import Signal

from napari_petlut.errors import ParameterError, PetlutWarning
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.maps.binning import to_pixels
from napari_petlut.model import FloatArray, IntArray, Peaks, PeakStatus
from napari_petlut.plugin.editing.history import History
from napari_petlut.plugin.editing.numbering import Numbering, number_points, numbering_of
from napari_petlut.plugin.editing.peak_state import PeakState
from napari_petlut.plugin.editing.snapping import free_of_others, snap_to_maximum
from napari_petlut.plugin.editing.stored_history import LiveHistory, restored_history
from napari_petlut.plugin.layers import (
    color_by_status,
    info,
    move_points,
    peak_features,
    set_feature_defaults,
)

_BEGINNING = (ActionType.ADDING, ActionType.REMOVING, ActionType.CHANGING)
Columns = dict[str, npt.NDArray[Any]]
EXTRA_REASON = "belongs to no crystal"


def unmatched_rows(before: FloatArray, after: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which rows of `after` are not, at exactly the same place, in `before`, shape (len(after),).

    A place that occurs twice in `after` and once in `before` counts as new the second time.
    """
    known = Counter(map(tuple, before.tolist()))
    new = np.zeros(len(after), bool)
    for row, place in enumerate(map(tuple, after.tolist())):
        if known[place] > 0:
            known[place] -= 1
        else:
            new[row] = True
    return new


class PeakEditor:
    """Keeps the features of one Points layer right, and remembers its states.

    Parameters
    ----------
    layer : Points
        A peaks layer; see `napari_petlut.plugin.layers.adopt_points`.
    geometry : BlockGeometry
    counts : callable
        Returns the flood map as an array, or None if there is none any more; for snapping.

    Attributes
    ----------
    edited : Signal
        After every change, whoever made it.
    restoring : bool
        Whether the change is an undo or a redo.
    snap : bool
        Whether new and moved points jump to the local maximum.
    """

    edited = Signal()

    def __init__(
        self,
        layer: Points,
        geometry: BlockGeometry,
        counts: Callable[[], npt.NDArray[np.float64] | None],
    ) -> None:
        self.layer = layer
        self.snap = False
        self.history = _stored_history(layer)
        info(layer).history = LiveHistory(self)
        self._geometry = geometry
        self._counts = counts
        self.restoring = False
        self._pending = False
        self._busy = False
        self._last = self._read()
        self._numbering = self._as_numbered()
        layer.events.data.connect(self._on_data)
        layer.events.set_data.connect(self._on_set_data)
        if (self._last.features["crystal"] == NO_CRYSTAL).all():
            self._number_anew(self._last)

    def close(self) -> None:
        """Let go of the layer."""
        info(self.layer).history = None
        self.layer.events.data.disconnect(self._on_data)
        self.layer.events.set_data.disconnect(self._on_set_data)

    # -- what is known ------------------------------------------------------------------------------------

    @property
    def geometry(self) -> BlockGeometry:
        """The crystal array; setting it numbers the points afresh."""
        return self._geometry

    @geometry.setter
    def geometry(self, geometry: BlockGeometry) -> None:
        if geometry == self._geometry:
            return
        self._geometry = geometry
        self._number_anew(self._last)

    @property
    def numbering(self) -> Numbering:
        """Which point is which crystal, and where the crystals without a point should be."""
        return self._numbering

    @property
    def features(self) -> pd.DataFrame:
        """The features table of the layer as of the last edit."""
        return self._last.features

    @property
    def positions(self) -> FloatArray:
        """The positions as of the last edit, shape (n, 2)."""
        return self._last.positions

    @property
    def state(self) -> PeakState:
        """The present state."""
        return self._last

    # -- edits from outside -------------------------------------------------------------------------------

    def undo(self) -> bool:
        """Take back the last edit; return False if there was none."""
        return self._restore(self.history.undo(self._last))

    def redo(self) -> bool:
        """Do again what was taken back; return False if there was nothing."""
        return self._restore(self.history.redo(self._last))

    def replace(self, peaks: Peaks, reasons: list[str], geometry: BlockGeometry | None = None) -> None:
        """Put other peaks into the layer, as a rerun of a step does; one step of the history.

        They keep their numbers; only if none has a number are they numbered here.
        """
        self.history.push(self._last)
        self._geometry = geometry or self._geometry
        state = PeakState(
            peaks.positions.copy(), peak_features(peaks, self._geometry, reasons), self._geometry
        )
        if (peaks.crystal == NO_CRYSTAL).all():
            self._number_anew(state)
        else:
            self._write(state)

    def rescale(self, factors: tuple[float, float]) -> None:
        """Follow a flood map that was made anew with other pixels; there is no way back before that.

        Parameters
        ----------
        factors : tuple of float
            New pixels per old pixel along axis 0 and axis 1.
        """
        positions = to_pixels(self._last.positions, factors)
        self.history = History()
        self._write(PeakState(positions, self._last.features, self._geometry))

    def set_features(self, rows: int | Sequence[int], *, new_step: bool = True, **values: object) -> None:
        """Change features of one or more peaks; one step of the history, or a part of the last one."""
        if new_step:
            self.history.push(self._last)
        features = self._last.features.copy()
        for column, value in values.items():
            features.loc[rows, column] = value
        self._write(PeakState(self._last.positions, features, self._geometry))

    def begin_step(self) -> None:
        """Let what happens next, to something else than the peaks, be a step of the history."""
        self.history.push(self._last)
        self._last = replace(self._last, cells=None)

    def renumber(self) -> None:
        """Give all points new numbers, from the points alone; one step of the history."""
        self.history.push(self._last)
        self._number_anew(self._last)

    # -- edits by the person ------------------------------------------------------------------------------

    def _on_data(self, event: Event) -> None:
        if self._busy:
            return
        self._pending = event.action in _BEGINNING
        if not self._pending:
            self._commit()

    def _on_set_data(self, event: object = None) -> None:
        # Fires for every redraw too; only a paste changes the number of points without a data event.
        if not self._busy and not self._pending and len(self.layer.data) != len(self._last.positions):
            self._commit()

    def _commit(self) -> None:
        """Make the layer's new positions the present state, and the one before a step to undo to."""
        positions = np.array(self.layer.data, np.float64)
        before = self._last
        if positions.shape == before.positions.shape and (positions == before.positions).all():
            return
        chosen = self.layer.selected_data
        if chosen and max(chosen) >= len(positions):
            # napari keeps the selection of points that a script took away; the next delete trips over it.
            self.layer.selected_data = {k for k in chosen if k < len(positions)}
        touched = unmatched_rows(before.positions, positions)
        if self.snap and touched.any():
            positions = self._snapped(positions, touched)
        columns = _carried_over(before, positions, touched)
        self.history.push(before)
        self._renumber(positions, columns, columns["crystal"].astype(np.intp))

    def landing(self, position: tuple[float, float]) -> tuple[float, float]:
        """Return where a point that is put at a position would come to lie, snapping included."""
        if not self.snap:
            return position
        positions = np.vstack([self._last.positions, position])
        touched = np.arange(len(positions)) == len(positions) - 1
        row, col = self._snapped(positions, touched)[-1]
        return float(row), float(col)

    def _snapped(self, positions: FloatArray, touched: npt.NDArray[np.bool_]) -> FloatArray:
        counts = self._counts()
        if counts is None:
            return positions
        wanted = snap_to_maximum(counts, positions[touched])
        free = free_of_others(wanted, positions[~touched])
        snapped = positions.copy()
        snapped[touched] = np.where(free[:, None], wanted, positions[touched])
        return snapped

    # -- state <-> layer ----------------------------------------------------------------------------------

    def _read(self) -> PeakState:
        features = self.layer.features.reset_index(drop=True).copy()
        return PeakState(np.array(self.layer.data, np.float64).reshape(-1, 2), features, self._geometry)

    def _as_numbered(self) -> Numbering:
        crystal = self._last.features["crystal"].to_numpy().astype(np.intp)
        return numbering_of(crystal, self._last.positions, self._geometry)

    def _number_anew(self, state: PeakState) -> None:
        """Give all points new numbers, whatever they had."""
        none = np.full(len(state.positions), NO_CRYSTAL, np.intp)
        self._renumber(state.positions, _columns(state.features), none)

    def _renumber(self, positions: FloatArray, columns: Columns, previous: IntArray) -> None:
        self._numbering = number_points(positions, self._geometry, previous)
        crystal = self._numbering.crystal
        row, col = self._geometry.row_col(crystal)
        numbers = {"crystal": crystal, "row": row, "col": col}
        columns |= {name: values.astype(np.int64) for name, values in numbers.items()}
        columns |= _told_apart(columns["status"], columns["reason"], crystal)
        self._write(PeakState(positions, pd.DataFrame(columns), self._geometry), numbered=True)

    def _restore(self, state: PeakState | None) -> bool:
        if state is None:
            return False
        self.restoring = True
        try:
            if state.geometry != self._geometry:
                self._number_anew(state)
            else:
                self._write(state)
        finally:
            self.restoring = False
        return True

    def _write(self, state: PeakState, *, numbered: bool = False) -> None:
        """Bring the layer into this state and tell everybody."""
        self._last = state
        if not numbered:
            self._numbering = self._as_numbered()
        info(self.layer).geometry = self._geometry
        self._busy = True
        try:
            self._write_layer(state)
        finally:
            self._busy = False
        self.edited.emit()

    def _write_layer(self, state: PeakState) -> None:
        layer = self.layer
        if len(layer.data) != len(state.positions):
            layer.selected_data = set()
            if len(layer.data) == 0:
                set_feature_defaults(layer)
            layer.data = state.positions.copy()
        elif not (layer.data == state.positions).all():
            move_points(layer, state.positions)
        if not layer.features.equals(state.features):
            layer.features = state.features.copy()
            color_by_status(layer)
        if len(layer.data) == 0:
            set_feature_defaults(layer)  # for the first point that will be added


def _stored_history(layer: Points) -> History[PeakState]:
    """Return the undo steps that came with a layer from a session, or none."""
    stored = info(layer).history
    if not isinstance(stored, np.ndarray):
        return History()
    try:
        return restored_history(stored)
    except ParameterError as error:
        warnings.warn(f"layer {layer.name!r} of the session: {error}", PetlutWarning, stacklevel=2)
        return History()


def _columns(features: pd.DataFrame) -> Columns:
    """Return copies of a table's columns: many changes to them cost less than to the table."""
    return {name: features[name].to_numpy(copy=True) for name in features.columns}


def _carried_over(before: PeakState, after: FloatArray, touched: npt.NDArray[np.bool_]) -> Columns:
    """Return the features for `after`: untouched points keep theirs, touched ones become manual.

    A moved point keeps its number; a new one has none yet. napari's own table is of no use here, because a
    new point copies the features of another.
    """
    columns = _columns(before.features)
    if len(after) != len(before.positions):
        rows = _rows_before(before.positions, after, touched)
        # Touched points are filled below; any row serves them until then, and an empty table has none.
        columns = {
            name: values[rows] if len(values) else np.zeros(len(after), values.dtype)
            for name, values in columns.items()
        }
        columns["crystal"][touched] = NO_CRYSTAL
    columns["status"] = columns["status"].astype(object)
    columns["status"][touched] = PeakStatus.MANUAL.value
    columns["confidence"][touched] = 1.0
    columns["reason"] = columns["reason"].astype(object)
    columns["reason"][touched] = ""
    return columns


def _rows_before(before: FloatArray, after: FloatArray, touched: npt.NDArray[np.bool_]) -> IntArray:
    """Return for each row of `after` the row of `before` at the same place, -1 for touched ones."""
    places: dict[tuple[float, ...], list[int]] = {}
    for row in range(len(before) - 1, -1, -1):
        places.setdefault(tuple(before[row].tolist()), []).append(row)
    rows = [
        NO_CRYSTAL if new else places[tuple(place)].pop()
        for new, place in zip(touched, after.tolist(), strict=True)
    ]
    return np.array(rows, np.intp)


def _told_apart(status: npt.NDArray[Any], reasons: npt.NDArray[Any], crystal: IntArray) -> Columns:
    """Mark the points that belong to no crystal as suspect, and take the mark off those that now do."""
    homeless, was_homeless = crystal == NO_CRYSTAL, reasons == EXTRA_REASON
    status = status.astype(object)
    status[~homeless & was_homeless & (status == PeakStatus.SUSPECT)] = PeakStatus.FOUND.value
    status[homeless & (status == PeakStatus.FOUND)] = PeakStatus.SUSPECT.value
    known = np.where(was_homeless, "", reasons.astype(object))
    return {"status": status, "reason": np.where(homeless, EXTRA_REASON, known).astype(object)}

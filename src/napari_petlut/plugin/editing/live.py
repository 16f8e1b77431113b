"""The layers that follow every edit of the peaks: lattice lines and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, IntArray
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.cells_state import CellsState
from napari_petlut.plugin.editing.following import PeakEditor
from napari_petlut.plugin.editing.peak_state import PeakState

if TYPE_CHECKING:
    from napari.components import ViewerModel

NEAREST = "nearest"
LabelValues = npt.NDArray[Any]


def draw_lines(viewer: ViewerModel, block: str, places: FloatArray, geometry: BlockGeometry) -> None:
    """Update the lattice lines, if the block has a layer of them.

    Parameters
    ----------
    viewer : ViewerModel
    block : str
    places : ndarray of float64, shape (rows * cols, 2)
        By crystal id; NaN where there is no peak.
    geometry : BlockGeometry
    """
    layer = ly.find_layer(viewer, ly.LayerKind.LATTICE, block)
    if layer is None:
        return
    vectors, along = ly.lattice_segments(places, geometry)
    if len(vectors) == len(layer.data) and ly.geometry_of(layer) == geometry:
        if not np.array_equal(layer.data, vectors):
            layer.data[...] = vectors  # faster than a new array
            layer.refresh(thumbnail=False, highlight=False, extent=False)
        return
    layer.data = vectors
    if len(vectors):
        ly.color_lines(layer, ly.line_colors(along))
    ly.info(layer).geometry = geometry


class NearestCells:
    """The nearest-peak cells of one block, remembered so that an edit costs only what it changes."""

    def __init__(self) -> None:
        self._key: object = None
        self._places: FloatArray = np.empty((0, 2))
        self._cells = np.empty((0, 0), np.int32)

    def values(self, shape: tuple[int, ...], places: FloatArray, limit: float | None) -> LabelValues | None:
        """Return label values, id + 1, for places by crystal id, None if there is no peak."""
        from napari_petlut.analysis.segmentation import nearest_peak_cells, update_nearest_cells

        size = (shape[0], shape[1])
        if not np.isfinite(places).all(axis=1).any():
            return None
        key = (size, limit, len(places))
        if key == self._key:
            update_nearest_cells(self._cells, self._places, places, limit)
        else:
            self._cells = nearest_peak_cells(size, places, limit)
        self._key, self._places = key, places.copy()
        return (self._cells + 1).astype(ly.LABEL_DTYPE)


def redraw_cells(
    layer: Labels,
    nearest: NearestCells,
    before: FloatArray,
    after: FloatArray,
    geometry: BlockGeometry,
    missing: IntArray,
    *,
    in_part: bool = False,
) -> None:
    """Bring the cells in step with edited peaks.

    Cells made by the nearest-peak method are made anew. Of any other method, only the pixels that change
    their nearest peak through the edit do so, until the segmentation is run again: ``info(layer).stale``
    says that this happened. Painted pixels stay as they were painted.

    Parameters
    ----------
    layer : Labels
        The cells.
    nearest : NearestCells
        Of this block.
    before, after : ndarray of float64, shape (rows * cols, 2)
        Places by crystal id before and after the edit; NaN where there is no peak.
    geometry : BlockGeometry
        After the edit.
    missing : ndarray of intp
        Ids of crystals without events: their cells belong to nobody.
    in_part : bool
        Whether it is enough to draw the part that changes; see `show_labels`.
    """
    known = ly.info(layer)
    computed = np.asarray(layer.data) if known.computed is None else known.computed
    by_hand = ly.painted(layer)
    shape, bound = computed.shape, known.max_distance
    mended = known.method not in (None, NEAREST)
    old = nearest.values(shape, before, bound) if mended else None
    new = nearest.values(shape, after, bound)
    if new is None:
        return
    if ly.geometry_of(layer) != geometry:
        layer.features = ly.cell_features(geometry)
        known.stale = mended
    elif mended:
        if old is not None:
            new = np.where((old != new) & (computed > 0), new, computed)
        known.stale = True
    if missing.size:
        new[np.isin(new, missing + 1)] = 0
    known.computed = new
    known.geometry = geometry
    shown = new
    if by_hand.any():
        shown = np.where(by_hand, np.asarray(layer.data), new)
    ly.show_labels(layer, shown, in_part=in_part)


class FollowingCells:
    """Brings the cells of one block in step with its peaks; after an undo, back to exactly what they were."""

    def __init__(self) -> None:
        self._nearest = NearestCells()
        self._state: PeakState | None = None

    def start(self, editor: PeakEditor) -> None:
        """Begin with the present state of the peaks."""
        self._state = editor.state

    def begin_step(self, editor: PeakEditor, cells: Labels) -> None:
        """Remember the cells as they are, and let what happens to them next be a step of the history."""
        editor.state.cells = CellsState.of(cells)
        editor.begin_step()
        self._state = editor.state

    def follow(
        self,
        editor: PeakEditor,
        cells: Labels | None,
        before: FloatArray,
        after: FloatArray,
        missing: IntArray,
        *,
        in_part: bool,
    ) -> None:
        """Follow a change of the peaks.

        Parameters
        ----------
        editor : PeakEditor
            After the change.
        cells : Labels, optional
        before, after : ndarray of float64, shape (rows * cols, 2)
            Places by crystal id; NaN where there is no peak.
        missing, in_part
            As of `redraw_cells`.
        """
        left, self._state = self._state, editor.state
        if cells is None:
            return
        if left is not None:
            left.cells = CellsState.of(cells)  # with what was painted meanwhile
        state = editor.state
        if editor.restoring and state.cells is not None and state.cells.fits(cells):
            state.cells.put_back(cells, in_part=in_part)
        elif not np.array_equal(before, after, equal_nan=True):
            redraw_cells(cells, self._nearest, before, after, editor.geometry, missing, in_part=in_part)
        state.cells = CellsState.of(cells)

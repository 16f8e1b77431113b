"""The layers that follow every edit of the peaks: lattice lines and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, IntArray
from napari_petlut.plugin import layers as ly

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
    vectors, along = ly.lattice_segments(places.reshape(*geometry.shape, 2))
    if len(vectors) == len(layer.data) and ly.geometry_of(layer) == geometry:
        if not np.array_equal(layer.data, vectors):
            layer.data[...] = vectors  # faster than a new array
            layer.refresh(thumbnail=False, highlight=False, extent=False)
        return
    layer.data = vectors
    if len(vectors):
        layer.edge_color = ly.line_colors(along)
    ly.info(layer)["geometry"] = {"rows": geometry.rows, "cols": geometry.cols}


def redraw_cells(
    layer: Labels,
    before: FloatArray,
    after: FloatArray,
    geometry: BlockGeometry,
    missing: IntArray,
    *,
    in_part: bool = False,
) -> None:
    """Bring the cells in step with edited peaks.

    Cells made by the nearest-peak method are made anew. Of any other method, only the pixels that change
    their nearest peak through the edit do so, until the segmentation is run again: ``info(layer)["stale"]``
    says that this happened. Painted pixels stay as they were painted.

    Parameters
    ----------
    layer : Labels
        The cells.
    before, after : ndarray of float64, shape (rows * cols, 2)
        Places by crystal id before and after the edit; NaN where there is no peak.
    geometry : BlockGeometry
        After the edit.
    missing : ndarray of intp
        Ids of crystals without events: their cells belong to nobody.
    in_part : bool
        Whether it is enough to draw the part that changes; see `show_labels`.
    """
    if not np.isfinite(after).all(axis=1).any():
        return
    known = ly.info(layer)
    computed = known.get("computed", np.asarray(layer.data))
    by_hand = ly.painted(layer)
    new = _nearest(computed.shape, after, known)
    if ly.geometry_of(layer) != geometry:
        layer.features = ly.cell_features(geometry)
        known["stale"] = known.get("method", NEAREST) != NEAREST
    elif known.get("method", NEAREST) != NEAREST:
        new = _patched(computed, new, before, known)
        known["stale"] = True
    if missing.size:
        new[np.isin(new, missing + 1)] = 0
    known["computed"] = new
    known["geometry"] = {"rows": geometry.rows, "cols": geometry.cols}
    shown = new
    if by_hand.any():
        shown = np.where(by_hand, np.asarray(layer.data), new)
    ly.show_labels(layer, shown, in_part=in_part)


def _nearest(shape: tuple[int, ...], places: FloatArray, known: dict[str, object]) -> LabelValues:
    """Return label values, id + 1, of the nearest-peak cells."""
    from napari_petlut.analysis.segmentation import nearest_peak_cells

    bound = known.get("max_distance")
    ids = nearest_peak_cells(
        (shape[0], shape[1]), places, float(bound) if isinstance(bound, (int, float)) else None
    )
    return (ids + 1).astype(ly.LABEL_DTYPE)


def _patched(
    computed: LabelValues, new: LabelValues, before: FloatArray, known: dict[str, object]
) -> LabelValues:
    """Return `computed` with the pixels whose nearest peak has changed given to their new one."""
    if not np.isfinite(before).all(axis=1).any():
        return new
    old = _nearest(computed.shape, before, known)
    changed = (old != new) & (computed > 0)
    return np.where(changed, new, computed)

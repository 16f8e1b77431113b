"""Marks on a block: the numbers of rows, columns and crystals, and the place where a missing peak belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Points

from napari_petlut.plugin.layers._info import LayerKind, layer_name, made_info
from napari_petlut.plugin.layers._lattice import LINE_COLORS

MARK_COLORS: dict[str, str] = {
    "row": LINE_COLORS["row"],
    "col": LINE_COLORS["col"],
    "crystal": "#ffffff",
    "place": "#ff3b30",
}
"""Colour of a mark by what it is: a row's number, a column's, a crystal's, or the place of a missing peak."""
_UNSEEN = "#00000000"
_TEXT_SIZE = 8
_COLUMNS = "text", "what", "color"
_TEXT: dict[str, Any] = {
    "string": "{text}",
    "size": _TEXT_SIZE,
    "color": {"feature": "color"},
}
MARK_STYLE: dict[str, Any] = {
    "size": 9.0,
    "symbol": "cross",
    "canvas_size_limits": (10, 24),
    "border_width": 0.0,
    "face_color": _UNSEEN,
    "border_color": _UNSEEN,  # napari draws a border of width 0 too
}


@dataclass(frozen=True, eq=False)
class Marks:
    """What is written on a block.

    Parameters
    ----------
    positions : ndarray of float64, shape (n, 2)
        (axis 0, axis 1) in flood-map pixels.
    texts : sequence of str
    what : sequence of str
        Keys of `MARK_COLORS`.
    """

    positions: npt.NDArray[np.float64]
    texts: Sequence[str]
    what: Sequence[str]

    @property
    def features(self) -> pd.DataFrame:
        """The features table of the layer."""
        colors = [MARK_COLORS[what] for what in self.what]
        return pd.DataFrame(
            {"text": list(self.texts), "what": list(self.what), "color": colors}, dtype=object
        )


def marks_layer(marks: Marks, source: str, *, block: str) -> Points:
    """Return the Points layer of marks."""
    layer = Points(
        marks.positions.copy(),
        ndim=2,
        name=layer_name(source, LayerKind.MARKS),
        features=marks.features,
        metadata=made_info(LayerKind.MARKS, block),
        **MARK_STYLE,
    )
    dress_marks(layer)
    return layer


def dress_marks(layer: Points) -> None:
    """Write the words of a marks layer, and draw what is a point; a session does not keep that."""
    if not len(layer.data) or not set(_COLUMNS) <= set(layer.features):
        return  # napari cannot colour the words of no point
    # Numbers are words only; of all marks the place of a missing peak alone is drawn as a point.
    layer.face_color = [MARK_COLORS[what] if what == "place" else _UNSEEN for what in layer.features["what"]]
    layer.text = _TEXT


def update_marks(layer: Points, marks: Marks) -> None:
    """Show other marks; those that only moved cost little."""
    features, known = marks.features, layer.features
    same = len(layer.data) == len(marks.positions) and all(
        name in known and known[name].astype(object).tolist() == features[name].tolist() for name in features
    )
    if not same:
        layer.selected_data = set()
        layer.data = marks.positions.copy()
        layer.features = features
        dress_marks(layer)
    elif not np.array_equal(layer.data, marks.positions):
        layer.data[...] = marks.positions
        layer.refresh(thumbnail=False)

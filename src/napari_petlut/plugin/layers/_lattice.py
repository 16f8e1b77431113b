"""Lattice lines, and the centres after clustering with their drift."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Points, Vectors

from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin.layers._info import LayerKind, layer_name, made_info

LINE_COLORS: dict[str, str] = {"row": "#ffd23f", "col": "#4fc3f7"}
"""Colour of a lattice line by what it joins: neighbours in one row, or in one column."""


def lattice_segments(
    grid: npt.NDArray[np.float64], geometry: BlockGeometry
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    """Return the lines between neighbours of a lattice; of several layers, those within each.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
        (axis 0, axis 1) of each crystal; NaN where it has no peak, whose lines get length 0. So every lattice
        of one geometry has the same lines in the same order, and napari need not set up its layer anew.
    geometry : BlockGeometry

    Returns
    -------
    vectors : ndarray of float64, shape (m, 2, 2)
        Start and projection of each line, as napari's Vectors layer takes them; none if no line has a length.
    along : array of str, shape (m,)
        ``"row"`` for a line between neighbours in one row, ``"col"`` between neighbours in one column.
    """
    places = grid.reshape(-1, 2)
    across, down = (
        np.stack([places[pairs[:, 0]], places[pairs[:, 1]] - places[pairs[:, 0]]], axis=1)
        for pairs in geometry.lines
    )
    vectors = np.concatenate([across, down])
    along = np.repeat(["row", "col"], [len(across), len(down)])
    whole = np.isfinite(vectors).all(axis=(1, 2))
    if not whole.any():
        return vectors[:0], along[:0]
    vectors[~whole] = vectors[whole][0] * [[1.0], [0.0]]
    return vectors, along


def line_colors(along: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """Return RGBA colours of lattice lines, shape (m, 4)."""
    from napari.utils.colormaps.standardize_color import transform_color

    row, col = transform_color([LINE_COLORS["row"], LINE_COLORS["col"]])
    return np.where((along == "row")[:, None], row, col)


def lattice_layer(
    grid: npt.NDArray[np.float64], source: str, *, block: str, geometry: BlockGeometry
) -> Vectors:
    """Return the Vectors layer that joins neighbours; see `lattice_segments`."""
    vectors, along = lattice_segments(grid, geometry)
    return Vectors(
        vectors,
        ndim=2,
        name=layer_name(source, LayerKind.LATTICE),
        vector_style="line",
        edge_width=0.8,
        edge_color=line_colors(along) if len(vectors) else LINE_COLORS["row"],
        opacity=0.75,
        metadata=made_info(LayerKind.LATTICE, block, geometry),
    )


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
        metadata=made_info(LayerKind.CENTRES, block),
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
        metadata=made_info(LayerKind.DRIFT, block),
    )

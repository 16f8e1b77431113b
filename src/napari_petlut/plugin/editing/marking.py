"""Which numbers are written on a block, and where: as many as can be read at this zoom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.neighbours import nearest_distances
from napari_petlut.model import FloatArray, IntArray
from napari_petlut.plugin.layers import Marks

_EDGE_DISTANCE, _EDGE_SHARE = 14.0, 0.4
"""From an edge crystal to the number of its row or column: screen pixels, or a share of the pitch if more."""
_APART = {"row": 13.0, "col": 18.0}
"""Screen pixels that two numbers need between them."""
_BELOW, _BELOW_SHARE = 15.0, 0.25
"""From a peak to the number of its crystal, alike: beside the brightest of its spot."""
_ROOM_FOR_NUMBERS = 40.0
"""Screen pixels from peak to peak from which on every crystal has its number."""
_VIEWS = 1.5
"""How far around the middle of the view crystals are numbered, in half views."""


@dataclass(frozen=True)
class ViewOnMap:
    """The part of a map that is seen.

    Parameters
    ----------
    centre : tuple of float
        (axis 0, axis 1) in flood-map pixels.
    size : tuple of float
        Height and width in flood-map pixels.
    zoom : float
        Screen pixels per flood-map pixel.
    """

    centre: tuple[float, float]
    size: tuple[float, float]
    zoom: float

    def near(self, positions: FloatArray) -> np.ndarray:
        """Return which positions lie in the view or just outside, shape (n,).

        The region moves in steps of half a view, so that what is written does not change with every step of
        the mouse.
        """
        half = np.asarray(self.size) / 2
        middle = np.round(np.asarray(self.centre) / half) * half
        return np.asarray((np.abs(positions - middle) <= (1 + _VIEWS / 2) * half).all(axis=1))


def pitch_on_screen(places: FloatArray, zoom: float) -> float:
    """Return the typical distance of neighbouring peaks in screen pixels, infinite for fewer than two.

    Parameters
    ----------
    places : ndarray of float64, shape (n, 2)
        NaN where there is no peak.
    zoom : float
        Screen pixels per flood-map pixel.
    """
    known = places[np.isfinite(places).all(axis=1)]
    return float(np.median(nearest_distances(known))) * zoom if len(known) > 1 else np.inf


def marks_of(
    places: FloatArray,
    geometry: BlockGeometry,
    shape: tuple[int, int],
    view: ViewOnMap,
    missing: tuple[float, float] | None = None,
) -> Marks:
    """Return the numbers at the array's edges, those of crystals seen large, and a missing peak's place.

    Parameters
    ----------
    places : ndarray of float64, shape (rows * cols, 2)
        By crystal id; NaN where there is no peak.
    geometry : BlockGeometry
        Of several layers, the first one's rows and columns are numbered.
    shape : tuple of int
        Of the map; numbers stay inside of it.
    view : ViewOnMap
    missing : tuple of float, optional
        Where a missing peak would be put.
    """
    found: list[tuple[FloatArray, str, str]] = []
    row, col = geometry.layer_rows_cols
    known = np.isfinite(places).all(axis=1)
    edges = known & (geometry.layers == 0)
    pitch = pitch_on_screen(places, view.zoom)
    room = pitch if np.isfinite(pitch) else 0.0
    for what, line, along in (("row", row, col), ("col", col, row)):
        found += _edge(places, edges, line, along, what, view.zoom, shape, room)
    if room >= _ROOM_FOR_NUMBERS:
        below = max(_BELOW, _BELOW_SHARE * room) / view.zoom
        for crystal in np.flatnonzero(known)[view.near(places[known])]:
            place = places[crystal] + (below, 0.0)
            found.append((place, f"{row[crystal]}, {col[crystal]}", "crystal"))
    if missing is not None:
        found.append((np.asarray(missing, np.float64), "", "place"))
    positions = np.array([place for place, _, _ in found], np.float64).reshape(-1, 2)
    return Marks(positions, [text for _, text, _ in found], [what for _, _, what in found])


def _edge(
    places: FloatArray,
    usable: np.ndarray,
    line: IntArray,
    along: IntArray,
    what: str,
    zoom: float,
    shape: tuple[int, int],
    pitch: float,
) -> list[tuple[FloatArray, str, str]]:
    """Return the number of each row or column, outside of its first crystal, those without room left out."""
    found: list[tuple[FloatArray, str, str]] = []
    distance = max(_EDGE_DISTANCE, _EDGE_SHARE * pitch) / zoom
    margin = np.minimum(_EDGE_DISTANCE / 2 / zoom, np.asarray(shape) / 4)
    for number in np.unique(line[usable]):
        members = np.flatnonzero(usable & (line == number))
        members = members[np.argsort(along[members])]
        if len(members) < 2:
            continue
        inwards = places[members[min(2, len(members) - 1)]] - places[members[0]]
        outside = places[members[0]] - inwards / max(np.linalg.norm(inwards), 1e-9) * distance
        outside = np.clip(outside, margin, np.asarray(shape) - 1 - margin)
        if all(np.linalg.norm(outside - other) * zoom >= _APART[what] for other, _, _ in found[-2:]):
            found.append((outside, str(number), what))
    return found

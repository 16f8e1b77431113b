"""How the viewer shows the map, and moving the camera to what is to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_petlut.model import FloatArray

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_PITCHES_IN_VIEW = 8.0


def shown_in_own_order(viewer: ViewerModel) -> bool:
    """Return whether the viewer is in 2-D and its axes are neither swapped nor rolled."""
    order = tuple(viewer.dims.order)
    return viewer.dims.ndisplay == 2 and order == tuple(sorted(order))


def fly_to(viewer: ViewerModel, layer: Layer, position: tuple[float, float], places: FloatArray) -> None:
    """Put a position into the middle of the canvas, near enough to see its neighbours; never zoom out.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Layer
        Whose pixels `position` is in.
    position : tuple of float
        (axis 0, axis 1); nothing happens if it is not finite.
    places : ndarray of float64, shape (n, 2)
        All peaks, NaN allowed: their distances say what near enough is.
    """
    if not np.isfinite(position).all():
        return
    world = layer.data_to_world(position)
    camera = viewer.scene.camera
    camera.center = (0.0, *(float(c) for c in world[-2:]))
    known = places[np.isfinite(places).all(axis=1)]
    if len(known) > 1:
        nearest = np.sort(np.linalg.norm(known - position, axis=1))[min(8, len(known) - 1)]
        in_view = max(nearest, 1.0) * _PITCHES_IN_VIEW / 1.5 * float(np.abs(layer.scale[-2:]).max())
        camera.zoom = max(camera.zoom, min(viewer.canvas.size) / in_view)

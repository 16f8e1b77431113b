"""Crystal id, row and column of what is under the mouse, in napari's status bar, whatever layer is active."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel

_MARK = "  |  "

Describe = Callable[[tuple[float, ...]], str]


class HoverStatus:
    """Adds to the status that napari shows for the active layer.

    Parameters
    ----------
    viewer : ViewerModel
    describe : callable
        Takes the mouse's world position, returns the words to add, or an empty string. Held weakly if it is
        a bound method.
    """

    def __init__(self, viewer: ViewerModel, describe: Describe) -> None:
        self._viewer = weakref.ref(viewer)
        self._describe = weakref.WeakMethod(describe) if hasattr(describe, "__self__") else lambda: describe
        viewer.events.status.connect(self._on_status)

    def close(self) -> None:
        """Stop adding."""
        viewer = self._viewer()
        if viewer is not None:
            viewer.events.status.disconnect(self._on_status)

    def _on_status(self, event: object = None) -> None:
        viewer, describe = self._viewer(), self._describe()
        if viewer is None or describe is None or not isinstance(viewer.status, dict):
            return
        shown = str(viewer.status.get("coordinates", ""))
        if _MARK in shown:
            return  # our own change comes back as an event
        words = describe(tuple(viewer.cursor.position))
        if words:
            viewer.status = {**viewer.status, "coordinates": f"{shown}{_MARK}{words}"}

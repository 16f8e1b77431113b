"""Which layers are shown: those of the block in focus, and those of no block at all."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_petlut.plugin import layers as ly

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Spotlight:
    """Hides the layers of all blocks but one, and shows them again as they were.

    What a person hid stays hidden: a layer that was only put aside for another block knows it, see
    `LayerInfo.aside`, also when it comes back from a session.

    Parameters
    ----------
    viewer : ViewerModel
        Held weakly.

    Attributes
    ----------
    moving : bool
        Whether layers are being hidden, shown or selected by the program and not by the person.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self.moving = False

    def turn_to(self, block: str, others: Collection[str]) -> None:
        """Show the layers of a block that were put aside, and put aside those of other blocks.

        Nothing is put aside while napari's grid shows layers side by side.

        Parameters
        ----------
        block : str
        others : collection of str
        """
        viewer = self._viewer()
        if viewer is None:
            return
        side_by_side = viewer.canvas.grid.enabled
        with self._by_itself():
            for layer in list(viewer.layers):
                owner = ly.block_of(layer) if ly.kind_of(layer) is not None else ""
                if owner and owner == block:
                    _bring_back(layer)
                elif owner in others and not side_by_side:
                    _put_aside(layer)

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Let layers be added for a block that is not in focus: they are put aside, the selection stays."""
        viewer = self._viewer()
        if viewer is None:
            yield
            return
        before, selection = set(viewer.layers), viewer.layers.selection
        selected, active = set(selection), selection.active
        with self._by_itself():
            try:
                yield
            finally:
                for layer in viewer.layers:
                    if layer not in before:
                        _put_aside(layer)
                selection.clear()
                selection.update(layer for layer in selected if layer in viewer.layers)
                if active in viewer.layers:
                    selection.active = active

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        before, self.moving = self.moving, True
        try:
            yield
        finally:
            self.moving = before


def _put_aside(layer: Layer) -> None:
    if layer.visible:
        ly.info(layer).aside = True
        layer.visible = False


def _bring_back(layer: Layer) -> None:
    known = ly.info(layer)
    if known.aside:
        known.aside = False
        layer.visible = True

"""Hiding what is drawn over the map: all of it while a key is held, or a part with every press of another."""

from __future__ import annotations

import weakref
from collections.abc import Collection
from typing import TYPE_CHECKING
from weakref import WeakSet

from napari.layers import Image, Layer

from napari_petlut.plugin import layers as ly

if TYPE_CHECKING:
    from napari.components import ViewerModel

_PEAKS = (ly.LayerKind.PEAKS, ly.LayerKind.LATTICE, ly.LayerKind.MARKS)
_CELLS = (ly.LayerKind.CELLS,)
_VIEWS: tuple[tuple[str, tuple[ly.LayerKind, ...]], ...] = (
    ("the map alone", ()),
    ("the peaks", _PEAKS),
    ("the cells", _CELLS),
)


class Overlays:
    """What is drawn over the map of the block in focus.

    Parameters
    ----------
    viewer : ViewerModel
        Held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._held: WeakSet[Layer] = WeakSet()
        self._whole: WeakSet[Layer] = WeakSet()  # what was shown before the first step
        self._left: WeakSet[Layer] = WeakSet()  # what the last step has shown
        self._next = 0

    def hide(self, block: str) -> None:
        """Hide everything that is drawn over maps, until `show`.

        Parameters
        ----------
        block : str
            The one in focus, empty if there is none.
        """
        self.show(block)  # the release of the key may have gone to another window
        self._held = WeakSet(layer for layer in self._drawings("") if layer.visible)
        for layer in self._held:
            layer.visible = False

    def show(self, block: str) -> None:
        """Show again what `hide` has hidden; of blocks out of focus by now, when they are back in it."""
        held, self._held = self._held, WeakSet()
        viewer = self._viewer()
        side_by_side = viewer is not None and viewer.canvas.grid.enabled
        for layer in self._drawings(""):
            if layer not in held:
                continue
            owner = ly.block_of(layer) if ly.kind_of(layer) is not None else ""
            if owner in ("", block) or side_by_side:
                layer.visible = True
            else:
                ly.info(layer).aside = True

    def step(self, block: str) -> str:
        """Show the map alone, then with its peaks, with its cells, and at last all as it was.

        A step after the person has shown or hidden something begins anew.

        Returns
        -------
        str
            What is shown now, in words.
        """
        drawings = self._drawings(block)
        shown = {layer for layer in drawings if layer.visible}
        if self._next == 0 or shown != set(self._left):
            self._whole, self._next = WeakSet(shown), 0
        words, wanted = self._after(drawings)
        for layer in drawings:
            layer.visible = layer in wanted
        self._left = WeakSet(wanted)
        return words

    def _after(self, drawings: list[Layer]) -> tuple[str, Collection[Layer]]:
        """Return the next view that shows anything, in words, and what belongs to it."""
        while self._next < len(_VIEWS):
            words, kinds = _VIEWS[self._next]
            wanted = [layer for layer in drawings if ly.kind_of(layer) in kinds]
            self._next += 1
            if wanted or not kinds:
                return words, wanted
        self._next = 0
        whole = [layer for layer in drawings if layer in self._whole]
        usual = [layer for layer in drawings if ly.kind_of(layer) in _PEAKS + _CELLS]
        for kind in (ly.LayerKind.PEAKS, ly.LayerKind.CELLS):
            if not any(ly.kind_of(layer) is kind for layer in whole):
                return "everything", [*whole, *usual]
        return "everything", whole

    def _drawings(self, block: str) -> list[Layer]:
        """Return what is drawn over the map of a block, or of all blocks, bottom first."""
        viewer = self._viewer()
        return [layer for layer in (viewer.layers if viewer else []) if _is_drawing(layer, block)]


def _is_drawing(layer: Layer, block: str) -> bool:
    kind = ly.kind_of(layer)
    if kind is None:
        return not block and not isinstance(layer, Image)
    return (not isinstance(layer, Image) or kind is ly.LayerKind.CRYSTAL_MAP) and (
        not block or ly.block_of(layer) == block
    )

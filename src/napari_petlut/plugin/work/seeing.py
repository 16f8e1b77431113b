"""What is drawn on a block as it grows and shrinks on the screen: fitting numbers, less where it is full."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from napari.layers import Image, Layer, Points

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.marking import ViewOnMap, marks_of, pitch_on_screen

if TYPE_CHECKING:
    from napari.components import ViewerModel

_OPACITY: dict[ly.LayerKind, float] = {ly.LayerKind.CELLS: 0.6, ly.LayerKind.LATTICE: 0.75}
"""Of drawings with room enough: as their layers are made."""
_CROWDED = ((12.0, 0.3), (20.0, 0.6))
"""Below so many screen pixels from peak to peak drawings keep that share of their opacity."""
_SMALLEST_RING, _LARGEST_RING = 6.0, 40.0
_RING_SHARE, _DOT = 0.35, 2.0


class ViewedBlock(NamedTuple):
    """A block as a viewer shows it: its flood map, and its name, which its layers share."""

    viewer: ViewerModel
    flood: Image
    name: str

    @property
    def view(self) -> ViewOnMap:
        """The part of the map that the canvas shows."""
        camera = self.viewer.scene.camera
        zoom = max(camera.zoom * float(np.abs(self.flood.scale[-2:]).mean()), 1e-6)
        centre = self.flood.world_to_data(camera.center[-2:])
        height, width = self.viewer.canvas.size
        return ViewOnMap((float(centre[-2]), float(centre[-1])), (height / zoom, width / zoom), zoom)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the block, bottom first."""
        known = [layer for layer in self.viewer.layers if ly.kind_of(layer) is not None]
        return [layer for layer in known if ly.block_of(layer) == self.name]


def draw_marks(
    block: ViewedBlock,
    places: FloatArray,
    geometry: BlockGeometry,
    missing: tuple[float, float] | None = None,
    *,
    wanted: bool = False,
) -> Points | None:
    """Bring the numbers on a block in step with its peaks and the zoom, if there is a layer of them.

    Parameters
    ----------
    block : ViewedBlock
    places : ndarray of float64, shape (rows * cols, 2)
        By crystal id; NaN where there is no peak.
    geometry : BlockGeometry
    missing : tuple of float, optional
        Where a missing peak would be put.
    wanted : bool
        Whether to make the layer if there is none.

    Returns
    -------
    Points or None
        The layer, if it was made here.
    """
    layer = ly.find_layer(block.viewer, ly.LayerKind.MARKS, block.name)
    if layer is None and not wanted:
        return None
    shape = (int(block.flood.data.shape[-2]), int(block.flood.data.shape[-1]))
    marks = marks_of(places, geometry, shape, block.view, missing)
    if isinstance(layer, Points):
        ly.update_marks(layer, marks)
        return None
    made = ly.marks_layer(marks, block.flood.name, block=block.name)
    ly.add_quietly(block.viewer, made, like=block.flood)
    return made


def thin_out(block: ViewedBlock, places: FloatArray) -> None:
    """Draw rings smaller, lines and outlines fainter where the crystals stand close on the screen.

    An opacity that a person has set stays: only those that this function gives are changed.

    Parameters
    ----------
    block : ViewedBlock
    places : ndarray of float64, shape (rows * cols, 2)
        By crystal id; NaN where there is no peak.
    """
    pitch = pitch_on_screen(places, block.view.zoom)
    share = next((share for below, share in _CROWDED if pitch < below), 1.0)
    for layer in block.layers:
        kind = ly.kind_of(layer)
        if kind in _OPACITY:
            _fade(layer, _OPACITY[kind], share)
        elif kind is ly.LayerKind.PEAKS:
            smallest = round(float(np.clip(_RING_SHARE * pitch, _DOT, _SMALLEST_RING)), 1)
            if layer.canvas_size_limits != (smallest, _LARGEST_RING):
                layer.canvas_size_limits = (smallest, _LARGEST_RING)


def _fade(layer: Layer, full: float, share: float) -> None:
    own = [full, *(full * part for _, part in _CROWDED)]
    if layer.opacity != full * share and any(np.isclose(layer.opacity, opacity) for opacity in own):
        layer.opacity = full * share

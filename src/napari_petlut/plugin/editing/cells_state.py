"""The cells as they were at one moment, for undo: small enough to keep hundreds of them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin import layers as ly

_FAST = 1
"""Level of compression: labels shrink to a twentieth in a few milliseconds."""


@dataclass(frozen=True, eq=False)
class CellsState:
    """What undo has to bring back of a cells layer.

    Parameters
    ----------
    shape : tuple of int
    computed, shown : bytes
        Packed labels: as they were computed, and with what was painted; the same object if nothing was.
    stale : bool
    method : str or None
    max_distance : float or None
    geometry : BlockGeometry or None
    """

    shape: tuple[int, int]
    computed: bytes
    shown: bytes
    stale: bool
    method: str | None
    max_distance: float | None
    geometry: BlockGeometry | None

    @classmethod
    def of(cls, layer: Labels) -> CellsState:
        """Return the present state of a cells layer."""
        known, shown = ly.info(layer), np.asarray(layer.data)
        computed = shown if known.computed is None else known.computed
        packed = _packed(computed)
        return cls(
            shape=(shown.shape[0], shown.shape[1]),
            computed=packed,
            shown=packed if np.array_equal(shown, computed) else _packed(shown),
            stale=known.stale,
            method=known.method,
            max_distance=known.max_distance,
            geometry=known.geometry,
        )

    def fits(self, layer: Labels) -> bool:
        """Return whether a layer still has these pixels."""
        return tuple(layer.data.shape) == self.shape

    def put_back(self, layer: Labels, *, in_part: bool = False) -> None:
        """Bring a layer back into this state; pixels that are painted now stay as they are.

        Parameters
        ----------
        layer : Labels
        in_part : bool
            See `show_labels`.
        """
        known, painted = ly.info(layer), ly.painted(layer)
        if self.geometry is not None and known.geometry != self.geometry:
            layer.features = ly.cell_features(self.geometry)
        known.computed = self._labels(self.computed)
        known.stale, known.method = self.stale, self.method
        known.max_distance, known.geometry = self.max_distance, self.geometry
        shown = self._labels(self.shown)
        if painted.any():
            shown = np.where(painted, np.asarray(layer.data), shown)
        ly.show_labels(layer, shown, in_part=in_part)

    def _labels(self, packed: bytes) -> npt.NDArray[np.uint16]:
        return np.frombuffer(zlib.decompress(packed), ly.LABEL_DTYPE).reshape(self.shape).copy()


def _packed(labels: npt.NDArray[np.generic]) -> bytes:
    return zlib.compress(np.ascontiguousarray(labels, ly.LABEL_DTYPE).tobytes(), _FAST)

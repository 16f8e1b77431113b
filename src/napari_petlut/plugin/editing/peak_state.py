"""The peaks of a block as they were at one moment, for undo."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray
from napari_petlut.plugin.editing.cells_state import CellsState


@dataclass(eq=False)
class PeakState:
    """Everything that undo has to bring back: the peaks, and the cells as they were with them."""

    positions: FloatArray
    features: pd.DataFrame
    geometry: BlockGeometry
    cells: CellsState | None = None
    """Filled in by the block whose cells follow the peaks; None where there are none."""

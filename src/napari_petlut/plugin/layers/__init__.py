"""The one place where the model becomes napari layers, and layers become the model.

Every layer the plugin makes or adopts carries a dictionary ``layer.metadata["petlut"]``, read with `info`:

========== ==========================================================================
key        value
========== ==========================================================================
kind       a `LayerKind` word
block      name of the block the layer belongs to; all layers of one block share it
geometry   ``{"rows": 16, "cols": 16}``, on every kind where it is known
spectrum   ndarray of int64, shape (channels,): energies of all events (flood)
window     ``(low, high)``: the energy window the map was made with (flood)
full_scale size of the position scale (flood)
source     file name or other origin (flood)
computed   ndarray of int32: the cells as they were computed, before any painting (cells)
method     name of the segmentation method (cells)
path       the file that the layer was read from
events     ``{"path": str, "format": EventFormat}``: the file a flood map was made from (flood)
parameters by class name, what was chosen for each step: the core's dataclasses, or mappings (flood)
encoding   fields of the `LUTEncoding` of the file (lut)
figure     name of the figure that is shown (crystal map)
note       what was found out about the file when it was read
stale      True after an edit, until a method other than "nearest" is run again (cells)
========== ==========================================================================

Label values are crystal id + 1; 0 is "no crystal".
"""

from __future__ import annotations

from napari_petlut.plugin.layers._cells import (
    LABEL_DTYPE,
    cell_colors,
    cell_features,
    cells_layer,
    difference_layer,
    lut_from_labels,
    painted,
    show_labels,
)
from napari_petlut.plugin.layers._floods import (
    contrast_limits,
    events_of,
    flood_from_layer,
    flood_layer,
    image_layer,
    is_flood_candidate,
)
from napari_petlut.plugin.layers._info import (
    INFO_KEY,
    LayerKind,
    block_of,
    find_layer,
    geometry_of,
    info,
    kind_of,
    layer_name,
    place_of,
)
from napari_petlut.plugin.layers._lattice import (
    LINE_COLORS,
    centres_layer,
    drift_layer,
    lattice_layer,
    lattice_segments,
    line_colors,
)
from napari_petlut.plugin.layers._peaks import (
    PEAK_SIZE,
    PEAK_STYLE,
    STATUS_COLORS,
    adopt_points,
    lattice_peaks,
    move_points,
    peak_features,
    peaks_from_layer,
    peaks_from_points,
    peaks_layer,
    ring_size,
    set_feature_defaults,
)
from napari_petlut.plugin.layers._showing import (
    add_below_drawings,
    lowest_drawing,
    show_layer,
    update_layer,
    with_own_blocks,
)

__all__ = [
    "INFO_KEY",
    "LABEL_DTYPE",
    "LINE_COLORS",
    "PEAK_SIZE",
    "PEAK_STYLE",
    "STATUS_COLORS",
    "LayerKind",
    "add_below_drawings",
    "adopt_points",
    "block_of",
    "cell_colors",
    "cell_features",
    "cells_layer",
    "centres_layer",
    "contrast_limits",
    "difference_layer",
    "drift_layer",
    "events_of",
    "find_layer",
    "flood_from_layer",
    "flood_layer",
    "geometry_of",
    "image_layer",
    "info",
    "is_flood_candidate",
    "kind_of",
    "lattice_layer",
    "lattice_peaks",
    "lattice_segments",
    "layer_name",
    "line_colors",
    "lowest_drawing",
    "lut_from_labels",
    "move_points",
    "painted",
    "peak_features",
    "peaks_from_layer",
    "peaks_from_points",
    "peaks_layer",
    "place_of",
    "ring_size",
    "set_feature_defaults",
    "show_labels",
    "show_layer",
    "update_layer",
    "with_own_blocks",
]

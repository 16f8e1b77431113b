"""Make a flood map ready for the search: no lines, no hot bins, its support, its working pitch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.grids import BoolArray
from napari_petlut.compiling import compiled
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import bin_map, spread_bins
from napari_petlut.maps.noise import event_value
from napari_petlut.maps.support import lit_part
from napari_petlut.model import FloatArray

COMB_WINDOW = 7
"""Width of the running median, in pixels, that a row's or column's sum is held against."""
COMB_TOLERANCE = 0.05
"""Smaller deviations of a sum from its running median are left alone: they may be real."""
HOT_RATIO = 4.0
"""A bin with this many times the mean of the eight around it is hot; the sharpest spots stay below 1.6."""
SUPPORT_BLUR = 1 / 6
"""Width of the Gaussian, in mean pitches of the canvas, before the support is cut."""
SUPPORT_LEVEL = 0.12
"""Share of the bright level that still counts as support."""
SUPPORT_PERCENTILE, SUPPORT_DARKEST = 75.0, 0.02
"""The bright level: this percentile of all that is brighter than this share of the maximum."""
SUPPORT_PIXELS = 8
"""The support is found on a map of about this many pixels per pitch."""
CLOSING = 0.6
"""Gaps between isolated spots are closed with this radius, in pitches."""
SPECK = 0.5
"""A region with less than this share of an average crystal's counts does not belong to the block."""
PITCH_FACTOR = 0.88
"""Working pitch over sqrt(area / crystals): the support reaches half a spot beyond the outer centres. Not
measured."""


@dataclass(frozen=True, eq=False)
class PreparedMap:
    """A flood map ready for the search.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
        Cleaned counts in events, cut to the support's bounding box.
    support : ndarray of bool, shape (n0, n1)
        Where the block is.
    origin : ndarray of float64, shape (2,)
        Pixel of the original map that is pixel (0, 0) here.
    pitch : float
        Working pitch in pixels, the same for every hypothesis of this map.
    """

    counts: FloatArray
    support: BoolArray
    origin: FloatArray
    pitch: float


def level_lines(counts: FloatArray) -> FloatArray:
    """Divide out rows and columns that stand out of their neighbours: integer-ratio artefacts."""
    out = np.array(counts, dtype=np.float64)
    for axis in (0, 1):
        total = out.sum(axis=1 - axis)
        level = ndimage.gaussian_filter1d(ndimage.median_filter(total, COMB_WINDOW, mode="nearest"), 1.0)
        level = np.maximum(level, 1e-9)
        # A line stands out only if Poisson noise alone could not lift it so far.
        noise = 4.0 / np.sqrt(np.maximum(level, 1.0))
        ratio = total / level
        real = (np.abs(ratio - 1) > np.maximum(COMB_TOLERANCE, noise)) & (total > 0.05 * total.max())
        gain = np.clip(np.where(real, ratio, 1.0), 0.5, 2.0)
        out /= gain[:, None] if axis == 0 else gain[None, :]
    return out


def remove_hot_bins(counts: FloatArray) -> FloatArray:
    """Return counts with bins far above the eight around them replaced by the mean of those eight."""
    out = counts.copy()
    _replace_hot_bins(counts, out)
    return out


@compiled()
def _replace_hot_bins(counts: FloatArray, out: FloatArray) -> None:
    """Write the mean of the eight around it into `out` for each hot bin of `counts`."""
    height, width = counts.shape
    for i in range(height):
        for j in range(width):
            value = counts[i, j]
            if value <= 8.0:
                continue
            total, number = 0.0, 0
            for a in range(max(0, i - 1), min(height, i + 2)):
                for b in range(max(0, j - 1), min(width, j + 2)):
                    if a != i or b != j:
                        total += counts[a, b]
                        number += 1
            mean = total / number
            if value > HOT_RATIO * (mean + 1.0) and value > mean + 8.0 * np.sqrt(mean + 1.0):
                out[i, j] = mean


def _lit(smooth: FloatArray) -> BoolArray:
    return lit_part(smooth, SUPPORT_LEVEL, percentile=SUPPORT_PERCENTILE, darkest=SUPPORT_DARKEST)


def _rough_box(counts: FloatArray, geometry: BlockGeometry) -> tuple[slice, slice]:
    """Bounding box of everything bright, small specks left out."""
    blur = SUPPORT_BLUR * max(counts.shape) / max(geometry.shape)
    factor = max(1, int(blur / 2))
    smooth = ndimage.gaussian_filter(bin_map(counts, factor), blur / factor)
    label, number = ndimage.label(_lit(smooth))
    if not number:
        return slice(0, counts.shape[0]), slice(0, counts.shape[1])
    weight = ndimage.sum_labels(smooth, label, np.arange(1, number + 1))
    kept = np.isin(label, 1 + np.flatnonzero(weight > SPECK * weight.sum() / geometry.crystals))
    box = ndimage.find_objects(kept.astype(np.int8))[0]
    n0, n1 = counts.shape
    return (
        slice(box[0].start * factor, min(n0, box[0].stop * factor)),
        slice(box[1].start * factor, min(n1, box[1].stop * factor)),
    )


def find_support(counts: FloatArray, geometry: BlockGeometry) -> tuple[BoolArray, tuple[slice, slice]]:
    """Return where the block is, and the box that was searched.

    The region above a share of the bright level, closed across the gaps between isolated spots; its largest
    connected part.

    Returns
    -------
    support : ndarray of bool
        Inside the box.
    box : tuple of slice
        Part of `counts` that holds the block and a margin of one pitch.
    """
    rough = _rough_box(counts, geometry)
    extent = np.array([s.stop - s.start for s in rough], dtype=np.float64)
    guess = float(np.sqrt(extent.prod() / geometry.crystals))
    pad = int(np.ceil(guess))
    n0, n1 = counts.shape
    box = (
        slice(max(0, rough[0].start - pad), min(n0, rough[0].stop + pad)),
        slice(max(0, rough[1].start - pad), min(n1, rough[1].stop + pad)),
    )
    inner = counts[box]
    factor = max(1, int(guess / SUPPORT_PIXELS))
    small = np.pad(bin_map(inner, factor), SUPPORT_PIXELS * 2)
    smooth = ndimage.gaussian_filter(small, SUPPORT_BLUR * guess / factor)
    mask = _lit(smooth)
    reach = CLOSING * guess / factor
    near = ndimage.distance_transform_edt(~mask) <= reach
    closed = ndimage.distance_transform_edt(near) > reach
    label, number = ndimage.label(closed | mask)
    if number > 1:
        weight = ndimage.sum_labels(smooth, label, np.arange(1, number + 1))
        label = label == 1 + int(np.argmax(weight))
    whole = ndimage.binary_fill_holes(label > 0)[
        2 * SUPPORT_PIXELS : -2 * SUPPORT_PIXELS, 2 * SUPPORT_PIXELS : -2 * SUPPORT_PIXELS
    ]
    return spread_bins(whole, factor, inner.shape), box


def prepare_map(counts: FloatArray, geometry: BlockGeometry) -> PreparedMap:
    """Clean a flood map and cut it to its support.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
    geometry : BlockGeometry

    Returns
    -------
    PreparedMap
    """
    events = np.ascontiguousarray(counts, dtype=np.float64) / event_value(counts)
    clean = level_lines(remove_hot_bins(events))
    support, box = find_support(clean, geometry)
    pitch = PITCH_FACTOR * float(np.sqrt(max(support.sum(), 1) / geometry.crystals))
    origin = np.array([s.start for s in box], dtype=np.float64)
    return PreparedMap(np.ascontiguousarray(clean[box]), support, origin, pitch)

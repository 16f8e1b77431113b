"""A flood map in bins that are about as fine as the fits need, with the background and the noise of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.seeing.noise import noise_deviance
from napari_petlut.maps.binning import bin_map, to_bins, to_pixels
from napari_petlut.model import FloatArray

BACKGROUND_BLUR = 1.3
"""Width of the background's blur in pitches: spots are gone, the outline of the block is kept."""
BACKGROUND_FLOOR = 0.02
"""Flat part of the background, as a share of the blurred level inside the block."""
NOISE_BLUR = 0.2
"""Width of the blur, in pitches, that shows about what is expected where the noise is estimated."""


@dataclass(frozen=True, eq=False)
class BinnedMap:
    """A flood map binned for the mixtures; the same one for every lattice that is compared.

    Parameters
    ----------
    counts, background : ndarray of float64, shape (m0, m1)
        Binned counts and the shape of the background.
    factor : int
        Pixels per bin along each axis.
    pitch : float
        Working pitch in bins.
    noise : float
        Half-deviance per count that noise alone makes.
    """

    counts: FloatArray
    background: FloatArray
    factor: int
    pitch: float
    noise: float

    @classmethod
    def from_counts(cls, counts: FloatArray, pitch: float, bins_per_pitch: float) -> BinnedMap:
        """Bin a prepared map to about `bins_per_pitch`."""
        factor = max(1, round(pitch / bins_per_pitch))
        small = bin_map(counts, factor)
        wide = ndimage.gaussian_filter(small, BACKGROUND_BLUR * pitch / factor, truncate=3.0)
        inside = wide > 0.2 * wide.max()
        level = float(np.median(wide[inside])) if inside.any() else 0.0
        mean = ndimage.gaussian_filter(small, NOISE_BLUR * pitch / factor)
        background = wide + BACKGROUND_FLOOR * level + 1e-12
        return cls(small, background, factor, pitch / factor, noise_deviance(small, mean))

    def to_bins(self, pixels: FloatArray) -> FloatArray:
        """Convert positions from pixels to bins."""
        return to_bins(pixels, self.factor)

    def to_pixels(self, bins: FloatArray) -> FloatArray:
        """Convert positions from bins to pixels."""
        return to_pixels(bins, self.factor)

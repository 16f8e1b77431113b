"""Whether a peak that a person placed lies on a spot of the map, and on its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.maps.neighbours import local_pitch
from napari_petlut.model import FloatArray, IntArray

OFF_SPOT = 1 / 3
"""A peak this many pitches from every maximum lies on no spot."""
_SMOOTHING = 1 / 8
"""Gaussian sigma in pitches: less than a spot's, enough to leave one maximum of it."""
_FAINT = 0.15
"""A maximum below this part of the typical one is noise between the spots."""
_NEIGHBOURS = 6


class SpotMaxima:
    """The maxima of one flood map, found once and remembered."""

    def __init__(self) -> None:
        self._key: tuple[object, float] | None = None
        self._found: tuple[FloatArray, FloatArray] = np.empty((0, 2)), np.empty(0)

    def of(self, counts: npt.NDArray[np.float64], pitch: float) -> tuple[FloatArray, FloatArray]:
        """Return the maxima of the smoothed map, shape (m, 2), and their heights, shape (m,).

        Parameters
        ----------
        counts : ndarray of float64, shape (n0, n1)
        pitch : float
            Typical distance of neighbouring peaks, in pixels.
        """
        sigma = max(1.0, round(_SMOOTHING * pitch, 1))
        if self._key is None or self._key[0] is not counts or self._key[1] != sigma:
            smooth = gaussian_filter(np.asarray(counts, np.float64), sigma)
            top = (smooth == maximum_filter(smooth, 3)) & (smooth > 0)
            self._found = np.argwhere(top).astype(np.float64), smooth[top]
            self._key = (counts, sigma)
        return self._found


def off_their_spots(
    positions: FloatArray,
    crystal: IntArray,
    placed: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.float64],
    spots: SpotMaxima,
) -> dict[int, str]:
    """Return which of the placed peaks lie off their spots, and why, by row.

    Parameters
    ----------
    positions : ndarray of float64, shape (n, 2)
        All peaks, (axis 0, axis 1) in pixels.
    crystal : ndarray of intp, shape (n,)
        Crystal of each, -1 for none.
    placed : ndarray of bool, shape (n,)
        Those to look at.
    counts : ndarray of float64, shape (n0, n1)
        Flood map.
    spots : SpotMaxima
    """
    rows = np.flatnonzero(placed & (crystal != NO_CRYSTAL))
    if not rows.size or len(positions) < 4:
        return {}
    pitch = local_pitch(positions)
    maxima, heights = spots.of(counts, float(np.median(pitch)))
    if not len(maxima):
        return {}
    typical = np.median(heights[cKDTree(maxima).query(positions)[1]])
    maxima = maxima[heights >= _FAINT * typical]
    tree, peaks = cKDTree(maxima), cKDTree(positions)
    found: dict[int, str] = {}
    for row in rows.tolist():
        around = peaks.query(positions[row], k=min(_NEIGHBOURS + 1, len(positions)))[1]
        own_pitch = float(np.median(pitch[[k for k in np.atleast_1d(around) if k != row]]))
        distance, spot = tree.query(positions[row])
        if distance > OFF_SPOT * own_pitch:
            found[row] = f"placed {distance / own_pitch:.2f} of the pitch from the nearest maximum"
            continue
        nearest = int(peaks.query(maxima[spot])[1])
        if nearest != row and crystal[nearest] != NO_CRYSTAL:
            found[row] = f"placed on the spot of crystal {crystal[nearest]}"
    return found

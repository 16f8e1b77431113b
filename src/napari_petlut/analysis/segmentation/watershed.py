"""Marker watershed: cells flood from their peaks and meet in the valleys of the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from napari_petlut.analysis.segmentation.nearest import usable_peaks
from napari_petlut.errors import ParameterError
from napari_petlut.model import LabelArray


@dataclass(frozen=True)
class WatershedParameters:
    """Options of the marker watershed.

    Parameters
    ----------
    sigma : float
        The map is smoothed by a Gaussian of this standard deviation in pixels before it is flooded.

    Raises
    ------
    ParameterError
        If `sigma` is negative.
    """

    sigma: float = 1.5

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < np.inf:
            raise ParameterError(f"watershed sigma must be 0 or more pixels, not {self.sigma}")


def watershed_cells(
    counts: npt.ArrayLike, positions: npt.ArrayLike, params: WatershedParameters | None = None
) -> LabelArray:
    """Flood the inverted map from the peaks.

    Two peaks on one pixel make one cell, that of the lower id.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Flood map.
    positions : array_like, shape (n, 2)
        Peaks by crystal id, (axis 0, axis 1) in pixels. A row of NaN is a crystal that takes no part.
    params : WatershedParameters, optional

    Returns
    -------
    labels : ndarray of int32, shape (n0, n1)
        Crystal id of each pixel.
    """
    params = WatershedParameters() if params is None else params
    values = np.asarray(counts, np.float64)
    points, ids = usable_peaks(positions)
    pixels = np.clip(np.rint(points).astype(np.intp), 0, np.array(values.shape) - 1)
    markers = np.zeros(values.shape, np.int32)
    # Written from the highest id down, so that the lowest stays.
    markers[tuple(pixels[::-1].T)] = ids[::-1] + 1
    smooth = ndimage.gaussian_filter(values, params.sigma) if params.sigma > 0 else values
    flooded = watershed(-smooth, markers)  # type: ignore[no-untyped-call]
    return np.asarray(flooded, np.int32) - 1

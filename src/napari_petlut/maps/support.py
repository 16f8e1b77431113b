"""Where a block is lit: the part of a smoothed map above a share of its upper level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.model import FloatArray


def lit_part(
    smooth: FloatArray, share: float, *, percentile: float, darkest: float = 0.0
) -> npt.NDArray[np.bool_]:
    """Return where a smoothed map exceeds a share of its upper level.

    The upper level is a percentile of the pixels that are not dark, so that it depends neither on how much
    canvas lies around the block nor on its brightest spot.

    Parameters
    ----------
    smooth : ndarray of float64, shape (n0, n1)
        Flood map, smoothed so much that the gaps between spots are closed.
    share : float
        Of the upper level, from which a pixel is lit.
    percentile : float
        Of the pixels that are not dark, which is the upper level.
    darkest : float
        Share of the maximum up to which a pixel is dark.

    Returns
    -------
    ndarray of bool, shape (n0, n1)
        False everywhere for a map without counts.

    Examples
    --------
    >>> lit_part(np.array([[0.0, 0.1, 4.0, 5.0, 5.0]]), 0.5, percentile=50)
    array([[False, False,  True,  True,  True]])
    """
    bright = smooth[smooth > darkest * smooth.max()]
    if not bright.size:
        return np.zeros(smooth.shape, np.bool_)
    return np.asarray(smooth > share * np.percentile(bright, percentile))

"""The top of a maximum between pixels: a parabola through it and its two neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.model import FloatArray


def top_of_parabola(
    before: npt.ArrayLike,
    here: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    flattest: float = 0.0,
    furthest: float = 0.5,
) -> FloatArray:
    """Return how far the top of the parabola through three samples lies from the middle one, in samples.

    With the values a, b and c one step apart it is ``(a - c) / 2 / (a - 2 b + c)``: J. O. Smith,
    Spectral Audio Signal Processing (2011), "Quadratic Interpolation of Spectral Peaks".

    Parameters
    ----------
    before, here, after : array_like of float, of one shape
        Values one step before, at, and one step after the maximum.
    flattest : float
        Where the second difference is not below minus this, there is no top, and the offset is 0.
    furthest : float
        Largest offset; beyond half a step another sample would be the maximum.

    Returns
    -------
    ndarray of float64, of the same shape

    Examples
    --------
    >>> def values(x):
    ...     return 5 - (x - 0.2) ** 2
    >>> float(top_of_parabola(values(-1), values(0), values(1)).round(12))
    0.2
    >>> float(top_of_parabola(1.0, 1.0, 1.0))
    0.0
    """
    first, last = np.asarray(before, np.float64), np.asarray(after, np.float64)
    bend = first - 2 * np.asarray(here, np.float64) + last
    bent = bend < -flattest
    offset = np.where(bent, 0.5 * (first - last) / np.where(bent, bend, -1.0), 0.0)
    return np.asarray(np.clip(offset, -furthest, furthest))


def tops_of_maxima(image: FloatArray, maxima: npt.NDArray[np.integer]) -> FloatArray:
    """Return the offsets of the tops of local maxima from their pixels, per axis, within half a pixel.

    Parameters
    ----------
    image : ndarray of float64, shape (n0, n1)
    maxima : ndarray of int, shape (n, 2)
        Pixels. Along an axis at whose end one lies it has no neighbour to one side, and its offset is 0.

    Returns
    -------
    ndarray of float64, shape (n, 2)

    Examples
    --------
    >>> image = np.array([[1.0, 0.0, 3.0], [2.0, 5.0, 4.0], [1.0, 2.0, 3.0]])
    >>> tops_of_maxima(image, np.array([[1, 1]])).round(2).tolist()
    [[0.12, 0.25]]
    """
    out = np.zeros(maxima.shape)
    for axis in (0, 1):
        inner = (maxima[:, axis] > 0) & (maxima[:, axis] < image.shape[axis] - 1)
        at, unit = maxima[inner], np.eye(2, dtype=np.intp)[axis]
        before, here, after = (image[tuple((at + side * unit).T)] for side in (-1, 0, 1))
        out[inner, axis] = top_of_parabola(before, here, after)
    return out

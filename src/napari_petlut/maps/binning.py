"""Coarser maps: sums over a few pixels, and positions in bins and in pixels."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from napari_petlut.model import FloatArray

Factor = int | tuple[int, int]
Scale = float | tuple[float, float]
Value = TypeVar("Value", bound=np.generic)


def bin_map(counts: FloatArray, factor: Factor) -> FloatArray:
    """Return sums over `factor` pixels along each axis; the last row or column is filled up with zeros.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
    factor : int or tuple of int
        Pixels per bin, along both axes or along each.

    Returns
    -------
    ndarray of float64, shape (ceil(n0 / f0), ceil(n1 / f1))
        `counts` itself where the factor is 1.

    Examples
    --------
    >>> bin_map(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), 2)
    array([[12.,  9.]])
    """
    f0, f1 = (factor, factor) if isinstance(factor, int) else factor
    if f0 == f1 == 1:
        return np.ascontiguousarray(counts)
    n0, n1 = -(-counts.shape[0] // f0), -(-counts.shape[1] // f1)
    full = np.zeros((n0 * f0, n1 * f1))
    full[: counts.shape[0], : counts.shape[1]] = counts
    # One axis after the other, in long runs: much faster than over both axes at once.
    rows = full.reshape(n0, f0, n1 * f1).sum(axis=1)
    out = rows[:, ::f1].copy()
    for k in range(1, f1):
        out += rows[:, k::f1]
    return np.asarray(out)


def spread_bins(values: npt.NDArray[Value], factor: int, shape: tuple[int, ...]) -> npt.NDArray[Value]:
    """Return a map of `shape` in which every pixel has the value of its bin.

    Parameters
    ----------
    values : ndarray, shape (m0, m1)
    factor : int
        Pixels per bin along both axes.
    shape : tuple of int
        Pixels of the map, at most `factor` times the bins.

    Examples
    --------
    >>> spread_bins(np.array([[1, 2]]), 2, (2, 3))
    array([[1, 1, 2],
           [1, 1, 2]])
    """
    spread = np.repeat(np.repeat(values, factor, axis=0), factor, axis=1)
    return np.ascontiguousarray(spread[: shape[0], : shape[1]])


def to_bins(pixels: FloatArray, factor: Scale) -> FloatArray:
    """Convert positions (..., 2) from pixels to bins; centres of both lie at whole numbers.

    Examples
    --------
    >>> to_bins(np.array([0.5, 2.5]), 2)
    array([0., 1.])
    """
    return np.asarray((pixels + 0.5) / np.array(factor) - 0.5)


def to_pixels(bins: FloatArray, factor: Scale) -> FloatArray:
    """Convert positions (..., 2) from bins to pixels, the inverse of `to_bins`."""
    return np.asarray((bins + 0.5) * np.array(factor) - 0.5)

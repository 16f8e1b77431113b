"""Positions of single events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.model import EnergyWindow, EventFormat, FloatArray


def event_positions(
    words: npt.ArrayLike, fmt: EventFormat, window: EnergyWindow | None = None, *, bins: int = 512
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return where events lie on a flood map, ``x = (1 - Ex / E) * full_scale`` in its pixels, y the same.

    Parameters
    ----------
    words : array_like of unsigned int, shape (n,)
        Event words.
    fmt : EventFormat
        Layout of a word.
    window : EnergyWindow, optional
        Energies that are kept; every energy above 0 without one.
    bins : int
        Pixels of the map along each axis.

    Returns
    -------
    positions : ndarray of float64, shape (m, 2)
        (axis 0, axis 1) in pixels, pixel centres at integers, of the events in the window and on the map.
    kept : ndarray of bool, shape (n,)
        Which of the events these are.

    Examples
    --------
    >>> import numpy as np
    >>> word = np.uint32((400 << 20) | (100 << 10) | 200)
    >>> positions, kept = event_positions([word], EventFormat())
    >>> positions.tolist()
    [[255.5, 383.5]]
    """
    words = np.asarray(words, np.dtype(fmt.dtype).newbyteorder("="))
    energy, ex, ey = (
        ((words >> words.dtype.type(field.shift)) & words.dtype.type(field.mask)).astype(np.float64)
        for field in (fmt.energy, fmt.x, fmt.y)
    )
    kept = energy > 0 if window is None else (energy > window.low) & (energy < window.high)
    share = np.stack([1 - field / np.where(kept, energy, 1.0) for field in (ex, ey)], axis=-1)
    kept &= (share >= 0).all(axis=-1)
    return share[kept] * bins - 0.5, kept

"""Positions and energies of single events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.words import EventChunk, counted_events
from napari_petlut.maps.signals import event_signals, signal_positions, signal_sums
from napari_petlut.model import EnergyWindow, EventColumns, EventFormat, FloatArray


def event_positions(
    words: EventChunk, fmt: EventFormat, window: EnergyWindow | None = None, *, bins: int = 512
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return where events lie on a flood map, for words ``x = (1 - Ex / E) * full_scale`` in its pixels.

    Parameters
    ----------
    words : array_like of unsigned int, shape (n,), or EventColumns
        Events as `napari_petlut.formats.event_files.iter_events` gives them.
    fmt : EventFormat
        Their layout.
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
    share, energy = _shares(words, fmt)
    kept = energy > 0 if window is None else (energy > window.low) & (energy < window.high)
    kept &= ((share >= 0) & (share <= 1)).all(axis=-1)
    return share[kept] * bins - 0.5, kept


def event_energies(words: EventChunk, fmt: EventFormat) -> FloatArray:
    """Return the energy of events in channels of the spectrum, shape (n,); at least 0.

    Parameters
    ----------
    words : array_like of unsigned int, shape (n,), or EventColumns
    fmt : EventFormat
    """
    return _shares(words, fmt)[1]


def _shares(chunk: EventChunk, fmt: EventFormat) -> tuple[FloatArray, FloatArray]:
    """Return positions as shares of the map, shape (n, 2), and energies in whole channels."""
    if fmt.source is None:
        return _shares_of_words(chunk, fmt)  # type: ignore[arg-type]
    events = counted_events(chunk, fmt)
    assert isinstance(events, EventColumns)
    sums = signal_sums(fmt.source)
    positions, energy = signal_positions(event_signals(events, fmt.source, sums), sums.rule)
    for axis, interval in enumerate((fmt.source.position.x_range, fmt.source.position.y_range)):
        assert interval is not None
        positions[axis] = (positions[axis] - interval[0]) / (interval[1] - interval[0])
    channels = np.nan_to_num(np.floor(energy / sums.rule.step), nan=0.0)
    return positions.T, np.clip(channels, 0, fmt.largest_energy)


def _shares_of_words(words: npt.ArrayLike, fmt: EventFormat) -> tuple[FloatArray, FloatArray]:
    words = np.asarray(words, np.dtype(fmt.dtype).newbyteorder("="))
    energy, ex, ey = (
        ((words >> words.dtype.type(field.shift)) & words.dtype.type(field.mask)).astype(np.float64)
        for field in (fmt.energy, fmt.x, fmt.y)
    )
    # An event without energy has no place; it is off the map.
    share = np.stack([1 - field / np.where(energy > 0, energy, np.nan) for field in (ex, ey)], axis=-1)
    return share, energy

"""From the layout of a word to the pixel of its event: the rule for a layout, and what its pixels mean."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.locating import located_rule
from napari_petlut.analysis.events.rule import PixelRule
from napari_petlut.analysis.events.words import word_type
from napari_petlut.model import SPECTRUM_BINS, EnergyWindow, EventFormat, FloatArray

MAX_SPECTRUM_BINS = 65536
_MAX_TABLE_ENTRIES = 2**23
_TABLE_PADDING = 32


def pixel_rule(
    fmt: EventFormat,
    bins: int,
    window: EnergyWindow | None = None,
    *,
    dither: bool = False,
    seed: int = 0,
) -> PixelRule:
    """Return the rule for a layout; without a window every energy above 0 has a pixel."""
    from napari_petlut.analysis.events.loops import mixed_seed

    # Mixed, so that neighbouring seeds have nothing in common.
    mixed = mixed_seed(seed)
    first, last = energies_in(window, fmt)
    if fmt.source is not None:
        return located_rule(fmt.source, bins, (first, last), dither=dither, seed=mixed)
    number = word_type(fmt)
    rows, values = max(last - first + 1, 0) + 1, max(fmt.x.mask, fmt.y.mask) + 1
    table = np.empty((0, 1), np.int16)
    if not dither and rows * values <= _MAX_TABLE_ENTRIES:
        table = _bin_table(first, rows, values, fmt.full_scale, bins)
    return PixelRule(
        energy_shift=number(fmt.energy.shift),
        energy_mask=number(fmt.energy.mask),
        x_shift=number(fmt.x.shift),
        x_mask=number(fmt.x.mask),
        y_shift=number(fmt.y.shift),
        y_mask=number(fmt.y.mask),
        first_energy=first,
        last_energy=last,
        table=table,
        edges=np.linspace(0.0, fmt.full_scale, bins + 1),
        dither=dither,
        seed=mixed,
    )


@lru_cache(maxsize=2)
def _bin_table(first: int, rows: int, values: int, full_scale: float, bins: int) -> npt.NDArray[np.int16]:
    """Return the table of `PixelRule`; kept, as one block's passes over its events mostly need the same."""
    from napari_petlut.analysis.events.loops import fill_bin_table

    # Rows of a power of 2 would all start in the same few places of the processor's cache.
    table = np.empty((rows, values + _TABLE_PADDING), np.int16)
    fill_bin_table(first, values, np.linspace(0.0, full_scale, bins + 1), table)
    return table


def energies_in(window: EnergyWindow | None, fmt: EventFormat) -> tuple[int, int]:
    """Return the first and the last whole energy in the window; first > last if there is none."""
    if window is None:
        return 1, fmt.largest_energy
    # No energy is larger: a window above has its start there, which keeps numbers small.
    most = fmt.largest_energy
    return min(floor(window.low) + 1, most + 1), min(ceil(window.high) - 1, most)


def map_of_pixels(counts: npt.NDArray[np.int64], bins: int) -> FloatArray:
    """Return counts by pixel as a map, shape (bins, bins), without what was dropped."""
    return counts.reshape(bins + 1, bins + 1)[:-1, :-1].astype(np.float64)


def spectrum_channels(fmt: EventFormat) -> int:
    """Return how many channels the energy spectrum of a format has.

    4096, or as many as the energy has values, at most 65536. Larger energies count in the last channel.
    """
    return min(max(SPECTRUM_BINS, fmt.largest_energy + 1), MAX_SPECTRUM_BINS)

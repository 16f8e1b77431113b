"""The compiled loops over events. Each has a plain NumPy twin in the tests that it must equal.

Words come as native ``uint32`` or ``uint64`` arrays; `layout` holds shift and mask of E, Ex and Ey as numbers
of the same type. Every loop releases the GIL and writes only into the arrays it is given, so that threads
work on their own parts; sums of whole numbers do not depend on how the events were divided among them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_petlut.analysis._events import Layout, Words

Counts = npt.NDArray[np.uint32]

_SPLITMIX_STEP = np.uint64(0x9E3779B97F4A7C15)
_SPLITMIX_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLITMIX_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOW_32 = np.uint64(0xFFFFFFFF)
_PER_32_BITS = 2.0**-32


@njit(cache=True, nogil=True)
def splitmix64(seed: np.uint64, index: np.uint64) -> np.uint64:
    """Return the `index`-th number of the SplitMix64 sequence of `seed`, both uint64.

    Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. Reached by its place
    instead of by its predecessor, so that every event has its own number whoever counts it.
    """
    z = seed + (index + np.uint64(1)) * _SPLITMIX_STEP
    z = (z ^ (z >> np.uint64(30))) * _SPLITMIX_MIX_1
    z = (z ^ (z >> np.uint64(27))) * _SPLITMIX_MIX_2
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def bin_of(value: float, energy: float, edges: npt.NDArray[np.float64]) -> int:
    """Return the bin of the position ``(1 - value / energy) * edges[-1]``, or ``len(edges) - 1`` if outside.

    The bins are those of `numpy.histogram`: half open, the last one closed. The guess by multiplication is
    only where the search starts; the comparison with the edges decides.
    """
    bins = edges.size - 1
    position = (1.0 - value / energy) * edges[bins]
    if not (edges[0] <= position <= edges[bins]):
        return bins
    guess = min(int(position * (bins / edges[bins])), bins - 1)
    while edges[guess] > position:
        guess -= 1
    while guess < bins - 1 and edges[guess + 1] <= position:
        guess += 1
    return guess


@njit(cache=True, nogil=True)
def fill_bin_table(first_energy: int, edges: npt.NDArray[np.float64], table: npt.NDArray[np.int16]) -> None:
    """Write the bin of every (energy, value) into ``table[1:]``; row 0 is for energies outside the window."""
    table[0, :] = edges.size - 1
    for row in range(1, table.shape[0]):
        for value in range(table.shape[1]):
            table[row, value] = bin_of(float(value), float(first_energy + row - 1), edges)


@njit(cache=True, nogil=True)
def count_by_table(
    words: Words,
    layout: Layout,
    first_energy: int,
    table: npt.NDArray[np.int16],
    spectrum: Counts,
    counts: Counts,
) -> None:
    """Add events to `spectrum` and `counts`, their bins looked up.

    No branch depends on an event: what is outside the window or the map goes into the last row or column of
    `counts`, which is (bins + 1, bins + 1). Mispredicted branches would cost more than these vain additions.
    """
    energy_shift, energy_mask, x_shift, x_mask, y_shift, y_mask = layout
    last_channel = np.int64(spectrum.size - 1)
    rows = table.shape[0]
    for i in range(words.size):
        word = words[i]
        energy = np.int64((word >> energy_shift) & energy_mask)
        spectrum[min(energy, last_channel)] += 1
        row = energy - first_energy + 1
        row = row if 0 < row < rows else np.int64(0)
        x = np.int64(table[row, np.int64((word >> x_shift) & x_mask)])
        y = np.int64(table[row, np.int64((word >> y_shift) & y_mask)])
        counts[x, y] += 1


@njit(cache=True, nogil=True)
def count_by_arithmetic(
    words: Words,
    layout: Layout,
    energies: tuple[np.uint64, np.uint64],
    edges: npt.NDArray[np.float64],
    dither: bool,
    seed: np.uint64,
    first_index: np.uint64,
    spectrum: Counts,
    counts: Counts,
) -> None:
    """Add events to `spectrum` and `counts`, their bins calculated; `dither` adds U(0, 1) to Ex and Ey.

    `energies` are the first and the last of the window, `first_index` is the place of ``words[0]`` among all
    events of the source.
    """
    energy_shift, energy_mask, x_shift, x_mask, y_shift, y_mask = layout
    last_channel = np.uint64(spectrum.size - 1)
    for i in range(words.size):
        word = words[i]
        energy = np.uint64((word >> energy_shift) & energy_mask)
        spectrum[np.int64(min(energy, last_channel))] += 1
        if energy < energies[0] or energy > energies[1]:
            continue
        x = float((word >> x_shift) & x_mask)
        y = float((word >> y_shift) & y_mask)
        if dither:
            noise = splitmix64(seed, first_index + np.uint64(i))
            x += float(noise >> np.uint64(32)) * _PER_32_BITS
            y += float(noise & _LOW_32) * _PER_32_BITS
        counts[bin_of(x, float(energy), edges), bin_of(y, float(energy), edges)] += 1


@njit(cache=True, nogil=True)
def count_energies(words: Words, layout: Layout, spectrum: npt.NDArray[np.int64]) -> None:
    """Add events to `spectrum`; its last channel takes every energy above."""
    energy_shift, energy_mask = layout[0], layout[1]
    last_channel = np.uint64(spectrum.size - 1)
    for i in range(words.size):
        energy = np.uint64((words[i] >> energy_shift) & energy_mask)
        spectrum[np.int64(min(energy, last_channel))] += 1

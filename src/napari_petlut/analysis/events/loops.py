"""The compiled loops over events. Each has a plain NumPy twin in the tests that it must equal.

Words come as native ``uint32`` or ``uint64`` arrays. Every loop releases the GIL and writes only into the
arrays it is given, so that threads work on their own parts; sums of whole numbers do not depend on how the
events were divided among them.

The loops go in short steps: first the pixels of some events, then what is to be done with them. The
processor then waits for many memory cells at once instead of one after the other. No step branches on an
event, as mispredicted branches cost more: what lies outside the window or the scale has a pixel as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.rule import LARGE_PIXEL_BITS, SMALL_PIXEL_BITS, PixelRule
from napari_petlut.analysis.events.words import Counts, Words
from napari_petlut.compiling import compiled, inlined

Rows = npt.NDArray[np.unsignedinteger]

_STEP = 1024
_SPLITMIX_STEP = np.uint64(0x9E3779B97F4A7C15)
_SPLITMIX_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLITMIX_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOW_32 = np.uint64(0xFFFFFFFF)
_PER_32_BITS = 2.0**-32


@inlined
def splitmix64(seed: np.uint64, index: np.uint64) -> np.uint64:
    """Return the `index`-th number of the SplitMix64 sequence of `seed`, both uint64.

    Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. Reached by its place
    instead of by its predecessor, so that every event has its own number whoever counts it.
    """
    z = seed + (index + np.uint64(1)) * _SPLITMIX_STEP
    z = (z ^ (z >> np.uint64(30))) * _SPLITMIX_MIX_1
    z = (z ^ (z >> np.uint64(27))) * _SPLITMIX_MIX_2
    return z ^ (z >> np.uint64(31))


def mixed_seed(seed: int) -> np.uint64:
    """Return the first number of the sequence of a seed, reckoned by the plain function: it is only one."""
    plain: Any = splitmix64
    with np.errstate(over="ignore"):
        return np.uint64(plain.py_func(np.uint64(seed), np.uint64(0)))


@inlined
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


@compiled(nogil=True)
def fill_bin_table(
    first_energy: int, values: int, edges: npt.NDArray[np.float64], table: npt.NDArray[np.int16]
) -> None:
    """Write the bin of every energy and value into ``table[1:, :values]``; row 0 is for other energies.

    The same as `bin_of`, but as positions fall with the value the bin is found by going down from the last.
    """
    bins = edges.size - 1
    table[:] = bins
    for row in range(1, table.shape[0]):
        energy = float(first_energy + row - 1)
        place = bins - 1
        for value in range(values):
            position = (1.0 - float(value) / energy) * edges[bins]
            if position < edges[0]:
                break
            while edges[place] > position:
                place -= 1
            table[row, value] = place


# Compiled on its own, against the rule of `napari_petlut.compiling`: of the four loops that call it most runs
# need two, the second of which then compiles in a quarter of the time.
@compiled(nogil=True)
def _locate(
    words: Words,
    start: int,
    n: int,
    first_index: int,
    rule: PixelRule,
    pixels: npt.NDArray[np.uint32],
    energies: npt.NDArray[np.uint32],
) -> None:
    """Write pixels and energies of ``words[start : start + n]``, looked up if there is a table."""
    # Taken out of the rule once: an array in a tuple is counted as a reference each time it is passed on.
    table, edges, dither, seed = rule.table, rule.edges, rule.dither, rule.seed
    side = np.int64(edges.size)
    rows = np.int64(table.shape[0])
    if rule.located:
        # A shift that is known for each type of word is done on as many words as possible at a time.
        bits = SMALL_PIXEL_BITS if words.itemsize == 4 else LARGE_PIXEL_BITS
        mask = (1 << bits) - 1
        first, last, outside = rule.first_energy, rule.last_energy, side * side - 1
        part = words[start : start + n]
        for i in range(n):
            channel = np.int32(part[i] >> bits)
            kept = (channel >= first) & (channel <= last)
            energies[i], pixels[i] = channel, np.int32(part[i] & mask) if kept else outside
        return
    for i in range(n):
        word = words[start + i]
        energy = np.int64((word >> rule.energy_shift) & rule.energy_mask)
        ex, ey = (word >> rule.x_shift) & rule.x_mask, (word >> rule.y_shift) & rule.y_mask
        energies[i] = energy
        if rows:
            row = energy - rule.first_energy + 1
            row = row if 0 < row < rows else np.int64(0)
            pixels[i] = table[row, np.int64(ex)] * side + table[row, np.int64(ey)]
        elif rule.first_energy <= energy <= rule.last_energy:
            x, y, e = float(ex), float(ey), float(energy)
            if dither:
                noise = splitmix64(seed, np.uint64(first_index + start + i))
                x += float(noise >> np.uint64(32)) * _PER_32_BITS
                y += float(noise & _LOW_32) * _PER_32_BITS
            pixels[i] = bin_of(x, e, edges) * side + bin_of(y, e, edges)
        else:
            pixels[i] = side * side - 1


@compiled(nogil=True)
def count_energies(words: Words, rule: PixelRule, spectrum: Counts) -> None:
    """Add events to `spectrum`; its last channel takes every energy above."""
    last_channel = np.int64(spectrum.size - 1)
    for i in range(words.size):
        spectrum[min(np.int64((words[i] >> rule.energy_shift) & rule.energy_mask), last_channel)] += 1


@compiled(nogil=True)
def count_flood(words: Words, first_index: int, rule: PixelRule, spectrum: Counts, counts: Counts) -> None:
    """Add events to `spectrum` and, by pixel, to `counts`; `first_index` is the place of ``words[0]``."""
    pixels, energies = np.empty(_STEP, np.uint32), np.empty(_STEP, np.uint32)
    last_channel = np.int64(spectrum.size - 1)
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        _locate(words, start, n, first_index, rule, pixels, energies)
        for i in range(n):
            spectrum[min(energies[i], last_channel)] += 1
        for i in range(n):
            counts[pixels[i]] += 1


@compiled(nogil=True)
def count_crystal_spectra(
    words: Words, first_index: int, rule: PixelRule, lut: Rows, last_channel: int, spectra: Counts
) -> None:
    """Add events to the spectrum of their crystal; `lut` gives the row of `spectra` for each pixel."""
    pixels, energies = np.empty(_STEP, np.uint32), np.empty(_STEP, np.uint32)
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        _locate(words, start, n, first_index, rule, pixels, energies)
        for i in range(n):
            pixels[i] = lut[pixels[i]]
        for i in range(n):
            spectra[pixels[i], min(energies[i], last_channel)] += 1


@compiled(nogil=True)
def count_crystal_windows(
    words: Words,
    first_index: int,
    rule: PixelRule,
    lut: Rows,
    windows: npt.NDArray[np.int64],
    spectrum: Counts,
    counts: Counts,
) -> None:
    """Add events to `spectrum`, and to `counts` if they lie in the window of the crystal of their pixel.

    ``windows[crystal]`` is the first and the last energy that is kept.
    """
    pixels, energies = np.empty(_STEP, np.uint32), np.empty(_STEP, np.uint32)
    last_channel = np.int64(spectrum.size - 1)
    dropped = np.int64(counts.size - 1)
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        _locate(words, start, n, first_index, rule, pixels, energies)
        for i in range(n):
            spectrum[min(energies[i], last_channel)] += 1
        for i in range(n):
            crystal = lut[pixels[i]]
            above = np.int64(energies[i] >= windows[crystal, 0])
            kept = above & np.int64(energies[i] <= windows[crystal, 1])
            pixels[i] = dropped + (pixels[i] - dropped) * kept
        for i in range(n):
            counts[pixels[i]] += 1


@compiled(nogil=True)
def label_events(
    words: Words,
    first_index: int,
    rule: PixelRule,
    lut: Rows,
    windows: npt.NDArray[np.int64],
    crystals: npt.NDArray[np.int32],
) -> None:
    """Write the crystal of each event into `crystals`, -1 outside its window; the last row is no crystal."""
    pixels, energies = np.empty(_STEP, np.uint32), np.empty(_STEP, np.uint32)
    none = windows.shape[0] - 1
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        _locate(words, start, n, first_index, rule, pixels, energies)
        for i in range(n):
            crystal = np.int64(lut[pixels[i]])
            kept = (crystal != none) & (energies[i] >= windows[crystal, 0])
            kept = kept & (energies[i] <= windows[crystal, 1])
            crystals[start + i] = crystal if kept else -1


@compiled(nogil=True)
def fill_noise(
    seed: np.uint64, first_index: int, spans: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]
) -> None:
    """Write what dithering adds to the numerators of events, shape (2, n), ``c + w * U(0, 1)``: c and w."""
    for i in range(noise.shape[1]):
        number = splitmix64(seed, np.uint64(first_index + i))
        noise[0, i] = spans[0, 0] + spans[0, 1] * (float(number >> np.uint64(32)) * _PER_32_BITS)
        noise[1, i] = spans[1, 0] + spans[1, 1] * (float(number & _LOW_32) * _PER_32_BITS)

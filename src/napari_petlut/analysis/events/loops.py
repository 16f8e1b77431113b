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

from napari_petlut.analysis.events.rule import PixelRule
from napari_petlut.analysis.events.words import Counts, Words
from napari_petlut.compiling import compiled, inlined
from napari_petlut.maps.signals import SignalRule

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


@compiled(nogil=True)
def count_energies(words: Words, rule: PixelRule, spectrum: Counts) -> None:
    """Add events to `spectrum`; its last channel takes every energy above."""
    last_channel = np.int64(spectrum.size - 1)
    for i in range(words.size):
        spectrum[min(np.int64((words[i] >> rule.energy_shift) & rule.energy_mask), last_channel)] += 1


@compiled(nogil=True)
def count_flood(words: Words, first_index: int, rule: PixelRule, spectrum: Counts, counts: Counts) -> None:
    """Add events to `spectrum` and, by pixel, to `counts`; `first_index` is the place of ``words[0]``."""
    pixels, energies = np.empty(_STEP, np.int64), np.empty(_STEP, np.int64)
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
    pixels, energies = np.empty(_STEP, np.int64), np.empty(_STEP, np.int64)
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
    pixels, energies = np.empty(_STEP, np.int64), np.empty(_STEP, np.int64)
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
    pixels, energies = np.empty(_STEP, np.int64), np.empty(_STEP, np.int64)
    none = windows.shape[0] - 1
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        _locate(words, start, n, first_index, rule, pixels, energies)
        for i in range(n):
            crystal = np.int64(lut[pixels[i]])
            kept = (crystal != none) & (energies[i] >= windows[crystal, 0])
            kept = kept & (energies[i] <= windows[crystal, 1])
            crystals[start + i] = crystal if kept else -1


@inlined
def _locate(
    words: Words,
    start: int,
    n: int,
    first_index: int,
    rule: PixelRule,
    pixels: npt.NDArray[np.int64],
    energies: npt.NDArray[np.int64],
) -> None:
    """Write pixels and energies of ``words[start : start + n]``, looked up if there is a table."""
    # Taken out of the rule once: an array in a tuple is counted as a reference each time it is passed on.
    table, edges, dither, seed = rule.table, rule.edges, rule.dither, rule.seed
    side = np.int64(edges.size)
    rows = np.int64(table.shape[0])
    if rule.located:
        for i in range(n):
            word = words[start + i]
            energy = np.int64((word >> rule.energy_shift) & rule.energy_mask)
            pixel = np.int64((word >> rule.x_shift) & rule.x_mask) * side
            pixel += np.int64((word >> rule.y_shift) & rule.y_mask)
            energies[i] = energy
            inside = (energy >= rule.first_energy) & (energy <= rule.last_energy)
            pixels[i] = pixel if inside else side * side - 1
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


# Without the check for a division by zero: an event without signals has no place, and no error.
@compiled(nogil=True, error_model="numpy")
def locate_signals(
    signals: npt.NDArray[np.float64],
    sums: SignalRule,
    x_edges: npt.NDArray[np.float64],
    y_edges: npt.NDArray[np.float64],
    rule: PixelRule,
    first_index: int,
    words: Words,
) -> None:
    """Write the located words of events, shape (n,), from their signals, shape (signals, n).

    Energies are cut off at the largest that the word holds; what is no number or below 0 has energy 0.
    """
    top, bottom = np.empty((2, _STEP)), np.empty((2, _STEP))
    energy = np.empty(_STEP)
    ratio = (sums.denominators[0].any(), sums.denominators[1].any())
    last = float(rule.energy_mask)
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        for axis in range(2):
            for i in range(n):
                top[axis, i] = 0.0 if rule.dither else sums.centre[axis]
                bottom[axis, i] = sums.denominators[axis, -1]
            _add_weighted(signals, start, n, sums.numerators[axis], top[axis])
            if ratio[axis]:
                _add_weighted(signals, start, n, sums.denominators[axis], bottom[axis])
        for i in range(n):
            energy[i] = sums.energy[-1]
        _add_weighted(signals, start, n, sums.energy, energy)
        for i in range(n):
            if rule.dither:
                noise = splitmix64(rule.seed, np.uint64(first_index + start + i))
                x_noise = float(noise >> np.uint64(32)) * _PER_32_BITS
                y_noise = float(noise & _LOW_32) * _PER_32_BITS
                top[0, i] += sums.dither[0, 0] + sums.dither[0, 1] * x_noise
                top[1, i] += sums.dither[1, 0] + sums.dither[1, 1] * y_noise
            x = sums.offsets[0] + (top[0, i] / bottom[0, i] if ratio[0] else top[0, i])
            y = sums.offsets[1] + (top[1, i] / bottom[1, i] if ratio[1] else top[1, i])
            channel = np.floor(energy[i] / sums.step)
            channel = min(channel, last) if channel > 0.0 else 0.0
            word = np.uint64(channel) << np.uint64(rule.energy_shift)
            word |= np.uint64(bin_between(x, x_edges)) << np.uint64(rule.x_shift)
            words[start + i] = word | np.uint64(bin_between(y, y_edges))


@inlined
def _add_weighted(
    signals: npt.NDArray[np.float64],
    start: int,
    n: int,
    weights: npt.NDArray[np.float64],
    total: npt.NDArray[np.float64],
) -> None:
    """Add the weighted signals of some events to their totals, one signal after the other."""
    for signal in range(signals.shape[0]):
        weight = weights[signal]
        if weight != 0.0:
            for i in range(n):
                total[i] += weight * signals[signal, start + i]


@inlined
def bin_between(position: float, edges: npt.NDArray[np.float64]) -> int:
    """Return the bin of a position among equally wide ones, ``len(edges) - 1`` if it is in none.

    The bins are those of `numpy.histogram`, as for `bin_of`.
    """
    bins = edges.size - 1
    if not (edges[0] <= position <= edges[bins]):
        return bins
    guess = min(int((position - edges[0]) * (bins / (edges[bins] - edges[0]))), bins - 1)
    while edges[guess] > position:
        guess -= 1
    while guess < bins - 1 and edges[guess + 1] <= position:
        guess += 1
    return guess


_NEAR_EDGE = np.float32(2e-3)
"""Bins; single precision is far better than this for a map of 1024 pixels."""
_FAR_EDGE = np.float32(1 - 2e-3)


@compiled(nogil=True, error_model="numpy")
def locate_whole_signals(
    signals: npt.NDArray[np.int32],
    weights: npt.NDArray[np.int32],
    sums: SignalRule,
    x_edges: npt.NDArray[np.float64],
    y_edges: npt.NDArray[np.float64],
    rule: PixelRule,
    words: Words,
) -> None:
    """Do what `locate_signals` does, for whole signals with whole weights, without dither.

    Sums are whole numbers and positions of single precision, so that the processor adds and divides eight at
    a time; what comes near to the edge of a bin, or is off the map, is looked at again in double precision.

    Rows of `weights`: numerator of axis 0, of axis 1, denominator of axis 0, of axis 1, energy.
    """
    totals = np.empty((5, _STEP), np.int32)
    x, y = np.empty(_STEP, np.float32), np.empty(_STEP, np.float32)
    ratio = (weights[2].any(), weights[3].any())
    # Mostly one sum is the denominator of both axes, and the energy too.
    bottom = 2 if np.array_equal(weights[2], weights[3]) else 3
    energy = 2 if np.array_equal(weights[2], weights[4]) else 4
    doubtful = np.empty(_STEP, np.bool_)
    last, x_shift, energy_shift = (
        np.int32(rule.energy_mask),
        np.int32(rule.x_shift),
        np.uint64(rule.energy_shift),
    )
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        for row in range(5):
            if (row == 3 and bottom == 2) or (row == 4 and energy == 2):
                continue
            _add_whole(signals, start, n, weights[row], totals[row])
        _scaled(totals[0], totals[2], n, ratio[0], sums.offsets[0], sums.centre[0], x_edges, x)
        _scaled(totals[1], totals[bottom], n, ratio[1], sums.offsets[1], sums.centre[1], y_edges, y)
        out, channels = words[start : start + n], totals[energy]
        for i in range(n):
            x_bin, y_bin = np.int32(x[i]), np.int32(y[i])
            x_rest, y_rest = x[i] - np.float32(x_bin), y[i] - np.float32(y_bin)
            safe = (x_rest > _NEAR_EDGE) & (x_rest < _FAR_EDGE) & (y_rest > _NEAR_EDGE) & (y_rest < _FAR_EDGE)
            doubtful[i] = not safe
            out[i] = (np.int32(x_bin) << x_shift) | np.int32(y_bin)
        for i in range(n):
            if doubtful[i]:
                top = float(totals[0, i]) + sums.centre[0]
                place = sums.offsets[0] + (top / float(totals[2, i]) if ratio[0] else top)
                x_place = np.uint64(bin_between(place, x_edges)) << np.uint64(x_shift)
                top = float(totals[1, i]) + sums.centre[1]
                place = sums.offsets[1] + (top / float(totals[bottom, i]) if ratio[1] else top)
                out[i] = x_place | np.uint64(bin_between(place, y_edges))
        if sums.step == 1.0:
            for i in range(n):
                channel = min(max(channels[i], np.int32(0)), last)
                out[i] |= np.uint64(channel) << energy_shift
        else:
            for i in range(n):
                share = np.floor(float(channels[i]) / sums.step)
                channel = np.int32(min(max(share, 0.0), float(last)))
                out[i] |= np.uint64(channel) << energy_shift


@inlined
def _add_whole(
    signals: npt.NDArray[np.int32],
    start: int,
    n: int,
    weights: npt.NDArray[np.int32],
    total: npt.NDArray[np.int32],
) -> None:
    """Write the weighted sums of some events."""
    for i in range(n):
        total[i] = 0
    for signal in range(signals.shape[0]):
        weight, part = weights[signal], signals[signal, start : start + n]
        if weight == 1:
            for i in range(n):
                total[i] += part[i]
        elif weight == -1:
            for i in range(n):
                total[i] -= part[i]
        elif weight != 0:
            for i in range(n):
                total[i] += weight * part[i]


@inlined
def _scaled(
    top: npt.NDArray[np.int32],
    bottom: npt.NDArray[np.int32],
    n: int,
    ratio: bool,
    offset: float,
    centre: float,
    edges: npt.NDArray[np.float64],
    places: npt.NDArray[np.float32],
) -> None:
    """Write positions in bins, in single precision; 0 for what is off the map."""
    bins = edges.size - 1
    scale = bins / (edges[bins] - edges[0])
    factor, shift = np.float32(scale), np.float32((offset - edges[0] + (0.0 if ratio else centre)) * scale)
    middle, most = np.float32(centre), np.float32(bins)
    if ratio:
        for i in range(n):
            place = (np.float32(top[i]) + middle) / np.float32(bottom[i]) * factor + shift
            places[i] = place if (place > np.float32(0)) & (place < most) else np.float32(0)
    else:
        for i in range(n):
            place = np.float32(top[i]) * factor + shift
            places[i] = place if (place > np.float32(0)) & (place < most) else np.float32(0)

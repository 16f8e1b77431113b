"""The compiled loops that turn signals of events into located words, each with a plain twin in the tests.

They go in short steps of a few passes each, so that the processor adds, divides and rounds several events at
a time. A position so near to the edge of a bin that rounding could decide, or off the map, is put on a list
and looked at again as `numpy.histogram` would. Parts are cut out as slices of their own: an index that could
count from the end, as Python's may, would keep the processor from taking several at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.rule import LARGE_PIXEL_BITS, SMALL_PIXEL_BITS, PixelRule
from napari_petlut.analysis.events.words import Counts, Words
from napari_petlut.compiling import compiled, inlined
from napari_petlut.maps.signals import SignalRule

Places = npt.NDArray[np.floating[Any]]
Sums = npt.NDArray[np.int32] | npt.NDArray[np.float64]

_STEP = 1024
_ROUNDING = 16.0
"""Roundings of numbers as large as the range's ends, twice of what a position gathers on its way to a bin."""
_EPS_32, _EPS_64 = 2.0**-24, 2.0**-53
_TWO_BYTES = 0xFFFF


# Without the check for a division by zero: an event without signals has no place, and no error.
@compiled(nogil=True, error_model="numpy")
def locate_signals(
    signals: npt.NDArray[np.float64],
    noise: npt.NDArray[np.float64],
    sums: SignalRule,
    x_edges: npt.NDArray[np.float64],
    y_edges: npt.NDArray[np.float64],
    rule: PixelRule,
    words: Words,
) -> None:
    """Write the located words of events, shape (n,), from their signals, shape (signals, at least n).

    `noise`, shape (2, at least n), is added to the numerators of dithered events. Energies are cut off at the
    largest that the word holds; what is no number or below 0 has energy 0.
    """
    top, bottom = np.empty((2, _STEP)), np.empty((2, _STEP))
    energy, channels, pixels = np.empty(_STEP), np.empty(_STEP, np.int32), np.empty(_STEP, np.int32)
    x, y = np.empty(_STEP), np.empty(_STEP)
    doubtful, flags = np.empty(_STEP + 1, np.int32), np.empty(_STEP, np.uint8)
    ratio = (sums.denominators[0].any(), sums.denominators[1].any())
    last = float(rule.energy_mask)
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        for axis in range(2):
            first = 0.0 if rule.dither else sums.centre[axis]
            _add_weighted(signals, start, n, sums.numerators[axis], first, top[axis])
            if rule.dither:
                added = noise[axis, start : start + n]
                for i in range(n):
                    top[axis, i] += added[i]
            if ratio[axis]:
                constant = sums.denominators[axis, -1]
                _add_weighted(signals, start, n, sums.denominators[axis], constant, bottom[axis])
        _add_weighted(signals, start, n, sums.energy, sums.energy[-1], energy)
        for i in range(n):
            channel = np.floor(energy[i] / sums.step)
            channels[i] = np.int32(min(channel, last) if channel > 0.0 else 0.0)
        near = (
            _scaled(np.float64, top[0], bottom[0], n, ratio[0], sums.offsets[0], 0.0, x_edges, _EPS_64, x),
            _scaled(np.float64, top[1], bottom[1], n, ratio[1], sums.offsets[1], 0.0, y_edges, _EPS_64, y),
        )
        again = _pixels(np.float64, x, y, n, near, x_edges.size, pixels, doubtful, flags)
        for j in range(again):
            i = doubtful[j]
            place = sums.offsets[0] + (top[0, i] / bottom[0, i] if ratio[0] else top[0, i])
            pixel = bin_between(place, x_edges) * y_edges.size
            place = sums.offsets[1] + (top[1, i] / bottom[1, i] if ratio[1] else top[1, i])
            pixels[i] = pixel + bin_between(place, y_edges)
        _write_words(channels, pixels, n, words[start : start + n])


@compiled(nogil=True, error_model="numpy")
def locate_whole_signals(
    memory: npt.NDArray[np.uint8],
    step: int,
    fields: npt.NDArray[np.int64],
    weights: npt.NDArray[np.int32],
    sums: SignalRule,
    x_edges: npt.NDArray[np.float64],
    y_edges: npt.NDArray[np.float64],
    rule: PixelRule,
    words: Words,
) -> None:
    """Do what `locate_signals` does, for whole signals with whole weights, without dither, from their bytes.

    Sums are whole numbers and positions of single precision. `memory`, `step` and `fields` are those of
    `napari_petlut.analysis.events.fields.WholeFields`. Rows of `weights`: numerator of axis 0, of axis 1,
    denominator of axis 0, of axis 1, energy.
    """
    signals, totals = np.empty((fields.shape[0], _STEP), np.int32), np.empty((5, _STEP), np.int32)
    places, last = np.empty((2, _STEP), np.float32), np.int32(rule.energy_mask)
    channels, pixels = np.empty(_STEP, np.int32), np.empty(_STEP, np.int32)
    doubtful, flags = np.empty(_STEP + 1, np.int32), np.empty(_STEP, np.uint8)
    for start in range(0, words.size, _STEP):
        n = min(_STEP, words.size - start)
        for signal in range(fields.shape[0]):
            _read_whole(memory, start, step, fields[signal], n, signals[signal])
        _whole_pixels(
            signals,
            n,
            weights,
            sums,
            x_edges,
            y_edges,
            last,
            totals,
            places,
            channels,
            pixels,
            doubtful,
            flags,
        )
        _write_words(channels, pixels, n, words[start : start + n])


@compiled(nogil=True, error_model="numpy")
def count_whole_flood(
    memory: npt.NDArray[np.uint8],
    step: int,
    fields: npt.NDArray[np.int64],
    weights: npt.NDArray[np.int32],
    sums: SignalRule,
    x_edges: npt.NDArray[np.float64],
    y_edges: npt.NDArray[np.float64],
    events: int,
    rule: PixelRule,
    spectrum: Counts,
    counts: Counts,
) -> None:
    """Add events to `spectrum` and, by pixel, to `counts`, straight from their bytes.

    The same as `locate_whole_signals` and then `count_flood`, without the words between them.
    """
    signals, totals = np.empty((fields.shape[0], _STEP), np.int32), np.empty((5, _STEP), np.int32)
    places, last = np.empty((2, _STEP), np.float32), np.int32(rule.energy_mask)
    channels, pixels = np.empty(_STEP, np.int32), np.empty(_STEP, np.int32)
    doubtful, flags = np.empty(_STEP + 1, np.int32), np.empty(_STEP, np.uint8)
    first_energy, last_energy = np.int32(rule.first_energy), np.int32(rule.last_energy)
    outside = np.int32(counts.size - 1)
    last_channel = np.uint32(spectrum.size - 1)
    for start in range(0, events, _STEP):
        n = min(_STEP, events - start)
        for signal in range(fields.shape[0]):
            _read_whole(memory, start, step, fields[signal], n, signals[signal])
        _whole_pixels(
            signals,
            n,
            weights,
            sums,
            x_edges,
            y_edges,
            last,
            totals,
            places,
            channels,
            pixels,
            doubtful,
            flags,
        )
        for i in range(n):
            inside = (channels[i] >= first_energy) & (channels[i] <= last_energy)
            pixels[i] = pixels[i] if inside else outside
        for i in range(n):
            spectrum[min(np.uint32(channels[i]), last_channel)] += 1
        for i in range(n):
            counts[np.uint32(pixels[i])] += 1


@inlined
def _whole_pixels(
    signals: npt.NDArray[np.int32],
    n: int,
    weights: npt.NDArray[np.int32],
    sums: SignalRule,
    x_edges: npt.NDArray[np.float64],
    y_edges: npt.NDArray[np.float64],
    last: np.int32,
    totals: npt.NDArray[np.int32],
    places: npt.NDArray[np.float32],
    channels: npt.NDArray[np.int32],
    pixels: npt.NDArray[np.int32],
    doubtful: npt.NDArray[np.int32],
    flags: npt.NDArray[np.uint8],
) -> None:
    """Write channel and pixel of some events."""
    ratio = (weights[2].any(), weights[3].any())
    # Mostly one sum is the denominator of both axes, and the energy too.
    bottom = 2 if np.array_equal(weights[2], weights[3]) else 3
    energy = 2 if np.array_equal(weights[2], weights[4]) else 4
    for row in range(5):
        if not ((row == 3 and bottom == 2) or (row == 4 and energy == 2)):
            _add_whole(signals, n, weights[row], totals[row])
    found = totals[energy]
    if sums.step == 1.0:
        for i in range(n):
            channels[i] = min(max(found[i], np.int32(0)), last)
    else:
        for i in range(n):
            channels[i] = np.int32(min(max(np.floor(float(found[i]) / sums.step), 0.0), float(last)))
    centre, offsets = sums.centre, sums.offsets
    tops, bottoms, x, y = (totals[0], totals[1]), (totals[2], totals[bottom]), places[0], places[1]
    near = (
        _scaled(np.float32, tops[0], bottoms[0], n, ratio[0], offsets[0], centre[0], x_edges, _EPS_32, x),
        _scaled(np.float32, tops[1], bottoms[1], n, ratio[1], offsets[1], centre[1], y_edges, _EPS_32, y),
    )
    again = _pixels(np.float32, x, y, n, near, x_edges.size, pixels, doubtful, flags)
    for j in range(again):
        i = doubtful[j]
        top = float(totals[0, i]) + centre[0]
        x_bin = bin_between(offsets[0] + (top / float(totals[2, i]) if ratio[0] else top), x_edges)
        top = float(totals[1, i]) + centre[1]
        y_bin = bin_between(offsets[1] + (top / float(totals[bottom, i]) if ratio[1] else top), y_edges)
        pixels[i] = x_bin * y_edges.size + y_bin


@inlined
def _read_whole(
    memory: npt.NDArray[np.uint8],
    start: int,
    step: int,
    field: npt.NDArray[np.int64],
    n: int,
    signal: npt.NDArray[np.int32],
) -> None:
    """Write the numbers of one field of some events."""
    width, swapped = field[1], field[2]
    shift, mask, sign = np.int32(field[3]), np.int32(field[4]), np.int32(field[5])
    first, stride = np.uint64(start * step + field[0]), np.uint64(step)
    # Bytes one after the other at constant distances are read at once, wherever they begin.
    if width == 1:
        for i in range(n):
            signal[i] = memory[first + np.uint64(i) * stride]
    elif width == 2:
        for i in range(n):
            at = first + np.uint64(i) * stride
            signal[i] = np.int32(memory[at]) | np.int32(memory[at + np.uint64(1)]) << np.int32(8)
    else:
        for i in range(n):
            at = first + np.uint64(i) * stride
            low = np.uint32(memory[at]) | np.uint32(memory[at + np.uint64(1)]) << np.uint32(8)
            high = np.uint32(memory[at + np.uint64(2)]) | np.uint32(memory[at + np.uint64(3)]) << np.uint32(8)
            signal[i] = np.int32(low | high << np.uint32(16))
    if swapped:
        for i in range(n):
            value = np.uint32(signal[i])
            even, odd = value & np.uint32(0x00FF00FF), (value >> np.uint32(8)) & np.uint32(0x00FF00FF)
            value = np.uint32(even << np.uint32(8) | odd)
            signal[i] = np.int32(value >> np.uint32(16) | value << np.uint32(16) if width == 4 else value)
    if shift or sign or mask != _TWO_BYTES:
        for i in range(n):
            signal[i] = (((signal[i] >> shift) & mask) ^ sign) - sign


@inlined
def _add_whole(
    signals: npt.NDArray[np.int32], n: int, weights: npt.NDArray[np.int32], total: npt.NDArray[np.int32]
) -> None:
    """Write the weighted sums of some events."""
    for i in range(n):
        total[i] = 0
    for signal in range(signals.shape[0]):
        weight, part = weights[signal], signals[signal]
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
def _add_weighted(
    signals: npt.NDArray[np.float64],
    start: int,
    n: int,
    weights: npt.NDArray[np.float64],
    first: float,
    total: npt.NDArray[np.float64],
) -> None:
    """Write the weighted sums of some events, one signal after the other onto `first`."""
    for i in range(n):
        total[i] = first
    for signal in range(signals.shape[0]):
        weight = weights[signal]
        if weight != 0.0:
            part = signals[signal, start : start + n]
            for i in range(n):
                total[i] += weight * part[i]


@inlined
def _scaled(
    kind: Any,  # noqa: ANN401 - a number class of Numba
    top: Sums,
    bottom: Sums,
    n: int,
    ratio: bool,
    offset: float,
    centre: float,
    edges: npt.NDArray[np.float64],
    rounding: float,
    places: Places,
) -> float:
    """Write positions in bins, 0 for what is off the map, and return how far rounding may have moved them."""
    bins = edges.size - 1
    scale = bins / (edges[bins] - edges[0])
    factor, shift = kind(scale), kind((offset - edges[0] + (0.0 if ratio else centre)) * scale)
    middle, most, none = kind(centre), kind(bins), kind(0.0)
    if ratio:
        for i in range(n):
            place = (kind(top[i]) + middle) / kind(bottom[i]) * factor + shift
            places[i] = place if (place > none) & (place < most) else none
    else:
        for i in range(n):
            place = kind(top[i]) * factor + shift
            places[i] = place if (place > none) & (place < most) else none
    reach = abs(offset) + abs(centre) + max(abs(edges[0]), abs(edges[bins]))
    most_moved: float = _ROUNDING * rounding * scale * reach
    return most_moved


@inlined
def _pixels(
    kind: Any,  # noqa: ANN401 - a number class of Numba
    x: Places,
    y: Places,
    n: int,
    near: tuple[float, float],
    side: int,
    pixels: npt.NDArray[np.int32],
    doubtful: npt.NDArray[np.int32],
    flags: npt.NDArray[np.uint8],
) -> np.int64:
    """Write pixels, list the events for which they are in doubt, and return how many these are."""
    least_x, most_x = kind(near[0]), kind(1.0 - near[0])
    least_y, most_y = kind(near[1]), kind(1.0 - near[1])
    line = np.int32(side)
    for i in range(n):
        x_bin, y_bin = np.int32(x[i]), np.int32(y[i])
        x_rest, y_rest = x[i] - kind(x_bin), y[i] - kind(y_bin)
        safe = (x_rest > least_x) & (x_rest < most_x) & (y_rest > least_y) & (y_rest < most_y)
        flags[i] = not safe
        pixels[i] = x_bin * line + y_bin
    # The place in the list goes on by 1 or 0: a branch that depends on the event would cost more.
    listed = np.uint64(0)
    for i in range(n):
        doubtful[listed] = i
        listed += np.uint64(flags[i])
    return np.int64(listed)


@inlined
def _write_words(
    channels: npt.NDArray[np.int32], pixels: npt.NDArray[np.int32], n: int, words: Words
) -> None:
    # Known to the compiler for each type of word: a shift that is not would be done in 64 bits.
    bits = SMALL_PIXEL_BITS if words.itemsize == 4 else LARGE_PIXEL_BITS
    for i in range(n):
        words[i] = (channels[i] << bits) | pixels[i]


@inlined
def bin_between(position: float, edges: npt.NDArray[np.float64]) -> int:
    """Return the bin of a position among equally wide ones, ``len(edges) - 1`` if it is in none.

    The bins are those of `numpy.histogram`, as for `bin_of` of the loops over words.
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

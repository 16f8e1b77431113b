"""Events of any source as words that hold their energy channel and their bins on a map of one size.

The loops that count lab words count these as well: a word is ``channel | x bin | y bin`` from the highest bit
down, in 32 bits where 4096 channels and a map of up to 1023 bins allow it, else in 64. The bin after the last
is the place of what lies outside.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.rule import PixelRule
from napari_petlut.analysis.events.words import Words
from napari_petlut.maps.signals import SignalRule, event_signals, signal_sums
from napari_petlut.model import EventColumns, EventSource

_PART = 32_768
"""Events whose signals lie in the processor's cache together."""
_LARGEST_WEIGHT = 16


def located_rule(
    source: EventSource, bins: int, energies: tuple[int, int], *, dither: bool, seed: np.uint64
) -> PixelRule:
    """Return the rule for located words.

    Parameters
    ----------
    source : EventSource
    bins : int
        Pixels of the map along each axis.
    energies : (int, int)
        First and last channel that is kept.
    dither : bool
    seed : uint64
        Of the dither, mixed.
    """
    small = source.energy.channels <= 2**12 and bins < 2**10
    number: type[np.uint32 | np.uint64] = np.uint32 if small else np.uint64
    bits = 10 if small else 20
    return PixelRule(
        energy_shift=number(2 * bits),
        energy_mask=number(source.energy.channels - 1),
        x_shift=number(bits),
        x_mask=number(2**bits - 1),
        y_shift=number(0),
        y_mask=number(2**bits - 1),
        first_energy=energies[0],
        last_energy=energies[1],
        table=np.empty((0, 1), np.int16),
        edges=np.arange(bins + 1.0),
        dither=dither,
        seed=seed,
        located=True,
    )


class Locator:
    """Turns events into located words.

    Parameters
    ----------
    source : EventSource
        Settled: nothing left to be taken from the events.
    rule : PixelRule
        As `located_rule` makes it.

    Raises
    ------
    ParameterError
        If the source is not settled.
    """

    def __init__(self, source: EventSource, rule: PixelRule) -> None:
        self._source, self._rule, self._sums = source, rule, signal_sums(source)
        x_range, y_range = source.position.x_range, source.position.y_range
        assert x_range is not None and y_range is not None
        self._x_edges, self._y_edges = (np.linspace(*span, rule.edges.size) for span in (x_range, y_range))

        self._weights = _whole_weights(source, rule, self._sums.rule)

    def parts(self, events: EventColumns, first_index: int) -> Iterator[tuple[Words, int, int]]:
        """Yield located words some at a time, the place of the first among all events, and among these.

        Parameters
        ----------
        events : EventColumns
        first_index : int
            Place of the first event among all, for the dither.
        """
        names = self._sums.names
        whole = self._weights is not None and all(_is_short(events.column(name)) for name in names)
        scratch = np.empty((max(len(names), 1), _PART), np.int32 if whole else np.float64)
        for start in range(0, events.size, _PART):
            part = events[start : start + _PART]
            if whole:
                words = self._whole_words(part, scratch)
            else:
                room = scratch if part.rows <= _PART else None
                signals = event_signals(part, self._source, self._sums, room)
                words = self._words(signals, first_index + start)
            words.flags.writeable = False
            yield words, first_index + start, start

    def _words(self, signals: npt.NDArray[np.float64], first_index: int) -> Words:
        from napari_petlut.analysis.events.loops import locate_signals

        words = np.empty(signals.shape[1], type(self._rule.energy_mask))
        if not signals.flags.c_contiguous:
            signals = np.ascontiguousarray(signals)
        rule, sums = self._rule, self._sums.rule
        locate_signals(signals, sums, self._x_edges, self._y_edges, rule, first_index, words)
        return words

    def _whole_words(self, part: EventColumns, scratch: npt.NDArray[np.int32]) -> Words:
        from napari_petlut.analysis.events.loops import locate_whole_signals

        assert self._weights is not None
        for row, name in zip(scratch, self._sums.names, strict=True):
            row[: part.rows] = part.column(name)
        words = np.empty(part.rows, type(self._rule.energy_mask))
        sums, rule = self._sums.rule, self._rule
        locate_whole_signals(scratch, self._weights, sums, self._x_edges, self._y_edges, rule, words)
        return words


def _is_short(column: npt.NDArray[np.generic]) -> bool:
    """Say whether a column's sums fit into 32 bits."""
    return column.dtype.kind in "biu" and column.dtype.itemsize <= 2


def _whole_weights(source: EventSource, rule: PixelRule, sums: SignalRule) -> npt.NDArray[np.int32] | None:
    """Return the weights of a rule as whole numbers, None if the loop for these does not do."""
    constants = sums.denominators[:, -1].any() or sums.energy[-1] != 0
    if rule.dither or source.join is not None or source.position.readout is not None or constants:
        return None
    rows = [*sums.numerators, *sums.denominators[:, :-1], sums.energy[:-1]]
    weights = np.array(rows)
    if (weights != np.rint(weights)).any() or np.abs(weights).max() > _LARGEST_WEIGHT:
        return None
    return weights.astype(np.int32)

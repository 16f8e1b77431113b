"""Events of any source as words that hold their energy channel and their pixel on a map of one size.

The loops that count lab words count these as well: a word is ``channel | pixel`` from the highest bit down,
in 32 bits where 4096 channels and a map of up to 1023 bins allow it, else in 64; for pixels see `PixelRule`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.fields import WholeFields, are_whole, fields_in_records, fields_of_rows
from napari_petlut.analysis.events.rule import LARGE_PIXEL_BITS, SMALL_PIXEL_BITS, PixelRule
from napari_petlut.analysis.events.words import Words
from napari_petlut.maps.signals import SignalRule, SignalSums, event_signals, signal_sums
from napari_petlut.model import EventColumns, EventSource

Whole = tuple[
    npt.NDArray[np.uint8],
    int,
    npt.NDArray[np.int64],
    npt.NDArray[np.int32],
    SignalRule,
    npt.NDArray[np.float64],
    npt.NDArray[np.float64],
]
"""What the loops over whole signals need to know of the events and of their rule."""

_PART = 32_768
"""Events whose signals lie in the processor's cache together."""
_MOST_WEIGHT = 2**8
"""Of all signals together; sums of whole numbers of 16 bits then fit into 32 bits by far."""


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
    small = source.energy.channels <= 2**12 and (bins + 1) ** 2 <= 2**SMALL_PIXEL_BITS
    number: type[np.uint32 | np.uint64] = np.uint32 if small else np.uint64
    bits = SMALL_PIXEL_BITS if small else LARGE_PIXEL_BITS
    return PixelRule(
        energy_shift=number(bits),
        energy_mask=number(source.energy.channels - 1),
        x_shift=number(0),
        x_mask=number(0),
        y_shift=number(0),
        y_mask=number(0),
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
        self._weights = _whole_weights(source, rule, self._sums)

    def parts(self, events: EventColumns, first_index: int) -> Iterator[tuple[Words, int, int]]:
        """Yield located words some at a time, the place of the first among all events, and among these.

        The words are good until the next ones are asked for.

        Parameters
        ----------
        events : EventColumns
        first_index : int
            Place of the first event among all, for the dither.
        """
        names = self._sums.names
        whole = self._weights is not None and are_whole(events, names)
        arguments = self.whole_fields(events)
        if arguments is not None:
            yield self._whole_words(arguments, self._room(events.rows)), first_index, 0
            return
        room = self._room(min(events.size, _PART))
        scratch = np.empty((max(len(names), 1), _PART), np.int32 if whole else np.float64)
        for start in range(0, events.size, _PART):
            part = events[start : start + _PART]
            if whole:
                for row, name in zip(scratch, names, strict=True):
                    row[: part.rows] = part.column(name)
                words = self._whole_words(self._whole(fields_of_rows(scratch)), room[: part.size])
            else:
                out = scratch if part.rows <= _PART else None
                signals = event_signals(part, self._source, self._sums, out)
                # The loops take whole arrays, of which they use the first events.
                signals = scratch if signals.base is scratch else np.ascontiguousarray(signals)
                words = self._words(signals, first_index + start, room[: part.size])
            yield words, first_index + start, start

    def _room(self, events: int) -> Words:
        return np.empty(events, type(self._rule.energy_mask))

    def _words(self, signals: npt.NDArray[np.float64], first_index: int, words: Words) -> Words:
        from napari_petlut.analysis.events.locating_loops import locate_signals

        rule, sums = self._rule, self._sums.rule
        noise = np.empty((2, words.size if rule.dither else 0))
        if rule.dither:
            from napari_petlut.analysis.events.loops import fill_noise

            fill_noise(rule.seed, first_index, sums.dither, noise)
        locate_signals(signals, noise, sums, self._x_edges, self._y_edges, rule, words)
        return _read_only(words)

    def _whole_words(self, arguments: Whole, words: Words) -> Words:
        from napari_petlut.analysis.events.locating_loops import locate_whole_signals

        locate_whole_signals(*arguments, self._rule, words)
        return _read_only(words)

    def whole_fields(self, events: EventColumns) -> Whole | None:
        """Return the first arguments of a loop over whole fields of records, None where events are none."""
        if self._weights is None or not events.rows or not are_whole(events, self._sums.names):
            return None
        fields = fields_in_records(events, self._sums.names)
        return None if fields is None else self._whole(fields)

    def _whole(self, fields: WholeFields) -> Whole:
        assert self._weights is not None
        return *fields, self._weights, self._sums.rule, self._x_edges, self._y_edges


def _read_only(words: Words) -> Words:
    """Return words as the loops that count take them."""
    seen = words.view()
    seen.flags.writeable = False
    return seen


def _whole_weights(source: EventSource, rule: PixelRule, sums: SignalSums) -> npt.NDArray[np.int32] | None:
    """Return the weights of a rule as whole numbers, None if the loop for these does not do."""
    of = sums.rule
    constants = of.denominators[:, -1].any() or of.energy[-1] != 0
    # Without names the signals are no columns, but sums or ratios of these.
    if rule.dither or source.join is not None or not sums.names or constants:
        return None
    rows = [*of.numerators, *of.denominators[:, :-1], of.energy[:-1]]
    weights = np.array(rows)
    if (weights != np.rint(weights)).any() or np.abs(weights).sum(axis=1).max() > _MOST_WEIGHT:
        return None
    return weights.astype(np.int32)

"""The position rules as sums over signals: one form for all, which a single compiled loop evaluates."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import ParameterError
from napari_petlut.model import EventColumns, EventSource, FloatArray
from napari_petlut.model.event_sources import signed_columns

Signals = npt.NDArray[np.float64]


class SignalRule(NamedTuple):
    """Position and energy as weighted sums over an event's signals.

    Along each axis ``position = offset + sum(numerator * s) / sum(denominator * s)``, without the division
    where all weights of the denominator are 0.

    Parameters
    ----------
    numerators : ndarray of float64, shape (2, signals)
        For axis 0 and 1.
    denominators : ndarray of float64, shape (2, signals + 1)
        The same, and a constant at the end.
    offsets : ndarray of float64, shape (2,)
    energy : ndarray of float64, shape (signals + 1,)
        Weights of the energy, and its constant.
    dither : ndarray of float64, shape (2, 2)
        For each axis ``c + w * U(0, 1)`` is added to the numerator of a dithered event: c and w.
    centre : ndarray of float64, shape (2,)
        Added to the numerator of an event that is not dithered.
    step : float
        Energy of one channel.
    """

    numerators: FloatArray
    denominators: FloatArray
    offsets: FloatArray
    energy: FloatArray
    dither: FloatArray
    centre: FloatArray
    step: float


class SignalSums(NamedTuple):
    """Which signals a source has, and the rule over them.

    Parameters
    ----------
    names : tuple of str
        Columns that the signals are; empty where they are sums over channels or hits, see `event_signals`.
    rule : SignalRule
    """

    names: tuple[str, ...]
    rule: SignalRule


_CHANNEL_SIGNALS = 4
"""Weighted x, weighted y, weight, energy."""


def signal_sums(source: EventSource) -> SignalSums:
    """Return the signals of a source and the rule over them.

    Raises
    ------
    ParameterError
        If something is still to be taken from the events.
    """
    if not source.settled:
        raise ParameterError("the event format leaves ranges to the events; settle it with the file first")
    if source.position.readout is not None:
        return SignalSums((), _rule_of_channels(source))
    if source.position.rule == "corners":
        return _corners(source)
    names = tuple(dict.fromkeys((*source.position.x, *source.position.y, *source.energy.columns)))
    direct = source.position.rule == "direct"
    if direct and source.join is not None:
        return SignalSums(names, _rule_of_channels(source))
    numerators, denominators = np.zeros((2, len(names))), np.zeros((2, len(names) + 1))
    energy = _energy_weights(source, names)
    for axis, (name,) in enumerate((source.position.x, source.position.y)):
        numerators[axis, names.index(name)] = 1.0 if direct else -1.0
        if not direct:
            denominators[axis] = energy
    whole = bool(source.position.whole)
    dither = np.array([[0.0, float(whole)]] * 2) * (1 if direct else -1)
    centre = np.full(2, 0.5 * whole * direct)
    offsets = np.full(2, 0.0 if direct else 1.0)
    return SignalSums(
        names, SignalRule(numerators, denominators, offsets, energy, dither, centre, _step(source))
    )


def _step(source: EventSource) -> float:
    assert source.energy.step is not None
    return source.energy.step


def _energy_weights(source: EventSource, names: tuple[str, ...]) -> FloatArray:
    """Return the weights of the energy over the signals, and the constant at the end."""
    chosen = source.energy
    weights = np.zeros(len(names) + 1)
    gains = chosen.gains or (1.0,) * len(chosen.columns)
    offsets = chosen.offsets or (0.0,) * len(chosen.columns)
    for name, gain, offset in zip(chosen.columns, gains, offsets, strict=True):
        weights[names.index(name)] += gain
        weights[-1] -= gain * offset
    return weights


def _corners(source: EventSource) -> SignalSums:
    formulas = [[signed_columns(text) for text in axis] for axis in (source.position.x, source.position.y)]
    names = tuple(
        dict.fromkeys(
            (*(name for axis in formulas for signs in axis for name in signs), *source.energy.columns)
        )
    )
    numerators, denominators = np.zeros((2, len(names))), np.zeros((2, len(names) + 1))
    if any(len(axis) > 1 for axis in formulas):
        # A mean of ratios is no ratio of sums: the positions become the signals, see `event_signals`.
        return SignalSums((), _rule_of_channels(source))
    for axis, (signs,) in enumerate(formulas):
        for name, sign in signs.items():
            numerators[axis, names.index(name)] = sign
            denominators[axis, names.index(name)] = 1.0
    energy = _energy_weights(source, names)
    if not source.energy.columns:
        energy[:-1] = (denominators[:, :-1] > 0).any(axis=0)
    # Whole signals move their numerator in steps of 2 where the sum stays the same.
    whole = float(bool(source.position.whole))
    dither = np.array([[-whole, 2 * whole]] * 2)
    rule = SignalRule(numerators, denominators, np.zeros(2), energy, dither, np.zeros(2), _step(source))
    return SignalSums(names, rule)


def _rule_of_channels(source: EventSource) -> SignalRule:
    numerators, denominators = np.eye(2, _CHANNEL_SIGNALS), np.zeros((2, _CHANNEL_SIGNALS + 1))
    denominators[:, 2] = 1.0
    energy = np.zeros(_CHANNEL_SIGNALS + 1)
    energy[3] = 1.0
    nothing = np.zeros((2, 2)), np.zeros(2)
    return SignalRule(numerators, denominators, np.zeros(2), energy, *nothing, _step(source))


def event_signals(
    events: EventColumns, source: EventSource, sums: SignalSums, out: Signals | None = None
) -> Signals:
    """Return the signals of events, hits of one event already added up.

    Parameters
    ----------
    events : EventColumns
    source : EventSource
    sums : SignalSums
        Of the source.
    out : ndarray of float64, shape (signals, at least n), optional
        Where they go.

    Returns
    -------
    ndarray of float64, shape (signals, n)
    """
    # Numbers of a damaged file may be anything; what is no position in the end is off the map.
    with np.errstate(all="ignore"):
        return _event_signals(events, source, sums, out)


def _event_signals(
    events: EventColumns, source: EventSource, sums: SignalSums, out: Signals | None
) -> Signals:
    if source.position.readout is not None:
        return _joined(_channel_signals(events, source), events)
    if not sums.names:
        return _mean_of_ratios(events, source)
    signals = np.empty((len(sums.names), events.rows)) if out is None else out[:, : events.rows]
    for row, name in zip(signals, sums.names, strict=True):
        np.copyto(row, events.column(name), casting="unsafe")
    if events.starts is not None and source.position.rule == "direct":
        return _joined(_weighted_positions(signals, source, sums.names), events)
    return _joined(signals, events)


def _joined(signals: Signals, events: EventColumns) -> Signals:
    if events.starts is None:
        return signals
    if not len(events.starts):
        return signals[:, :0]
    sums: Signals = np.add.reduceat(signals, events.starts, axis=1)
    return sums


def _weighted_positions(signals: Signals, source: EventSource, names: tuple[str, ...]) -> Signals:
    """Return what hits add to the energy-weighted mean of their positions."""
    weights = _energy_weights(source, names)
    energy = np.full(signals.shape[1], weights[-1])
    for weight, signal in zip(weights, signals, strict=False):
        energy += weight * signal
    half = 0.5 * bool(source.position.whole)
    x, y = (signals[names.index(axis[0])] + half for axis in (source.position.x, source.position.y))
    return np.stack([energy * x, energy * y, energy, energy])


def _mean_of_ratios(events: EventColumns, source: EventSource) -> Signals:
    """Return mean positions along each axis, 1, and the energy; hits are added up first."""
    texts = (*source.position.x, *source.position.y)
    names = tuple(dict.fromkeys((*source.position.columns, *source.energy.columns)))
    signals = np.empty((len(names), events.rows))
    for row, name in zip(signals, names, strict=True):
        np.copyto(row, events.column(name), casting="unsafe")
    column = dict(zip(names, _joined(signals, events), strict=True))
    ratios = []
    with np.errstate(all="ignore"):
        for text in texts:
            signs = signed_columns(text)
            total = sum((column[name] for name in signs), np.zeros(events.size))
            ratios.append(
                sum((sign * column[name] for name, sign in signs.items()), np.zeros(events.size)) / total
            )
    weights = _energy_weights(source, names)
    if not source.energy.columns:
        weights[:-1] = 1.0
    energy = np.full(events.size, weights[-1])
    for weight, name in zip(weights, names, strict=False):
        energy += weight * column[name]
    cut = len(source.position.x)
    return np.stack(
        [np.mean(ratios[:cut], axis=0), np.mean(ratios[cut:], axis=0), np.ones(events.size), energy]
    )


def _channel_signals(events: EventColumns, source: EventSource) -> Signals:
    """Return weighted x, weighted y, weight and energy of each row, summed over its channels."""
    readout = source.position.readout
    assert readout is not None
    table = _PlaceTable.of(source)
    sums = np.zeros((_CHANNEL_SIGNALS, events.rows))
    bank: Any = 0
    if readout.bank:
        bank = events.column(readout.bank).astype(np.int64) * len(readout.charges)
    for place, name in enumerate(readout.charges or (readout.charge,)):
        channel = events.column(readout.channel).astype(np.int64) if readout.channel else bank + place
        known = table.row(channel)
        charge = (events.column(name) - readout.pedestal) * table.gains[known]
        # A charge that is no number, or of a channel without a place, counts nothing.
        charge = np.where((charge > 0) & (charge >= readout.threshold), charge, 0.0)
        weight = charge if readout.power == 1 else charge**readout.power
        sums[0] += weight * table.x[known]
        sums[1] += weight * table.y[known]
        sums[2] += weight
        sums[3] += charge
    return sums


class _PlaceTable(NamedTuple):
    """Places of channels by number; the last row is for all that have none."""

    rows: npt.NDArray[np.intp]
    x: FloatArray
    y: FloatArray
    gains: FloatArray

    @classmethod
    def of(cls, source: EventSource) -> _PlaceTable:
        readout = source.position.readout
        assert readout is not None
        if not readout.places:
            raise ParameterError(
                "the rule channels needs to know where each channel is: give places in the event format"
            )
        numbers = np.array([place[0] for place in readout.places], np.intp)
        rows = np.full(numbers.max() + 2, len(numbers), np.intp)
        rows[numbers] = np.arange(len(numbers))
        x, y = (np.append([place[axis] for place in readout.places], 0.0) for axis in (1, 2))
        gains = np.append(readout.gains or np.ones(len(numbers)), 0.0)
        return cls(rows, x, y, gains)

    def row(self, channel: Any) -> npt.NDArray[np.intp]:  # noqa: ANN401 - a number or an array of them
        outside = (channel < 0) | (channel >= len(self.rows) - 1)
        found: npt.NDArray[np.intp] = self.rows[np.where(outside, len(self.rows) - 1, channel)]
        return found


def signal_positions(signals: Signals, rule: SignalRule) -> tuple[FloatArray, FloatArray]:
    """Return positions, shape (2, n), and energies, shape (n,), of signals; what is no number stays so.

    The plain twin of the compiled loop, and for those who need a position and not a pixel.
    """
    n = signals.shape[1]
    positions, energy = np.empty((2, n)), np.full(n, rule.energy[-1])
    with np.errstate(all="ignore"):
        for axis in range(2):
            top, bottom = np.full(n, rule.centre[axis]), np.full(n, rule.denominators[axis, -1])
            for weight, signal in zip(rule.numerators[axis], signals, strict=True):
                top += weight * signal
            for weight, signal in zip(rule.denominators[axis], signals, strict=False):
                bottom += weight * signal
            positions[axis] = rule.offsets[axis] + (top / bottom if rule.denominators[axis].any() else top)
        for weight, signal in zip(rule.energy, signals, strict=False):
            energy += weight * signal
    return positions, energy

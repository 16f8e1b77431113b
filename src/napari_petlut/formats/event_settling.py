"""What an event format leaves to the events: range of the map, whole positions, width of a channel."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError, TruncatedFileWarning
from napari_petlut.formats._files import StrPath
from napari_petlut.formats.event_files import iter_events, settled_container
from napari_petlut.formats.event_placement import Placement, looks_random, placement_of
from napari_petlut.maps.signals import event_signals, signal_positions, signal_sums
from napari_petlut.model import EventColumns, EventFormat, EventSource, FloatArray

SAMPLE_ROWS = 262_144
"""Rows at the beginning of a file from which is taken what its format leaves open."""
_EDGE = 0.002
_MARGIN = 0.03
_WELL_SPREAD = (300.0, 3000.0)
"""Channels that the largest energies should have, so that 4096 show the spectrum."""
_WANTED_CHANNEL = 1500.0
_UNIT_RANGES = ((0.0, 1.0), (-1.0, 1.0))
_FEWEST_VALUES = 8
_FEWEST_LIT = 0.05


def first_events(path: StrPath, fmt: EventFormat, rows: int = SAMPLE_ROWS) -> EventColumns:
    """Return the first events of a file whose format has a source.

    Raises
    ------
    FormatError
        If the file cannot be used, or has no event that is kept.
    """
    with warnings.catch_warnings():
        # Whoever reads to the end is told of it there.
        warnings.simplefilter("ignore", TruncatedFileWarning)
        first = next(iter(iter_events(path, fmt, chunk_events=rows)), None)
    if first is None:
        chosen = fmt.source.block.chosen if fmt.source is not None and fmt.source.block else None
        which = "events" if chosen is None else f"events of block {', '.join(map(str, chosen))}"
        raise FormatError(path, which, "none", "check the event format and the block")
    assert isinstance(first, EventColumns)
    return first


def settled(path: StrPath, fmt: EventFormat) -> tuple[EventFormat, Placement]:
    """Return a format with nothing left to the events, and where the first events of the file lie.

    The same file and format give the same; ranges and width are then part of the format, and hold for every
    other file that is read with it.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat
        With a source.

    Raises
    ------
    FormatError
        If the file cannot be used.
    ParameterError
        If the format does not say where channels lie.
    """
    assert fmt.source is not None
    source = settled_container(path, fmt.source)
    events = first_events(path, replace(fmt, source=source))
    source = _with_whole(source, events)
    source = _with_ranges(source, events)
    positions, energy = _located(source, events)
    if source.energy.step is None:
        source = replace(source, energy=replace(source.energy, step=_step_of(source, events, energy)))
    shares = np.stack(
        [(along - low) / (high - low) for along, (low, high) in zip(positions, _ranges(source), strict=True)],
        axis=1,
    )
    random = source.container.binary and _random(events, source)
    lit = np.asarray(energy > 0)
    if source.position.readout is not None and lit.mean() > _FEWEST_LIT:
        # An event whose charges are all below the threshold is none.
        shares, energy = shares[lit], energy[lit]
    return replace(fmt, source=source), placement_of(shares, energy, random=random)


def _random(events: EventColumns, source: EventSource) -> bool:
    """Say whether a number that position or energy comes from is as random bytes are: no signal is."""
    names = {*source.position.columns, *source.energy.columns}
    return any(looks_random(np.asarray(events.column(name))) for name in names)


def _located(source: EventSource, events: EventColumns) -> tuple[FloatArray, FloatArray]:
    """Return positions and energies, whatever is not settled yet."""
    position = source.position
    x_range, y_range = position.x_range or (0.0, 1.0), position.y_range or (0.0, 1.0)
    plain = replace(
        source,
        position=replace(position, whole=bool(position.whole), x_range=x_range, y_range=y_range),
        energy=replace(source.energy, step=source.energy.step or 1.0),
    )
    sums = signal_sums(plain)
    return signal_positions(event_signals(events, plain, sums), sums.rule)


def _ranges(source: EventSource) -> tuple[tuple[float, float], tuple[float, float]]:
    x_range, y_range = source.position.x_range, source.position.y_range
    assert x_range is not None and y_range is not None
    return x_range, y_range


def _with_whole(source: EventSource, events: EventColumns) -> EventSource:
    position = source.position
    if position.whole is not None:
        return source
    whole = position.readout is None and all(_is_whole(events.column(name)) for name in position.columns)
    return replace(source, position=replace(position, whole=whole))


def _is_whole(column: npt.NDArray[np.generic]) -> bool:
    if column.dtype.kind in "biu":
        return True
    finite = column[np.isfinite(column)]
    return bool(
        len(finite) and (finite == np.floor(finite)).all() and len(np.unique(finite)) >= _FEWEST_VALUES
    )


def _with_ranges(source: EventSource, events: EventColumns) -> EventSource:
    position = source.position
    if position.x_range is not None and position.y_range is not None:
        return source
    known = {"ratio": (0.0, 1.0), "corners": (-1.0, 1.0)}.get(position.rule)
    if known is not None:
        x_range, y_range = position.x_range or known, position.y_range or known
        return replace(source, position=replace(position, x_range=x_range, y_range=y_range))
    places, energy = _located(source, events)
    kept = places[:, (energy > 0) & np.isfinite(places).all(axis=0)]
    found = _ranges_of(kept, bool(position.whole)) if kept.shape[1] else [(0.0, 1.0)] * 2
    x_range, y_range = position.x_range or found[0], position.y_range or found[1]
    return replace(source, position=replace(position, x_range=x_range, y_range=y_range))


def _ranges_of(positions: FloatArray, whole: bool) -> list[tuple[float, float]]:
    """Return what a map of these positions should span: a usual scale that they fill, or their own range."""
    low, high = np.quantile(positions, (_EDGE, 1 - _EDGE), axis=1)
    smallest, largest = positions.min(axis=1), positions.max(axis=1)
    scales = [(0.0, 2.0**bits) for bits in range(3, 17)] if whole else _UNIT_RANGES
    for scale in scales:
        fills = (high - low) > 0.6 * (scale[1] - scale[0])
        if (smallest >= scale[0]).all() and (largest <= scale[1]).all() and fills.all():
            return [scale, scale]
    margin = _MARGIN * (high - low)
    ends = np.stack([low - margin, high + margin], axis=1)
    if whole:
        ends = np.stack([np.floor(low), np.floor(high) + 1], axis=1)
    return [(float(a), float(b)) if b > a else (float(a) - 0.5, float(a) + 0.5) for a, b in ends]


def _step_of(source: EventSource, events: EventColumns, energy: FloatArray) -> float:
    """Return an energy width for one channel so that the spectrum is seen: 1 where that does it."""
    finite = energy[np.isfinite(energy) & (energy > 0)]
    if not len(finite):
        return 1.0
    largest = float(np.quantile(finite, 1 - _EDGE))
    step = float(10.0 ** np.floor(np.log10(largest / _WANTED_CHANNEL)))
    step *= max(
        (factor for factor in (1.0, 2.0, 5.0) if factor * step <= largest / _WANTED_CHANNEL), default=1.0
    )
    columns = source.energy.columns
    coarse = bool(columns) and all(_is_whole(events.column(name)) for name in columns)
    # Whole numbers in narrower channels would leave every other channel empty.
    enough = largest <= _WELL_SPREAD[1] and (coarse or largest >= _WELL_SPREAD[0])
    return 1.0 if enough else max(step, 1.0) if coarse else step


def resolved_bins(fmt: EventFormat, bins: int) -> int:
    """Return how many pixels a map of these events can have along each axis, `bins` at most.

    Positions that are whole numbers fill each pixel alike only if a pixel holds as many of them as the next.

    Parameters
    ----------
    fmt : EventFormat
        Settled.
    bins : int
    """
    if fmt.source is None or fmt.source.position.rule != "direct" or not fmt.source.position.whole:
        return bins
    if fmt.source.join is not None:
        return bins
    steps = min(int(high - low) for low, high in _ranges(fmt.source))
    return bins if steps < 2 else max(steps // -(-steps // bins), 2)

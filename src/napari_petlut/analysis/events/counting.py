"""Threads to count events on, and hooks to watch the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.locating import Locator
from napari_petlut.analysis.events.rule import PixelRule
from napari_petlut.analysis.events.words import EventChunk, Words, counted_events
from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.model import EventColumns, EventFormat

Progress = Callable[[float], None]
CancelCheck = Callable[[], bool]

_MAX_PART_BYTES = 2**26
_BLOCK_WORDS = 131_072
_MAX_UNFLUSHED = 2**32 - 1


def watched(
    chunks: Iterable[EventChunk],
    events: int | None,
    progress: Progress | None,
    cancelled: CancelCheck | None,
) -> Iterator[EventChunk]:
    """Hand the chunks on, reporting progress after and asking for cancellation before each.

    Raises
    ------
    Cancelled
        If `cancelled` returned True.
    """
    done = 0
    for chunk in chunks:
        if cancelled is not None and cancelled():
            raise Cancelled("stopped as asked; nothing was kept")
        yield chunk
        done += len(chunk) if isinstance(chunk, EventColumns) else len(np.atleast_1d(chunk))
        if progress is not None and events:
            progress(min(done / events, 1.0))
    if progress is not None:
        progress(1.0)


class EventCounter:
    """Adds events to arrays of counts, on all cores.

    Each thread counts in 32 bits into arrays of its own, which keeps them in the cache; the totals have 64.

    Parameters
    ----------
    fmt : EventFormat
        Layout of the events.
    rule : PixelRule
        Of the format, see `pixel_rule`.
    loop : callable
        ``loop(words, first_index, *arrays)`` adds events to arrays of uint32; `first_index` is the place of
        ``words[0]`` among all events added.
    shapes : sequence of tuple of int
        Shapes of the arrays.
    threads : int, optional
        How many; by default one for each core that this process may use. Never so many that their arrays
        would take more than 64 MB together, unless those of one thread do.
    fields_loop : callable, optional
        Does the same as `loop` from whole fields of records, without words:
        ``fields_loop(*Locator.whole_fields(events), events.rows, *arrays)``.

    Raises
    ------
    ParameterError
        If `threads` is below 1.
    """

    def __init__(
        self,
        fmt: EventFormat,
        rule: PixelRule,
        loop: Callable[..., None],
        shapes: Sequence[tuple[int, ...]],
        *,
        threads: int | None = None,
        fields_loop: Callable[..., None] | None = None,
    ) -> None:
        self.events = 0
        self._fmt, self._loop, self._fields_loop, self._unflushed = fmt, loop, fields_loop, 0
        self._locator = None if fmt.source is None else Locator(fmt.source, rule)
        affordable = max(1, _MAX_PART_BYTES // max(4 * sum(prod(shape) for shape in shapes), 1))
        self._workers = Workers(threads, at_most=affordable)
        self._parts = [[np.zeros(shape, np.uint32) for shape in shapes] for _ in range(self._workers.count)]
        self._totals = [np.zeros(shape, np.int64) for shape in shapes]

    def add(self, chunk: EventChunk) -> None:
        """Count a chunk of events.

        Raises
        ------
        ParameterError
            If the chunk is none of the format.
        """
        array = counted_events(chunk, self._fmt)
        for start in range(0, array.size, _MAX_UNFLUSHED):
            part = array[start : start + _MAX_UNFLUSHED]
            if self._unflushed + part.size > _MAX_UNFLUSHED:
                self._flush()
            self._workers.run(self._count, part)
            self._unflushed += part.size
            self.events += part.size

    def totals(self) -> list[npt.NDArray[np.int64]]:
        """Return copies of the sums so far; more events can be added afterwards."""
        self._flush()
        return [total.copy() for total in self._totals]

    def _count(self, thread: int, block: Words | EventColumns, start: int) -> None:
        first_index = self.events + start
        if not isinstance(block, EventColumns):
            self._loop(block, first_index, *self._parts[thread])
            return
        assert self._locator is not None
        fields = None if self._fields_loop is None else self._locator.whole_fields(block)
        if self._fields_loop is not None and fields is not None:
            self._fields_loop(*fields, block.rows, *self._parts[thread])
            return
        for words, index, _ in self._locator.parts(block, first_index):
            self._loop(words, index, *self._parts[thread])

    def _flush(self) -> None:
        for arrays in self._parts:
            for total, array in zip(self._totals, arrays, strict=True):
                total += array
                array[...] = 0
        self._unflushed = 0


class Workers:
    """Runs a function over words or columns block by block, on all cores.

    Parameters
    ----------
    threads : int, optional
        How many; by default one for each core that this process may use.
    at_most : int, optional
        Upper limit to that.

    Raises
    ------
    ParameterError
        If `threads` is below 1.
    """

    def __init__(self, threads: int | None = None, *, at_most: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ParameterError(f"threads must be 1 or more, not {threads}")
        self.count = min(threads or _cores(), at_most or _cores())
        self._pool: ThreadPoolExecutor | None = None

    def run(self, function: Callable[[int, Any, int], None], words: Words | EventColumns) -> None:
        """Call ``function(thread, block, start)`` for all blocks of `words`; `start` is the block's place.

        A thread takes the next block when it is done with one, so that a core busy with something else holds
        nothing up; calls with the same `thread` never overlap.
        """
        starts = list(range(0, words.size, _BLOCK_WORDS))

        def work(thread: int) -> None:
            while starts:
                try:
                    start = starts.pop()
                except IndexError:
                    return
                function(thread, words[start : start + _BLOCK_WORDS], start)

        helpers = min(self.count, len(starts)) - 1
        if helpers > 0 and self._pool is None:
            self._pool = ThreadPoolExecutor(self.count - 1, thread_name_prefix="petlut")
        futures = [self._pool.submit(work, 1 + helper) for helper in range(helpers)] if self._pool else []
        work(0)
        for future in futures:
            future.result()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

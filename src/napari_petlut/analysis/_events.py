"""Event words as the compiled loops take them, threads to count them on, and hooks to watch the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.model import EventFormat

Progress = Callable[[float], None]
CancelCheck = Callable[[], bool]
Words = npt.NDArray[np.unsignedinteger[Any]]

_MAX_PART_BYTES = 2**26
_BLOCK_WORDS = 131_072


def watched(
    chunks: Iterable[npt.ArrayLike],
    events: int | None,
    progress: Progress | None,
    cancelled: CancelCheck | None,
) -> Iterator[npt.ArrayLike]:
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
        done += len(np.atleast_1d(chunk))
        if progress is not None and events:
            progress(min(done / events, 1.0))
    if progress is not None:
        progress(1.0)


class Workers:
    """Runs a function over an array of words block by block, on all cores.

    Parameters
    ----------
    threads : int, optional
        How many; by default one for each core that this process may use.
    bytes_per_thread : int
        Memory each thread will need for its own sums: there are never so many threads that they would take
        more than 64 MB together, unless one alone does.

    Raises
    ------
    ParameterError
        If `threads` is below 1.
    """

    def __init__(self, threads: int | None, *, bytes_per_thread: int = 0) -> None:
        if threads is not None and threads < 1:
            raise ParameterError(f"threads must be 1 or more, not {threads}")
        affordable = max(1, _MAX_PART_BYTES // max(bytes_per_thread, 1))
        self.count = min(threads or _cores(), affordable)
        self._pool: ThreadPoolExecutor | None = None

    def run(self, function: Callable[[int, Words, int], None], words: Words) -> None:
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


def kernel_words(words: npt.ArrayLike, fmt: EventFormat) -> Words:
    """Return words as the loops take them: contiguous, native, 32 or 64 bits, read-only.

    Two word types and always read-only, so that no more than two variants of a loop are ever compiled.
    """
    array = np.asarray(words)
    if array.ndim != 1 or array.dtype.kind != "u" or array.dtype.itemsize != fmt.word_bytes:
        raise ParameterError(
            f"event words of format {fmt.name!r} are a 1-D array of {8 * fmt.word_bytes}-bit unsigned "
            f"integers, not {array.ndim}-D {array.dtype}"
        )
    array = np.ascontiguousarray(array, dtype=word_type(fmt)).view()
    array.flags.writeable = False
    return array


def word_type(fmt: EventFormat) -> type[np.unsignedinteger[Any]]:
    """Return the type of words as the loops take them."""
    return np.uint64 if fmt.word_bytes == 8 else np.uint32

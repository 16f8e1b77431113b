"""Event words as the compiled loops take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import ParameterError
from napari_petlut.model import EventColumns, EventFormat

Words = npt.NDArray[np.unsignedinteger[Any]]
EventChunk = npt.ArrayLike | EventColumns
"""Some events as a file gives them: words, or columns where the format has a source."""
Counts = npt.NDArray[np.uint32]


def counted_events(chunk: EventChunk, fmt: EventFormat) -> Words | EventColumns:
    """Return a chunk as it is counted: columns as they are, words by `kernel_words`.

    Raises
    ------
    ParameterError
        If the chunk is none of the format.
    """
    if fmt.source is None:
        return kernel_words(chunk, fmt)  # type: ignore[arg-type]
    if not isinstance(chunk, EventColumns):
        raise ParameterError(f"events of format {fmt.name!r} come as columns, not as {type(chunk).__name__}")
    return chunk


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

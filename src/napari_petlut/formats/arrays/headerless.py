"""Maps without a header: counts of a type, shape and byte order, told or proposed by what they look like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import FormatError
from napari_petlut.formats._files import StrPath, file_size, open_binary, read_bytes
from napari_petlut.formats.arrays.entries import MOST_BYTES, MOST_VALUES, check_size
from napari_petlut.formats.arrays.likeness import (
    SMOOTH,
    flood_likeness,
    halves_alike,
    line_agreement,
    looks_like_lut,
)
from napari_petlut.formats.map_layout import MapLayout

CLEARLY = 0.15
"""A proposal that is smoother than all others by this is clearly the best."""
_TYPES = ("u1", "<u2", ">u2", "<u4", ">u4", "<i2", ">i2", "<i4", ">i4", "<f4", ">f4", "<f8", ">f8")
_SIDES = (
    64,
    96,
    100,
    128,
    192,
    200,
    256,
    300,
    320,
    384,
    400,
    500,
    512,
    600,
    640,
    768,
    800,
    1000,
    1024,
    2048,
    4096,
)
_MOST_BLOCKS = 256
_LARGEST_HEADER = 65_536
_LONGEST = 4
"""Sides of a map are not more unequal than this."""
_SAMPLE_LINES = 128
_PIECE_BYTES = 65_536
_LEAST_ALONG_LINES = 0.08
_MOST_PROPOSALS = 6
_MANY_TIMES = 32.0

EXPECTED = "the counts of a map without a header"


@dataclass(frozen=True)
class Proposal:
    """A way to read a file without a header.

    Parameters
    ----------
    layout : MapLayout
    likeness : float
        How much it looks like a flood map then, 0 to 1.
    """

    layout: MapLayout
    likeness: float

    @property
    def tell(self) -> str:
        """What to tell the command line to have it."""
        return f'--array "{self.layout.array_text}"'


def read_headerless(path: StrPath, layout: MapLayout) -> npt.NDArray[np.generic]:
    """Read the array that a layout describes.

    Parameters
    ----------
    path : path-like
    layout : MapLayout
        With dtype and shape.

    Raises
    ------
    FormatError
        If the file has fewer bytes than the layout, or more.
    """
    assert layout.dtype is not None and layout.shape is not None
    dtype = np.dtype(layout.dtype)
    check_size(path, layout.shape, dtype.itemsize)
    needed = layout.header_bytes + math.prod(layout.shape) * dtype.itemsize
    size = file_size(path, EXPECTED)
    if size != needed:
        raise FormatError(
            path, f"{needed:,} bytes for {layout.array_text}", f"{size:,}", "correct type, shape or header"
        )
    data = read_bytes(path, EXPECTED, limit=MOST_BYTES + _LARGEST_HEADER)
    if len(data) != needed:
        raise FormatError(path, EXPECTED, "a file that is being written", "try again")
    return np.frombuffer(data, dtype, offset=layout.header_bytes).reshape(layout.shape)


def propose_layouts(path: StrPath) -> list[Proposal]:
    """Return the layouts in which the bytes of a file look like a flood map, best first.

    Types of 1 to 8 bytes in both orders, square maps of any side, maps of usual sides that are not square,
    stacks of square ones, and square ones of usual sides behind a header of up to 64 KiB are tried. Of
    layouts that give the same counts the plainest is kept.

    Raises
    ------
    FormatError
        If the file cannot be read.
    """
    size = file_size(path, EXPECTED)
    if not 1024 <= size <= MOST_BYTES:
        return []
    candidates = _candidates(size)
    if not candidates:
        return []
    with open_binary(path, EXPECTED) as handle:
        # Off the middle, where blocks that lie side by side meet and have no counts.
        start = size * 3 // 8 // 8 * 8
        handle.seek(start)
        piece = handle.read(_PIECE_BYTES)
        if _repeats(piece):
            return []
        found = [
            layout
            for layout in candidates
            if _smooth_along_lines(piece, start, layout) and _sample_likeness(handle, layout) > 0
        ]
    return _ranked(path, found) if found else []


def _candidates(size: int) -> list[MapLayout]:
    layouts = []
    for name in _TYPES:
        item = np.dtype(name).itemsize
        shapes = list(dict.fromkeys(_shapes(size // item))) if size % item == 0 else []
        layouts += [MapLayout(dtype=name, shape=shape) for shape in shapes]
        if not shapes:
            layouts += [
                MapLayout(dtype=name, shape=(side, side), header_bytes=header)
                for side in _SIDES[::-1]
                if 0 < (header := size - side * side * item) <= min(_LARGEST_HEADER, size // 2)
            ][:1]
    return layouts


def _shapes(values: int) -> list[tuple[int, ...]]:
    """Return the shapes that a number of values can have, the most usual first."""
    shapes: list[tuple[int, ...]] = []
    root = math.isqrt(values)
    if root * root == values:
        shapes.append((root, root))
    for side in _SIDES:
        other, rest = divmod(values, side)
        if rest == 0 and other in _SIDES and max(side, other) <= _LONGEST * min(side, other):
            shapes.append((side, other))
    for side in _SIDES:
        blocks, rest = divmod(values, side * side)
        if rest == 0 and 2 <= blocks <= _MOST_BLOCKS:
            shapes.append((blocks, side, side))
    return [shape for shape in shapes if min(shape[-2:]) >= 32 and math.prod(shape) <= MOST_VALUES]


def _repeats(piece: bytes) -> bool:
    """Say whether bytes are the same few again and again; counts never are."""
    period = piece.find(piece[:16], 1)
    return period > 0 and piece[period:] == piece[:-period]


def _smooth_along_lines(piece: bytes, start: int, layout: MapLayout) -> bool:
    """Say whether a piece of a file, whatever its width, can be lines of a map; random bytes cannot."""
    dtype = np.dtype(layout.dtype)
    skipped = (layout.header_bytes - start) % dtype.itemsize
    rest = piece[skipped:]
    line = np.frombuffer(rest[: len(rest) // dtype.itemsize * dtype.itemsize], dtype)
    return line_agreement(line) > _LEAST_ALONG_LINES


def _sample_likeness(handle: BinaryIO, layout: MapLayout) -> float:
    """Return the likeness of lines from the middle of a map, or of the middle map of a stack."""
    assert layout.dtype is not None and layout.shape is not None
    dtype, lines, width = np.dtype(layout.dtype), layout.shape[-2], layout.shape[-1]
    taken = min(lines, _SAMPLE_LINES)
    first = (math.prod(layout.shape[:-1]) // lines // 2) * lines + (lines - taken) // 2
    handle.seek(layout.header_bytes + first * width * dtype.itemsize)
    content = handle.read(taken * width * dtype.itemsize)
    if len(content) < taken * width * dtype.itemsize:
        return 0.0
    return flood_likeness(np.frombuffer(content, dtype).reshape(taken, width))


@dataclass(frozen=True)
class _Read:
    """A layout that may be right, and what speaks for it."""

    proposal: Proposal
    counts: npt.NDArray[np.float64]
    roughness: float
    doubtful: bool

    @property
    def group(self) -> tuple[str | None, int]:
        layout = self.proposal.layout
        return layout.dtype, layout.header_bytes

    @property
    def square(self) -> bool:
        shape = self.proposal.layout.shape
        return shape is not None and len(shape) == 2 and shape[0] == shape[1]


def _ranked(path: StrPath, layouts: list[MapLayout]) -> list[Proposal]:
    found: list[_Read] = []
    for layout in layouts:
        everything = read_headerless(path, layout)
        values = everything[len(everything) // 2] if everything.ndim == 3 else everything
        likeness = flood_likeness(values)
        if likeness < SMOOTH or looks_like_lut(values):
            continue
        counts = values.astype(np.float64)
        if not any(_same(counts, other.counts) for other in found):
            doubtful = halves_alike(everything.reshape(-1, counts.shape[1]))
            found.append(_Read(Proposal(layout, likeness), counts, _roughness(counts), doubtful))
    # Counts scatter by about their square root; in a wrong byte order or word they scatter by far more.
    least = min((read.roughness for read in found), default=0.0)
    found = [read for read in found if read.roughness <= _MANY_TIMES * least]
    # Of one type, a width that cannot be half of it counts more than one that can; then a square counts more.
    sure = {read.group for read in found if not read.doubtful}
    found = [read for read in found if not read.doubtful or read.group not in sure]
    squares = {read.group for read in found if read.square}
    found = [read for read in found if not read.doubtful or read.square or read.group not in squares]
    proposals = [read.proposal for read in found]
    return sorted(proposals, key=lambda proposal: -proposal.likeness)[:_MOST_PROPOSALS]


def _same(counts: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    return counts.shape == other.shape and bool((counts == other).all())


def _roughness(counts: npt.NDArray[np.float64]) -> float:
    """Return the mean square of the difference of neighbours over their sum: 1 for counts of events."""
    a, b = counts[:, 1:], counts[:, :-1]
    total = a + b
    seen = total > 0
    return float(((a - b)[seen] ** 2 / total[seen]).mean())


def clear_proposal(proposals: list[Proposal]) -> Proposal | None:
    """Return the proposal that is clearly the best; None if none is, or there is none."""
    if not proposals:
        return None
    if len(proposals) > 1 and proposals[0].likeness - proposals[1].likeness < CLEARLY:
        return None
    return proposals[0]

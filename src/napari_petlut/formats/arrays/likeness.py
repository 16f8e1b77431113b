"""What a flood map looks like: smooth counts that are not negative; and what a LUT looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SMOOTH = 0.5
"""Numbers at least this smooth are taken for a map if nothing speaks against them."""
_SCALES = (1, 2, 4, 8)
_FEWEST = 24
"""Pixels a side that a map still has after binning."""
_FAR_BETTER = 0.75
_ABOUT = 0.1
_MOST_REPEATED = 0.2
"""Lines that are exactly the one before; measured ones never are."""
_STRIPED = -0.05
"""Neighbours of a map are never against each other; those of a map read in the wrong width or word are."""
_MOST_COUNTS = 2.0**24
"""More than a day of measuring gives in a typical pixel."""
_ALIKE = 0.5
_PARTS_PER_VALUE = 4
_CLOSE = 2**22

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def flood_likeness(values: Values) -> float:
    """Return how much an array looks like a flood map, 0 to 1.

    It is the correlation of neighbours along the rougher axis, of square roots, at the binning of 1, 2, 4 or
    8 pixels at which it is largest: counts that belong together are smooth, those of bytes in another order
    or of lines of another length are not. What cannot be a map is 0: values that are negative, not finite or
    beyond any count; lines or columns that alternate; and lines that agree far better in another length.

    Parameters
    ----------
    values : ndarray, shape (n0, n1)

    Examples
    --------
    >>> place = np.arange(64)
    >>> row = sum(np.exp(-((place - c) ** 2) / 8) for c in (15, 30, 45))
    >>> flood_likeness(100 * np.outer(row, row)) > 0.8
    True
    >>> flood_likeness(np.random.default_rng(0).random((64, 64))) < 0.1
    True
    """
    with np.errstate(all="ignore"):
        counts = np.asarray(values, np.float64)
    if not np.isfinite(counts).all() or counts.min() < 0 or counts.max() <= 0:
        return 0.0
    typical = float(np.median(counts[counts > 0]))
    if typical >= _MOST_COUNTS or counts.max() >= 2.0**31 or counts.max() < 1e-6:
        return 0.0
    if min(_agreement(counts)) < _STRIPED or _of_other_width(counts):
        return 0.0
    best = 0.0
    for factor in _SCALES:
        if factor > 1 and min(counts.shape) < factor * _FEWEST:
            break
        best = max(best, min(_agreement(binned(counts, factor))))
    return best


def line_agreement(line: Values) -> float:
    """Return the correlation of neighbours in a long line of counts, at the binning where it is largest.

    Parameters
    ----------
    line : ndarray, shape (n,)

    Returns
    -------
    float
        0 for what cannot be counts.
    """
    with np.errstate(all="ignore"):
        counts = np.asarray(line, np.float64)[None]
    if counts.size < 2 * _FEWEST or not np.isfinite(counts).all() or counts.min() < 0 or counts.max() <= 0:
        return 0.0
    found = [
        _agreement(binned(counts, 1, factor))[1] for factor in (*_SCALES, 16) if counts.size >= 64 * factor
    ]
    return max(found, default=0.0) if not found or found[0] > 2 * _STRIPED else 0.0


def binned(values: Floats, factor0: int, factor1: int | None = None) -> Floats:
    """Return sums of blocks of pixels; what does not fill a block at the far ends is left out."""
    factor1 = factor0 if factor1 is None else factor1
    n0, n1 = values.shape[0] // factor0, values.shape[1] // factor1
    cut = values[: n0 * factor0, : n1 * factor1]
    return np.asarray(cut.reshape(n0, factor0, n1, factor1).sum(axis=(1, 3)))


def _agreement(counts: Floats) -> tuple[float, float]:
    """Return the correlation of neighbours along axis 0 and axis 1, of square roots, whose noise is even."""
    roots = np.sqrt(counts)
    spread = 2 * float(((roots - roots.mean()) ** 2).mean())
    if spread == 0:
        return 0.0, 0.0
    along0, along1 = (
        1 - float((np.diff(roots, axis=axis) ** 2).mean()) / spread if roots.shape[axis] > 1 else 0.0
        for axis in (0, 1)
    )
    return along0, along1


def _of_other_width(counts: Floats) -> bool:
    """Say whether the lines agree far better with one another if cut, or joined to longer ones.

    They do where the numbers were read in a wrong width: true neighbours then stand beside each other, or
    some lines apart. Blocks side by side in one array that are alike make the cut lines agree too, but no
    better than by the lines that are then there several times.
    """
    n0, n1 = counts.shape
    bin_width = max(n1 // 64, 1)
    own = _lines_agree(counts, bin_width)
    for parts in (2, 4):
        if n1 % parts == 0 and n1 // parts >= _FEWEST:
            cut = _lines_agree(counts.reshape(n0 * parts, n1 // parts), bin_width)
            if 1 - cut < _FAR_BETTER * (1 - own) / parts:
                return True
        if n0 // parts >= _FEWEST:
            joined = counts[: n0 // parts * parts].reshape(n0 // parts, n1 * parts)
            if _lines_agree(joined, bin_width) > own:
                return True
    filled = counts[1:].any(axis=1)
    repeated = (counts[1:] == counts[:-1]).all(axis=1) & filled
    return bool(repeated.sum() > _MOST_REPEATED * filled.sum())


def halves_alike(counts: Values) -> bool:
    """Say whether the left half of each line is as good a neighbour of the right one as the next line is.

    Then the map may be half as wide, or hold blocks that are alike.
    """
    values = np.asarray(counts, np.float64)
    n0, n1 = values.shape
    if n1 % 2 or n1 < 2 * _FEWEST:
        return False
    bin_width = max(n1 // 64, 1)
    return _lines_agree(values.reshape(2 * n0, n1 // 2), bin_width) > _lines_agree(values, bin_width) - _ABOUT


def _lines_agree(counts: Floats, bin_width: int) -> float:
    """Return the correlation of each line with the next, in bins along the line."""
    return _agreement(binned(counts, 1, bin_width))[0]


def looks_like_lut(values: Values) -> bool:
    """Say whether an array is made of areas of one value each, as a LUT is and a flood map never.

    Neighbours are mostly the same outside of the most frequent value, and no value is scattered over many
    places: the steps of a smooth map are, as every spot has its own.

    Examples
    --------
    >>> looks_like_lut(np.repeat(np.repeat(np.arange(16).reshape(4, 4), 8, axis=0), 8, axis=1))
    True
    >>> looks_like_lut(np.random.default_rng(0).poisson(3, (32, 32)))
    False
    """
    labels, counts = _labels(values)
    numbers = int(np.count_nonzero(counts))
    if numbers < 2 or even_areas(values) < _ALIKE:
        return False
    from skimage.measure import label

    areas = int(label(labels + 1, connectivity=1, background=0).max())  # type: ignore[no-untyped-call]
    return areas <= _PARTS_PER_VALUE * numbers


def even_areas(values: Values) -> float:
    """Return the share of neighbours that are the same, outside of the most frequent value.

    Examples
    --------
    >>> even_areas(np.array([[0, 0, 0, 0], [0, 5, 5, 0], [0, 0, 1, 0]])) == 1 / 9
    True
    """
    labels, counts = _labels(values)
    ground = int(counts.argmax())
    same = total = 0
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        counted = (a != ground) | (b != ground)
        total += int(counted.sum())
        same += int(((a == b) & counted).sum())
    return same / total if total else 0.0


def _labels(values: Values) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return whole numbers that stand for the values, and how often each occurs."""
    if values.dtype.kind in "iu":
        low, high = int(values.min()), int(values.max())
        if high - low < _CLOSE:
            numbers = values.astype(np.int64) - low
            return numbers, np.bincount(numbers.ravel())
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return places.reshape(values.shape).astype(np.int64), counts.astype(np.int64)

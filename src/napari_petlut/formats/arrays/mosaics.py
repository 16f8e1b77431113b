"""Several blocks that lie side by side in one array, noticed by the dark bands between them.

Between the rows of one block the map may be dark, but never for longer than a pitch, or two where a row is
dead; between blocks it is, at even parts of the array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MOST_PARTS = 16
"""Blocks along an axis that are looked for."""
DARK = 0.02
"""Share of the mean of all lines below which a line of pixels is dark."""
ONE_BAND, SEVERAL_BANDS, UNLIKELY_BANDS = 2.2, 1.1, 0.2
"""Least width of the dark bands in pitches: where there is a single one, more than a dead row leaves; several
at even parts of the array are no coincidence; still less are bands that stand out along both axes, or that
part a long array into squares."""
STANDS_OUT = 1.5
"""Times that they are wider than any other band, which may be between rows of a block."""
OFF_PLACE = 0.1
"""How far the middle of a band is off its place, as a share of a block."""
FEWEST_SPOTS = 4
"""Spots of each block."""
FAINTEST = 0.1
"""Spots below this share of a bright one are not counted."""
_SMOOTH = 1.0
_LARGEST = 512

Floats = npt.NDArray[np.float64]


def blocks_side_by_side(counts: npt.NDArray[Any]) -> tuple[int, int]:
    """Return how many blocks seem to lie along axis 0 and axis 1 of a map; (1, 1) for one block.

    Parameters
    ----------
    counts : ndarray, shape (n0, n1)

    Examples
    --------
    >>> place = np.arange(64)
    >>> row = sum(np.exp(-((place - c) ** 2) / 8) for c in (20, 28, 36, 44))
    >>> block = 100 * np.outer(row, row)
    >>> blocks_side_by_side(block), blocks_side_by_side(np.tile(block, (2, 3)))
    ((1, 1), (2, 3))
    """
    values = np.asarray(counts, np.float64)
    step = max(1, -(-max(values.shape) // (2 * _LARGEST)))
    if step > 1:
        n0, n1 = (n // step for n in values.shape)
        values = values[: n0 * step, : n1 * step].reshape(n0, step, n1, step).sum(axis=(1, 3))
    spots = _spots(values)
    if len(spots) < 2 * FEWEST_SPOTS:
        return 1, 1
    pitch = _pitch(spots)
    bands = [_dark_bands(values.sum(axis=1 - axis)) for axis in (0, 1)]

    def parts_by(least: float) -> list[int]:
        return [_even_parts(bands[axis], values.shape[axis], least * pitch) for axis in (0, 1)]

    parts = parts_by(UNLIKELY_BANDS)
    if 1 in parts:
        parts = parts_by(SEVERAL_BANDS)
    if parts[0] * parts[1] == 2:
        parts = parts_by(ONE_BAND)
    if parts == [1, 1]:
        parts = _square_parts(bands, values.shape, UNLIKELY_BANDS * pitch)
    if parts == [1, 1] or not _all_filled(values, parts):
        return 1, 1
    return parts[0], parts[1]


def _square_parts(bands: list[list[tuple[int, int]]], shape: tuple[int, ...], least: float) -> list[int]:
    """Return the squares that make up an array several times as long as it is wide, where bands part them."""
    short, long = min(shape), max(shape)
    axis = shape.index(long)
    number = long // short
    parts = [1, 1]
    if long % short == 0 and 2 <= number <= MOST_PARTS and _parted(bands[axis], long, number, least):
        parts[axis] = number
    return parts


def _spots(values: Floats) -> npt.NDArray[np.int64]:
    """Return the places of bright local maxima, shape (n, 2)."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(values, _SMOOTH)
    tops = (smooth == ndimage.maximum_filter(smooth, 5)) & (smooth > 0)
    bright = float(np.quantile(smooth[tops], 0.9)) if tops.any() else 0.0
    found: npt.NDArray[np.int64] = np.argwhere(tops & (smooth > FAINTEST * bright))
    return found


def _pitch(spots: npt.NDArray[np.int64]) -> float:
    """Return the usual distance of a spot to the next."""
    from scipy.spatial import cKDTree

    distance = np.asarray(cKDTree(spots).query(spots, k=2)[0])
    return float(np.median(distance[:, 1]))


def _dark_bands(profile: Floats) -> list[tuple[int, int]]:
    """Return first line and end of the dark bands between lit lines."""
    dark = np.asarray(profile <= DARK * float(profile.mean()))
    edges: npt.NDArray[np.intp] = np.flatnonzero(np.diff(np.pad(dark.astype(np.int8), 1)))
    bands = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    return [(a, b) for a, b in bands if a > 0 and b < len(profile)]


def _even_parts(bands: list[tuple[int, int]], lines: int, least: float) -> int:
    """Return into how many even parts dark bands cut an axis, the most that do."""
    for parts in range(MOST_PARTS, 1, -1):
        if lines % parts == 0 and _parted(bands, lines, parts, least):
            return parts
    return 1


def _parted(bands: list[tuple[int, int]], lines: int, parts: int, least: float) -> bool:
    """Whether there is a dark band between all even parts of an axis that stands out from all others."""
    reach = OFF_PLACE * lines / parts
    at = [round((0.5 * (a + b)) * parts / lines) for a, b in bands]
    near = [
        0 < k < parts and abs(0.5 * (a + b) - k * lines / parts) <= reach
        for k, (a, b) in zip(at, bands, strict=True)
    ]
    widths = {k: b - a for k, (a, b), there in zip(at, bands, near, strict=True) if there}
    if len(widths) < parts - 1 or min(widths.values()) < least:
        return False
    others = [b - a for (a, b), there in zip(bands, near, strict=True) if not there]
    return STANDS_OUT * max(others, default=0) <= min(widths.values())


def _all_filled(values: Floats, parts: list[int]) -> bool:
    """Whether every part has spots, however bright the others are."""
    rows = np.array_split(values, parts[0], axis=0)
    return all(
        len(_spots(tile)) >= FEWEST_SPOTS for row in rows for tile in np.array_split(row, parts[1], axis=1)
    )

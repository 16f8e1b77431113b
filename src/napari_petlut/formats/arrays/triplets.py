"""Lists of x, y and counts: the bins of a map one a line, as ROOT and spreadsheets write them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_petlut.formats.arrays.entries import MOST_PIXELS, Pixels

_COUNT_NAMES = {
    "counts",
    "count",
    "n",
    "z",
    "value",
    "values",
    "content",
    "entries",
    "events",
    "weight",
    "hits",
}
_SIDES = (32, 64, 96, 128, 160, 192, 256, 300, 320, 384, 400, 500, 512, 600, 640, 768, 800, 1000, 1024, 2048)
_NEARLY = 0.9
"""A map whose last filled bin is this near to a usual size has that size."""
_FEWEST_BINS = 4
_FULLEST = 0.02
"""Of the bins of a map at least this share is listed."""

Floats = npt.NDArray[np.float64]


def map_of_triplets(values: Floats, names: Sequence[str] = ()) -> Pixels | None:
    """Return the map of a list of bins; those that are not listed hold nothing.

    Of a list that runs through the map the inner place is axis 1, as in an array's memory; x is axis 0 where
    the list runs through neither.

    Parameters
    ----------
    values : ndarray of float64, shape (n, 3)
    names : sequence of str
        Of the columns, where known; one of them may say which column holds the counts, else the last does.

    Returns
    -------
    Pixels or None
        None if the first two columns do not number the bins of a map, each once.

    Examples
    --------
    >>> bins = np.array([[i, j, 10 * i + j] for i in range(4) for j in range(5)], float)
    >>> map_of_triplets(bins).values[3].tolist()
    [30.0, 31.0, 32.0, 33.0, 34.0]
    """
    lowered = [name.strip().lower() for name in names]
    if any(name in ("e", "energy", "time", "t") for name in lowered):
        return None
    last = next((k for k, name in enumerate(lowered[:3]) if name in _COUNT_NAMES), 2)
    places, counts = np.delete(values, last, axis=1), values[:, last]
    if not np.isfinite(places).all() or (counts < 0).any():
        return None
    # In a list that runs through the map, the place that changes more often is the inner one.
    changes = np.count_nonzero(np.diff(places, axis=0), axis=0)
    exchanged = bool(changes[0] > changes[1])
    axes = [found for k in (0, 1) if (found := _bins(places[:, k])) is not None]
    if len(axes) < 2:
        return None
    (i, first0, size0), (j, first1, size1) = axes[::-1] if exchanged else axes
    shape = _usual_shape(size0, size1) if first0 and first1 else (size0, size1)
    if shape[0] * shape[1] > MOST_PIXELS or len(values) < _FULLEST * shape[0] * shape[1]:
        return None
    flat = i * shape[1] + j
    if len(np.unique(flat)) < len(flat):
        return None
    canvas = np.zeros(shape)
    canvas.flat[flat] = counts
    note = (
        f"a list of x, y and counts of {len(values):,} bins: a map of {shape[0]} x {shape[1]} pixels, "
        f"{'y' if exchanged else 'x'} along axis 0"
    )
    return Pixels(canvas, (note,))


def _bins(places: Floats) -> tuple[npt.NDArray[np.intp], bool, int] | None:
    """Return the bin of each place, whether the bins are counted from 0, and their number."""
    seen = np.unique(places)
    if len(seen) < _FEWEST_BINS:
        return None
    step = float(np.diff(seen).min())
    from_zero = abs(step - 1) < 1e-6 and seen[0] >= 0
    origin = float(seen[0] - np.floor(seen[0])) if from_zero else float(seen[0])
    bins = (places - origin) / step
    nearest = np.rint(bins)
    if np.abs(bins - nearest).max() > 0.01 or nearest.max() > MOST_PIXELS:
        return None
    whole = nearest.astype(np.intp)
    return whole, bool(from_zero), int(whole.max()) + 1


def _usual_shape(size0: int, size1: int) -> tuple[int, int]:
    """Return the shape of the square map that bins from 0 nearly fill, else the bins' own."""
    largest = max(size0, size1)
    for side in _SIDES:
        if largest <= side:
            return (side, side) if min(size0, size1) >= _NEARLY * side else (size0, size1)
    return size0, size1

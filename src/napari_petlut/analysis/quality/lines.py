"""Figures of neighbouring crystals by the row or column of the array that they lie in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.quality.pairs import PairQuality
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

LINE_FIGURES = ("k_mean", "k_sd", "k_min", "pvr", "pvr_min", "pvr_border")
"""Columns of `line_table` that are figures."""


def line_table(rows: PairQuality, cols: PairQuality, geometry: BlockGeometry) -> dict[str, npt.NDArray[Any]]:
    """Return the figures of the pairs within each row, then within each column, as for a CSV file.

    Parameters
    ----------
    rows, cols : PairQuality
        Pairs of neighbouring rows, along axis 0, and of neighbouring columns, along axis 1.
    geometry : BlockGeometry

    Returns
    -------
    dict of str to ndarray, shape (rows + cols,)
        ``line`` ("row" or "column"), ``number``, ``pairs`` (how many have a k), mean, standard deviation and
        smallest of k, median and smallest peak-to-valley ratio by line profile, and the median of that by
        border. The pairs within a row are neighbours along axis 1, those within a column along axis 0.
        NaN where no pair has the figure; the ratio of an empty valley is infinite, and counts as such.
    """
    # Neighbouring columns meet within a row, neighbouring rows within a column.
    within = [(cols, cols.first // geometry.cols == row) for row in range(geometry.rows)]
    within += [(rows, rows.first % geometry.cols == col) for col in range(geometry.cols)]
    numbers = np.concatenate([np.arange(geometry.rows), np.arange(geometry.cols)])
    return {
        "line": np.repeat(["row", "column"], geometry.shape),
        "number": numbers,
        "pairs": np.array([int(np.isfinite(pairs.k[at]).sum()) for pairs, at in within]),
        "k_mean": _of_each([pairs.k[at] for pairs, at in within], np.mean),
        "k_sd": _of_each([pairs.k[at] for pairs, at in within], np.std),
        "k_min": _of_each([pairs.k[at] for pairs, at in within], np.min),
        "pvr": _of_each([pairs.pvr_line[at] for pairs, at in within], _median),
        "pvr_min": _of_each([pairs.pvr_line[at] for pairs, at in within], np.min),
        "pvr_border": _of_each([pairs.pvr_border[at] for pairs, at in within], _median),
    }


def _of_each(lines: list[FloatArray], statistic: Callable[[FloatArray], Any]) -> FloatArray:
    known = [values[~np.isnan(values)] for values in lines]
    return np.array([float(statistic(values)) if values.size else np.nan for values in known])


def _median(values: FloatArray) -> float:
    """Return the median, of an even number of values the lower of the middle two if the upper is infinite."""
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(low if np.isinf(high) else (low + high) / 2)

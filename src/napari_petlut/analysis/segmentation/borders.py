"""Borders between cells, for pictures and for the peak-to-valley ratio."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import ParameterError


def cell_borders(labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return the pixels on either side of each boundary between cells.

    A pixel is a border when its label differs from that of the next or the previous pixel along an axis. As
    in the notebook's ``generate_grid``, pairs within the last row and the last column are not compared.

    Parameters
    ----------
    labels : array_like of int, shape (n0, n1)
        Any labels: crystal ids or a LUT as it lies in the file.

    Returns
    -------
    borders : ndarray of bool, shape (n0, n1)

    Examples
    --------
    >>> cell_borders([[1, 1, 2], [1, 1, 2], [1, 1, 2]]).astype(int).tolist()
    [[0, 1, 1], [0, 1, 1], [0, 0, 0]]
    """
    values = np.asarray(labels)
    if values.ndim != 2:
        raise ParameterError(f"cell borders need a 2-D array of labels, not {values.shape}")
    borders = np.zeros(values.shape, np.bool_)
    across0 = values[:-1, :-1] != values[1:, :-1]
    across1 = values[:-1, :-1] != values[:-1, 1:]
    borders[:-1, :-1] |= across0 | across1
    borders[1:, :-1] |= across0
    borders[:-1, 1:] |= across1
    return borders

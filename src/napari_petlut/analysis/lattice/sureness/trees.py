"""Boosted trees as plain arrays: read from a file and summed, without the library that fitted them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt

from napari_petlut.compiling import compiled
from napari_petlut.model import FloatArray

ARRAYS = ("roots", "column", "threshold", "children", "value")
"""Arrays of the files, in the order of the arguments of `sum_of_trees`."""


@compiled()
def sum_of_trees(
    features: FloatArray,
    roots: npt.NDArray[np.int64],
    column: npt.NDArray[np.int64],
    threshold: FloatArray,
    children: npt.NDArray[np.int64],
    value: FloatArray,
) -> FloatArray:
    """Return the sum of the values of the leaves that each row of features falls into.

    Parameters
    ----------
    features : ndarray of float64, shape (n, number of features)
    roots : ndarray of int64, shape (trees,)
        First node of each tree.
    column, threshold : ndarray, shape (nodes,)
        A row goes to the first child where its feature is not above the threshold.
    children : ndarray of int64, shape (nodes, 2)
        -1 for leaves.
    value : ndarray of float64, shape (nodes,)
    """
    out = np.zeros(len(features))
    for n in range(len(features)):
        for root in roots:
            node = root
            while children[node, 0] >= 0:
                above = features[n, column[node]] > threshold[node]
                node = children[node, 1 if above else 0]
            out[n] += value[node]
    return out


@dataclass(frozen=True, eq=False)
class Trees:
    """Boosted trees, see `sum_of_trees`; `start` is the sum before the first."""

    start: float
    roots: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    threshold: FloatArray
    children: npt.NDArray[np.int64]
    value: FloatArray

    def log_odds(self, features: FloatArray) -> FloatArray:
        """Return what the trees say of features (..., number of features), shape (...)."""
        flat = np.ascontiguousarray(features.reshape(-1, features.shape[-1]))
        summed = sum_of_trees(flat, self.roots, self.column, self.threshold, self.children, self.value)
        return np.asarray(self.start + summed).reshape(features.shape[:-1])


@cache
def fitted_trees(name: str, features: tuple[str, ...]) -> Trees:
    """Return fitted trees from a file beside this one.

    Parameters
    ----------
    name : str
    features : tuple of str
        Names of the features, in the order in which the trees are to see them.

    Raises
    ------
    KeyError
        If the trees were fitted on others, or in another order.
    """
    with as_file(files("napari_petlut.analysis.lattice.sureness") / name) as path, np.load(path) as kept:
        if tuple(kept["features"].tolist()) != features:
            raise KeyError(f"{name} was fitted on other features than those in force")
        return Trees(float(kept["start"]), *(kept[array] for array in ARRAYS))

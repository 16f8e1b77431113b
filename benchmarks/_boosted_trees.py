"""Fitted trees as the plain arrays that `napari_petlut.analysis.lattice.sureness.trees` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from napari_petlut.analysis.lattice.sureness.trees import ARRAYS


def write_trees(
    model: HistGradientBoostingClassifier,
    features: Sequence[str],
    path: Path,
    slope: float = 1.0,
    shift: float = 0.0,
) -> None:
    """Write trees on named features as plain arrays; slope and shift go into their values."""
    arrays = dict(zip(ARRAYS, plain_arrays(model), strict=True))
    arrays["value"] = slope * arrays["value"]
    start = np.float64(slope * model._baseline_prediction.item() + shift)
    np.savez_compressed(path, features=np.array(features), start=start, **arrays)


def plain_arrays(model: HistGradientBoostingClassifier) -> tuple[np.ndarray, ...]:
    """Return the arrays of `trees.ARRAYS` of fitted trees."""
    nodes, roots, at = [], [], 0
    for (tree,) in model._predictors:  # scikit-learn shows its histogram trees in no other way
        roots.append(at)
        nodes.append((tree.nodes, at))
        at += len(tree.nodes)

    def of_nodes(name: str) -> np.ndarray:
        return np.concatenate([n[name] for n, _ in nodes])

    leaf = of_nodes("is_leaf").astype(bool)
    children = np.stack(
        [np.concatenate([n[side].astype(np.int64) + at for n, at in nodes]) for side in ("left", "right")], 1
    )
    children[leaf] = -1
    return (
        np.array(roots, np.int64),
        of_nodes("feature_idx").astype(np.int64),
        np.where(leaf, 0.0, of_nodes("num_threshold")),
        children,
        np.where(leaf, of_nodes("value"), 0.0),
    )

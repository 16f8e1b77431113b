"""Fit how sure the lattice search is of each crystal, and which crystals are dead, on random blocks.

    uv run python benchmarks/fit_lattice_confidence.py [--typical 250] [--hard 400] [--beyond 200] [--jobs 2]

Writes the trees beside `napari_petlut/analysis/lattice/confidence.py`, and prints the coefficients that go
into `darkness.py` and `merging.py`. Every block is judged by trees that have not seen it before the
reliability is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import _one_thread  # noqa: F401 - before anything that loads NumPy
import napari_petlut.analysis.lattice.confidence as room
from _lattice_pools import FIRST_SEED, Searched, searched_block
from napari_petlut.analysis.lattice import darkness, merging
from napari_petlut.analysis.lattice.confidence import FEATURES, crystal_features
from napari_petlut.analysis.lattice.grids import local_pitch, node_distance
from napari_petlut.analysis.lattice.merging import ALONE, sharing_features
from napari_petlut.analysis.lattice.objective import own_spots

LEVEL_WEIGHTS = {"typical": 1.0, "hard": 1.0, "beyond": 0.3}
"""Blocks beyond hard hold most of the wrong crystals; at full weight only they would be learned."""
SIGNS = {
    "resolution": -1,
    "second resolution": -1,
    "median resolution": -1,
    "dim": -1,
    "own spots": -1,
    "counts": 0,
    "spacing": 0,
    "log deviance": 0,
}
"""Which way a feature speaks against a crystal: -1 when it is small, 0 either way; all others when large."""
LEFT_OUT = ("badness", "badness nearby", "bright", "no spot", "no spots nearby", "residual", "edge", "dim")
"""Features that are only there to be named as reasons; without them the trees judge unseen blocks as well."""
TREES = {
    "max_iter": 120,
    "learning_rate": 0.08,
    "max_depth": 4,
    "max_leaf_nodes": 12,
    "min_samples_leaf": 80,
    "l2_regularization": 10.0,
    "early_stopping": False,
}
SHARING_FREEDOM = 10.0
"""Inverse strength of the regularisation where few crystals share a spot."""
FOLDS = 4
IN_PLACE = 0.5
"""Dead crystals are learned from where the lattice is no further off than this, in pitches."""
EDGES = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0001)


@dataclass(frozen=True)
class Sample:
    """What one block teaches."""

    level: str
    features: np.ndarray
    right: np.ndarray
    dark: np.ndarray
    dead: np.ndarray
    sharing: np.ndarray
    shared: np.ndarray


def sample(task: tuple[str, int]) -> Sample:
    """Search one block and return its features and what they should have said."""
    level, seed = task
    block = searched_block(level, seed)
    features = crystal_features(block.contest, block.best)[block.live]
    dark, looked_at = darkness.darkness_features(block.contest, block.best)
    looked_at = looked_at & (node_distance(block.best.grid, block.truth) < IN_PLACE)
    sharing, shared = sharing_sample(block)
    return Sample(
        level,
        features,
        block.right[block.live],
        dark[looked_at],
        ~block.live[looked_at],
        sharing,
        shared,
    )


def sharing_sample(block: Searched) -> tuple[np.ndarray, np.ndarray]:
    """Return what tells crystals on a neighbour's spot from those at their own place and dead ones."""
    best, contest = block.best, block.contest
    own = own_spots(best.grid, contest.spots)[1]
    features, neighbour = sharing_features(best.fit.weight, best.grid, own)
    reach = 0.5 * local_pitch(best.grid)
    here = np.linalg.norm(best.grid - block.truth, axis=-1) < reach
    place = best.grid.reshape(-1, 2)[neighbour]
    there = block.live & (np.linalg.norm(place - block.truth, axis=-1) < reach)
    known = (neighbour != ALONE) & (here != there)
    return features[known], there[known]


def samples(number: dict[str, int], jobs: int) -> Iterator[Sample]:
    """Yield the samples of so many blocks of every level."""
    tasks = [(level, FIRST_SEED + k) for level, n in number.items() for k in range(n)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(sample, tasks, chunksize=4)


def boosted(x: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> HistGradientBoostingClassifier:
    """Return trees that say how likely a crystal is wrong; left-out features are held constant."""
    signs = [SIGNS.get(name, 1) for name in FEATURES]
    model = HistGradientBoostingClassifier(monotonic_cst=signs, random_state=0, **TREES)
    return model.fit(seen(x), wrong, sample_weight=weight)


def seen(x: np.ndarray) -> np.ndarray:
    """Return the features with those that are left out set to nought."""
    out = x.copy()
    out[:, [FEATURES.index(name) for name in LEFT_OUT]] = 0.0
    return out


def write_trees(model: HistGradientBoostingClassifier, path: Path) -> None:
    """Write the trees as plain arrays."""
    nodes, roots, at = [], [], 0
    for (tree,) in model._predictors:  # scikit-learn shows its histogram trees in no other way
        roots.append(at)
        nodes.append((tree.nodes, at))
        at += len(tree.nodes)

    def gathered(name: str) -> np.ndarray:
        return np.concatenate([n[name] for n, _ in nodes])

    leaf = gathered("is_leaf").astype(bool)
    children = np.stack(
        [np.concatenate([n[side].astype(np.int64) + at for n, at in nodes]) for side in ("left", "right")], 1
    )
    children[leaf] = -1
    np.savez_compressed(
        path,
        start=np.float64(model._baseline_prediction.item()),
        roots=np.array(roots, np.int64),
        column=gathered("feature_idx").astype(np.int64),
        threshold=np.where(leaf, 0.0, gathered("num_threshold")),
        children=children,
        value=np.where(leaf, gathered("value"), 0.0),
    )


def reliability(sure: np.ndarray, right: np.ndarray) -> None:
    """Print how many of the crystals of each confidence are right."""
    for low, high in pairwise(EDGES):
        inside = (sure >= low) & (sure < high)
        if inside.any():
            mean, share = sure[inside].mean(), 100 * right[inside].mean()
            print(
                f"{low:.3f} to {high:.3f}: {inside.sum():7d} crystals, mean {mean:.4f}, {share:.2f} % right"
            )


def main() -> None:
    """Search random blocks, fit, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for level, number in (("typical", 250), ("hard", 400), ("beyond", 200)):
        parser.add_argument(f"--{level}", type=int, default=number, help=f"blocks (default {number})")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    chosen = parser.parse_args()
    found = list(samples({level: getattr(chosen, level) for level in LEVEL_WEIGHTS}, chosen.jobs))
    x, right = (np.concatenate([getattr(s, name) for s in found]) for name in ("features", "right"))
    weight = np.concatenate([np.full(len(s.right), LEVEL_WEIGHTS[s.level]) for s in found])
    fold = np.concatenate([np.full(len(s.right), k % FOLDS) for k, s in enumerate(found)])
    sure = np.empty(len(right))
    for k in range(FOLDS):
        model = boosted(x[fold != k], ~right[fold != k], weight[fold != k])
        sure[fold == k] = model.predict_proba(seen(x[fold == k]))[:, 0]
    for level in LEVEL_WEIGHTS:
        print(level)
        here = np.concatenate([np.full(len(s.right), s.level == level) for s in found])
        reliability(sure[here], right[here])
    path = Path(room.__file__).with_name(room.TREES)
    write_trees(boosted(x, ~right, weight), path)
    print(f"wrote {path.name}, {path.stat().st_size} bytes")
    dark, dead = (np.concatenate([getattr(s, name) for s in found]) for name in ("dark", "dead"))
    weight = np.concatenate([np.full(len(s.dead), LEVEL_WEIGHTS[s.level]) for s in found])
    regression = LogisticRegression(max_iter=2000).fit(dark, dead, sample_weight=weight)
    print(f"{dead.sum()} dead crystals of {len(dead)} dark places, {darkness.FEATURES}:")
    print_regression(regression)
    sharing, shared = (np.concatenate([getattr(s, name) for s in found]) for name in ("sharing", "shared"))
    regression = LogisticRegression(C=SHARING_FREEDOM, max_iter=2000).fit(sharing, shared)
    print(f"{shared.sum()} crystals of {len(shared)} on a neighbour's spot, {merging.FEATURES}:")
    print_regression(regression)


def print_regression(regression: LogisticRegression) -> None:
    """Print what goes into the room that uses it."""
    print(f"INTERCEPT = {regression.intercept_[0]:.3f}")
    print(f"COEFFICIENTS = np.array({regression.coef_[0].round(3).tolist()})")


if __name__ == "__main__":
    main()

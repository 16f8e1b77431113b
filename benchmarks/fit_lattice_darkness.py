"""Fit which crystals are dead and which share a neighbour's spot, on random blocks.

    uv run python benchmarks/fit_lattice_darkness.py [--typical 60] [--hard 300] [--dead 220] [--jobs 2]

Writes the trees beside `napari_petlut/analysis/lattice/sureness/dead.py`, and the coefficients of `merged.py`
there into `fitted.json`. Every block is judged by trees that have not seen it before what they are worth is
printed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _boosted_trees import write_trees
from _fitted_file import write_group
from _lattice_pools import Searched, Task, in_processes, searched_block
from napari_petlut.analysis.lattice.grids import nearest_spacing, node_distance
from napari_petlut.analysis.lattice.seeing.spots import own_spots
from napari_petlut.analysis.lattice.sureness import dead, merged
from napari_petlut.analysis.lattice.sureness.merged import ALONE, sharing_features

FIRST_SEED = 830_000
"""Seeds from here on are fitted on."""
LEVEL_WEIGHTS = {"typical": 1.0, "hard": 1.0, "beyond": 0.3}
"""Blocks beyond hard hold most of the dead crystals; at full weight only they would be learned."""
SHARING_FREEDOM = 10.0
"""Inverse strength of the regularisation where few crystals share a spot."""
FOLDS = 4
IN_PLACE = 0.6
"""Dead crystals are learned from where the lattice is no further off than this, in pitches."""
DEAD_FACTORS = ("dead", "dead run")
BESIDE_DEAD = (
    None,
    "dim",
    "yield",
    "dim run",
    "resolution",
    "many counts",
    "background",
    "low counts",
    "distortion",
    "merged",
)
"""Factors of the blocks that are only there for their dead crystals: one of the first, one of the second."""
DEAD_SEEDS = 10_000
"""Seeds from the first one to that of the first of these blocks."""
DARK_SIGNS = {
    "brightness": -1,
    "counts": -1,
    "bump": -1,
    "bump over noise": -1,
    "excess": -1,
    "rest": 1,
    "merged": -1,
}
"""Which way a feature speaks for a dead crystal; those that are not named, either way."""
DARK_TREES = {
    "max_iter": 100,
    "learning_rate": 0.08,
    "max_depth": 4,
    "min_samples_leaf": 15,
    "l2_regularization": 5.0,
    "early_stopping": False,
}
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Probabilities for which it is printed how many dead and live crystals lie above."""


@dataclass(frozen=True)
class Sample:
    """What one block teaches: about being dead, about sharing a spot.

    Parameters
    ----------
    level : str
    dark : ndarray of float64, shape (n, len(dead.DEAD_FEATURES))
    dead, known : ndarray of bool, shape (n,)
        Whether dark places are those of dead crystals, and whether that is known well enough to learn from.
    sharing : ndarray of float64, shape (m, len(merged.SHARING_FEATURES))
    shared : ndarray of bool, shape (m,)
    """

    level: str
    dark: np.ndarray
    dead: np.ndarray
    known: np.ndarray
    sharing: np.ndarray
    shared: np.ndarray


def sample(task: Task) -> Sample:
    """Search one block and return its features and what they should have said."""
    level, seed, factors = task
    return learned(searched_block(level, seed, factors))


def learned(block: Searched) -> Sample:
    """Return the features of a searched block and what they should have said."""
    dark, looked_at = dead.dead_features(block.contest, block.best)
    here = node_distance(block.best.grid, block.truth) < IN_PLACE
    return Sample(
        block.level,
        dark[looked_at],
        ~block.live[looked_at],
        (here | block.live)[looked_at],
        *sharing_sample(block),
    )


def sharing_sample(block: Searched) -> tuple[np.ndarray, np.ndarray]:
    """Return what tells crystals on a neighbour's spot from those at their own place and dead ones."""
    best, contest = block.best, block.contest
    own = own_spots(best.grid, contest.scene.spots)[1]
    features, neighbour = sharing_features(best.fit.weight, best.grid, own)
    reach = 0.5 * nearest_spacing(best.grid)
    here = np.linalg.norm(best.grid - block.truth, axis=-1) < reach
    place = best.grid.reshape(-1, 2)[neighbour]
    there = block.live & (np.linalg.norm(place - block.truth, axis=-1) < reach)
    known = (neighbour != ALONE) & (here != there)
    return features[known], there[known]


def random_tasks(seed: int, number: dict[str, int]) -> list[Task]:
    """Return so many blocks of every level."""
    return [(level, seed + k, None) for level, n in number.items() for k in range(n)]


def dead_tasks(seed: int, hard: int, beyond: int) -> list[Task]:
    """Return blocks that have dead crystals, hard ones beside something that makes them hard to tell."""
    first, out = seed + DEAD_SEEDS, []
    for k in range(hard):
        beside = BESIDE_DEAD[k // len(DEAD_FACTORS) % len(BESIDE_DEAD)]
        dead = DEAD_FACTORS[k % len(DEAD_FACTORS)]
        out.append(("hard", first + k, (dead,) if beside is None else (dead, beside)))
    return out + [("beyond", first + k, ("dead corner",)) for k in range(beyond)]


def gathered(found: list[Sample], name: str) -> np.ndarray:
    """Return what all samples say, one after the other."""
    return np.concatenate([getattr(s, name) for s in found])


def block_weights(found: list[Sample], name: str) -> np.ndarray:
    """Return the weight of everything that the samples hold under a name."""
    return np.concatenate([np.full(len(getattr(s, name)), LEVEL_WEIGHTS[s.level]) for s in found])


def folds(found: list[Sample], name: str) -> np.ndarray:
    """Return the fold of everything that the samples hold under a name; a block is in one fold."""
    return np.concatenate([np.full(len(getattr(s, name)), k % FOLDS) for k, s in enumerate(found)])


def fit_darkness(found: list[Sample]) -> None:
    """Fit which crystals are dead, print how many of both kinds are called so and write the trees."""
    x, gone, known = (gathered(found, name) for name in ("dark", "dead", "known"))
    weight, fold = block_weights(found, "dead"), folds(found, "dead")
    likely = np.empty(len(gone))
    for k in range(FOLDS):
        learn = (fold != k) & known
        model = dark_trees(x[learn], gone[learn], weight[learn])
        likely[fold == k] = model.predict_proba(x[fold == k])[:, 1]
    print(f"{gone.sum()} dead crystals of {len(gone)} dark places")
    for threshold in THRESHOLDS:
        above = likely > threshold
        print(f"above {threshold:.2f}: {(above & gone).sum()} dead, {(above & ~gone).sum()} live")
    path = Path(dead.__file__).with_name(dead.DEAD_TREES)
    write_trees(dark_trees(x[known], gone[known], weight[known]), dead.DEAD_FEATURES, path)
    print(f"wrote {path.name}, {path.stat().st_size} bytes")


def dark_trees(x: np.ndarray, gone: np.ndarray, weight: np.ndarray) -> HistGradientBoostingClassifier:
    """Return trees that say how likely a crystal is dead."""
    signs = [DARK_SIGNS.get(name, 0) for name in dead.DEAD_FEATURES]
    model = HistGradientBoostingClassifier(monotonic_cst=signs, random_state=0, **DARK_TREES)
    return model.fit(x, gone, sample_weight=weight)


def fit_merging(found: list[Sample]) -> None:
    """Fit which crystals share a neighbour's spot and write the coefficients."""
    sharing, shared = gathered(found, "sharing"), gathered(found, "shared")
    regression = LogisticRegression(C=SHARING_FREEDOM, max_iter=2000).fit(sharing, shared)
    print(f"{shared.sum()} crystals of {len(shared)} on a neighbour's spot")
    numbers = np.append(regression.intercept_, regression.coef_[0])
    write_group("sharing", dict(zip(("intercept", *merged.SHARING_FEATURES), numbers, strict=True)))


def options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for level, number in (("typical", 60), ("hard", 300), ("beyond", 30)):
        parser.add_argument(f"--{level}", type=int, default=number, help=f"blocks (default {number})")
    parser.add_argument("--dead", type=int, default=220, help="more hard blocks with dead crystals")
    parser.add_argument("--dead-corner", type=int, default=30, help="more blocks with a dead corner")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    return parser.parse_args()


def main() -> None:
    """Search random blocks, fit, write and print."""
    chosen = options()
    drawn = random_tasks(FIRST_SEED, {level: getattr(chosen, level) for level in LEVEL_WEIGHTS})
    found = list(in_processes(sample, drawn, chosen.jobs))
    fit_merging(found)
    more = dead_tasks(FIRST_SEED, chosen.dead, chosen.dead_corner)
    fit_darkness(found + list(in_processes(sample, more, chosen.jobs)))


if __name__ == "__main__":
    main()

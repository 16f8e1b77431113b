"""Fit the weights of the lattice search's objective on random blocks by comparing lattices in pairs.

    uv run python benchmarks/fit_lattice_ranking.py [--blocks 60]

Of every block the lattices that the search tried, the fitted truth and the truth shifted by one line are
compared: one that has fewer wrong crystals should have the smaller objective. Logistic regression on the
differences of the terms of every other block, each with the same weight; in units of the weight of the log of
the misfit. That more pairs are in order does not say that better lattices win. So the weights fitted, those
in use and some between them choose a lattice in each of the other blocks, and others than those in use are
written only where fewer crystals are wrong by more than chance (95 % of bootstrap samples of the blocks).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _fitted_file import write_group
from _lattice_pools import FIRST_SEED, Searched, Task, in_processes, searched_block
from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.objective import TERMS, WEIGHTS, terms
from napari_petlut.analysis.lattice.grids import nearest_spacing
from napari_petlut.analysis.lattice.proposing.lines import shift_moves

LEVELS = ("typical", "hard", "beyond")
MOST_PAIRS = 150
"""Pairs per block."""
CLEARLY_WORSE = 0.01
"""Share of the crystals, and 2 at least, by which the worse of a pair must be worse."""
BETWEEN = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where on the way from the weights in use to those fitted, in their logarithms, others are tried."""
LEAST = 0.02
"""Least weight that is fitted: a logarithm is taken of it."""
SAMPLES = 4000


@dataclass(frozen=True, eq=False)
class Ranked:
    """The lattices of one block.

    Parameters
    ----------
    crystals : int
    values : ndarray of float64, shape (n, len(TERMS))
        Terms of the objective of each lattice.
    price : ndarray of float64, shape (n,)
        What else is in its score: dead crystals.
    wrong : ndarray of float64, shape (n,)
        Share of its crystals that are wrong.
    """

    crystals: int
    values: np.ndarray
    price: np.ndarray
    wrong: np.ndarray

    def chosen(self, weights: np.ndarray) -> float:
        """Return the share of wrong crystals of the lattice that weights choose."""
        return float(self.wrong[np.argmin(self.values @ weights + self.price)])


def ranked(task: Task) -> Ranked:
    """Search one block, and return its lattices with the truth and the truth shifted among them."""
    level, seed, factors = task
    return lattices(searched_block(level, seed, factors))


def lattices(block: Searched) -> Ranked:
    """Return what is known of all lattices of a searched block."""
    contest = block.contest
    contest.budget.fits = 10
    truth = contest.judge(Candidate(block.truth, "truth"))
    if truth is not None:
        for shifted in list(shift_moves(contest, truth)):
            contest.judge(shifted)
    tolerance = 0.5 * nearest_spacing(block.truth)
    wrong = [
        float(((np.linalg.norm(h.grid - block.truth, axis=-1) > tolerance) & block.live).mean())
        for h in contest.pool
    ]
    values = np.array([terms(h.fit, h.dark) for h in contest.pool])
    price = np.array([h.score for h in contest.pool]) - values @ WEIGHTS
    return Ranked(block.live.size, values, price, np.array(wrong))


def pairs(block: Ranked, rng: np.random.Generator) -> np.ndarray:
    """Return differences of terms, worse minus better lattice, of random pairs of a block."""
    wrong = block.wrong
    good = np.flatnonzero(wrong <= wrong.min() + 0.002)
    bad = np.flatnonzero(wrong > wrong.min() + max(2 / block.crystals, CLEARLY_WORSE))
    both = np.array([(i, j) for i in good for j in bad], dtype=int).reshape(-1, 2)
    if len(both) > MOST_PAIRS:
        both = both[rng.choice(len(both), MOST_PAIRS, replace=False)]
    return block.values[both[:, 1]] - block.values[both[:, 0]]


def fit_order(found: Sequence[np.ndarray]) -> np.ndarray:
    """Return the weights that put most pairs into the right order, from differences of terms per block."""
    found = [p for p in found if len(p)]
    x = np.concatenate(found)
    weight = np.concatenate([np.full(len(p), 1 / len(p)) for p in found])
    spread = x.std(axis=0) + 1e-9
    both = np.concatenate([x, -x]) / spread
    label = np.repeat([1, 0], len(x))
    model = LogisticRegression(C=30.0, fit_intercept=False, max_iter=2000)
    model.fit(both, label, sample_weight=np.tile(weight, 2))
    fitted = model.coef_[0] / spread
    for name, values in (("fitted", fitted), ("in use", WEIGHTS)):
        share = 100 * np.average(x @ values > 0, weights=weight)
        print(f"{name}: {share:.2f} % of the pairs in the right order")
    return np.maximum(fitted / fitted[0], LEAST)


def better_weights(blocks: Sequence[Ranked], fitted: np.ndarray) -> np.ndarray | None:
    """Return the weights between those in use and those fitted by which fewest crystals are wrong.

    None where that is no better than those in use by more than chance.
    """
    sets = [np.exp((1 - t) * np.log(WEIGHTS) + t * np.log(fitted)) for t in BETWEEN]
    wrong = np.array([[block.chosen(weights) for weights in sets] for block in blocks])
    for t, share in zip(BETWEEN, wrong.mean(axis=0), strict=True):
        print(f"{t:.2f} of the way: {100 * share:.3f} % of the crystals wrong in {len(blocks)} other blocks")
    best = int(np.argmin(wrong.mean(axis=0)))
    gain = wrong[:, 0] - wrong[:, best]
    samples = np.random.default_rng(0).integers(0, len(gain), (SAMPLES, len(gain)))
    low, high = np.quantile(gain[samples].mean(axis=1), [0.025, 0.975])
    print(f"gain of the best {100 * gain.mean():+.3f} % ({100 * low:+.3f} to {100 * high:+.3f})")
    return sets[best] if low > 0 else None


def main() -> None:
    """Search random blocks, fit, choose, and write what is better."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=60, help="blocks per level (default 60)")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    tasks: list[Task] = [(level, FIRST_SEED + k, None) for level in LEVELS for k in range(chosen.blocks)]
    found: list[Ranked] = list(in_processes(ranked, tasks, chosen.jobs))
    fitted = fit_order([pairs(block, rng) for block in found[::2]])
    for name, new, old in zip(TERMS, fitted, WEIGHTS, strict=True):
        print(f"{name:15s} fitted {new:6.2f}   in use {old:6.2f}")
    better = better_weights(found[1::2], fitted)
    if better is None:
        print("the weights in use stay")
    else:
        write_group("objective", dict(zip(TERMS, better / better[0], strict=True)))


if __name__ == "__main__":
    main()

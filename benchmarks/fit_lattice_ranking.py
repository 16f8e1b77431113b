"""Fit the weights of the lattice search's objective on random blocks by comparing lattices in pairs.

    uv run python benchmarks/fit_lattice_ranking.py [--blocks 30]

Of every block the lattices that the search tried, the fitted truth and the truth shifted by one line are
compared: one that has fewer wrong crystals should have the smaller objective. Logistic regression on the
differences of the terms, every block with the same weight. The printed weights, in units of that of the log
of the misfit, go into `napari_petlut/analysis/lattice/fitting/objective.py`.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _lattice_pools import Searched, searched_blocks
from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.objective import TERMS, WEIGHTS, terms
from napari_petlut.analysis.lattice.grids import nearest_spacing
from napari_petlut.analysis.lattice.proposing.lines import shift_moves

MOST_PAIRS = 150
"""Pairs per block."""
CLEARLY_WORSE = 0.01
"""Share of the crystals, and 2 at least, by which the worse of a pair must be worse."""


def pairs(block: Searched, rng: np.random.Generator) -> np.ndarray:
    """Return differences of terms, worse minus better lattice, of random pairs of a block."""
    contest = block.contest
    contest.budget.fits = 10
    truth = contest.judge(Candidate(block.truth, "truth"))
    if truth is not None:
        for shifted in list(shift_moves(contest, truth)):
            contest.judge(shifted)
    tolerance = 0.5 * nearest_spacing(block.truth)
    wrong = np.array(
        [
            ((np.linalg.norm(h.grid - block.truth, axis=-1) > tolerance) & block.live).sum()
            for h in contest.pool
        ]
    )
    values = np.array([terms(h.fit, h.dark) for h in contest.pool])
    n = block.live.size
    good = np.flatnonzero(wrong <= wrong.min() + 0.002 * n)
    bad = np.flatnonzero(wrong > wrong.min() + max(2, CLEARLY_WORSE * n))
    both = np.array([(i, j) for i in good for j in bad], dtype=int).reshape(-1, 2)
    if len(both) > MOST_PAIRS:
        both = both[rng.choice(len(both), MOST_PAIRS, replace=False)]
    return values[both[:, 1]] - values[both[:, 0]]


def main() -> None:
    """Search random blocks, fit, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=30, help="blocks per level (default 30)")
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    found = [pairs(b, rng) for b in searched_blocks(["typical", "hard", "beyond"], chosen.blocks)]
    found = [p for p in found if len(p)]
    x = np.concatenate(found)
    weight = np.concatenate([np.full(len(p), 1 / len(p)) for p in found])
    spread = x.std(axis=0) + 1e-9
    both = np.concatenate([x, -x]) / spread
    label = np.repeat([1, 0], len(x))
    model = LogisticRegression(C=30.0, fit_intercept=False, max_iter=2000)
    model.fit(both, label, sample_weight=np.tile(weight, 2))
    fitted = model.coef_[0] / spread
    for name, new, old in zip(TERMS, fitted / fitted[0], WEIGHTS, strict=True):
        print(f"{name:15s} fitted {new:6.2f}   in use {old:6.2f}")
    for name, values in (("fitted", fitted), ("in use", WEIGHTS)):
        share = 100 * np.average(x @ values > 0, weights=weight)
        print(f"{name}: {share:.2f} % of the pairs in the right order")


if __name__ == "__main__":
    main()

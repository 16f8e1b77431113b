"""Fitting the trees that say how sure a crystal is, and judging them on blocks that they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from napari_petlut.analysis.lattice.sureness.confidence import FEATURES

SIGNS = {
    "resolution": -1,
    "second resolution": -1,
    "median resolution": -1,
    "dim": -1,
    "own spots": -1,
    "counts": 0,
    "spacing": 0,
    "log deviance": 0,
    "lines in": 0,
    "unevenness": 0,
    "unevenness nearby": 0,
    "beyond noise": 0,
    "irregularity of the block": 0,
    "unevenness of the block": 0,
}
"""Which way a feature speaks against a crystal: -1 when it is small, 0 either way; all others when large."""
TREES = {
    "max_iter": 200,
    "learning_rate": 0.05,
    "max_depth": 4,
    "max_leaf_nodes": 10,
    "min_samples_leaf": 200,
    "l2_regularization": 30.0,
    "max_features": 0.3,
}
"""Crystals of one block fail together, and few blocks fail: slow trees with large leaves that see a third of
the features at a split judge unseen blocks better than quick ones."""
BINS = 64
"""Values of a feature that are told apart when trees are fitted; more change nothing but the time."""
FOLDS = 5
FURTHEST = 12.0
"""Log-odds beyond which crystals do not count more where all are levelled."""
KEPT = 0.25
"""Share of the crystals of blocks without a wrong one that is learned from: they are all alike."""
NAMED_WEIGHT = 0.5
"""Weight of a block whose factors were named against one whose were drawn."""
EDGES = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0001)
SHARES = (0.98, 0.99, 0.995)
"""Shares of the wrong crystals of hard blocks to be marked for which thresholds are printed."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One block's crystals: what is known of them, and whether they are right.

    Parameters
    ----------
    level : str
    named : bool
        Whether its factors were named; such blocks are learned from, but nothing is judged on them.
    features : ndarray of float64, shape (rows, cols, len(FEATURES))
    right, live, missing : ndarray of bool, shape (rows, cols)
        `missing`: marked so whatever the confidence is.
    factor, ceiling : ndarray of float64, shape (rows, cols)
        The rules after the trees: times the first, at most the second.
    """

    level: str
    named: bool
    features: np.ndarray
    right: np.ndarray
    live: np.ndarray
    missing: np.ndarray
    factor: np.ndarray
    ceiling: np.ndarray

    def final(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the confidence after the rules from the log-odds of being wrong, shape (rows, cols)."""
        return np.minimum(expit(-log_odds) * self.factor, self.ceiling)


def block_weights(blocks: Sequence[Judged]) -> np.ndarray:
    """Return weights that give every level as much as it has in a sweep: the same number of blocks."""
    levels = [block.level for block in blocks]
    drawn = {level: sum(b.level == level and not b.named for b in blocks) for level in levels}
    mean = sum(drawn.values()) / max(len(drawn), 1)
    return np.array([mean / max(drawn[b.level], 1) * (NAMED_WEIGHT if b.named else 1.0) for b in blocks])


def folds(blocks: Sequence[Judged]) -> np.ndarray:
    """Return the fold of every block, those of a level spread evenly."""
    seen: dict[tuple[str, bool], int] = {}
    out = []
    for block in blocks:
        kind = block.level, block.named
        out.append(seen.get(kind, 0) % FOLDS)
        seen[kind] = seen.get(kind, 0) + 1
    return np.array(out)


def crystal_weights(blocks: Sequence[Judged]) -> list[np.ndarray]:
    """Return the weights of the crystals of each block, (rows, cols); 0 for those not learned from."""
    rng = np.random.default_rng(0)
    out = []
    for block, weight in zip(blocks, block_weights(blocks), strict=True):
        share = KEPT if block.right[block.live].all() else 1.0
        kept = rng.random(block.live.shape) < share
        out.append(weight / share * (block.live & kept))
    return out


def fit_trees(blocks: Sequence[Judged]) -> HistGradientBoostingClassifier:
    """Return trees that say how likely a crystal is wrong."""
    weights = crystal_weights(blocks)
    used = [weight > 0 for weight in weights]
    parts = ([b.features for b in blocks], [~b.right for b in blocks], weights)
    x, wrong, weight = (
        np.concatenate([values[which] for values, which in zip(part, used, strict=True)]) for part in parts
    )
    model = HistGradientBoostingClassifier(
        monotonic_cst=[SIGNS.get(name, 1) for name in FEATURES],
        max_bins=BINS,
        early_stopping=False,
        random_state=0,
        **TREES,
    )
    return model.fit(x, wrong, sample_weight=weight)


def out_of_fold(blocks: Sequence[Judged]) -> list[np.ndarray]:
    """Return the log-odds of being wrong of every block's crystals, by trees that have not seen the block."""
    fold = folds(blocks)
    out = [np.empty(0)] * len(blocks)
    for k in range(FOLDS):
        model = fit_trees([block for block, there in zip(blocks, fold, strict=True) if there != k])
        for n in np.flatnonzero(fold == k):
            out[n] = log_odds(model, blocks[n].features)
    return out


def levelling(
    blocks: Sequence[Judged], odds: Sequence[np.ndarray], which: Sequence[int]
) -> tuple[float, float]:
    """Return the slope and the shift that make log-odds of unseen blocks probabilities (Platt's scaling).

    Trees are too sure of blocks that they have not seen: the slope is about 0.85.
    """
    said = np.clip(gathered(blocks, odds, which), -FURTHEST, FURTHEST)
    right = gathered(blocks, [block.right for block in blocks], which)
    weight = gathered(blocks, [np.asarray(w) for w in block_weights(blocks)], which)
    model = LogisticRegression(C=np.inf, max_iter=1000)
    model.fit(said[:, None], ~right, sample_weight=weight / weight.mean())
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def judged_blocks(blocks: Sequence[Judged]) -> list[int]:
    """Return which blocks are judged on: those whose factors were drawn."""
    return [n for n, block in enumerate(blocks) if not block.named]


def levelled_out_of_fold(blocks: Sequence[Judged], odds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the final confidence of every block's crystals, levelled by what other folds show."""
    fold = folds(blocks)
    out = [np.empty(0)] * len(blocks)
    for k in range(FOLDS):
        slope, shift = levelling(blocks, odds, [n for n in judged_blocks(blocks) if fold[n] != k])
        for n in np.flatnonzero(fold == k):
            out[n] = blocks[n].final(slope * odds[n] + shift)
    return out


def log_odds(model: HistGradientBoostingClassifier, features: np.ndarray) -> np.ndarray:
    """Return what trees say of features (rows, cols, number), shape (rows, cols)."""
    said = model.decision_function(features.reshape(-1, features.shape[-1]))
    return np.asarray(said).reshape(features.shape[:-1])


def mean_doubts(
    blocks: Sequence[Judged], odds: Sequence[np.ndarray], levelled: tuple[float, float], which: Sequence[int]
) -> np.ndarray:
    """Return the mean doubt of the crystals of some blocks, before any rule: what the gates ask for."""
    slope, shift = levelled
    return np.array([expit(slope * odds[n] + shift).mean() for n in which])


def print_judgement(blocks: Sequence[Judged], sure: Sequence[np.ndarray]) -> None:
    """Print how reliable a final confidence is, by level and over a sweep, and what thresholds mark."""
    drawn = judged_blocks(blocks)
    weight = block_weights(blocks)
    for level in dict.fromkeys(blocks[n].level for n in drawn):
        print(f"{level}:")
        print_reliability(blocks, sure, [n for n in drawn if blocks[n].level == level], weight)
    print("over a sweep, as many blocks of every level:")
    print_reliability(blocks, sure, drawn, weight)
    print_marks(blocks, sure, drawn)


def gathered(blocks: Sequence[Judged], values: Sequence[np.ndarray], which: Sequence[int]) -> np.ndarray:
    """Return values of the live crystals of some blocks in one array."""
    return np.concatenate([np.broadcast_to(values[n], blocks[n].live.shape)[blocks[n].live] for n in which])


def print_reliability(
    blocks: Sequence[Judged], sure: Sequence[np.ndarray], which: Sequence[int], weight: np.ndarray
) -> None:
    """Print how many of the crystals of each confidence are right."""
    said, right = gathered(blocks, sure, which), gathered(blocks, [b.right for b in blocks], which)
    worth = gathered(blocks, [np.asarray(w) for w in weight], which)
    doubt = np.clip(np.where(right, 1 - said, said), 0, 1 - 1e-6)
    print(f"  log-loss {1000 * np.average(-np.log1p(-doubt), weights=worth):.2f} / 1000")
    for low, high in pairwise(EDGES):
        inside = (said >= low) & (said < high)
        if inside.any():
            mean = 100 * np.average(said[inside], weights=worth[inside])
            share = 100 * np.average(right[inside], weights=worth[inside])
            number = inside.sum()
            print(f"  {low:.3f} to {high:.3f}: {number:7d} crystals, mean {mean:.2f} %, right {share:.2f} %")


def print_marks(blocks: Sequence[Judged], sure: Sequence[np.ndarray], which: Sequence[int]) -> None:
    """Print thresholds that mark a share of the wrong crystals of hard blocks, and what else they mark."""
    held = [np.where(block.missing, 0.0, values) for block, values in zip(blocks, sure, strict=True)]

    def said(level: str, right: bool) -> np.ndarray:
        some = [n for n in which if blocks[n].level == level]
        if not some:
            return np.zeros(0)
        truth = gathered(blocks, [b.right for b in blocks], some)
        return gathered(blocks, held, some)[truth == right]

    wrong = np.sort(said("hard", False))
    for share in SHARES if len(wrong) else ():
        threshold = wrong[min(int(np.ceil(share * len(wrong))), len(wrong)) - 1] + 1e-6
        words = []
        for level in ("typical", "hard", "beyond"):
            number = max(sum(blocks[n].level == level for n in which), 1)
            marks = (said(level, True) < threshold).sum() / number
            marked = 100 * (said(level, False) < threshold).mean() if len(said(level, False)) else 100.0
            words.append(f"{level} {marked:.1f} % of the wrong ones, {marks:.2f} right ones per block")
        print(f"below {threshold:.5f}: {'; '.join(words)}")

"""Fit the coefficients of the lattice search's confidence on random blocks, and print their reliability.

    uv run python benchmarks/fit_lattice_confidence.py [--blocks 60]

The printed lines go into `napari_petlut/analysis/lattice/confidence.py`. A logistic regression; each
coefficient is bound to the sign that makes sense, because blocks beyond hard fail for reasons that would
otherwise teach it that sharp spots are a bad sign.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np
from scipy.optimize import minimize

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _lattice_pools import searched_blocks
from napari_petlut.analysis.lattice.confidence import FEATURES, crystal_features

LEVEL_WEIGHTS = {"easy": 1.0, "typical": 1.0, "hard": 1.0, "beyond": 0.3}
"""Blocks beyond hard hold most of the wrong crystals; at full weight only they would be learned."""
SIGNS = {"dim": 1, "resolution": 1, "second resolution": 1, "median resolution": 1, "counts": 1}
"""Features that speak for a crystal; all others speak against it."""
RIDGE = 3.0
"""Weight of the squared standardised coefficients."""


def fit(features: np.ndarray, right: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coefficients and intercept of the bounded logistic regression."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    scaled, sign = (features - mean) / spread, np.where(right, 1.0, -1.0)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        margin = (scaled @ values[:-1] + values[-1]) * sign
        slope = -weight * sign / (1 + np.exp(np.clip(margin, -50, 50)))
        total = (weight * np.logaddexp(0, -margin)).sum() + 0.5 * RIDGE * (values[:-1] ** 2).sum()
        return total, np.append(scaled.T @ slope + RIDGE * values[:-1], slope.sum())

    bounds = [(0, None) if SIGNS.get(name) else (None, 0) for name in FEATURES]
    start = np.append(np.zeros(len(FEATURES)), 3.0)
    found = minimize(loss, start, jac=True, bounds=[*bounds, (None, None)], method="L-BFGS-B").x
    coefficients = found[:-1] / spread
    return coefficients, float(found[-1] - mean @ coefficients)


def main() -> None:
    """Search random blocks, fit, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=60, help="blocks per level (default 60)")
    chosen = parser.parse_args()
    features, right, weight = [], [], []
    for block in searched_blocks(list(LEVEL_WEIGHTS), chosen.blocks):
        values = crystal_features(block.contest, block.best)[block.live]
        features.append(values)
        right.append(block.right[block.live])
        weight.append(np.full(len(values), LEVEL_WEIGHTS[block.level]))
    x, y, w = np.concatenate(features), np.concatenate(right), np.concatenate(weight)
    coefficients, intercept = fit(x, y, w)
    print(f"INTERCEPT = {intercept:.3f}")
    for name, value in zip(FEATURES, coefficients, strict=True):
        print(f"    {value:.3f},  # {name}")
    sure = 1 / (1 + np.exp(-(x @ coefficients + intercept)))
    edges = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0001]
    for low, high in pairwise(edges):
        inside = (sure >= low) & (sure < high)
        if inside.any():
            print(
                f"{low:.3f} to {high:.3f}: {inside.sum():7d} crystals, {100 * y[inside].mean():.2f} % right"
            )


if __name__ == "__main__":
    main()

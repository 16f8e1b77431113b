"""Fit the weights by which sizes of the crystal array are compared, and the confidence of the likeliest.

    uv run python benchmarks/fit_geometry.py [--blocks 300] [--keep FILE.npz]

Writes what `napari_petlut/analysis/lattice/sizes/evidence.py` reads into `fitted.json`. First a conditional
logistic regression (McFadden 1974): the true size against the others of the same map. Then a logistic
regression of whether the likeliest is true, on its share of the plausibility and on its own features.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _fitted_file import write_group
from _geometry_blocks import CANVASES, drawn
from napari_petlut.analysis.lattice.sizes import evidence
from napari_petlut.analysis.lattice.sizes.proposal import Shape, compare
from napari_petlut.simulation import simulate_block

FIRST_SEED = 700_000
"""Seeds from here on are for fitting; the benchmark starts at 0, the final judgement at 1,000,000."""
RIDGE = 1.0
"""Weight of the squared standardised coefficients."""

Map = tuple[Shape, dict[Shape, np.ndarray]]


def gather(seeds: range) -> list[Map]:
    """Return the true size and the features of all sizes looked at, for every block."""
    out: list[Map] = []
    for seed in seeds:
        params, _, _, canvas = drawn(seed)
        counts = CANVASES[canvas](simulate_block(params).flood.counts)
        true = (params.rows, params.cols)
        comparison = compare(counts)
        if comparison is None:
            out.append((true, {}))
            continue
        if any(max(abs(a - true[0]), abs(b - true[1])) <= 3 for a, b in comparison.known):
            comparison.climb(true, 1)
        out.append((true, {s: found[0] for s, found in comparison.known.items() if found is not None}))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return out


def fit_choice(maps: list[Map]) -> np.ndarray:
    """Return the coefficients that make the true sizes the most plausible, none with the wrong sign."""
    usable = [(np.array(list(seen.values())), list(seen).index(true)) for true, seen in maps if true in seen]
    spread = np.concatenate([values - values.mean(axis=0) for values, _ in usable]).std(axis=0) + 1e-9

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = 0.5 * RIDGE * (weights**2).sum(), RIDGE * weights
        for values, k in usable:
            scaled = (values - values[k]) / spread
            utility = scaled @ weights
            top = utility.max()
            share = np.exp(utility - top)
            total += top + np.log(share.sum())
            slope = slope + share @ scaled / share.sum()
        return total, slope

    bounds = [(None, None) if s == 0 else (0, None) if s > 0 else (None, 0) for s in evidence.SIGNS]
    found = minimize(loss, np.zeros(len(spread)), jac=True, bounds=bounds, method="L-BFGS-B")
    print(f"{len(usable)} of {len(maps)} maps, mean log loss {found.fun / len(usable):.3f}")
    return np.asarray(found.x / spread)


def fit_confidence(maps: list[Map], coefficients: np.ndarray) -> np.ndarray:
    """Return intercept and coefficients of the logistic regression of whether the likeliest is true."""
    rows, right = [], []
    for true, seen in maps:
        if seen:
            values = np.array(list(seen.values()))
            best, share = evidence.shares(values @ coefficients)
            rows.append(evidence.sureness_features(values[best], share[best]))
            right.append(list(seen)[best] == true)
    x, sign = np.array(rows), np.where(right, 1.0, -1.0)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    scaled = (x - mean) / spread

    def loss(weights: np.ndarray) -> float:
        margin = (scaled @ weights[1:] + weights[0]) * sign
        return float(np.logaddexp(0, -margin).sum() + 0.5 * RIDGE * (weights[1:] ** 2).sum())

    limits = [(0, None) if s > 0 else (None, 0) for s in evidence.SURENESS_SIGNS]
    start = np.zeros(x.shape[1] + 1)
    found = minimize(loss, start, bounds=[(None, None), *limits], method="L-BFGS-B").x
    print(f"right: {np.mean(right):.3f} of {len(right)}")
    inner = found[1:] / spread
    return np.append(found[0] - mean @ inner, inner)


def main() -> None:
    """Gather, fit, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--keep", type=Path, help="keep what was gathered here, or take it from here")
    chosen = parser.parse_args()
    if chosen.keep and chosen.keep.exists():
        maps: list[Map] = np.load(chosen.keep, allow_pickle=True)["maps"].tolist()
    else:
        maps = gather(range(chosen.seed, chosen.seed + chosen.blocks))
        if chosen.keep:
            np.savez_compressed(chosen.keep, maps=np.array([*maps, None], dtype=object)[:-1])
    coefficients = fit_choice(maps)
    write_group("size", dict(zip(evidence.SIZE_FEATURES, coefficients, strict=True)))
    sureness = fit_confidence(maps, coefficients)
    write_group("sureness of the size", dict(zip(("intercept", *evidence.SURENESS), sureness, strict=True)))


if __name__ == "__main__":
    main()

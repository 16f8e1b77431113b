"""How sure the search is of a crystal."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_petlut.analysis.lattice.confidence import (
    FEATURES,
    SHARP_SCALE,
    SPREAD_SCALE,
    confidence,
    scatter,
    sum_of_trees,
    trees,
)

AGAINST = ("rival", "rival nearby", "scatter", "furthest", "rival of all", "spots nearby", "spot distance")


def plain_sum(features, roots, column, threshold, children, value):
    total = np.zeros(len(features))
    for n, row in enumerate(features):
        for root in roots:
            node = root
            while children[node][0] >= 0:
                node = children[node][0] if row[column[node]] <= threshold[node] else children[node][1]
            total[n] += value[node]
    return total


def test_the_compiled_sum_of_trees_equals_its_plain_twin():
    # Two trees: one split twice, one a single leaf.
    roots = np.array([0, 5])
    column = np.array([1, 0, 0, 0, 0, 0])
    threshold = np.array([0.5, -1.0, 0.0, 0.0, 0.0, 0.0])
    children = np.array([[1, 2], [3, 4], [-1, -1], [-1, -1], [-1, -1], [-1, -1]])
    value = np.array([0.0, 0.0, 2.0, -1.0, 4.0, 0.25])
    features = np.array([[-1.0, 0.5], [0.0, 0.5], [0.0, 0.6]])
    expected = [-0.75, 4.25, 2.25]
    np.testing.assert_allclose(plain_sum(features, roots, column, threshold, children, value), expected)
    np.testing.assert_allclose(sum_of_trees(features, roots, column, threshold, children, value), expected)
    fitted = trees()
    random = np.random.default_rng(2).normal(0.3, 1.0, (50, len(FEATURES)))
    arrays = (fitted.roots, fitted.column, fitted.threshold, fitted.children, fitted.value)
    np.testing.assert_allclose(sum_of_trees(random, *arrays), plain_sum(random, *arrays))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(AGAINST), st.floats(0.0, 1.0))
def test_what_speaks_against_a_crystal_never_makes_it_surer(seed, name, more):
    features = np.abs(np.random.default_rng(seed).normal(0.4, 0.4, (1, 4, len(FEATURES))))
    worse = features.copy()
    worse[..., FEATURES.index(name)] += more
    before, after = confidence(features), confidence(worse)
    assert before.shape == (1, 4)
    assert (after <= before + 1e-12).all()
    assert ((before > 0) & (before < 1)).all()


def test_competitors_scatter_a_crystal_the_more_the_better_they_are():
    grid = np.stack(np.meshgrid(np.arange(3), np.arange(4), indexing="ij"), -1) * 10.0
    moved = grid.copy()
    moved[1, 2] += [0.0, 4.0]
    best = SimpleNamespace(grid=grid, score=-3.0)
    rival = SimpleNamespace(grid=moved, score=-2.98)
    hopeless = SimpleNamespace(grid=grid + 5.0, score=-1.0)
    scattered, furthest, whole = scatter([best, rival, hopeless], best)
    weight = np.exp(-0.02 / SPREAD_SCALE)
    assert scattered[1, 2] == pytest.approx(np.sqrt(weight * 0.4**2 / (1 + weight)))
    assert furthest[1, 2] == pytest.approx(0.4 * np.exp(-0.02 / SHARP_SCALE))
    assert scattered.sum() == pytest.approx(scattered[1, 2])
    assert not whole.any()
    shifted = SimpleNamespace(grid=grid + np.array([10.0, 0.0]), score=-2.98)
    np.testing.assert_allclose(scatter([best, shifted], best)[2], weight)

"""Trees as plain arrays."""

import numpy as np
import pytest

from napari_petlut.analysis.lattice.sureness.confidence import CONFIDENCE_TREES, FEATURES
from napari_petlut.analysis.lattice.sureness.dead import DEAD_FEATURES, DEAD_TREES
from napari_petlut.analysis.lattice.sureness.trees import Trees, fitted_trees, sum_of_trees


def plain_sum(features, roots, column, threshold, children, value):
    total = np.zeros(len(features))
    for n, row in enumerate(features):
        for root in roots:
            node = root
            while children[node][0] >= 0:
                node = children[node][0] if row[column[node]] <= threshold[node] else children[node][1]
            total[n] += value[node]
    return total


def two_trees():
    """One split twice, one a single leaf."""
    roots = np.array([0, 5])
    column = np.array([1, 0, 0, 0, 0, 0])
    threshold = np.array([0.5, -1.0, 0.0, 0.0, 0.0, 0.0])
    children = np.array([[1, 2], [3, 4], [-1, -1], [-1, -1], [-1, -1], [-1, -1]])
    value = np.array([0.0, 0.0, 2.0, -1.0, 4.0, 0.25])
    return roots, column, threshold, children, value


def test_the_compiled_sum_of_trees_equals_its_plain_twin():
    features = np.array([[-1.0, 0.5], [0.0, 0.5], [0.0, 0.6]])
    expected = [-0.75, 4.25, 2.25]
    np.testing.assert_allclose(plain_sum(features, *two_trees()), expected)
    np.testing.assert_allclose(sum_of_trees(features, *two_trees()), expected)


def test_log_odds_start_from_what_is_known_before_the_first_tree():
    features = np.array([[[-1.0, 0.5]], [[0.0, 0.6]]])
    np.testing.assert_allclose(Trees(-3.0, *two_trees()).log_odds(features), [[-3.75], [-0.75]])


@pytest.mark.parametrize(("trees", "features"), [(CONFIDENCE_TREES, FEATURES), (DEAD_TREES, DEAD_FEATURES)])
def test_the_fitted_trees_use_the_features(trees, features):
    fitted, number = fitted_trees(trees, features), len(features)
    assert 0 <= fitted.column.min() <= fitted.column.max() < number
    random = np.random.default_rng(2).normal(0.3, 1.0, (50, number))
    arrays = (fitted.roots, fitted.column, fitted.threshold, fitted.children, fitted.value)
    np.testing.assert_allclose(fitted.log_odds(random), fitted.start + plain_sum(random, *arrays))


def test_trees_that_were_fitted_on_other_features_are_refused():
    with pytest.raises(KeyError, match="other features"):
        fitted_trees(DEAD_TREES, (*DEAD_FEATURES[1:], DEAD_FEATURES[0]))

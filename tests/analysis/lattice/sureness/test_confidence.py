"""How sure the search is of a crystal."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_petlut.analysis.lattice.sureness.confidence import FEATURES, MOST_STRAY, confidence, stray_spots

AGAINST = (
    "rival",
    "rival nearby",
    "scatter",
    "furthest",
    "rival of all",
    "spots nearby",
    "spot distance",
    "elsewhere in others",
    "closest rival",
    "bend",
    "inconsistency",
    "stray spots",
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(AGAINST), st.floats(0.0, 1.0))
def test_what_speaks_against_a_crystal_never_makes_any_surer(seed, name, more):
    features = np.abs(np.random.default_rng(seed).normal(0.4, 0.4, (3, 4, len(FEATURES))))
    worse = features.copy()
    worse[1, 2, FEATURES.index(name)] += more
    before, after = confidence(features), confidence(worse)
    assert before.shape == (3, 4)
    assert (after <= before + 1e-12).all()
    assert ((before > 0) & (before < 1)).all()


GRID = np.stack(np.meshgrid(np.arange(3), np.arange(4), indexing="ij"), -1) * 10.0


def test_spots_of_nobody_count_beside_the_nearest_crystal():
    own = GRID.reshape(-1, 2)
    spots = np.concatenate([own, [[16.0, -7.0], [-7.0, 4.0], [-7.0, -7.0]]])
    strength = np.concatenate([np.full(12, 2.0), [1.0, 3.0, 3.0]])
    strong = np.percentile(strength, 90)
    found = stray_spots(SimpleNamespace(scene=SimpleNamespace(spots=spots, strength=strength)), GRID)
    assert found[2, 0] == pytest.approx(1.0 / strong)
    assert found[0, 0] == pytest.approx(min(2 * min(3.0 / strong, 1.0), MOST_STRAY))
    assert found.sum() == pytest.approx(found[0, 0] + found[2, 0])


def test_a_map_without_spots_has_none_of_nobody():
    assert not stray_spots(
        SimpleNamespace(scene=SimpleNamespace(spots=np.zeros((0, 2)), strength=None)), GRID
    ).any()

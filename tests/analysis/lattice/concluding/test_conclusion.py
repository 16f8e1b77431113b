"""What a block says about itself."""

from types import SimpleNamespace

import numpy as np

from napari_petlut.analysis.lattice.concluding import limits
from napari_petlut.analysis.lattice.concluding.alternatives import OPEN_PART, alternatives, open_questions
from napari_petlut.analysis.lattice.concluding.limits import (
    NOISE_CONFIDENCE,
    SURELY_DEAD,
    limit_by_noise_and_sharing,
)
from napari_petlut.analysis.lattice.sureness.merged import ALONE

GRID = np.stack(np.meshgrid(np.arange(8), np.arange(8), indexing="ij"), axis=-1) * 20.0 + 30.0


def told(rivals: list[tuple[np.ndarray, float]]) -> list[str]:
    pairs = [(SimpleNamespace(grid=grid), plausible) for grid, plausible in rivals]
    return open_questions(alternatives(pairs, GRID, np.zeros(2)), pairs, SimpleNamespace(grid=GRID))


def test_a_shift_of_the_whole_block_is_open_even_when_it_is_hardly_plausible():
    shifted = GRID + np.array([0.0, 20.0])
    assert told([(shifted, 0.3)]) == [
        "open: columns shifted right by about 1.0 explains the map almost as well (plausibility 0.30)"
    ]
    assert told([(shifted, 0.02)]) == [
        "open: columns shifted right by about 1.0 cannot be excluded (plausibility 0.02)"
    ]


def test_another_corner_is_open_only_when_it_is_plausible():
    corner = GRID.copy()
    corner[:3, :3, 0] += 20.0
    assert told([(corner, OPEN_PART / 2)]) == []
    assert len(told([(corner, OPEN_PART)])) == 1


def test_noise_and_shared_spots_leave_no_more_confidence_than_they_allow():
    sure = np.array([[0.99, 0.99, 0.99, 0.2]])
    shared = np.array([[False, False, True, True]])
    likely = np.array([[0.0, 0.3, 0.6, 0.6]])
    np.testing.assert_allclose(
        limit_by_noise_and_sharing(sure, False, shared, likely), [[0.99, 0.7, 0.6, 0.2]]
    )
    np.testing.assert_allclose(
        limit_by_noise_and_sharing(sure, True, shared, likely), [[NOISE_CONFIDENCE, 0.7, 0.6, 0.2]]
    )


def test_a_crystal_that_may_be_dead_is_not_surer_than_that_it_is_alive():
    sure, lost = np.array([[0.999, 0.999, 0.5, 0.999]]), np.array([[0.04, 0.1, 0.1, 0.9]])
    dead = np.array([[False, False, False, True]])
    np.testing.assert_allclose(limits.limit_to_the_living(sure, lost, dead), [[0.999, 0.9, 0.5, 0.999]])


def test_no_crystal_is_dead_and_merged(monkeypatch):
    dead = np.array([[SURELY_DEAD + 0.1, SURELY_DEAD - 0.1, 0.05, 0.3]])
    merged = np.array([[1, 0, 3, ALONE]])
    monkeypatch.setattr(limits, "merged_partners", lambda *_: (merged, np.full(dead.shape, 0.6)))
    monkeypatch.setattr(limits, "own_spots", lambda *_: (None, None))
    best = SimpleNamespace(fit=SimpleNamespace(weight=None), grid=None)
    missing, partner, _ = limits.lightless(
        SimpleNamespace(scene=SimpleNamespace(spots=None)), best, dead, 0.15
    )
    np.testing.assert_array_equal(missing, [[True, False, False, True]])
    np.testing.assert_array_equal(partner, [[ALONE, 0, 3, ALONE]])

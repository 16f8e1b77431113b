"""What was fitted belongs to the search and the features in force, and its numbers to their names."""

import json

import pytest

import fitted_stamps
from golden_lattices import CASES
from napari_petlut.analysis.lattice import fitted


def test_no_fit_is_stale():
    told = "`uv run python benchmarks refit` fits them anew; see `tests/fitted_stamps.py`"
    assert not fitted_stamps.stale(), told


def test_numbers_come_in_the_order_of_the_names_that_are_asked_for(monkeypatch):
    monkeypatch.setattr(fitted, "fitted_file", lambda: {"some": {"a": 1.5, "b": -2}})
    assert fitted.fitted_numbers("some", ("b", "a")).tolist() == [-2.0, 1.5]
    assert fitted.fitted_number("some", "a") == 1.5


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c"), ("a", "c")])
def test_numbers_of_other_features_are_refused(monkeypatch, names):
    monkeypatch.setattr(fitted, "fitted_file", lambda: {"some": {"a": 1.5, "b": -2}})
    with pytest.raises(KeyError, match=r"fitted\.json holds some for a, b"):
        fitted.fitted_numbers("some", names)


@pytest.mark.parametrize("step", fitted_stamps.GROUPS)
def test_a_number_put_in_by_hand_makes_the_stamp_stale(monkeypatch, step):
    told, before = fitted_stamps._fitted(), fitted_stamps.stamp(step)
    group = told[fitted_stamps.GROUPS[step][0][0]]
    group[next(iter(group))] += 0.001
    monkeypatch.setattr(fitted_stamps, "_fitted", lambda: told)
    assert fitted_stamps.stamp(step) != before


def test_another_search_makes_every_stamp_stale(monkeypatch):
    before = [fitted_stamps.stamp(step) for step in fitted_stamps.GROUPS]
    monkeypatch.setattr(fitted_stamps, "search_hash", lambda given: f"another {given}")
    after = [fitted_stamps.stamp(step) for step in fitted_stamps.GROUPS]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_blocks_of_either_kind_are_part_of_the_search():
    assert fitted_stamps.search_hash(given=True) != fitted_stamps.search_hash(given=False)
    assert {case.shape for case in CASES.values()} >= {"given", "proposed"}


def test_the_file_is_written_as_it_is_read():
    told = fitted_stamps._fitted()
    assert json.loads(json.dumps(told)) == told
    assert set(told) == {
        "stamps",
        *(name for groups, _, _ in fitted_stamps.GROUPS.values() for name in groups),
    }

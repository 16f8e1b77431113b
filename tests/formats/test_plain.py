import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.plain import from_plain, plain, read_json, write_json
from napari_petlut.model import EnergyWindow


class Colour(Enum):
    RED = "red"


def test_keys_are_sorted_and_numbers_that_are_none_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"b": float("nan"), "a": [np.float64(1.5), np.inf]})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": [\n    1.5,\n    null\n  ],\n  "b": null\n}\n'
    assert read_json(tmp_path / "a.json") == {"a": [1.5, None], "b": None}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.bool_(True), True),
        ((1, "a", None), [1, "a", None]),
        (Path("a") / "b", str(Path("a") / "b")),
        (Colour.RED, "red"),
        (EnergyWindow(1, 2), {"low": 1, "high": 2}),
        ({1: {Colour.RED: 2}}, {"1": {"red": 2}}),
    ],
)
def test_what_a_record_holds_is_made_plain(value, expected):
    assert plain(value) == expected


@pytest.mark.parametrize("value", [{1, 2}, 1j, object(), b"bytes", EnergyWindow])
def test_what_json_does_not_know_is_refused(tmp_path, value):
    with pytest.raises(ParameterError, match="cannot hold"):
        write_json(tmp_path / "a.json", {"a": [value]})
    assert list(tmp_path.iterdir()) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(record=st.dictionaries(st.text(), values, max_size=4))
def test_records_come_back_with_the_same_bytes(tmp_path_factory, record):
    path = tmp_path_factory.getbasetemp() / "exact.json"
    write_json(path, record, overwrite=True)
    content = path.read_bytes()
    again = read_json(path)
    assert again == record
    write_json(path, again, overwrite=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"[1]", "JSON of type list"),
        (b"{", "an error"),
        (b"\xff\xfe", "an error"),
        (b"[" * 100_000, "an error"),
        (b'{"a": ' + b"9" * 5000 + b"}", "an error"),
    ],
)
def test_what_is_no_record_is_one_line(tmp_path, content, found):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(FormatError, match=found) as error:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(error.value)


@dataclass(frozen=True)
class Outer:
    window: EnergyWindow
    names: tuple[str, ...] = ()
    radius: float | None = None


@pytest.mark.parametrize(
    "value", [Outer(EnergyWindow(1, 2)), Outer(EnergyWindow(0, 5), ("a", "b"), 1.5), EnergyWindow(3, 4)]
)
def test_dataclasses_come_back_from_plain_values(value):
    assert from_plain(type(value), json.loads(json.dumps(plain(value)))) == value


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "shown: window: Field required"),
        ({"window": {"low": 1, "high": 2, "middle": 1}}, "shown: window.middle: unknown to this version"),
        ({"window": {"low": 5, "high": 2}}, "shown: window: .*low"),
        ({"window": {"low": 1, "high": "far"}}, "shown: window.high: "),
        ([1, 2], "shown: expected names with values, found list"),
    ],
)
def test_the_way_back_is_strict(values, complaint):
    with pytest.raises(ParameterError, match=complaint) as error:
        from_plain(Outer, values, "shown")
    assert "\n" not in str(error.value)

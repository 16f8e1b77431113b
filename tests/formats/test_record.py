import hashlib
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.record import plain, read_record, sha256_of, write_record
from napari_petlut.model import EnergyWindow


class Colour(Enum):
    RED = "red"


def test_keys_are_sorted_and_numbers_that_are_none_become_null(tmp_path):
    write_record(tmp_path / "a.json", {"b": float("nan"), "a": [np.float64(1.5), np.inf]})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": [\n    1.5,\n    null\n  ],\n  "b": null\n}\n'
    assert read_record(tmp_path / "a.json") == {"a": [1.5, None], "b": None}


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
        write_record(tmp_path / "a.json", {"a": [value]})
    assert list(tmp_path.iterdir()) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(record=st.dictionaries(st.text(), values, max_size=4))
def test_records_come_back_with_the_same_bytes(tmp_path_factory, record):
    path = tmp_path_factory.getbasetemp() / "exact.json"
    write_record(path, record, overwrite=True)
    content = path.read_bytes()
    again = read_record(path)
    assert again == record
    write_record(path, again, overwrite=True)
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
        read_record(tmp_path / "a.json")
    assert "\n" not in str(error.value)


def test_the_hash_is_that_of_the_content(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    with pytest.raises(FormatError, match="no such file"):
        sha256_of(tmp_path / "b")

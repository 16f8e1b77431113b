import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_petlut.errors import FormatError
from napari_petlut.formats.arrays.entries import ArrayEntry
from napari_petlut.formats.arrays.text import read_text

ENTRY = ArrayEntry("", ())
COUNTS = np.arange(40.0).reshape(4, 10) * 0.25 + 3
counts = hnp.arrays(np.float64, (4, 5), elements=st.integers(0, 2**40).map(lambda n: n / 64))


def read(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return read_text(path, ENTRY)


def lines(values, delimiter, decimal=".", end=""):
    rows = (delimiter.join(repr(float(v)).replace(".", decimal) for v in row) + end for row in values)
    return "\n".join(rows) + "\n"


EXAMPLES = settings(max_examples=10)


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "  "])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("end", ["", "delimiter"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@EXAMPLES
@given(values=counts)
def test_numbers_come_back_however_they_are_written(
    tmp_path_factory, delimiter, decimal, end, encoding, values
):
    path = tmp_path_factory.getbasetemp() / "written.csv"
    text = lines(values, delimiter, decimal, delimiter if end else "")
    found = read(path, text, encoding)
    np.testing.assert_array_equal(found.values, values)
    assert found.notes == ()


@pytest.mark.parametrize("end", ["", ","])
@given(values=counts)
def test_commas_part_numbers_with_points(tmp_path_factory, end, values):
    path = tmp_path_factory.getbasetemp() / "commas.csv"
    np.testing.assert_array_equal(read(path, lines(values, ",", end=end)).values, values)


@given(values=counts, header=st.booleans(), delimiter=st.sampled_from([",", ";", "\t"]))
def test_an_index_row_and_column_are_left_out(tmp_path_factory, values, header, delimiter):
    head = delimiter.join(["", *(f"bin {k}" if header else str(k) for k in range(5))])
    rows = (delimiter.join([str(i), *map(repr, row.tolist())]) for i, row in enumerate(values))
    found = read(tmp_path_factory.getbasetemp() / "index.csv", "\n".join([head, *rows]))
    if header:
        assert found.values.shape in ((4, 5), (4, 6))
    else:
        np.testing.assert_array_equal(found.values, values)
        assert len(found.notes) == 2


def test_header_lines_are_passed_over(tmp_path):
    text = "Detector map; block 7\nrecorded 3,5 h\nx0,x1,x2,x3\n" + lines(COUNTS[:, :4], ",")
    np.testing.assert_array_equal(read(tmp_path / "a.csv", text).values, COUNTS[:, :4])


def test_latin_1_in_a_header_is_no_reason_to_refuse(tmp_path):
    found = read(tmp_path / "a.txt", "Zähler µs\n1 2 3 4\n5 6 7 8\n", "latin-1")
    assert found.values.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_empty_fields_and_nan_are_nan(tmp_path):
    found = read(tmp_path / "a.csv", "1,,3,4\nnan,NaN,7,8\n").values
    assert np.isnan(found).tolist() == [[False, True, False, False], [True, True, False, False]]


@pytest.mark.parametrize("head", ["", "x,y,counts\n", "x;y;n\n"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_list_of_bins_is_a_map_with_the_inner_place_along_axis_1(tmp_path, head, order):
    values = np.random.default_rng(0).integers(0, 4, (32, 32))
    delimiter = ";" if ";" in head else ","
    bins = [(i, j) for i in range(32) for j in range(32)]
    rows = [
        delimiter.join(map(str, ((i, j) if order == "C" else (j, i)) + (values[i, j],)))
        for i, j in bins
        if values[i, j]
    ]
    found = read(tmp_path / "a.csv", head + "\n".join(rows))
    np.testing.assert_array_equal(found.values, values)
    assert "x, y and counts" in found.notes[0]
    assert f"{'x' if order == 'C' else 'y'} along axis 0" in found.notes[0]


def test_bins_by_their_centres_make_the_same_map(tmp_path):
    rows = [f"{i + 0.5} {j + 0.5} {1 + i + j}" for i in range(6) for j in range(7)]
    found = read(tmp_path / "a.txt", "\n".join(rows))
    np.testing.assert_array_equal(found.values, 1 + np.add.outer(np.arange(6), np.arange(7)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,2\n3\n", "number of columns changed from 2 to 1 in line 2"),
        ("1,2,3\n3,x,2\n", "could not convert string 'x' in line 2"),
        ("1 2 3\n4 5 6_0\n", "could not convert string '6_0'"),
        ("words only\n", "could not convert string"),
        ("# nothing\n", r"shape \(0,"),
        ("index,axis-0,axis-1\n0,1,2\n", "open it as peaks"),
        ("energy,x,y\n" + "511.5,0.1,0.2\n400.25,0.5,0.6\n" * 9, "as peaks or as events"),
        ("1,2\n" * 20, "open it as peaks"),
        ("a\0b", "no text"),
    ],
)
def test_what_is_no_map_is_refused_in_one_line(tmp_path, text, found):
    with pytest.raises(FormatError, match=found) as error:
        read(tmp_path / "a.csv", text)
    assert "\n" not in str(error.value)


def test_the_same_bin_twice_is_no_map(tmp_path):
    rows = [f"{i},{j},1" for i in range(5) for j in range(5)]
    with pytest.raises(FormatError, match="three columns of another kind"):
        read(tmp_path / "a.csv", "\n".join([*rows, rows[0]]))


def test_bins_far_apart_cost_no_memory(tmp_path):
    rows = [f"{i * 10**9},{j},1" for i in range(5) for j in range(5)] + ["1,9,2"]
    with pytest.raises(FormatError, match="three columns of another kind"):
        read(tmp_path / "a.csv", "\n".join(rows))

import csv
import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_petlut.errors import FormatError, GeometryError
from napari_petlut.formats.peaks import PEAK_COLUMNS, read_peaks, write_peaks
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Peaks, PeakStatus

BLOCK = BlockGeometry(2, 3)
PEAKS = Peaks(
    np.array([[0.1, 511.0], [1e-7, 3.0], [100.0, 1 / 3]]),
    np.array([5, -1, 0]),
    ["found", "suspect", "manual"],
    np.array([0.5, np.nan, 1.0]),
)
LINES = """index,axis-0,axis-1,crystal,row,col,status,confidence
0,0.1,511.0,5,1,2,found,0.5
1,1e-07,3.0,-1,-1,-1,suspect,nan
2,100.0,0.3333333333333333,0,0,0,manual,1.0
"""


def assert_same(a, b):
    for column in ("positions", "crystal", "status", "confidence"):
        np.testing.assert_array_equal(getattr(a, column), getattr(b, column))


def test_the_table_is_written_as_documented(tmp_path):
    write_peaks(tmp_path / "a.csv", PEAKS, BLOCK)
    assert (tmp_path / "a.csv").read_text() == LINES
    assert_same(read_peaks(tmp_path / "a.csv"), PEAKS)


def test_without_geometry_rows_and_columns_are_unknown(tmp_path):
    write_peaks(tmp_path / "a.csv", PEAKS)
    assert "0,0.1,511.0,5,-1,-1,found,0.5\n" in (tmp_path / "a.csv").read_text()
    assert_same(read_peaks(tmp_path / "a.csv"), PEAKS)


positions = hnp.arrays(np.float64, (4, 2), elements=st.floats(allow_nan=False, allow_infinity=False))


@given(
    positions=positions,
    crystal=hnp.arrays(np.intp, 4, elements=st.integers(-1, 5)),
    status=st.lists(st.sampled_from(list(PeakStatus)), min_size=4, max_size=4),
    confidence=hnp.arrays(np.float64, 4, elements=st.floats(0, 1) | st.just(np.nan)),
)
def test_every_peak_comes_back_exactly(tmp_path_factory, positions, crystal, status, confidence):
    path = tmp_path_factory.getbasetemp() / "exact.csv"
    peaks = Peaks(positions, crystal, status, confidence)
    write_peaks(path, peaks, BLOCK, overwrite=True)
    content = path.read_bytes()
    again = read_peaks(path)
    assert_same(again, peaks)
    write_peaks(path, again, BLOCK, overwrite=True)
    assert path.read_bytes() == content


def test_no_peaks_at_all(tmp_path):
    write_peaks(tmp_path / "a.csv", Peaks(np.empty((0, 2))), BLOCK)
    assert len(read_peaks(tmp_path / "a.csv")) == 0


def test_ids_outside_the_block_are_not_written(tmp_path):
    with pytest.raises(GeometryError, match="crystal 5; a 1 x 5 block"):
        write_peaks(tmp_path / "a.csv", PEAKS, BlockGeometry(1, 5))


@pytest.mark.parametrize(
    "text",
    [
        "index,axis-0,axis-1\n0.0,10.5,20.25\n1.0,3.0,4.0\n",
        '\ufeffaxis-1,axis-0,colour\r\n20.25,10.5,red\r\n4,3,"a, b"\r\n',
        "index, axis-0 ,axis-1,crystal,status,confidence\n\n0,10.5,20.25,,,\n1, 3 ,4,nan,found,nan\n",
    ],
    ids=["napari", "other columns", "empty fields"],
)
def test_tables_of_points_alone_will_do(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert_same(read_peaks(tmp_path / "a.csv"), Peaks(np.array([[10.5, 20.25], [3, 4]])))


def test_ids_that_napari_made_floats_of(tmp_path):
    (tmp_path / "a.csv").write_text("index,axis-0,axis-1,crystal,row,col\n0.0,1,2,5.0,1.0,2.0\n")
    assert read_peaks(tmp_path / "a.csv").crystal.tolist() == [5]


HEADER = "index,axis-0,axis-1,crystal,row,col,status,confidence\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x,y\n1,2\n", "the first line 'x, y'"),
        ("1,2\n3,4\n", "name the columns in the first line"),
        (HEADER + "0,1,2\n", "3 fields in line 2"),
        (HEADER + "0,nan,2,0,0,0,found,1\n", "a position in line 2, found 'nan' in column axis-0"),
        (HEADER + "0,1,,0,0,0,found,1\n", "a position in line 2, found '' in column axis-1"),
        (HEADER + "0,1,inf,0,0,0,found,1\n", "column axis-1"),
        (HEADER + "0,1,2,a,0,0,found,1\n", "whole number"),
        (HEADER + "0,1,2,0.5,0,0,found,1\n", "whole number"),
        (HEADER + "0,1,2,-2,0,0,found,1\n", "whole number"),
        (HEADER + "0,1,2,1e300,0,0,found,1\n", "whole number"),
        (HEADER + "0,1,2,0,0,0,sure,1\n", "one of found, inferred, manual, suspect, missing"),
        (HEADER + "0,1,2,0,0,0,found,1.5\n", "probability"),
        (HEADER + "0,1,2,0,0,0,found,maybe\n", "probability"),
        (HEADER + "0,1,2,4,1,1,found,1\n1,1,2,4,1,2,found,1\n", "row \\* columns \\+ col"),
        (HEADER + "0,1,2,4,0,3,found,1\n", "row \\* columns \\+ col"),
        ("index,axis-0,axis-1,axis-2\n0,1,2,3\n", "points in 2 dimensions"),
        ('axis-0,axis-1\n"1\n', "1 fields in line"),
    ],
)
def test_wrong_tables_are_one_line(tmp_path, text, found):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FormatError, match=found) as error:
        read_peaks(tmp_path / "a.csv")
    assert "\n" not in str(error.value)


@pytest.mark.skipif(importlib.util.find_spec("napari") is None, reason="napari is not installed")
def test_napari_opens_the_table_as_points(tmp_path):
    from napari_builtins.io import csv_to_layer_data, napari_write_points

    write_peaks(tmp_path / "a.csv", PEAKS, BLOCK)
    data, meta, kind = csv_to_layer_data(str(tmp_path / "a.csv"))
    assert kind == "points"
    np.testing.assert_array_equal(data, PEAKS.positions)
    assert set(meta["properties"]) == set(PEAK_COLUMNS[3:])
    napari_write_points(str(tmp_path / "b.csv"), data, meta)
    assert_same(read_peaks(tmp_path / "b.csv"), PEAKS)
    with (tmp_path / "b.csv").open() as handle:
        assert next(csv.reader(handle)) == list(PEAK_COLUMNS)

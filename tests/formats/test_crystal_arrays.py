"""Arrays as people give them, and their numbers in LUT files, peak tables and records."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.errors import FormatError, GeometryError, ParameterError, PetlutError
from napari_petlut.formats.crystal_arrays import crystal_array, read_places, write_places
from napari_petlut.formats.lut import decode_lut, encode_lut, lut_encoding
from napari_petlut.formats.peaks import read_peaks, write_peaks
from napari_petlut.formats.plain import from_plain, plain
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, Peaks
from napari_petlut.places import layered_places, masked_places, staggered_places

TWO = BlockGeometry(5, 5, staggered_places(3, 3))


@pytest.mark.parametrize(
    ("words", "crystals", "size"),
    [
        ("4x5", 20, (4, 5)),
        ("staggered:4x4", 25, (7, 7)),
        ("staggered:24x24:3", 1634, (47, 47)),
        ("hexagonal:4x3", 12, (4, 6)),
        ("round:6x6", 32, (6, 6)),
        ("layers:4x4+3x3@0.5,0.5", 25, (7, 7)),
        ("layers:4x4+4x4@0,0.5", 32, (4, 8)),
    ],
)
def test_arrays_in_words(words, crystals, size):
    array = crystal_array(words)
    assert (array.crystals, array.shape) == (crystals, size)


@pytest.mark.parametrize("words", ["", "staggered", "oval:3x3", "round:4x4:2", "layers:4", "4x4x4", "x"])
def test_words_that_mean_nothing_are_refused(words):
    with pytest.raises(ParameterError):
        crystal_array(words)


def test_arrays_in_files(tmp_path):
    def told(text, ending="toml"):
        path = tmp_path / f"a.{ending}"
        path.write_text(text)
        return crystal_array(str(path))

    assert told('array = "staggered"\nrows = 3\ncols = 3') == TWO
    assert told('array = "staggered"\nrows = 24\ncols = 24\nlayers = 3').crystals == 1634
    layers = "[[layer]]\nrows = 3\ncols = 3\n[[layer]]\nrows = 2\ncols = 2\nshift = [0.5, 0.5]\n"
    assert told(layers) == TWO
    named = told('name = "no corner"\nplaces = ["##.", "###"]')
    assert str(named) == "no corner" and named.present.tolist() == [[True, True, False], [True] * 3]
    table = "place_row,place_col,layer,row,col,number\n0,0,0,0,0,7\n1,1,1,0,0,3\n"
    assert told(table, "csv").numbers.tolist() == [7, -1, -1, 3]
    assert told("place_row,place_col\n0,1\n1,0\n", "csv").numbers.tolist() == [-1, 0, 1, -1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows = 3", "by one of array, layer and places, not by 0"),
        ('array = "oval"\nrows = 3\ncols = 3', "array is one of staggered, hexagonal, round"),
        ('array = "round"\nrows = 3', "cols is a whole number"),
        ("layer = 3", r"as in \[\[layer\]\]"),
        ("[[layer]]\nrows = 2\ncols = 2\nshift = [1]", "shift is two numbers"),
        ("[[layer]]\nrows = 2\ncols = 2\nturn = 1", "not 'turn'"),
        ('places = ["##", "#"]', "of one length"),
        ('places = ["##", "#x"]', "# for a crystal"),
        ('colour = "red"', "remove it"),
        ("rows = ", "an error"),
    ],
)
def test_files_that_tell_no_array_are_refused(tmp_path, text, said):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(FormatError, match=said):
        read_places(path)


@given(st.binary(max_size=300), st.sampled_from(["toml", "csv"]))
def test_any_bytes_give_an_array_or_one_line(tmp_path_factory, data, ending):
    path = tmp_path_factory.getbasetemp() / f"any.{ending}"
    path.write_bytes(data)
    try:
        crystal_array(str(path))
    except PetlutError as error:
        assert "\n" not in str(error)


def test_a_written_table_tells_the_same_array(tmp_path):
    for array in (TWO, BlockGeometry(2, 3)):
        write_places(tmp_path / "a.csv", array, overwrite=True)
        again = crystal_array(str(tmp_path / "a.csv"))
        for name in ("present", "numbers", "layers"):
            np.testing.assert_array_equal(getattr(again, name), getattr(array, name))


def test_linear_luts_hold_the_numbers_of_the_table():
    lut = CrystalLUT(np.array([[0, 6, -1], [8, 24, 2]]), TWO)
    encoding = dataclasses.replace(lut_encoding("linear"), shape=(2, 3), region=(2, 3), dtype="<u2")
    data = encode_lut(lut, encoding)
    assert np.frombuffer(data, "<u2").tolist() == [1, 10, 0, 11, 9, 2]
    np.testing.assert_array_equal(decode_lut(data, encoding, TWO).ids, lut.ids)


def test_packed_luts_hold_row_and_column_of_one_layer_only():
    packed = dataclasses.replace(lut_encoding("packed"), shape=(1, 2), region=(1, 2), dtype="<u2")
    with pytest.raises(FormatError, match=r"expected one layer.*petlut convert --layer"):
        encode_lut(CrystalLUT(np.array([[0, 6]]), TWO), packed)
    single = BlockGeometry(2, 2, masked_places([[False, True], [True, True]]))
    lut = CrystalLUT(np.array([[1, 3]]), single)
    assert np.frombuffer(encode_lut(lut, packed), "<u2").tolist() == [256 + 2, 512 + 2]
    np.testing.assert_array_equal(decode_lut(encode_lut(lut, packed), packed, single).ids, lut.ids)
    with pytest.raises(FormatError, match="values of a"):
        decode_lut(np.array([[257, 258]], "<u2").tobytes(), packed, single)
    turned = dataclasses.replace(packed, origin="bottom-left")
    with pytest.raises(FormatError, match="counted as in the array's table"):
        encode_lut(lut, turned)


def test_peak_tables_hold_places_and_numbers(tmp_path):
    peaks = Peaks(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), crystal=np.array([0, 6, -1]))
    write_peaks(tmp_path / "p.csv", peaks, TWO)
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0].endswith("confidence,layer,layer_row,layer_col,number")
    assert lines[2].startswith("1,3.0,4.0,6,1,1,found,") and lines[2].endswith(",1,0,0,9")
    assert lines[3].endswith(",-1,-1,-1,-1")
    np.testing.assert_array_equal(read_peaks(tmp_path / "p.csv").crystal, peaks.crystal)


def test_a_record_holds_the_whole_array_and_refuses_a_wrong_one():
    told = plain(TWO)
    assert from_plain(BlockGeometry, told) == TWO
    assert from_plain(BlockGeometry, {"rows": 4, "cols": 5}) == BlockGeometry(4, 5)
    told["places"]["table"][0][0] = 99
    with pytest.raises(ParameterError, match="need 100 x 5 places"):
        from_plain(BlockGeometry, told)


def test_a_layer_of_one_crystal_has_no_lut_of_its_own():
    odd = BlockGeometry(3, 3, layered_places([(2, 2), (1, 1)], [(0, 0), (0.5, 0.5)]))
    with pytest.raises(GeometryError, match="at least 2"):
        CrystalLUT(np.array([[0, 4]]), odd).layer(1)

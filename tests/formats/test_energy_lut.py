import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.energy_lut import (
    EnergyLUTEncoding,
    decode_energy_lut,
    encode_energy_lut,
    read_energy_lut,
    write_energy_lut,
)
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyLUT

BLOCK = BlockGeometry(2, 3)
LUT = EnergyLUT(np.array([600.0, 700.5, np.nan, 512.0, 1022.0, 1e4]), BLOCK)
SMALL = EnergyLUTEncoding("small", entries=8, origin="top-left")


def test_the_preset_is_a_rounded_gain_from_the_lower_left(tmp_path):
    write_energy_lut(tmp_path / "a.elut", LUT)
    values = np.fromfile(tmp_path / "a.elut", "<u2")
    assert values.shape == (1024,)
    assert values[:6].tolist() == [65408, 32768, 3349, 55815, 47807, 0]
    assert values[0] == round(2**16 * 511 / 512)
    assert not values[6:].any()
    again = read_energy_lut(tmp_path / "a.elut", BLOCK)
    np.testing.assert_allclose(again.photopeaks, LUT.photopeaks, rtol=2e-4)


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"quantity": "photopeak", "scale": 2}, [1200, 1401, 0, 1024, 2044, 20000, 0, 0]),
        (
            {"quantity": "photopeak", "scale": 1, "order": "column-major"},
            [600, 512, 700, 1022, 0, 10000, 0, 0],
        ),
        ({"quantity": "photopeak", "scale": 1, "origin": "top-right"}, [0, 700, 600, 10000, 1022, 512, 0, 0]),
        ({"quantity": "photopeak", "scale": 1, "missing": 7}, [600, 700, 7, 512, 1022, 10000, 7, 7]),
    ],
)
def test_each_part_of_an_encoding_has_its_meaning(changes, values):
    encoding = EnergyLUTEncoding(**{"entries": 8, "origin": "top-left", "dtype": ">i4"} | changes)
    data = encode_energy_lut(LUT, encoding)
    assert np.frombuffer(data, ">i4").tolist() == values
    again = decode_energy_lut(data, encoding, BLOCK)
    np.testing.assert_allclose(again.photopeaks, LUT.photopeaks, atol=0.5)


@given(values=hnp.arrays(np.uint16, 6).filter(lambda array: array.any()))
def test_binary_files_come_back_byte_for_byte(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "exact.elut"
    content = np.concatenate([values, [0, 0]]).astype("<u2").tobytes()
    path.write_bytes(content)
    write_energy_lut(path, read_energy_lut(path, BLOCK, SMALL), SMALL, overwrite=True)
    assert path.read_bytes() == content


@given(photopeaks=hnp.arrays(np.float64, 6, elements=st.floats(1e-300, 1e300) | st.just(np.nan)))
def test_csv_comes_back_exactly(tmp_path_factory, photopeaks):
    path = tmp_path_factory.getbasetemp() / "exact.csv"
    write_energy_lut(path, EnergyLUT(photopeaks, BLOCK), overwrite=True)
    again = read_energy_lut(path)
    assert again.geometry == BLOCK
    np.testing.assert_array_equal(again.photopeaks, photopeaks)


def test_csv_reads_well(tmp_path):
    write_energy_lut(tmp_path / "a.csv", LUT)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "crystal,row,col,photopeak,gain"
    assert lines[3:6] == ["2,0,2,nan,nan", f"3,1,0,512.0,{511 / 512!r}", "4,1,1,1022.0,0.5"]


def test_a_csv_may_leave_crystals_out_if_the_block_is_known(tmp_path):
    (tmp_path / "a.csv").write_text("crystal,photopeak\n4,600\n0,500\n")
    lut = read_energy_lut(tmp_path / "a.csv", BLOCK)
    np.testing.assert_array_equal(lut.photopeaks, [500, np.nan, np.nan, np.nan, 600, np.nan])
    with pytest.raises(FormatError, match="give rows and cols"):
        read_energy_lut(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("crystal\n1\n", "the first line"),
        ("crystal,photopeak\n0,-5\n", "positive channel"),
        ("crystal,photopeak\n0,inf\n", "positive channel"),
        ("crystal,photopeak\n6,5\n", "each crystal of the block once"),
        ("crystal,photopeak\n1,5\n1,5\n", "each crystal of the block once"),
        ("crystal,photopeak\n,5\n", "each crystal of the block once"),
        ("crystal,photopeak,row,col\n4,5,1,2\n", "row \\* columns"),
    ],
)
def test_wrong_csv_is_one_line(tmp_path, text, found):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FormatError, match=found):
        read_energy_lut(tmp_path / "a.csv", BLOCK)


def test_several_blocks_and_wrong_sizes(tmp_path):
    path = tmp_path / "a.elut"
    path.write_bytes(encode_energy_lut(LUT, SMALL) + bytes(2) + encode_energy_lut(LUT, SMALL)[2:])
    assert np.isnan(read_energy_lut(path, BLOCK, SMALL, block=1).photopeaks[0])
    for block, found in ((None, "say which one, 0 to 1"), (2, "2 blocks"), (-1, "2 blocks")):
        with pytest.raises(FormatError, match=found):
            read_energy_lut(path, BLOCK, SMALL, block=block)
    with pytest.raises(FormatError, match="give rows and cols"):
        read_energy_lut(path, encoding=SMALL)
    path.write_bytes(bytes(17))
    with pytest.raises(FormatError, match="one or more times 16 bytes"):
        read_energy_lut(path, BLOCK, SMALL)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0] * 8, "none at all"),
        ([1, 2, 3, 4, 5, 6, 7, 0], "1 more values"),
        ([-1, 2, 0, 0, 0, 0, 0, 0], "-1"),
    ],
)
def test_binary_values_that_cannot_be_are_refused(values, found):
    encoding = EnergyLUTEncoding("signed", dtype="<i2", entries=8, origin="top-left")
    with pytest.raises(FormatError, match=found):
        decode_energy_lut(np.array(values, "<i2").tobytes(), encoding, BLOCK)


@pytest.mark.parametrize(
    ("photopeak", "found"), [(511.0, "65536 for crystal 0, photopeak 511"), (1e9, "0 for crystal 0")]
)
def test_photopeaks_that_do_not_fit_are_refused(tmp_path, photopeak, found):
    with pytest.raises(FormatError, match=found):
        write_energy_lut(tmp_path / "a.elut", EnergyLUT(np.full(6, photopeak), BLOCK))


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(FormatError, match="at most 1024 crystals"):
        encode_energy_lut(EnergyLUT(np.full(1089, 600.0), BlockGeometry(33, 33)))


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "energy"},
        {"origin": "left"},
        {"order": "C"},
        {"scale": 0},
        {"scale": float("inf")},
        {"entries": 0},
        {"dtype": "<f4"},
        {"dtype": "nonsense"},
        {"missing": -1},
        {"header_bytes": -1},
    ],
)
def test_encodings_that_cannot_be_are_refused(changes):
    with pytest.raises(ParameterError):
        EnergyLUTEncoding(**changes)
    with pytest.raises(ParameterError, match="known are cpm"):
        encode_energy_lut(LUT, "other")

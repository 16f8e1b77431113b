import pytest

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.lut_encoding import LUT_PRESETS, LUTEncoding, load_lut_encoding, lut_encoding


def test_presets_have_their_own_names():
    assert all(name == preset.name for name, preset in LUT_PRESETS.items())
    assert LUT_PRESETS["packed"] == LUTEncoding()
    assert list(LUT_PRESETS)[:2] == ["packed", "linear"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"code": "binary"}, "code is one of packed, linear"),
        ({"origin": "centre"}, "origin is one of top-left"),
        ({"order": "C"}, "order is one of"),
        ({"codec": "zip"}, "codec is one of"),
        ({"dtype": "<f4"}, "dtype must be a whole number"),
        ({"dtype": "nonsense"}, "no NumPy dtype"),
        ({"dtype": "i4,,"}, "no NumPy dtype|whole number"),
        ({"shape": (0, 5)}, "shape is two numbers"),
        ({"shape": (10_000, 5)}, "shape is two numbers"),
        ({"shape": (100, 100)}, "does not fit into the shape"),
        ({"header_bytes": -1}, "header_bytes"),
        ({"blocks": 0}, "blocks"),
        ({"first_id": 2}, "first_id is 0 or 1"),
        ({"multiplier": 1}, "multiplier is 2"),
        ({"first_id": 0}, "cannot be told apart"),
        ({"background": -1}, "does not fit into >u4"),
        ({"background": "crystals"}, "linear ids from 0"),
        ({"background": "crystals", "code": "linear"}, "linear ids from 0"),
        ({"codec": "rle"}, "pixels of one byte"),
    ],
)
def test_encodings_that_cannot_be_are_refused(changes, text):
    with pytest.raises(ParameterError, match=text):
        LUTEncoding(**changes)


TOML = """
name = "ours"
code = "linear"
dtype = "<u2"
shape = [64, 32]
header_bytes = 16
background = "none"
first_id = 0
origin = "bottom-right"
transposed = true
blocks = "any"
"""


def test_an_encoding_is_read_from_toml(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text(TOML)
    expected = LUTEncoding(
        "ours",
        code="linear",
        dtype="<u2",
        shape=(64, 32),
        region=(64, 32),
        header_bytes=16,
        background=None,
        first_id=0,
        origin="bottom-right",
        transposed=True,
        blocks=None,
    )
    assert load_lut_encoding(path) == expected
    assert lut_encoding(str(path)) == expected
    path.write_text('background = "crystals"\ncode = "linear"\nfirst_id = 0')
    assert load_lut_encoding(path).background == "crystals"
    path.write_text("# all as packed")
    assert load_lut_encoding(path) == LUTEncoding()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("colour = 1", "'colour'"),
        ("shape = [1]", "shape is two numbers"),
        ("shape = [1, 'a']", "whole number"),
        ("transposed = 1", "true or false"),
        ("background = 'all'", "whole number"),
        ("code = 1", "text in quotes"),
        ("dtype = 'f4'", "dtype is a word"),
        ("first_id = 3", "first_id is 0 or 1"),
        ("multiplier = 0x7fffffffffffffff", "whole number"),
    ],
)
def test_wrong_toml_is_one_line(tmp_path, text, found):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(FormatError, match=found):
        load_lut_encoding(tmp_path / "a.toml")

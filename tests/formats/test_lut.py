import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.lut import (
    LUT_PRESETS,
    LUTEncoding,
    decode_lut,
    encode_lut,
    read_lut,
    write_lut,
    write_luts,
)
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT

BLOCK = BlockGeometry(16, 16)
IDS = np.repeat(np.repeat(np.arange(256).reshape(16, 16), 32, axis=0), 32, axis=1).astype(np.int32)
IDS[:40, :7] = -1
LUT = CrystalLUT(IDS, BLOCK)
TWO = CrystalLUT(np.array([[0, 1], [2, -1]]), BlockGeometry(2, 2))


def tiny(**changes):
    return LUTEncoding(**{"shape": (2, 2), "region": (2, 2), "dtype": "<i4"} | changes)


def stored(lut, encoding):
    return np.frombuffer(encode_lut(lut, encoding), encoding.dtype).reshape(encoding.shape).tolist()


def test_the_default_is_the_labs_file():
    canvas = np.frombuffer(encode_lut(LUT), ">u4").reshape(1024, 1024)
    assert canvas[100, 300] == (100 // 32 + 1) << 8 | (300 // 32 + 1)
    assert (canvas[511, 511], canvas[0, 0]) == (16 << 8 | 16, 0)
    assert not canvas[512:].any()
    assert not canvas[:, 512:].any()


def test_the_linear_preset_counts_from_one():
    canvas = np.frombuffer(encode_lut(LUT, "linear"), ">u4").reshape(1024, 1024)
    assert (canvas[0, 500], canvas[511, 511], canvas[0, 0]) == (16, 256, 0)


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({}, [[257, 258], [513, 0]]),
        ({"multiplier": 1000}, [[1001, 1002], [2001, 0]]),
        ({"first_id": 0, "background": -1}, [[0, 1], [256, -1]]),
        ({"order": "column-major"}, [[257, 513], [258, 0]]),
        ({"code": "linear"}, [[1, 2], [3, 0]]),
        ({"code": "linear", "first_id": 0, "background": "crystals"}, [[0, 1], [2, 4]]),
        ({"code": "linear", "order": "column-major"}, [[1, 3], [2, 0]]),
        ({"code": "linear", "origin": "top-right"}, [[2, 1], [4, 0]]),
        ({"code": "linear", "origin": "bottom-left"}, [[3, 4], [1, 0]]),
        ({"code": "linear", "origin": "bottom-right"}, [[4, 3], [2, 0]]),
        ({"code": "linear", "flip_axis_0": True}, [[3, 0], [1, 2]]),
        ({"code": "linear", "flip_axis_1": True}, [[2, 1], [0, 3]]),
        ({"code": "linear", "transposed": True}, [[1, 3], [2, 0]]),
        ({"code": "linear", "transposed": True, "flip_axis_0": True}, [[2, 0], [1, 3]]),
    ],
)
def test_each_part_of_an_encoding_has_its_meaning(changes, values):
    encoding = tiny(**changes)
    assert stored(TWO, encoding) == values
    assert decode_lut(encode_lut(TWO, encoding), encoding, TWO.geometry).ids.tolist() == TWO.ids.tolist()


def test_byte_order_and_header(tmp_path):
    encoding = tiny(code="linear", dtype=">u2", header_bytes=3)
    write_lut(tmp_path / "a.lut", TWO, encoding)
    assert (tmp_path / "a.lut").read_bytes() == b"\0\0\0" + bytes([0, 1, 0, 2, 0, 3, 0, 0])
    found = read_lut(tmp_path / "a.lut", encoding, TWO.geometry)
    assert found.lut.ids.tolist() == TWO.ids.tolist()
    assert found.note == ""


def test_runs_of_value_and_length():
    encoding = tiny(shape=(20, 30), region=(20, 30), dtype="u1", codec="rle", code="linear")
    ids = np.full((20, 30), -1)
    ids[0, 0], ids[19, 29] = 0, 3
    lut = CrystalLUT(ids, BlockGeometry(2, 2))
    data = encode_lut(lut, encoding)
    assert data == bytes([1, 1, 0, 255, 0, 255, 0, 88, 4, 1])
    np.testing.assert_array_equal(decode_lut(data, encoding, lut.geometry).ids, ids)


@pytest.mark.parametrize(
    ("name", "geometry", "shape", "expected"),
    [
        ("cpm", BlockGeometry(26, 26), (512, 512), {0: 25 * 26, 675: 25, -1: 0xFFFF}),
        ("ucd", BlockGeometry(19, 19), (512, 512), {0: 0, 360: 360, -1: 361}),
        ("ucd-clu", BlockGeometry(19, 19), (512, 512), {0: 1, 360: 361, -1: -1}),
        ("minipet", BlockGeometry(35, 35), (256, 256), {0: 0, 1224: 1224}),
    ],
)
def test_presets_of_other_tools(tmp_path, name, geometry, shape, expected):
    preset = LUT_PRESETS[name]
    ids = (np.arange(shape[0] * shape[1]).reshape(shape) % len(geometry)).astype(np.int32)
    if -1 in expected:
        ids[5] = -1
    lut = CrystalLUT(ids, geometry)
    write_lut(tmp_path / "a.lut", lut, name)
    values = np.fromfile(tmp_path / "a.lut", preset.dtype).reshape(shape)
    for crystal, value in expected.items():
        assert set(values[ids == crystal].tolist()) == {value}
    for encoding in (name, None):
        found = read_lut(tmp_path / "a.lut", encoding, geometry)
        np.testing.assert_array_equal(found.lut.ids, ids)
        assert found.encoding == preset


def test_the_cti_preset_is_runs_of_y_times_16_plus_x(tmp_path):
    ids = np.repeat(np.repeat(np.arange(64).reshape(8, 8), 32, axis=0), 32, axis=1)
    ids[0, 0] = -1
    lut = CrystalLUT(ids, BlockGeometry(8, 8))
    write_lut(tmp_path / "a.crm", lut, "cti-crm")
    assert (tmp_path / "a.crm").read_bytes()[:6] == bytes([255, 1, 0x00, 31, 0x01, 32])
    found = read_lut(tmp_path / "a.crm")
    assert found.lut.geometry == lut.geometry
    np.testing.assert_array_equal(found.lut.ids, ids)


def test_a_cti_file_cannot_name_the_last_crystal_of_16_by_16(tmp_path):
    lut = LUT.resampled((256, 256))
    with pytest.raises(FormatError, match="crystal 255 with the same one, 255"):
        write_lut(tmp_path / "a.crm", lut, "cti-crm")
    write_lut(tmp_path / "a.crm", lut.without([255]), "cti-crm")
    np.testing.assert_array_equal(read_lut(tmp_path / "a.crm").lut.ids, lut.without([255]).ids)


def test_several_blocks_in_one_file(tmp_path):
    luts = [
        CrystalLUT((np.arange(2**18) + k).reshape(512, 512) % 676, BlockGeometry(26, 26)) for k in range(3)
    ]
    path = tmp_path / "PLUT"
    write_luts(path, luts, "cpm")
    for k, lut in enumerate(luts):
        np.testing.assert_array_equal(read_lut(path, "cpm", lut.geometry, block=k).lut.ids, lut.ids)
    with pytest.raises(FormatError, match="3 blocks; say which one, 0 to 2"):
        read_lut(path, "cpm", luts[0].geometry)
    with pytest.raises(FormatError, match="expected block 3"):
        read_lut(path, "cpm", luts[0].geometry, block=3)
    with pytest.raises(FormatError, match="found 2"):
        write_luts(tmp_path / "b.lut", luts[:2], "packed")


encodings = st.builds(
    tiny,
    code=st.sampled_from(["packed", "linear"]),
    dtype=st.sampled_from([">u4", "<i4", "<u2", ">i8", "<u8"]),
    shape=st.just((5, 7)),
    region=st.sampled_from([(5, 7), (3, 4)]),
    background=st.sampled_from([0, 9999]),
    first_id=st.just(1),
    multiplier=st.sampled_from([8, 256, 300]),
    origin=st.sampled_from(["top-left", "top-right", "bottom-left", "bottom-right"]),
    order=st.sampled_from(["row-major", "column-major"]),
    transposed=st.booleans(),
    flip_axis_0=st.booleans(),
    flip_axis_1=st.booleans(),
)


@given(
    encoding=encodings,
    rows=st.integers(1, 6),
    cols=st.integers(2, 7),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 9),
)
def test_every_encoding_gives_back_every_lut_and_every_byte(encoding, rows, cols, shape, seed):
    geometry = BlockGeometry(rows, cols)
    ids = np.random.default_rng(seed).integers(-1, len(geometry), shape)
    data = encode_lut(CrystalLUT(ids, geometry), encoding)
    lut = decode_lut(data, encoding, geometry, shape=shape)
    np.testing.assert_array_equal(lut.ids, ids)
    assert encode_lut(decode_lut(data, encoding, geometry), encoding) == data


def test_the_block_is_the_region_unless_crystals_lie_outside(tmp_path):
    write_lut(tmp_path / "half.lut", LUT)
    assert read_lut(tmp_path / "half.lut").lut.shape == (512, 512)
    assert read_lut(tmp_path / "half.lut", shape=(100, 90)).lut.shape == (100, 90)
    write_lut(tmp_path / "full.lut", LUT.resampled((1024, 1024)))
    assert read_lut(tmp_path / "full.lut").lut.shape == (1024, 1024)
    write_lut(tmp_path / "small.lut", LUT.resampled((256, 256)))
    np.testing.assert_array_equal(
        read_lut(tmp_path / "small.lut").lut.ids[:256, :256], LUT.resampled((256, 256)).ids
    )


@pytest.mark.parametrize(
    ("lut", "encoding", "found"),
    [
        (LUT.resampled((1025, 512)), "packed", "1025 x 512; resample"),
        (LUT, tiny(), "512 x 512; resample"),
        (TWO, tiny(background=None), "pixels without one"),
        (CrystalLUT(np.array([[0]]), TWO.geometry), tiny(background=None), "1 x 1; resample"),
        (LUT, tiny(shape=(512, 512), region=(512, 512), dtype="u1"), "4112; choose another encoding"),
        (LUT, tiny(multiplier=16), "multiplier above 16, found 16"),
        (TWO, tiny(code="linear", background=2), "crystal 1 with the same one"),
    ],
)
def test_what_an_encoding_cannot_hold_is_refused(tmp_path, lut, encoding, found):
    with pytest.raises(FormatError, match=found):
        write_lut(tmp_path / "a.lut", lut, encoding)
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="known are packed, linear, cpm"):
        write_lut(tmp_path / "a.lut", LUT, "siemens")


def test_existing_files_are_kept(tmp_path):
    write_lut(tmp_path / "a.lut", LUT)
    with pytest.raises(FormatError, match="allow overwriting"):
        write_lut(tmp_path / "a.lut", LUT)
    write_lut(tmp_path / "a.lut", LUT, "linear", overwrite=True)
    assert read_lut(tmp_path / "a.lut", geometry=BLOCK).encoding.name == "linear"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([[257, 258], [513, 7]], r"found 7 at pixel \[1, 1\]"),
        ([[257, 258], [513, 515]], r"found 515 at pixel \[1, 1\]"),
        ([[257, -1], [513, 0]], r"found -1 at pixel \[0, 1\]"),
    ],
)
def test_values_that_are_no_crystal_are_refused(tmp_path, values, found):
    np.array(values, "<i4").tofile(tmp_path / "a.lut")
    with pytest.raises(FormatError, match=found):
        read_lut(tmp_path / "a.lut", tiny(), BlockGeometry(2, 2))


@pytest.mark.parametrize("size", [1, 15, 17, 32])
def test_wrong_sizes_are_refused(tmp_path, size):
    (tmp_path / "a.lut").write_bytes(b"\0" * size)
    with pytest.raises(FormatError, match=rf"expected 16 bytes \(packed\), found {size} bytes"):
        read_lut(tmp_path / "a.lut", tiny(), TWO.geometry)


def test_larger_blocks_than_the_file_are_refused(tmp_path):
    write_lut(tmp_path / "a.lut", TWO, tiny())
    with pytest.raises(FormatError, match="3 x 2 block"):
        read_lut(tmp_path / "a.lut", tiny(), TWO.geometry, shape=(3, 2))

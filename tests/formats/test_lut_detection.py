from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.errors import FormatError
from napari_petlut.formats.identification import identify
from napari_petlut.formats.lut import CRYSTAL_LUT, LUT_PRESETS, LUTEncoding, read_lut, write_lut
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT


def block_lut(rows, cols, size=256):
    """Return a LUT of equal cells with a border of no crystal."""
    ids = np.full((size, size), -1)
    inner = np.arange(size - 2)
    ids[1:-1, 1:-1] = (inner * rows // (size - 2))[:, None] * cols + inner * cols // (size - 2)
    return CrystalLUT(ids, BlockGeometry(rows, cols))


BLOCKS = [(16, 16), (8, 8), (7, 9), (1, 2), (19, 19), (64, 64), (35, 12), (100, 100)]


@pytest.mark.parametrize(("rows", "cols"), BLOCKS)
def test_packed_values_tell_everything(tmp_path, rows, cols):
    lut = block_lut(rows, cols)
    write_lut(tmp_path / "a.lut", lut)
    found = read_lut(tmp_path / "a.lut")
    assert (found.encoding.name, found.lut.geometry) == ("packed", lut.geometry)
    assert "packed" in found.note
    assert f"{rows} x {cols} crystals" in found.note
    np.testing.assert_array_equal(found.lut.ids[:256, :256], lut.ids)
    assert read_lut(tmp_path / "a.lut", geometry=lut.geometry).encoding.name == "packed"


@pytest.mark.parametrize(("rows", "cols"), BLOCKS)
def test_linear_values_need_the_geometry(tmp_path, rows, cols):
    lut = block_lut(rows, cols)
    write_lut(tmp_path / "a.lut", lut, "linear")
    found = read_lut(tmp_path / "a.lut", geometry=lut.geometry)
    assert found.encoding.name == "linear"
    assert "linear" in found.note
    np.testing.assert_array_equal(found.lut.ids[:256, :256], lut.ids)
    for encoding in (None, "linear"):
        with pytest.raises(FormatError, match="give rows and cols"):
            read_lut(tmp_path / "a.lut", encoding)


def test_a_lut_of_a_large_map_is_recognised_by_its_square(tmp_path):
    lut = block_lut(8, 8, size=1030)
    encoding = LUT_PRESETS["packed"].holding(lut.shape)
    assert encoding.shape == encoding.region == (1030, 1030)
    write_lut(tmp_path / "a.bin", lut, encoding)
    assert (tmp_path / "a.bin").stat().st_size == 4 * 1030 * 1030
    file = identify(tmp_path / "a.bin")
    assert file.kind is CRYSTAL_LUT
    assert file.read().encoding == encoding
    np.testing.assert_array_equal(file.read().lut.ids, lut.ids)


@pytest.mark.parametrize("name", sorted(LUT_PRESETS))
def test_an_encoding_grows_only_where_it_must_and_may(name):
    preset = LUT_PRESETS[name]
    assert preset.holding(preset.shape) == preset
    grown = preset.holding((1500, 1200))
    assert grown.shape == ((1500, 1200) if name in ("packed", "linear") else preset.shape)
    changed = replace(preset, header_bytes=16)
    assert changed.holding((1500, 1200)) == changed


def test_crystals_without_pixels_do_not_hide_the_code(tmp_path):
    lut = block_lut(16, 16).without([0, 1, 17, 100, 255])
    write_lut(tmp_path / "a.lut", lut)
    found = read_lut(tmp_path / "a.lut")
    assert found.lut.geometry == lut.geometry
    np.testing.assert_array_equal(found.lut.ids[:256, :256], lut.ids)


def test_ids_that_may_begin_with_0_or_1_are_asked_for(tmp_path):
    lut = block_lut(8, 8).without([63])
    write_lut(tmp_path / "a.lut", lut, "linear")
    with pytest.raises(FormatError, match="may begin with 0; give the encoding"):
        read_lut(tmp_path / "a.lut", geometry=lut.geometry)
    assert read_lut(tmp_path / "a.lut", "linear", lut.geometry).lut.ids.max() == 62


def test_two_layouts_that_fit_are_asked_for(tmp_path):
    # Numbers from 1 to N: one tool counts from 1, to another N is the background.
    geometry = BlockGeometry(8, 8)
    ids = (np.arange(512 * 512).reshape(512, 512) % 64).astype(np.int32)
    write_lut(tmp_path / "a.lut", CrystalLUT(ids, geometry), "ucd-clu")
    with pytest.raises(FormatError, match="found ucd or ucd-clu; give the encoding, one of these"):
        read_lut(tmp_path / "a.lut", geometry=geometry)
    assert read_lut(tmp_path / "a.lut", "ucd-clu", geometry).lut.ids[0, 5] == 5


@pytest.mark.parametrize("encoding", [LUTEncoding(multiplier=1000), LUTEncoding(dtype="<u4")])
def test_other_layouts_of_the_same_size_are_not_guessed(tmp_path, encoding):
    lut = block_lut(16, 16)
    write_lut(tmp_path / "a.lut", lut, encoding)
    for geometry in (None, lut.geometry):
        with pytest.raises(FormatError, match="give the encoding"):
            read_lut(tmp_path / "a.lut", geometry=geometry)
    np.testing.assert_array_equal(read_lut(tmp_path / "a.lut", encoding).lut.ids[:256, :256], lut.ids)


@pytest.mark.parametrize(
    "content",
    [bytes(4 * 1024 * 1024), np.random.default_rng(0).bytes(4 * 1024 * 1024), bytes(1000), b"\xff" * 524288],
    ids=["no crystal", "random", "unknown size", "all background"],
)
def test_files_without_crystals_are_refused(tmp_path, content):
    (tmp_path / "a.lut").write_bytes(content)
    with pytest.raises(FormatError, match="give the encoding"):
        read_lut(tmp_path / "a.lut")


def test_an_empty_lut_of_known_layout_needs_the_geometry(tmp_path):
    empty = CrystalLUT(np.full((512, 512), -1), BlockGeometry(2, 2))
    write_lut(tmp_path / "a.lut", empty)
    with pytest.raises(FormatError, match="no crystal at all; give rows and cols"):
        read_lut(tmp_path / "a.lut", "packed")
    np.testing.assert_array_equal(read_lut(tmp_path / "a.lut", "packed", empty.geometry).lut.ids, empty.ids)


def test_a_wrong_geometry_is_told(tmp_path):
    write_lut(tmp_path / "a.lut", block_lut(16, 16))
    with pytest.raises(FormatError, match="crystal numbers of a 15 x 16 block"):
        read_lut(tmp_path / "a.lut", geometry=BlockGeometry(15, 16))


def test_column_major_packed_values_tell_the_geometry_too(tmp_path):
    encoding = LUTEncoding("columns", order="column-major")
    lut = block_lut(5, 9)
    write_lut(tmp_path / "a.lut", lut, encoding)
    found = read_lut(tmp_path / "a.lut", encoding)
    assert found.lut.geometry == lut.geometry
    np.testing.assert_array_equal(found.lut.ids[:256, :256], lut.ids)


def test_every_preset_is_found_again_where_it_can_be(tmp_path):
    lut = CrystalLUT((np.arange(65536).reshape(256, 256) * 7 % 64).astype(np.int32), BlockGeometry(8, 8))
    for name, preset in LUT_PRESETS.items():
        path = tmp_path / name
        write_lut(path, lut.resampled(preset.region), preset)
        if name != "ucd-clu":
            assert read_lut(path, geometry=lut.geometry).encoding.name == name

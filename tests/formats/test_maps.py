import io
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_petlut.errors import FormatError, MapReadingWarning
from napari_petlut.formats.maps import (
    ARRAY_SUFFIXES,
    MAP_BYTES,
    read_array,
    read_flood,
    read_map,
    write_array,
    write_flood,
    write_map,
)
from napari_petlut.model import FloodMap

COUNTS_U2 = np.arange(42, dtype=np.uint16).reshape(6, 7)


def map_bytes(seed=0, outside=0):
    """Return a map file as the acquisition writes it."""
    rng = np.random.default_rng(seed)
    words = np.zeros(MAP_BYTES // 4, ">u4")
    words[:4096] = rng.integers(0, 1000, 4096)
    canvas = words[4096:].reshape(1024, 1024)
    canvas[:512, :512] = rng.integers(0, 900, (512, 512))
    canvas[512:] = outside
    return words.tobytes()


def test_spectrum_and_block_are_where_the_acquisition_puts_them(tmp_path):
    words = np.zeros(MAP_BYTES // 4, ">u4")
    words[600] = 7
    words[4096 + 1024 * 2 + 511] = 5
    words[4096 + 1024 * 2 + 512] = 9
    (tmp_path / "a_map.dat").write_bytes(words.tobytes())
    flood = read_map(tmp_path / "a_map.dat")
    assert flood.shape == (512, 512)
    assert (flood.total, flood.counts[2, 511]) == (5, 5)
    assert (flood.spectrum.sum(), flood.spectrum[600]) == (7, 7)
    assert (flood.source, flood.full_scale) == ("a_map.dat", 512)


def test_map_files_come_back_byte_for_byte(tmp_path):
    content = map_bytes()
    (tmp_path / "a.dat").write_bytes(content)
    write_map(tmp_path / "b.dat", read_map(tmp_path / "a.dat"))
    assert (tmp_path / "b.dat").read_bytes() == content
    assert read_flood(tmp_path / "b.dat").total == read_map(tmp_path / "a.dat").total


def test_a_map_without_spectrum_stays_without(tmp_path):
    write_map(tmp_path / "a.dat", FloodMap(np.ones((512, 512))))
    assert read_map(tmp_path / "a.dat").spectrum is None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (map_bytes()[:-1], "4,210,687 bytes"),
        (map_bytes() + b"x", "4,210,689 bytes"),
        (bytes(MAP_BYTES), "none at all"),
        (bytes(MAP_BYTES - 4) + b"\0\0\0\1", "counts only outside"),
        (np.frombuffer(map_bytes(), ">u4").astype("<u4").tobytes(), "in a typical pixel"),
        (np.random.default_rng(0).bytes(MAP_BYTES), "in a typical pixel"),
    ],
    ids=["short", "long", "no counts", "outside", "little-endian", "random"],
)
def test_what_is_no_map_is_refused(tmp_path, content, found):
    (tmp_path / "a.dat").write_bytes(content)
    with pytest.raises(FormatError, match=found):
        read_map(tmp_path / "a.dat")


@pytest.mark.parametrize(
    ("flood", "found"),
    [
        (FloodMap(np.ones((256, 256))), "256 x 256"),
        (FloodMap(np.full((512, 512), 0.5)), "others in the pixels"),
        (FloodMap(np.full((512, 512), 2.0**32)), "others in the pixels"),
        (FloodMap(np.ones((512, 512)), spectrum=np.full(4096, -1)), "others in the spectrum"),
        (FloodMap(np.ones((512, 512)), spectrum=np.ones(10, np.int64)), "spectrum of 4096"),
    ],
)
def test_maps_that_do_not_fit_the_layout_are_refused(tmp_path, flood, found):
    with pytest.raises(FormatError, match=found):
        write_map(tmp_path / "a.dat", flood)
    assert list(tmp_path.iterdir()) == []


counts = hnp.arrays(
    np.float64, (3, 4), elements=st.floats(0, 1e300) | st.integers(0, 2**53).map(float)
).filter(lambda array: array.any())


@pytest.mark.parametrize("suffix", ARRAY_SUFFIXES)
@given(counts=counts)
def test_arrays_come_back_exactly(tmp_path_factory, suffix, counts):
    path = tmp_path_factory.getbasetemp() / f"exact{suffix}"
    write_flood(path, FloodMap(counts), overwrite=True)
    np.testing.assert_array_equal(read_flood(path).counts, counts)


@pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "<i8", "<f2", ">f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_every_number_type_and_order(tmp_path, dtype, order):
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy").counts, array.astype(float))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"tile": (16, 16), "compression": "zlib", "predictor": True},
        {"bigtiff": True},
    ],
)
def test_tif_as_other_programs_write_it(tmp_path, options):
    array = np.arange(40 * 30, dtype=np.uint16).reshape(40, 30)
    tifffile.imwrite(tmp_path / "a.TIF", array, **options)
    np.testing.assert_array_equal(read_flood(tmp_path / "a.TIF").counts, array)


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4\n",
        "1;2\r\n3;4",
        "1\t2\n3\t4\n",
        " 1  2\n3 4\n",
        "# made by me\n\n1 2\n3 4 # end\n",
        "\ufeff1,2\n3,4",
    ],
)
def test_text_with_any_usual_separator(tmp_path, text):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    assert read_array(tmp_path / "a.txt").counts.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,2\n3\n", "number of columns changed"),
        ("1,2\n3,x\n", "could not convert string 'x'"),
        ("1,2\n3,inf\n", r"inf at \[1, 1\]"),
        ("1,2\n-3,1\n", r"as much below zero as above, -3 at \[1, 0\]"),
        ("0,0\n0,0\n", "none at all"),
        ("1,2\n", "at least 2 x 2"),
        ("# nothing\n", r"shape \(0,"),
        ("index,axis-0,axis-1\n0,1,2\n", "open it as peaks"),
        ("\0\1\2", "no text"),
    ],
)
def test_wrong_text_is_one_line(tmp_path, text, found):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FormatError, match=found) as error:
        read_array(tmp_path / "a.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.ones(4), "expected a 2-D array of numbers, found 4;"),
        (np.ones((2, 2, 2)), "a stack of 2 maps; choose one: --block 0 to --block 1"),
        (np.ones((0, 4)), "shape"),
        (np.ones((2, 2), complex), "complex"),
        (np.full((2, 2), "a"), "2-D of <U1"),
        (np.array([[1, None]]), "dtype object"),
        (np.zeros((2, 2), [("x", "f4")]), "dtype"),
    ],
)
def test_npy_that_is_no_map_is_refused(tmp_path, array, found):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(FormatError, match=found):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("options", [{"photometric": "minisblack"}, {"imagej": True}])
def test_of_a_tif_with_several_pages_one_is_asked_for(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((5, 6, 7), np.uint8), **options)
    with pytest.raises(FormatError, match="a stack of 5 maps; choose one: --block 0 to --block 4"):
        read_array(tmp_path / "a.tif")


def test_images_that_hide_behind_one_page_are_refused(tmp_path):
    description = "ImageJ=1.54\nimages=3\nslices=3\n"
    tifffile.imwrite(tmp_path / "a.tif", COUNTS_U2, description=description, metadata=None)
    with pytest.raises(FormatError, match="3 images behind one page"):
        read_array(tmp_path / "a.tif")


def test_what_is_no_count_is_set_to_zero_with_a_line_that_says_so(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[np.nan, 90.0, -1.0], [5.0, np.nan, 5.0]]))
    with pytest.warns(MapReadingWarning) as said:
        counts = read_array(tmp_path / "a.npy").counts
    assert counts.tolist() == [[0, 90, 0], [5, 0, 5]]
    lines = [str(line.message) for line in said]
    assert "2 pixels without a number (NaN)" in lines[0]
    assert "1 pixels below zero, as after subtracting a background" in lines[1]
    assert "(1 % of the counts)" in lines[1]


def test_other_suffixes_are_asked_back(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(FormatError, match=r"expected one of \.npy, \.tif"):
        read_array(tmp_path / "a.png")
    with pytest.raises(FormatError, match=r"expected one of \.npy, \.tif"):
        write_array(tmp_path / "a.gif", FloodMap(np.ones((2, 2))))


def npy_header(shape, dtype="<f8"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def tif_bomb(**changes):
    """Return a small deflated TIFF whose tags or strips pretend to more."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((64, 64), np.uint8), compression="zlib", rowsperstrip=64)
    data = bytearray(stream.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages[0]
        tags = {
            name: page.tags[name] for name in ("ImageWidth", "ImageLength", "StripOffsets", "StripByteCounts")
        }
    if "side" in changes:
        for name in ("ImageWidth", "ImageLength"):
            tag = tags[name]
            data[tag.valueoffset : tag.valueoffset + 4] = changes["side"].to_bytes(4, "little")[:4]
            data[tag.offset + 2 : tag.offset + 4] = (4).to_bytes(2, "little")
    if "strip" in changes:
        for name, value in (("StripOffsets", len(data)), ("StripByteCounts", len(changes["strip"]))):
            tag = tags[name]
            data[tag.offset + 2 : tag.offset + 4] = (4).to_bytes(2, "little")
            data[tag.valueoffset : tag.valueoffset + 4] = value.to_bytes(4, "little")
        data += changes["strip"]
    return bytes(data)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".npy", npy_header((2**20, 2**20)) + bytes(80)),
        (".npy", npy_header((-1, 10)) + bytes(80)),
        (".npy", npy_header((2**62, 2**62)) + bytes(80)),
        (".npy", b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535),
        (".npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b"{" * 1000),
        (".tif", tif_bomb(side=60_000)),
        (".tif", tif_bomb(side=4096)),
        (".tif", tif_bomb(strip=zlib.compress(bytes(50_000_000)))),
    ],
    ids=[
        "npy shape",
        "npy negative",
        "npy overflow",
        "npy nesting",
        "npy length",
        "tif 60k",
        "tif 4k",
        "tif strip",
    ],
)
def test_headers_that_promise_too_much_cost_no_memory(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FormatError):
        read_array(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000

import io
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image
from scipy import sparse

from napari_petlut.errors import FormatError
from napari_petlut.formats import _libraries
from napari_petlut.formats.arrays import fits, hdf5, matlab, numpy_files, pictures, root, tiff
from napari_petlut.formats.arrays.colours import intensity
from napari_petlut.formats.arrays.entries import ArrayEntry, choose_entry

h5py = pytest.importorskip("h5py")
uproot = pytest.importorskip("uproot")
astropy_fits = pytest.importorskip("astropy.io.fits")
pytest.importorskip("imagecodecs")

COUNTS = np.random.default_rng(0).poisson(3, (24, 32)).astype(np.uint16)


def whole(entries, read, path, name=None):
    pixels = read(path, choose_entry(path, entries(path), name))
    if pixels.picture and pixels.values.ndim == 3:
        values, notes = intensity(pixels.values)
        return values, pixels.notes + notes
    return pixels.values, pixels.notes


NPZ = (numpy_files.npz_entries, numpy_files.read_npz)
MAT = (matlab.mat_entries, matlab.read_mat)
HDF5 = (hdf5.hdf5_entries, hdf5.read_hdf5)
FITS = (fits.fits_entries, fits.read_fits)
ROOT = (root.root_entries, root.read_root)
TIFF = (tiff.tiff_entries, tiff.read_tiff)
PICTURE = (pictures.picture_entries, pictures.read_picture)


def write_h5(path, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("run/flood", data=COUNTS, **options)
        file["run/axis"] = np.arange(32)
        file["words"] = ["a", "b"]


def write_mat73(path):
    with h5py.File(path, "w", userblock_size=512) as file:
        file["flood"] = COUNTS.T
        file["flood"].attrs["MATLAB_class"] = np.bytes_("uint16")
    with path.open("r+b") as handle:
        handle.write(matlab.MAT5_MAGIC.replace(b"5.0", b"7.3"))


def write_fits(path):
    units = [astropy_fits.PrimaryHDU(), astropy_fits.ImageHDU(COUNTS)]
    astropy_fits.HDUList(units).writeto(path)


def write_root(path, compression=None):
    options = {} if compression is None else {"compression": compression}
    with uproot.recreate(path, **options) as file:
        file["dir/flood"] = (COUNTS.astype(float), np.arange(25.0), np.arange(33.0))
        file["spectrum"] = np.histogram(COUNTS)


def savez(path, write, **arrays):
    with path.open("wb") as handle:
        write(handle, **arrays)


def mat(path, **options):
    content = {"floodMap": COUNTS, "edges": np.arange(33), "note": "text", "cells": {"a": 1}}
    scipy.io.savemat(path, content, **options)


WRITERS = {
    "npz": (NPZ, lambda p: savez(p, np.savez, flood=COUNTS, edges=np.arange(33))),
    "compressed npz": (NPZ, lambda p: savez(p, np.savez_compressed, flood=COUNTS, words=["a"])),
    "mat": (MAT, mat),
    "compressed mat": (MAT, lambda p: mat(p, do_compression=True)),
    "sparse mat": (MAT, lambda p: scipy.io.savemat(p, {"f": sparse.csc_array(COUNTS.astype(float))})),
    "mat 7.3": (HDF5, write_mat73),
    "h5": (HDF5, write_h5),
    "gzip h5": (HDF5, lambda p: write_h5(p, compression="gzip", shuffle=True, fletcher32=True)),
    "lzf h5": (HDF5, lambda p: write_h5(p, compression="lzf", chunks=(10, 10))),
    "fits": (FITS, write_fits),
    "root": (ROOT, write_root),
    "zlib root": (ROOT, lambda p: write_root(p, uproot.ZLIB(4))),
    "lzma root": (ROOT, lambda p: write_root(p, uproot.LZMA(4))),
    "lz4 root": (ROOT, lambda p: write_root(p, uproot.LZ4(4))),
    "zstd root": (ROOT, lambda p: write_root(p, uproot.ZSTD(4))),
    "lzw tif": (TIFF, lambda p: tifffile.imwrite(p, COUNTS, compression="lzw", predictor=True)),
    "packbits tif": (TIFF, lambda p: tifffile.imwrite(p, COUNTS, compression="packbits")),
    "zstd tif": (TIFF, lambda p: tifffile.imwrite(p, COUNTS, compression="zstd")),
    "grey in colours tif": (
        TIFF,
        lambda p: tifffile.imwrite(p, np.stack([COUNTS.astype(np.uint8)] * 3, -1), photometric="rgb"),
    ),
    "png": (PICTURE, lambda p: Image.fromarray(COUNTS.astype(np.uint8)).save(p, "PNG")),
    "16-bit png": (PICTURE, lambda p: Image.fromarray(COUNTS * 256).save(p, "PNG")),
    "grey in colours png": (
        PICTURE,
        lambda p: Image.fromarray(COUNTS.astype(np.uint8)).convert("RGBA").save(p, "PNG"),
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_the_map_comes_back_from_every_kind_of_file(tmp_path, kind):
    functions, write = WRITERS[kind]
    path = tmp_path / "file"
    write(path)
    values, notes = whole(*functions, path)
    np.testing.assert_array_equal(values, COUNTS.astype(float) * (256 if kind == "16-bit png" else 1))
    assert notes == ()


def test_a_stack_of_pages_is_an_array_of_three_axes(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([COUNTS, COUNTS + 1]), photometric="minisblack")
    assert tiff.tiff_entries(tmp_path / "a.tif") == [ArrayEntry("", (2, 24, 32))]
    assert whole(*TIFF, tmp_path / "a.tif")[0][1, 0, 0] == COUNTS[0, 0] + 1


def test_colours_of_a_colour_map_become_places_on_it(tmp_path):
    import matplotlib as mpl

    ramp = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    for name in ("viridis", "jet", "hot"):
        picture = (mpl.colormaps[name](ramp)[..., :3] * 255).round().astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / "a.png")
        values, notes = whole(*PICTURE, tmp_path / "a.png")
        assert np.abs(values - ramp).mean() < 1
        assert repr(name) in notes[0]


def test_other_colours_become_brightness(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    values, notes = whole(*PICTURE, tmp_path / "a.png")
    np.testing.assert_allclose(values, picture @ [0.299, 0.587, 0.114])
    assert "brightness" in notes[0]


def test_a_jpeg_says_that_it_has_changed_the_counts(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    values, notes = whole(*PICTURE, tmp_path / "a.jpg")
    assert np.abs(values - smooth.astype(float)).max() < 4
    assert "JPEG" in notes[0]


def test_of_several_arrays_one_is_asked_for(tmp_path):
    np.savez(tmp_path / "a.npz", flood=COUNTS, other=COUNTS[:10] + 1)
    with pytest.raises(FormatError, match=r"flood \(24 x 32\), other \(10 x 32\); name the one"):
        whole(*NPZ, tmp_path / "a.npz")
    assert whole(*NPZ, tmp_path / "a.npz", "other")[0][0, 0] == COUNTS[0, 0] + 1
    with pytest.raises(FormatError, match="name one of these"):
        whole(*NPZ, tmp_path / "a.npz", "nothing")


def test_the_last_part_of_a_name_is_enough(tmp_path):
    write_h5(tmp_path / "a.h5")
    assert whole(*HDF5, tmp_path / "a.h5", "flood")[0].shape == COUNTS.shape


@pytest.mark.parametrize(
    ("functions", "module", "content"),
    [
        (HDF5, "h5py", hdf5.HDF5_MAGIC),
        (FITS, "astropy.io.fits", fits.FITS_MAGIC),
        (ROOT, "uproot", root.ROOT_MAGIC),
    ],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(
    tmp_path, monkeypatch, functions, module, content
):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(_libraries, "import_module", missing)
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FormatError, match=r"no library .* pip install 'napari-petlut\[formats\]'"):
        whole(*functions, tmp_path / "a")


def npz_bomb(path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f8", "fortran_order": False, "shape": (4096, 4096)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", stream.getvalue() + bytes(60_000_000))


def mat_bomb(path):
    scipy.io.savemat(path, {"a": COUNTS}, do_compression=False)
    data = path.read_bytes()
    element = bytearray(data[128:])
    # Behind 48 bytes of flags, shape and name come the type of the numbers and their size, here 2 GB.
    element[52:56] = (2**31 - 8).to_bytes(4, "little")
    packed = zlib.compress(bytes(element))
    path.write_bytes(data[:128] + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed)


def h5_bomb(path):
    with h5py.File(path, "w") as file:
        made = file.create_dataset("a", (8, 8), "u1", chunks=(8, 8), compression="gzip")
        made.id.write_direct_chunk((0, 0), zlib.compress(bytes(60_000_000)))


def h5_wide_chunk(path):
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "a", (8, 8), "u1", chunks=(30_000, 30_000), maxshape=(None, None), compression="gzip"
        )


def png_bomb(path):
    data = b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        for kind, body in [
            (b"IHDR", (50_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"),
            (b"IDAT", zlib.compress(bytes(1000))),
            (b"IEND", b""),
        ]
    )
    path.write_bytes(pictures.PNG_MAGIC + data)


def fits_bomb(path):
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                  -64",
        "NAXIS   =                    2",
    ]
    cards += [f"NAXIS{k}  =               {2**20:>6}" for k in (1, 2)] + ["END"]
    path.write_bytes("".join(card.ljust(80) for card in cards).encode().ljust(2880) + bytes(2880))


def root_bomb(path):
    write_root(path, uproot.ZLIB(4))
    data = bytearray(path.read_bytes())
    with uproot.open(path) as file:
        key = file.key("dir/flood")
    begin = key.fSeekKey + key.fKeylen
    packed = zlib.compress(bytes(60_000_000))
    block = b"ZL\x08" + len(packed).to_bytes(3, "little") + (1000).to_bytes(3, "little") + packed
    # The key points to a copy of itself behind the end, followed by the block.
    head = bytearray(data[key.fSeekKey : begin])
    head[0:4] = (key.fKeylen + len(block)).to_bytes(4, "big")
    data[begin : begin + len(block)] = block[: len(data) - begin]
    path.write_bytes(bytes(data) + block)


BOMBS = {
    "npz": (NPZ, npz_bomb),
    "mat": (MAT, mat_bomb),
    "h5": (HDF5, h5_bomb),
    "h5 chunk": (HDF5, h5_wide_chunk),
    "png": (PICTURE, png_bomb),
    "fits": (FITS, fits_bomb),
    "root": (ROOT, root_bomb),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_files_that_claim_to_be_huge_cost_no_memory(tmp_path, kind):
    functions, write = BOMBS[kind]
    path = tmp_path / "file"
    write(path)
    tracemalloc.start()
    with pytest.raises(FormatError) as error:
        whole(*functions, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "\n" not in str(error.value)
    assert peak < 20_000_000 + 2 * path.stat().st_size


def test_hdf5_in_other_files_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", (8, 8), "u1", external=[(str(tmp_path / "other"), 0, 64)])
    (tmp_path / "other").write_bytes(bytes(64))
    with pytest.raises(FormatError, match="another file"):
        whole(*HDF5, tmp_path / "a.h5")

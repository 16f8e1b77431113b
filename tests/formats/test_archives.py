"""Packed bytes never take more memory than the archive declares."""

import io
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from napari_petlut.errors import FormatError
from napari_petlut.formats._archives import unpacked
from napari_petlut.formats.arrays.entries import ArrayEntry
from napari_petlut.formats.arrays.numpy_files import read_npz
from napari_petlut.formats.session import read_session

UNPACKED = 64 * 2**20


def archive(name, beginning, declared):
    """Return an archive of one member that unpacks to 64 MiB, and declares another size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(beginning)
    packed += b"".join(packer.compress(bytes(2**20)) for _ in range(UNPACKED // 2**20)) + packer.flush()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr(name, b"")
    content = stream.getvalue()
    local, central = content[:30], content[content.index(b"PK\1\2") :][:46]
    sizes = len(packed).to_bytes(4, "little") + declared.to_bytes(4, "little")
    stored, deflated = bytes(2), (8).to_bytes(2, "little")
    local = local[:8] + deflated + local[10:18] + sizes + local[26:]
    central = central[:10] + deflated + central[12:20] + sizes + central[28:]
    assert stored == content[8:10]
    body = local + name.encode() + packed
    end = b"PK\5\6" + bytes(4) + b"\1\0\1\0" + (len(central) + len(name)).to_bytes(4, "little")
    return body + central + name.encode() + end + len(body).to_bytes(4, "little") + bytes(2)


def peak_of(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("declared", [100, 5_000_000])
def test_a_member_that_is_longer_than_declared_is_refused(declared):
    def work():
        made = zipfile.ZipFile(io.BytesIO(archive("a", b"", declared)))
        with made, pytest.raises(zipfile.BadZipFile):
            unpacked(made, "a")

    assert peak_of(work) < 16 * 2**20


def test_a_member_comes_back_as_it_was():
    content = np.random.default_rng(0).bytes(3_000_000)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a", content)
        made.writestr("empty", b"")
    with zipfile.ZipFile(stream) as made:
        assert unpacked(made, "a") == content
        assert unpacked(made, made.infolist()[1]) == b""
        with pytest.raises(KeyError):
            unpacked(made, "b")


def test_a_session_takes_no_more_than_it_declares(tmp_path):
    path = tmp_path / "a.petlut"
    path.write_bytes(archive("petlut-session.json", b"{}", 2))

    def work():
        with pytest.raises(FormatError, match="a petlut session"):
            read_session(path)

    assert peak_of(work) < 16 * 2**20


def test_an_array_takes_no_more_than_it_declares(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ones((8, 8)))
    path = tmp_path / "a.npz"
    path.write_bytes(archive("a.npy", stream.getvalue(), len(stream.getvalue())))

    def work():
        with pytest.raises(FormatError, match=r"an \.?npz|a NumPy .npz archive"):
            read_npz(path, ArrayEntry("a", (8, 8)))

    assert peak_of(work) < 16 * 2**20

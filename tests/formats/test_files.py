import os
import stat
from pathlib import Path

import pytest

from napari_petlut.errors import FormatError
from napari_petlut.formats import _files
from napari_petlut.formats._files import atomic_write, file_size, open_binary, read_bytes


def test_bytes_and_size_of_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert file_size(path, "x") == 3
    assert read_bytes(path, "x") == b"abc"
    with open_binary(path, "x") as handle:
        assert handle.read(2) == b"ab"


@pytest.mark.parametrize("reader", [file_size, read_bytes, lambda p, x: open_binary(p, x).__enter__()])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("none", "no such file"),
        (".", "a directory"),
        ("empty", "an empty file"),
        ("a\0b", "null"),
        ("a" * 300, ""),
    ],
)
def test_what_is_no_file_is_one_error(tmp_path, reader, name, found):
    (tmp_path / "empty").touch()
    with pytest.raises(FormatError, match=f"expected thing, found .*{found}"):
        reader(tmp_path / name, "thing")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="device or pipe"):
        read_bytes(tmp_path / "pipe", "thing")


def test_a_file_without_permission_is_one_error(tmp_path, monkeypatch):
    # Made up, because a superuser may read everything.
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a").write_bytes(b"abc")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FormatError, match="a file that may not be read; ask for read permission"):
        read_bytes(tmp_path / "a", "thing")


def test_files_that_are_too_large_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")
    monkeypatch.setattr(Path, "read_bytes", None)
    with pytest.raises(FormatError, match="3 bytes, more than 2"):
        read_bytes(tmp_path / "a", "thing", limit=2)


def test_writing_bytes_or_by_a_function(tmp_path):
    atomic_write(tmp_path / "a", b"abc")
    atomic_write(tmp_path / "b", lambda handle: print(handle.write(b"def")))
    assert (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes() == b"abcdef"
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_is_overwritten_without_being_asked(tmp_path):
    path = tmp_path / "a"
    atomic_write(path, b"abc")
    with pytest.raises(FormatError, match="a file of this name"):
        atomic_write(path, b"def")
    assert path.read_bytes() == b"abc"
    atomic_write(path, b"def", overwrite=True)
    assert path.read_bytes() == b"def"


def test_a_file_made_in_the_meantime_is_kept(tmp_path):
    path = tmp_path / "a"

    def slow(handle):
        handle.write(b"mine")
        path.write_bytes(b"theirs")

    with pytest.raises(FormatError, match="a file of this name"):
        atomic_write(path, slow)
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_works_without_hard_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError("not supported")

    monkeypatch.setattr(_files.os, "link", no_links)
    atomic_write(tmp_path / "a", b"abc")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    atomic_write(tmp_path / "link", b"new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_new_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    atomic_write(tmp_path / "a", b"abc")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.parametrize(
    ("name", "found"), [("no/such/folder", "no such folder"), (".", "a directory"), ("a\0b", "null")]
)
def test_what_cannot_be_written_is_one_error(tmp_path, name, found):
    with pytest.raises(FormatError, match=found):
        atomic_write(tmp_path / name, b"abc", overwrite=True)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(handle):
        handle.write(b"new")
        raise failure

    with pytest.raises((FormatError, KeyboardInterrupt)):
        atomic_write(path, fail, overwrite=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]

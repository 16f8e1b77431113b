"""A set of files is one thing: after failures, after kills, and with two writers."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_petlut.errors import FormatError
from napari_petlut.formats import _claims, _files
from napari_petlut.formats._claims import sole_writer
from napari_petlut.formats._files import atomic_write
from napari_petlut.formats._sets import written_together

posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")
NAMES = ("b.lut", "b_peaks.csv", "b_record.json")


def write(folder, content, *, overwrite=True):
    with written_together(folder, "b", overwrite=overwrite) as files:
        for name in NAMES:
            atomic_write(files.beside(folder / name), content)


def contents(folder):
    return [(folder / name).read_bytes() if (folder / name).exists() else None for name in NAMES]


def strays(folder):
    return sorted(path.name for path in folder.iterdir() if path.name not in NAMES)


def test_a_set_is_written_and_nothing_else(tmp_path):
    write(tmp_path, b"new", overwrite=False)
    write(tmp_path, b"newer")
    assert contents(tmp_path) == [b"newer"] * 3
    assert strays(tmp_path) == []


@pytest.mark.parametrize("there", NAMES)
def test_one_file_that_exists_keeps_the_whole_set_from_being_written(tmp_path, there):
    (tmp_path / there).write_bytes(b"mine")
    with pytest.raises(FormatError, match=rf"{there}: expected a new file"):
        write(tmp_path, b"new", overwrite=False)
    assert [content for content in contents(tmp_path) if content] == [b"mine"]
    assert strays(tmp_path) == []


def test_a_failure_while_writing_is_told_of_the_file_that_was_meant(tmp_path, monkeypatch):
    write(tmp_path, b"old")

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(FormatError, match="No space left") as error:
        write(tmp_path, b"new")
    assert error.value.path == str(tmp_path / "b.lut")
    assert contents(tmp_path) == [b"old"] * 3
    assert strays(tmp_path) == []


@pytest.mark.parametrize("old", [b"old", None])
@pytest.mark.parametrize("failure", [PermissionError(13, "in use"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", NAMES)
def test_a_name_that_cannot_be_taken_brings_all_old_files_back(tmp_path, monkeypatch, old, failure, at):
    if old:
        write(tmp_path, old)
    real = Path.replace

    def replace(path, target):
        if path.name == at == Path(target).name and path.parent.parent == tmp_path:
            raise failure
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises((FormatError, KeyboardInterrupt)):
        write(tmp_path, b"new")
    assert contents(tmp_path) == [old] * 3
    assert strays(tmp_path) == []


def test_a_link_stays_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "set"
    folder.mkdir()
    (elsewhere / "kept.lut").write_bytes(b"old")
    (folder / "b.lut").symlink_to(elsewhere / "kept.lut")
    write(folder, b"new")
    assert (folder / "b.lut").is_symlink()
    assert (elsewhere / "kept.lut").read_bytes() == b"new"
    assert strays(folder) == [] == [path.name for path in elsewhere.iterdir() if path.name != "kept.lut"]


def forked(work):
    """Run something in another process; return how it ended."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def killed_at(step):
    """Return a hook that kills its process at the n-th file operation."""
    count = 0

    def hook(event, args):
        nonlocal count
        if event in ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"):
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    return hook


@posix
def test_a_kill_at_any_operation_leaves_whole_files_and_the_next_write_mends_all(tmp_path):
    mixed = killed = 0
    for step in range(200):
        write(tmp_path, b"old" * 1000)

        def work(step=step):
            sys.addaudithook(killed_at(step))
            write(tmp_path, b"new" * 1000)

        ended = forked(work)
        assert ended in (0, signal.SIGKILL)
        found = contents(tmp_path)
        assert set(found) <= {b"old" * 1000, b"new" * 1000}
        # The last file, the record, is never newer than another.
        assert found == sorted(found)
        mixed += len(set(found)) > 1
        killed += ended != 0
        write(tmp_path, b"again")
        assert contents(tmp_path) == [b"again"] * 3
        assert strays(tmp_path) == []
        if ended == 0:
            break
    assert ended == 0
    assert killed > 20
    assert mixed <= 2 * len(NAMES)


@posix
def test_two_writers_never_mix_a_set(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from napari_petlut.formats._files import atomic_write\n"
        "from napari_petlut.formats._sets import written_together\n"
        "from napari_petlut.formats._claims import sole_writer\n"
        "folder, content = Path(sys.argv[1]), sys.argv[2].encode()\n"
        f"names = {NAMES}\n"
        "for _ in range(40):\n"
        "    with written_together(folder, 'b', overwrite=True) as files:\n"
        "        for name in names: atomic_write(files.beside(folder / name), content)\n"
        "    with sole_writer(folder):\n"
        "        assert len({(folder / name).read_bytes() for name in names}) == 1\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, tmp_path, word]) for word in ("one", "two")]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    assert contents(tmp_path) in ([b"one"] * 3, [b"two"] * 3)
    assert strays(tmp_path) == []


@posix
def test_what_another_program_is_writing_is_no_left_over(tmp_path):
    target = tmp_path / "b.lut"
    reading, writing = os.pipe()

    def slowly(handle):
        os.write(writing, b"x")
        time.sleep(1.0)
        handle.write(b"slow")

    child = os.fork()
    if child == 0:
        atomic_write(target, slowly, overwrite=True)
        os._exit(0)
    os.read(reading, 1)
    assert len(strays(tmp_path)) == 1
    atomic_write(target, b"quick", overwrite=True)
    assert len(strays(tmp_path)) == 1
    assert os.waitpid(child, 0)[1] == 0
    assert target.read_bytes() == b"slow"
    assert strays(tmp_path) == []
    os.close(reading)
    os.close(writing)


def test_files_of_others_are_never_swept(tmp_path):
    others = [
        ".b.lut.tmp",
        ".b.lut.0123456789ab.tmp.bak",
        ".c.lut.0123456789ab.tmp",
        "b.lut.0123456789ab.tmp",
    ]
    for name in others:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".b.lut.0123456789ab.tmp").write_bytes(b"left over")
    atomic_write(tmp_path / "b.lut", b"new")
    assert strays(tmp_path) == sorted(others)


@posix
def test_who_waits_too_long_for_another_writer_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_claims, "_PATIENCE", 0.0)
    message = "nobody else writing there, found another program at it"
    with sole_writer(tmp_path), pytest.raises(FormatError, match=message), sole_writer(tmp_path):
        pass

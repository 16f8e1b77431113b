"""What a calibration and a report write is one thing, and readers say what does not belong to it."""

import os
import signal
import sys

import numpy as np
import pytest

from napari_petlut.errors import ForeignOutputWarning, FormatError
from napari_petlut.formats.identification import describe, identify
from napari_petlut.formats.maps import write_array
from napari_petlut.formats.record import read_record, sha256_of
from napari_petlut.geometry import BlockGeometry
from napari_petlut.report import write_report
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.workflow.pipeline import calibrate, recalibrate

BLOCK = BlockGeometry(3, 3)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two calibrations of different blocks."""
    folder = tmp_path_factory.mktemp("blocks")
    made = []
    for seed in (1, 2):
        flood = simulate_block(BlockSimulation(rows=3, cols=3, resolution=3.0, seed=seed)).flood
        write_array(folder / f"b{seed}.npy", flood)
        made.append(calibrate(folder / f"b{seed}.npy", BLOCK))
    return made


def belongs_together(paths):
    record = read_record(paths["record"])
    return all(sha256_of(paths[kind]) == output.sha256 for kind, output in record.outputs.items())


def test_what_belongs_to_a_record_is_recorded_and_told(tmp_path, results):
    picture = {"picture": lambda path: path.write_bytes(b"drawn")}
    paths = results[0].write(tmp_path, stem="b", more=picture)
    assert paths["picture"] == tmp_path / "b.png"
    assert sorted(read_record(paths["record"]).outputs) == ["lut", "peaks", "picture"]
    assert belongs_together(paths)
    states = describe(identify(paths["record"]))["outputs"]
    assert states == dict.fromkeys(("b.lut", "b_peaks.csv", "b.png"), "as recorded")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths.values())


@pytest.mark.parametrize("kind", ["lut", "peaks"])
def test_what_does_not_belong_is_said_by_every_reader(tmp_path, results, kind):
    paths = results[0].write(tmp_path / "one", stem="b")
    others = results[1].write(tmp_path / "two", stem="b")
    others[kind].replace(paths[kind])
    told = describe(identify(paths["record"]))
    assert told["outputs"][paths[kind].name] == "not the one that was written with it"
    assert paths[kind].name in told["problem"]
    with pytest.warns(ForeignOutputWarning, match=f"{paths[kind].name} beside it is not the one"):
        again = recalibrate(paths["record"])
    np.testing.assert_array_equal(again.lut.ids, results[0].lut.ids)
    paths[kind].unlink()
    assert describe(identify(paths["record"]))["outputs"][paths[kind].name] == "absent"
    recalibrate(paths["record"])  # without a warning: a record may travel alone


def test_a_picture_that_fails_leaves_the_old_set(tmp_path, results):
    paths = results[0].write(tmp_path, stem="b")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(path):
        raise FormatError(path, "a picture", "none", "draw it")

    with pytest.raises(FormatError, match=r"b\.png: expected a picture"):
        results[1].write(tmp_path, stem="b", more={"picture": fail}, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert belongs_together(paths)


@pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")
@pytest.mark.parametrize("what", ["calibration", "report"])
def test_killed_at_any_rename_no_reader_takes_a_mixed_set_for_whole(tmp_path, results, what):
    def write(result):
        if what == "report":
            return write_report(tmp_path, result, stem="b", overwrite=True)
        return result.write(tmp_path, stem="b", overwrite=True)

    old = {kind: path.read_bytes() for kind, path in write(results[0]).items()}
    new = {kind: path.read_bytes() for kind, path in write(results[1]).items()}
    paths = write(results[0])
    # A report takes long to draw: it is killed between two names only.
    steps = {"calibration": range(4), "report": [2]}[what]
    for step in steps:
        child = os.fork()
        if child == 0:
            count = 0

            def hook(event, _):
                nonlocal count
                if event == "os.rename":
                    if count == step:  # noqa: B023 - in a process of its own
                        os.kill(os.getpid(), signal.SIGKILL)
                    count += 1

            sys.addaudithook(hook)
            write(results[1])
            os._exit(0)
        ended = os.waitpid(child, 0)[1]
        found = {kind: path.read_bytes() for kind, path in paths.items()}
        assert all(found[kind] in (old[kind], new[kind]) for kind in found)
        assert (ended == 0) == (step == 3)
        if what == "calibration":
            assert belongs_together(paths) == (found in (old, new))
        write(results[0])
        assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths.values()}

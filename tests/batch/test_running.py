"""Runs of many blocks: what they write, what they take over, and what becomes of faults."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from napari_petlut.batch import BatchBlock, calibrate_many, find_blocks
from napari_petlut.batch.results import read_result
from napari_petlut.errors import Cancelled, FormatError, ParameterError
from napari_petlut.formats.lut import decode_lut, lut_encoding, read_lut
from napari_petlut.formats.maps import read_flood
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry

GEOMETRY = BlockGeometry(4, 5)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def finished(maps, client, tmp_path_factory):
    """A run of three blocks, one of them no map."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "in").mkdir()
    (folder / "in" / "broken.dat").write_bytes(b"no map")
    blocks = [*find_blocks([maps]), BatchBlock("broken", folder / "in" / "broken.dat")]
    return calibrate_many(blocks, folder / "out", GEOMETRY, client=client), blocks


def test_every_block_has_its_files_and_its_failure_does_not_end_the_run(finished):
    result, _ = finished
    assert [block.name for block in result.blocks] == ["block1", "block2", "block10", "broken"]
    assert [block.verdict for block in result.blocks[:3]] == ["pass"] * 3
    for block in result.blocks[:3]:
        lut = read_lut(result.directory / f"{block.name}.lut", "packed", GEOMETRY).lut
        assert {*range(20)} <= {*np.unique(lut.ids)} <= {NO_CRYSTAL, *range(20)}
        assert (result.directory / f"{block.name}_peaks.csv").is_file()
        record = json.loads((result.directory / f"{block.name}_record.json").read_text())
        assert record["inputs"]["source"]["path"].endswith(f"{block.name}.dat")
        assert read_result(result.directory / f"{block.name}_result.json") == block
    assert [block.name for block in result.failed] == ["broken"]
    assert "expected" in result.failed[0].error


def test_the_table_has_a_line_for_each_block(finished):
    result, _ = finished
    with result.files["table"].open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["state"] for row in rows] == ["done", "done", "done", "failed"]
    assert float(rows[0]["counts"]) == pytest.approx(result.blocks[0].figures["counts"])
    from pyarrow import parquet

    table = parquet.read_table(result.files["parquet"]).to_pylist()
    assert [row["name"] for row in table] == [row["name"] for row in rows]
    assert table[0]["counts"] == result.blocks[0].figures["counts"] and table[3]["counts"] is None


def test_one_lut_file_holds_the_blocks_in_their_order_and_one_that_failed_without_crystals(finished):
    result, _ = finished
    packed = lut_encoding("packed")
    data = result.files["lut"].read_bytes()
    assert len(data) == 4 * packed.block_bytes
    for number, block in enumerate(result.blocks[:3]):
        part = data[number * packed.block_bytes : (number + 1) * packed.block_bytes]
        assert part == (result.directory / f"{block.name}.lut").read_bytes()
    empty = decode_lut(data[-packed.block_bytes :], packed, GEOMETRY)
    assert (empty.ids == NO_CRYSTAL).all()


def test_blocks_of_which_one_has_no_lut_or_another_size_have_no_common_file(maps, client, tmp_path):
    whole = find_blocks([maps])[0]
    counts = read_flood(whole.path).counts
    np.save(tmp_path / "small.npy", counts.reshape(256, 2, 256, 2).sum(axis=(1, 3)))
    blocks = [whole, BatchBlock("small", tmp_path / "small.npy")]
    result = calibrate_many(blocks, tmp_path / "out", GEOMETRY, encoding="cti-crm", client=client)
    assert not result.failed
    assert "no LUT: the encoding cti-crm cannot hold it" in result.blocks[0].notes
    assert [("lut" in block.outputs) for block in result.blocks] == [False, True]
    assert "lut" not in result.files and any("no combined.lut" in note for note in result.notes)


def test_the_page_holds_every_block_and_nothing_from_elsewhere(finished):
    result, _ = finished
    page = result.files["overview"].read_text()
    assert "src=" not in page.replace("picture.src = ", "") and "http" not in page
    start = page.index('id="data">') + len('id="data">')
    data = json.loads(page[start : page.index("</script>", start)])
    assert [block["name"] for block in data["blocks"]] == [block.name for block in result.blocks]
    assert [block["verdict"] for block in data["blocks"]] == ["pass", "pass", "pass", "failed"]
    assert all(block["picture"] for block in data["blocks"][:3])


def test_a_second_run_does_only_what_failed_and_changes_no_byte(finished, client):
    result, blocks = finished
    before = contents(result.directory)
    told = []
    again = calibrate_many(
        blocks, result.directory, GEOMETRY, client=client, progress=lambda *done: told.append(done)
    )
    assert again.taken_over == 3 and told == [(3, 4), (4, 4)]
    assert contents(result.directory) == before


def test_a_finished_run_needs_no_cluster(finished, maps):
    result, blocks = finished
    again = calibrate_many(blocks[:3], result.directory, GEOMETRY, scheduler="tcp://127.0.0.1:1")
    assert again.taken_over == 3


def test_what_was_changed_is_done_again(maps, client, tmp_path):
    blocks = find_blocks([maps])[:2]
    first = calibrate_many(blocks, tmp_path, GEOMETRY, client=client)
    lut = tmp_path / "block1.lut"
    good = lut.read_bytes()
    lut.write_bytes(b"\0" * len(good))
    with pytest.raises(FormatError, match=r"block1\.lut: expected the file as the run wrote it"):
        calibrate_many(blocks, tmp_path, GEOMETRY, client=client)
    assert lut.read_bytes() == b"\0" * len(good)
    again = calibrate_many(blocks, tmp_path, GEOMETRY, client=client, overwrite=True)
    assert again.taken_over == 1 and lut.read_bytes() == good
    lut.unlink()
    assert calibrate_many(blocks, tmp_path, GEOMETRY, client=client).taken_over == 1
    assert lut.read_bytes() == good
    other = calibrate_many(blocks, tmp_path, GEOMETRY, encoding="linear", client=client)
    assert other.taken_over == 0 and first.blocks[0].key != other.blocks[0].key


def test_workers_in_processes_of_their_own_write_the_same_bytes(finished, tmp_path):
    result, blocks = finished
    other = calibrate_many(blocks[:3], tmp_path / "out", GEOMETRY, workers=2)
    for block in other.blocks:
        for ending in (".lut", "_peaks.csv"):
            name = f"{block.name}{ending}"
            assert (tmp_path / "out" / name).read_bytes() == (result.directory / name).read_bytes()


def test_a_run_can_be_stopped_and_loses_nothing_that_is_done(maps, client, tmp_path):
    done = []
    with pytest.raises(Cancelled):
        calibrate_many(
            find_blocks([maps]),
            tmp_path,
            GEOMETRY,
            client=client,
            progress=lambda number, _: done.append(number),
            cancelled=lambda: bool(done and done[-1] >= 1),
        )
    finished = [path for path in tmp_path.iterdir() if path.name.endswith("_result.json")]
    assert finished
    again = calibrate_many(find_blocks([maps]), tmp_path, GEOMETRY, client=client)
    assert again.taken_over >= len(finished) and not again.failed


def test_a_file_that_no_run_has_written_is_not_replaced(maps, client, tmp_path):
    own = tmp_path / "block1.lut"
    own.write_bytes(b"my own")
    with pytest.raises(FormatError, match="expected no file of this name"):
        calibrate_many(find_blocks([maps]), tmp_path, GEOMETRY, client=client)
    assert own.read_bytes() == b"my own"
    assert not calibrate_many(find_blocks([maps]), tmp_path, GEOMETRY, client=client, overwrite=True).failed


@pytest.mark.parametrize("moment", [3.0, 6.0])
def test_a_run_that_is_killed_is_completed_by_the_next(maps, client, tmp_path, moment):
    command = [sys.executable, "-m", "napari_petlut.cli.entry", "batch", str(maps), "--out", str(tmp_path)]
    run = subprocess.Popen(
        [*command, "--rows", "4", "--cols", "5", "--workers", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(moment)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    result = calibrate_many(find_blocks([maps]), tmp_path, GEOMETRY, client=client)
    assert not result.failed
    for block in result.blocks:
        assert read_result(tmp_path / f"{block.name}_result.json") == block


def test_a_block_that_is_an_output_is_refused_before_any_work(maps, tmp_path):
    source = tmp_path / "a.lut"
    source.write_bytes((maps / "block1.dat").read_bytes())
    with pytest.raises(FormatError, match="the input itself"):
        calibrate_many([BatchBlock("a", source)], tmp_path, GEOMETRY)
    assert source.read_bytes() == (maps / "block1.dat").read_bytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"blocks": []}, "one block or more"),
        ({"workers": 0}, "1 or more processes"),
        ({"twice": True}, "two blocks are named"),
        ({"scheduler": "nowhere"}, "no Dask scheduler answers"),
    ],
)
def test_what_cannot_be_run_is_said(maps, tmp_path, change, told):
    blocks = change.pop("blocks", find_blocks([maps]))
    if change.pop("twice", False):
        blocks = [blocks[0], blocks[0]]
    with pytest.raises(ParameterError, match=told):
        calibrate_many(blocks, tmp_path, GEOMETRY, **change)

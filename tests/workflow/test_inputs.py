"""A record tells of the bytes that a result was made from, whatever becomes of the files."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from napari_petlut.errors import FormatError
from napari_petlut.formats import _files
from napari_petlut.formats.events import write_words
from napari_petlut.formats.identification import identify
from napari_petlut.formats.lut import write_lut
from napari_petlut.formats.maps import write_array
from napari_petlut.formats.peaks import write_peaks
from napari_petlut.formats.record import read_record
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, Peaks
from napari_petlut.simulation import BlockSimulation, simulate_block, simulate_events
from napari_petlut.workflow.calibration import CalibrationParameters
from napari_petlut.workflow.given_lut import calibration_of_lut
from napari_petlut.workflow.pipeline import calibrate, recalibrate

SIMULATION = BlockSimulation(rows=3, cols=3, resolution=3.0, seed=1)
BLOCK = BlockGeometry(3, 3)
ALL_ENERGIES = CalibrationParameters().changed(['flood.window={"low": 1, "high": 4095}'])


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def events(tmp_path, monkeypatch):
    # As a file that is too large to be kept in memory.
    monkeypatch.setattr(_files.HeldFile, "LARGEST_HELD", 1000)
    path = tmp_path / "b.dat"
    write_words(path, [simulate_events(SIMULATION, 60_000).words])
    return path


def changed(path):
    """Replace a file by another of the same size, with another time."""
    content = bytearray(path.read_bytes())
    content[-4:] = bytes(4)
    path.write_bytes(content)
    os.utime(path, (1, 1))


@pytest.mark.filterwarnings("ignore::napari_petlut.errors.TruncatedFileWarning")
@pytest.mark.parametrize("extra", [b"", b"ab"])
def test_events_are_hashed_while_they_are_counted(events, monkeypatch, extra):
    with events.open("ab") as handle:
        handle.write(extra)
    expected = sha256(events)
    # Nothing reads the file once more for its hash.
    monkeypatch.setattr(_files.hashlib, "file_digest", None)
    result = calibrate(events, BLOCK, ALL_ENERGIES)
    assert result.parameters.flood.window == EnergyWindow(1, 4095)
    assert result.record().inputs["source"].sha256 == expected


def test_a_source_that_is_replaced_afterwards_is_recorded_as_it_was_read(events, tmp_path):
    expected = sha256(events)
    result = calibrate(events, BLOCK)
    changed(events)
    record = read_record(result.write(tmp_path / "out")["record"])
    assert record.inputs["source"].sha256 == expected != sha256(events)


@pytest.mark.parametrize("step", ["flood map", "lattice", "segmentation"])
def test_a_source_that_is_replaced_while_it_is_used_is_refused(events, step):
    told = []

    def replacing(name, _):
        if name == step and not told:
            told.append(name)
            changed(events)

    with pytest.raises(FormatError, match="found one that was changed meanwhile"):
        calibrate(events, BLOCK, progress=replacing)


def test_a_file_that_grows_is_told_with_its_sizes(events):
    file = identify(events)
    with events.open("ab") as handle:
        handle.write(bytes(8))
    with pytest.raises(FormatError, match="meanwhile, from 240,000 to 240,008 bytes"):
        calibrate(file, BLOCK)


def test_a_map_that_was_read_is_recorded_though_it_is_gone(tmp_path):
    path = tmp_path / "b.npy"
    write_array(path, simulate_block(SIMULATION).flood)
    expected = sha256(path)
    result = calibrate(path, BLOCK)
    path.unlink()
    assert result.record().inputs["source"].sha256 == expected


def test_prior_lut_and_peaks_are_recorded_as_they_were_read(tmp_path):
    block = simulate_block(SIMULATION)
    lut, peaks = tmp_path / "b.lut", tmp_path / "p.csv"
    write_lut(lut, block.ideal_lut)
    write_peaks(peaks, Peaks(block.centres, np.arange(9)), BLOCK)
    write_array(tmp_path / "b.npy", block.flood)
    given = calibration_of_lut(tmp_path / "b.npy", lut, peaks=peaks)
    prior = calibrate(tmp_path / "b.npy", BLOCK, prior=peaks)
    numbered = calibrate(tmp_path / "b.npy", BLOCK, peaks=peaks)
    expected = {path.name: sha256(path) for path in (lut, peaks, tmp_path / "b.npy")}
    for path in (lut, peaks, tmp_path / "b.npy"):
        path.unlink()
    for result, roles in ((given, "lut peaks source"), (prior, "prior source"), (numbered, "peaks source")):
        entries = result.record().inputs
        assert " ".join(sorted(entries)) == roles
        assert all(entry.sha256 == expected[Path(entry.path).name] for entry in entries.values())


def test_a_source_that_is_replaced_once_it_was_checked_does_not_repeat_a_record(events, tmp_path):
    paths = calibrate(events, BLOCK).write(tmp_path / "out")
    replaced = []

    def replacing(name, _):
        # After the identification, which comes before the first step, in the same tick of the clock.
        if name == "flood map" and not replaced:
            replaced.append(name)
            kept = events.stat().st_mtime_ns
            changed(events)
            os.utime(events, ns=(kept, kept))

    with pytest.raises(FormatError, match="found another content"):
        recalibrate(paths["record"], progress=replacing)
    assert replaced

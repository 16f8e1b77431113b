import json

import numpy as np
import pytest

from napari_petlut.errors import Cancelled, FormatError, GeometryError, ParameterError
from napari_petlut.formats.events import write_events
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import BitField, CrystalLUT, EnergyLUT, EnergyWindow, EventFormat
from napari_petlut.workflow import applying
from napari_petlut.workflow.applying import apply_to_events, as_dict, windows_in_kev, write_counts

FMT = EventFormat()
LUT = CrystalLUT(np.array([[0, 1], [2, -1]]), BlockGeometry(1, 3))


@pytest.fixture
def raw(tmp_path):
    """Events whose crystal anybody can tell: x = (1 - Ex / E) * 512, and the LUT's pixels are 256 wide."""
    energy = np.array([500, 500, 400, 500, 0, 500])
    ex = np.array([400, 400, 100, 100, 0, 600])  # x: 102, 102, 384, 410, none, off the map
    ey = np.array([400, 100, 300, 100, 0, 100])  # y: 102, 410, 128, 410, none
    path = tmp_path / "raw.dat"
    write_events(path, energy, ex, ey, FMT)
    return path


CRYSTALS = [0, 1, 2, -1, -1, -1]


def test_events_are_counted_by_crystal(raw):
    result = apply_to_events(raw, LUT)
    assert result.counts.tolist() == [1, 1, 1]
    assert result.unassigned == 3


def test_only_energies_in_the_window_count(raw):
    assert apply_to_events(raw, LUT, EnergyWindow(450, 550)).counts.tolist() == [1, 1, 0]


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_the_list_has_one_record_for_each_event_in_order(raw, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(applying, "CHUNK_EVENTS", chunk)
    apply_to_events(raw, LUT, event_list=tmp_path / "l.npy")
    events = np.load(tmp_path / "l.npy", mmap_mode="r")
    assert events.dtype == np.dtype([("crystal", "<i4"), ("channel", "<f4")])
    assert events["crystal"].tolist() == CRYSTALS
    assert events["channel"].tolist() == [500, 500, 400, 500, 0, 500]


def test_records_follow_the_header_without_gaps(raw, tmp_path):
    apply_to_events(raw, LUT, event_list=tmp_path / "l.npy")
    data = (tmp_path / "l.npy").read_bytes()
    assert (len(data) - 8 * 6) % 64 == 0
    assert np.frombuffer(data[-48:], "<i4")[::2].tolist() == CRYSTALS


def test_an_energy_lut_gives_kev(raw, tmp_path):
    energies = EnergyLUT(np.array([511.0, 1022.0, np.nan]), BlockGeometry(1, 3))
    apply_to_events(raw, LUT, event_list=tmp_path / "l.npy", energy_lut=energies)
    events = np.load(tmp_path / "l.npy")
    np.testing.assert_array_equal(events["keV"], np.float32([500, 250, np.nan, np.nan, np.nan, np.nan]))
    windows = windows_in_kev(200, 300, energies)
    assert apply_to_events(raw, LUT, windows, energy_lut=energies).counts.tolist() == [0, 1, 0]


def test_other_layouts_of_events_work(tmp_path):
    fmt = EventFormat("wide", ">u8", BitField(40, 16), BitField(0, 16), BitField(16, 16), 8, 512.0)
    write_events(tmp_path / "raw.dat", [5000, 5000], [4000, 1000], [4000, 4000], fmt)
    apply_to_events(tmp_path / "raw.dat", LUT, None, fmt, event_list=tmp_path / "l.npy")
    assert np.load(tmp_path / "l.npy").tolist() == [(0, 5000.0), (2, 5000.0)]


def test_counts_are_written_as_a_table(raw, tmp_path):
    result = apply_to_events(raw, LUT)
    write_counts(tmp_path / "c.csv", result)
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines == ["crystal,row,col,events", "0,0,0,1", "1,0,1,1", "2,0,2,1"]
    assert json.loads(json.dumps(as_dict(result)))["counts"] == [1, 1, 1]
    with pytest.raises(FormatError):
        write_counts(tmp_path / "c.csv", result)


def test_an_existing_list_stays(raw, tmp_path):
    (tmp_path / "l.npy").write_text("mine")
    with pytest.raises(FormatError, match=r"l\.npy"):
        apply_to_events(raw, LUT, event_list=tmp_path / "l.npy")
    assert (tmp_path / "l.npy").read_text() == "mine"


def test_stopping_leaves_no_list(raw, tmp_path):
    with pytest.raises(Cancelled):
        apply_to_events(raw, LUT, event_list=tmp_path / "l.npy", cancelled=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["raw.dat"]


def test_progress_ends_at_one(raw, monkeypatch):
    monkeypatch.setattr(applying, "CHUNK_EVENTS", 4)
    told = []
    apply_to_events(raw, LUT, progress=told.append)
    assert told[0] == 4 / 6 and told[-1] == 1


def test_luts_of_different_arrays_are_refused(raw):
    with pytest.raises(GeometryError, match="1 x 2"):
        apply_to_events(raw, LUT, energy_lut=EnergyLUT(np.array([1.0, 2.0]), BlockGeometry(1, 2)))


def test_a_window_in_kev_needs_an_order():
    with pytest.raises(ParameterError):
        windows_in_kev(600, 400, EnergyLUT(np.array([1.0, 2.0]), BlockGeometry(1, 2)))

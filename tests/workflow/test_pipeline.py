import json

import numpy as np
import pytest

from napari_petlut.errors import Cancelled, FormatError, GeometryError, ParameterError
from napari_petlut.formats.lut import read_lut
from napari_petlut.formats.maps import write_array, write_map
from napari_petlut.formats.peaks import read_peaks
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, PeakStatus
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.workflow.calibration import CalibrationParameters
from napari_petlut.workflow.outputs import output_paths
from napari_petlut.workflow.pipeline import calibrate, recalibrate
from napari_petlut.workflow.scoring import score_lattice

BLOCK = BlockGeometry(6, 5)


@pytest.fixture(scope="module")
def simulated():
    return simulate_block(
        BlockSimulation(rows=6, cols=5, resolution=2.5, counts_per_crystal=5000, seed=3, dead=(7,))
    )


@pytest.fixture(scope="module")
def result(simulated):
    return calibrate(simulated.flood, BLOCK)


def test_every_live_crystal_is_found_and_the_dead_one_belongs_to_nobody(simulated, result):
    score = score_lattice(result.lattice, simulated.centres, simulated.live)
    assert score.perfect
    missing = np.flatnonzero(result.lattice.status == PeakStatus.MISSING)
    assert len(missing) == 1
    assert not np.isin(result.lut.ids, missing).any()
    assert len(np.unique(result.lut.ids[result.lut.ids >= 0])) == 29


def test_a_map_file_gives_the_same_result_as_the_map(tmp_path, simulated, result):
    write_map(tmp_path / "b_map.dat", simulated.flood)
    again = calibrate(tmp_path / "b_map.dat", BLOCK)
    np.testing.assert_array_equal(again.lut.ids, result.lut.ids)
    assert again.stem == "b_map"


def test_what_is_written_can_be_read_again(tmp_path, result):
    paths = result.write(tmp_path / "out", stem="b")
    assert paths == output_paths(tmp_path / "out", "b")
    lut = read_lut(paths["lut"]).lut
    np.testing.assert_array_equal(lut.ids, result.lut.ids)
    peaks = read_peaks(paths["peaks"])
    np.testing.assert_array_equal(peaks.positions, result.lattice.to_peaks().positions)
    record = json.loads(paths["record"].read_text())
    assert record["geometry"] == {"rows": 6, "cols": 5}
    assert record["result"]["status"]["missing"] == 1
    assert record["inputs"] == {}


def test_nothing_is_written_over_or_half_written(tmp_path, result):
    paths = output_paths(tmp_path, "b")
    paths["record"].write_text("mine")
    with pytest.raises(FormatError, match=r"b_record\.json: expected no file of this name"):
        result.write(tmp_path, stem="b")
    assert [p.name for p in tmp_path.iterdir()] == ["b_record.json"]
    result.write(tmp_path, stem="b", overwrite=True)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_record_repeats_the_lut_byte_for_byte(tmp_path, simulated):
    write_array(tmp_path / "b.npy", simulated.flood)
    paths = calibrate(tmp_path / "b.npy", BLOCK, fixed={0: tuple(simulated.centres[0])}).write(
        tmp_path / "first"
    )
    again = recalibrate(paths["record"]).write(tmp_path / "second")
    for kind in ("lut", "peaks"):
        assert paths[kind].read_bytes() == again[kind].read_bytes()
    assert paths["record"].read_bytes() == again["record"].read_bytes()


def test_a_changed_or_lost_input_is_told(tmp_path, simulated):
    write_array(tmp_path / "b.npy", simulated.flood)
    record = calibrate(tmp_path / "b.npy", BLOCK).write(tmp_path)["record"]
    np.save(tmp_path / "b.npy", simulated.flood.counts + 1)
    with pytest.raises(FormatError, match="another content"):
        recalibrate(record)
    (tmp_path / "b.npy").unlink()
    with pytest.raises(FormatError, match="no file"):
        recalibrate(record)


@pytest.mark.parametrize("content", ["{}", '{"record": "napari-petlut calibration"}'])
def test_other_json_is_no_record(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(FormatError):
        recalibrate(tmp_path / "x.json")


def test_parameters_survive_a_record():
    parameters = CalibrationParameters()
    assert CalibrationParameters.from_dict(json.loads(json.dumps(parameters.to_dict()))) == parameters


@pytest.mark.parametrize("change", [{"flood": {"bins": -3}}, {"flood": {"binz": 3}}, {"lattice": 7}])
def test_wrong_parameters_are_one_line(change):
    with pytest.raises(ParameterError) as error:
        CalibrationParameters.from_dict(CalibrationParameters().to_dict() | change)
    assert "\n" not in str(error.value)


def test_single_parameters_are_changed_by_name():
    changed = CalibrationParameters().changed(
        ["segmentation.method=kmeans", "segmentation.kmeans.max_iterations=5"]
    )
    assert (changed.segmentation.method, changed.segmentation.kmeans.max_iterations) == ("kmeans", 5)
    window = CalibrationParameters().changed(['flood.window={"low": 400, "high": 800}']).flood.window
    assert window == EnergyWindow(400, 800)


@pytest.mark.parametrize(
    "setting", ["flood.binz=3", "flood", "=3", "flood.bins=-3", "nothing.at.all=1", "flood.bins=x"]
)
def test_wrong_settings_are_one_line(setting):
    with pytest.raises(ParameterError) as error:
        CalibrationParameters().changed([setting])
    assert "\n" not in str(error.value)


def test_kmeans_on_events_needs_events(simulated):
    parameters = CalibrationParameters().changed(
        ["segmentation.method=kmeans", "segmentation.kmeans.data=events"]
    )
    with pytest.raises(ParameterError, match="raw event file"):
        calibrate(simulated.flood, BLOCK, parameters)


def test_cancel_stops(simulated):
    with pytest.raises(Cancelled):
        calibrate(simulated.flood, BLOCK, cancelled=lambda: True)


def test_every_step_reports_its_progress(simulated):
    seen = {}
    calibrate(
        simulated.flood, BLOCK, progress=lambda step, fraction: seen.setdefault(step, []).append(fraction)
    )
    assert list(seen) == ["flood map", "lattice", "segmentation"]
    assert all(fractions[0] == 0 and fractions[-1] == 1 for fractions in seen.values())


def test_a_prior_needs_the_geometry_and_every_crystal(simulated):
    with pytest.raises(ParameterError, match="rows and columns"):
        calibrate(simulated.flood, None, prior=simulated.centres)
    with pytest.raises(ParameterError, match="every crystal of a 6 x 5 block"):
        calibrate(simulated.flood, BLOCK, prior=simulated.centres[:-1])


def test_a_window_in_the_map_is_kept(simulated, result):
    assert isinstance(result.flood.window, EnergyWindow)
    assert result.flood.window == simulated.flood.window


def test_what_is_no_map_and_no_geometry_is_told():
    with pytest.raises(GeometryError, match="BlockGeometry"):
        calibrate(np.ones((9, 9)), (6, 5))  # type: ignore[arg-type]
    for wrong in (np.ones((9, 9), complex), np.full((9, 9), "1")):
        with pytest.raises(ParameterError, match="real numbers"):
            calibrate(wrong, BLOCK)


@pytest.mark.parametrize("content", [None, b"", b"not an array", b"\x93NUMPY\x01\x00", "objects", "words"])
def test_a_prior_file_that_is_none_is_told(tmp_path, simulated, content):
    path = tmp_path / "prior.npy"
    if content == "objects":
        np.save(path, np.array([{}]), allow_pickle=True)
    elif content == "words":
        np.save(path, np.full((6, 5, 2), "x"))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a (prior lattice|\.npy array of positions), found (?!.Errno)"):
        calibrate(simulated.flood, BLOCK, prior=path)


def test_a_prior_of_a_larger_block_is_refused(tmp_path, simulated):
    path = tmp_path / "prior_peaks.csv"
    path.write_text(
        "index,axis-0,axis-1,crystal,row,col,status,confidence\n"
        f"0,10.0,12.0,{len(BLOCK)},{BLOCK.rows},0,manual,1\n"
    )
    with pytest.raises(ParameterError, match="beyond"):
        calibrate(simulated.flood, BLOCK, prior=path)

import numpy as np
import pytest

from napari_petlut.errors import GeometryError
from napari_petlut.formats.lut import write_lut
from napari_petlut.formats.peaks import write_peaks
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, Peaks
from napari_petlut.report import report_contents
from napari_petlut.workflow.given_lut import calibration_of_lut, centres_of_cells

GEOMETRY = BlockGeometry(2, 2)


@pytest.fixture
def files(tmp_path):
    """A 512 x 512 map with a spot in three of four quadrants, and the LUT of the quadrants."""
    counts = np.zeros((512, 512))
    counts[100, 120] = counts[100, 400] = counts[380, 100] = 50
    np.save(tmp_path / "map.npy", counts)
    ids = np.zeros((512, 512), np.int32)
    ids[:, 256:] += 1
    ids[256:] += 2
    write_lut(tmp_path / "b.lut", CrystalLUT(ids, GEOMETRY))
    return tmp_path


def test_peaks_are_the_centres_of_the_counts(files):
    result = calibration_of_lut(files / "map.npy", files / "b.lut")
    assert result.geometry == GEOMETRY
    assert result.lattice.positions[:3].tolist() == [[100, 120], [100, 400], [380, 100]]
    assert result.lattice.status.tolist() == ["found", "found", "found", "missing"]
    assert np.isnan(result.lattice.confidence).all()
    # Nobody saw it: its place is where the lines through the others pass.
    assert result.lattice.positions[3] == pytest.approx([380, 380], abs=1e-4)


def test_peaks_of_a_file_are_taken_instead(files):
    peaks = Peaks(
        np.array([[90.0, 120], [101, 401]]), np.array([0, 1]), np.array(["manual", "suspect"]), np.ones(2)
    )
    write_peaks(files / "p.csv", peaks, GEOMETRY)
    result = calibration_of_lut(files / "map.npy", files / "b.lut", peaks=files / "p.csv")
    assert result.lattice.positions[:3].tolist() == [[90, 120], [101, 401], [380, 100]]
    assert result.lattice.status.tolist() == ["manual", "suspect", "found", "missing"]
    assert result.segmentation.drift[0] == pytest.approx(10)


def test_a_lut_of_another_size_is_fitted_to_the_map(files):
    small = np.repeat(np.repeat([[0, 1], [2, 3]], 128, axis=0), 128, axis=1)
    write_lut(files / "small.crm", CrystalLUT(small, GEOMETRY), "cti-crm")
    result = calibration_of_lut(files / "map.npy", files / "small.crm", encoding="cti-crm", geometry=GEOMETRY)
    assert result.lut.shape == (512, 512)
    assert result.lattice.positions[1].tolist() == [100, 400]


def test_the_record_does_not_claim_steps_that_were_not_taken(files):
    result = calibration_of_lut(files / "map.npy", files / "b.lut")
    record = report_contents(result).record
    assert set(record["inputs"]) == {"source", "lut"}
    assert set(record["parameters"]) == {"flood", "event_format"}


def test_a_lut_without_crystals_is_refused(files):
    write_lut(files / "none.lut", CrystalLUT(np.full((512, 512), -1), GEOMETRY), "linear")
    with pytest.raises(GeometryError, match=r"none\.lut"):
        calibration_of_lut(files / "map.npy", files / "none.lut", encoding="linear", geometry=GEOMETRY)


def test_centres_are_weighted_by_counts():
    lut = CrystalLUT(np.array([[0, 0, 0, 1]]), BlockGeometry(1, 2))
    assert centres_of_cells(lut, np.array([[1.0, 0, 3, 0]]))[0].tolist() == [0, 1.5]

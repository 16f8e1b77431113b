import numpy as np
import pytest

from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import (
    BitField,
    CrystalLUT,
    EnergyLUT,
    EnergyWindow,
    EventFormat,
    FloodMap,
    Lattice,
    Peaks,
)


def test_peaks_fill_their_columns():
    peaks = Peaks(np.zeros((2, 2)))
    assert peaks.crystal.tolist() == [-1, -1]
    assert peaks.status.tolist() == ["found", "found"]
    assert np.isnan(peaks.confidence).all()
    assert len(Peaks(np.empty((0, 2)))) == 0


@pytest.mark.parametrize(
    "columns", [{"crystal": [1]}, {"status": ["odd", "found"]}, {"status": ["found"] * 3}]
)
def test_peaks_refuse_columns_that_do_not_fit(columns):
    with pytest.raises(ParameterError):
        Peaks(np.zeros((2, 2)), **columns)


@pytest.mark.parametrize(("low", "high"), [(5, 5), (-1, 3), (7, 2), (0, float("inf"))])
def test_empty_windows_are_refused(low, high):
    with pytest.raises(ParameterError):
        EnergyWindow(low, high)


@pytest.mark.parametrize(
    "change", [{"dtype": "<i4"}, {"dtype": "nonsense"}, {"x": BitField(5, 10)}, {"energy": BitField(21, 12)}]
)
def test_event_formats_that_cannot_be_are_refused(change):
    with pytest.raises(ParameterError):
        EventFormat(**change)


@pytest.mark.parametrize("counts", [np.zeros(4), np.full((4, 4), -1.0), np.full((4, 4), np.nan)])
def test_maps_that_cannot_be_are_refused(counts):
    with pytest.raises(ParameterError):
        FloodMap(counts)


def test_lattice_to_peaks_keeps_ids_and_extra_peaks():
    lattice = Lattice(
        BlockGeometry(1, 2),
        positions=np.array([[1.0, 2.0], [1.0, 5.0]]),
        status=["found", "missing"],
        confidence=np.array([1.0, 0.2]),
        reasons=("", "dark"),
        extra=np.array([[9.0, 9.0]]),
    )
    peaks = lattice.to_peaks()
    assert peaks.crystal.tolist() == [0, 1, -1]
    assert peaks.status.tolist() == ["found", "missing", "suspect"]
    assert lattice.doubtful.tolist() == [False, True]


def test_lut_labels_round_trip_and_emptying():
    lut = CrystalLUT(np.array([[-1, 0], [1, 2]]), BlockGeometry(2, 2))
    np.testing.assert_array_equal(CrystalLUT.from_labels(lut.to_labels(), lut.geometry).ids, lut.ids)
    assert lut.without([0, 2]).ids.tolist() == [[-1, -1], [1, -1]]
    with pytest.raises(GeometryError):
        CrystalLUT(np.array([[4]]), BlockGeometry(2, 2))


def test_resampling_a_lut_takes_the_id_at_each_pixel_centre():
    lut = CrystalLUT(np.array([[-1, 0], [1, 2]]), BlockGeometry(2, 2))
    double = lut.resampled((4, 4))
    assert double.ids.tolist() == [[-1, -1, 0, 0], [-1, -1, 0, 0], [1, 1, 2, 2], [1, 1, 2, 2]]
    assert double.resampled((2, 2)).ids.tolist() == lut.ids.tolist()
    assert lut.resampled((1, 3)).ids.tolist() == [[1, 2, 2]]
    with pytest.raises(ParameterError):
        lut.resampled((0, 2))


def test_energy_lut_gains_put_the_photopeak_at_511_kev():
    lut = EnergyLUT(np.array([511.0, 1022.0, np.nan]), BlockGeometry(1, 3))
    np.testing.assert_array_equal(lut.gains, [1.0, 0.5, np.nan])
    with pytest.raises(GeometryError):
        EnergyLUT(np.ones(2), BlockGeometry(1, 3))
    with pytest.raises(ParameterError):
        EnergyLUT(np.array([0.0, 1.0]), BlockGeometry(1, 2))

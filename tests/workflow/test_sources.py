"""A file is identified once, whoever works with it afterwards."""

from pathlib import Path

import pytest

from napari_petlut.analysis.energy import CrystalWindowParameters
from napari_petlut.errors import FormatError
from napari_petlut.formats.events import write_words
from napari_petlut.formats.identification import Content, Hints, identify
from napari_petlut.formats.kinds import Look
from napari_petlut.formats.lut import write_lut
from napari_petlut.formats.maps import write_map
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EventFormat
from napari_petlut.simulation import BlockSimulation, simulate_block, simulate_events
from napari_petlut.workflow.calibration import CalibrationParameters
from napari_petlut.workflow.given_lut import calibration_of_lut
from napari_petlut.workflow.measuring import measure_energy
from napari_petlut.workflow.pipeline import calibrate
from napari_petlut.workflow.sources import flood_shape, load_flood, require_events

SIMULATION = BlockSimulation(rows=3, cols=3, resolution=3.0, seed=1)
BLOCK = BlockGeometry(3, 3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("block")
    files = {name: folder / name for name in ("b_raw.dat", "b_map.dat", "b.lut")}
    block = simulate_block(SIMULATION)
    write_words(files["b_raw.dat"], [simulate_events(SIMULATION, 60_000).words])
    write_map(files["b_map.dat"], block.flood)
    write_lut(files["b.lut"], block.ideal_lut)
    return files


@pytest.fixture
def looked(monkeypatch):
    """The names of all files that are looked at to know what they are, one entry for each time."""
    names = []
    real = Look.__init__

    def noting(self, path, hints):
        names.append(Path(path).name)
        real(self, path, hints)

    monkeypatch.setattr(Look, "__init__", noting)
    return names


def test_events_are_identified_once_from_the_file_to_the_energies(files, looked):
    parameters = CalibrationParameters(crystal_windows=CrystalWindowParameters())
    parameters = parameters.changed(["segmentation.method=kmeans", "segmentation.kmeans.data=events"])
    result = calibrate(files["b_raw.dat"], BLOCK, parameters)
    assert measure_energy(result) is not None
    assert looked == ["b_raw.dat"]
    assert result.source.content is Content.EVENTS


def test_a_file_that_is_identified_is_not_looked_at_again(files, looked):
    parameters = CalibrationParameters()
    file = identify(files["b_map.dat"], Hints(geometry=BLOCK))
    assert flood_shape(file, parameters.flood, parameters.event_format) == (512, 512)
    assert load_flood(file, parameters.flood, parameters.event_format)[0] is file.read()
    result = calibration_of_lut(file, files["b.lut"])
    assert measure_energy(result) is None
    assert looked == ["b_map.dat"]


def test_a_wrong_kind_is_refused_in_words(files):
    for name, words in (("b_map.dat", "a map file"), ("b.lut", "a crystal LUT")):
        with pytest.raises(FormatError, match=f"expected raw events, found {words}"):
            require_events(files[name], EventFormat())
    assert require_events(files["b_raw.dat"], EventFormat()).found.layout == EventFormat()

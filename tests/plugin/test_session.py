"""A block's work, saved and opened again: the same state, the same LUT."""

import json
import random
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Shapes
from npe2 import PluginManager

from napari_petlut.analysis.detection import FilterParameters
from napari_petlut.errors import FormatError, ParameterError, PetlutWarning
from napari_petlut.formats.lut import encode_lut
from napari_petlut.formats.plain import plain
from napari_petlut.formats.session import Session, SessionLayer, read_session, write_session
from napari_petlut.model import EnergyWindow, EventFormat, FloodMap, PeakStatus
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.following import PeakEditor
from napari_petlut.plugin.io.opening import open_file
from napari_petlut.plugin.io.saving import save_session
from napari_petlut.plugin.io.session import data_of, layers_of_session, session_of
from napari_petlut.plugin.work.choices import ExportChoices
from napari_petlut.plugin.work.workbench import workbench_of

from .files import BLOCK, block, peaks, write_block
from .test_editing import drag


@pytest.fixture
def viewer():
    PluginManager.instance().discover()
    return ViewerModel()


@pytest.fixture
def worked(viewer, tmp_path):
    """A block that somebody has worked on."""
    files = write_block(tmp_path)
    (flood,) = viewer.open(files["raw"], plugin="napari-petlut")
    control = workbench_of(viewer).choose(flood)
    control.geometry = BLOCK
    control.set_peaks(peaks())
    cells = ly.cells_layer(block().ideal_lut, name="b - cells", block=control.name, method="mixture")
    ly.show_layer(viewer, cells, like=flood)
    control.peaks_layer.add((100.0, 100.0))
    cells.brush_size = 1
    cells.paint((0, 0), 7)
    cells.contour = 3
    flood.colormap, flood.gamma, flood.visible = "viridis", 0.5, False
    flood.contrast_limits = (1, 7)
    return viewer


def saved(viewer, path):
    viewer.layers.save(str(path), plugin="napari-petlut")
    again = ViewerModel()
    again.open(path, plugin="napari-petlut")
    return again


def test_every_layer_comes_back_as_it_was(worked, tmp_path):
    again = saved(worked, tmp_path / "b.petlut")
    assert [layer.name for layer in again.layers] == [layer.name for layer in worked.layers]
    for before, after in zip(worked.layers, again.layers, strict=True):
        assert type(before) is type(after)
        assert before.data.dtype == after.data.dtype
        np.testing.assert_array_equal(before.data, after.data)
        assert before.visible == after.visible
        assert before.units == after.units
        np.testing.assert_array_equal(before.scale, after.scale)
        assert ly.kind_of(before) is ly.kind_of(after)
        assert ly.block_of(before) == ly.block_of(after)
        assert ly.geometry_of(before) == ly.geometry_of(after)
    flood = again.layers[0]
    assert (flood.colormap.name, flood.gamma, list(flood.contrast_limits)) == ("viridis", 0.5, [1, 7])
    assert ly.flood_from_layer(flood).spectrum.sum() == 20_000
    assert ly.flood_from_layer(flood).window == ly.flood_from_layer(worked.layers[0]).window


def test_the_same_lut_bytes_and_the_painting_are_still_known(worked, tmp_path):
    again = saved(worked, tmp_path / "b.petlut")

    def lut_bytes(viewer):
        cells = ly.find_layer(viewer, ly.LayerKind.CELLS, "b7")
        return encode_lut(ly.lut_from_labels(cells.data, {"metadata": cells.metadata}))

    assert lut_bytes(again) == lut_bytes(worked)
    cells = ly.find_layer(again, ly.LayerKind.CELLS, "b7")
    assert int(ly.painted(cells).sum()) == 1
    assert ly.info(cells).method == "mixture"


def test_edits_go_on_where_they_stopped(worked, tmp_path):
    again = saved(worked, tmp_path / "b.petlut")
    control = workbench_of(again).choose(again.layers[0])
    before = workbench_of(worked).current
    assert control.name == before.name
    assert control.geometry == BLOCK
    assert control.count == before.count
    pd.testing.assert_frame_equal(control.peaks_layer.features, before.peaks_layer.features)
    layer = control.peaks_layer
    assert layer.features["status"].tolist()[-1] == PeakStatus.MANUAL
    assert tuple(layer.border_color[-1]) != tuple(layer.border_color[0])
    layer.remove([len(layer.data) - 1])
    assert len(layer.data) == 20
    control.undo()
    assert len(layer.data) == 21


def steps_of(control):
    """Return what every undo, and then every redo, brings back."""
    seen = []
    for way, left in ((control.undo, "undo_steps"), (control.redo, "redo_steps")):
        while getattr(control.editor.history, left):
            way()
            layer, cells = control.peaks_layer, control.cells_layer
            seen.append((layer.data.tolist(), layer.features.to_dict(), cells.data.tobytes()))
    return seen


def test_undo_steps_survive_in_the_session_file(worked, tmp_path):
    control = workbench_of(worked).current
    drag(control.peaks_layer, [3], (2.5, 1.0))
    control.accept_all()
    control.peaks_layer.remove([5])
    control.undo()
    again = saved(worked, tmp_path / "b.petlut")
    reopened = workbench_of(again).choose(again.layers[0])
    known, restored = control.editor.history, reopened.editor.history
    assert (restored.undo_steps, restored.redo_steps) == (known.undo_steps, known.redo_steps)
    assert restored.redo_steps == 1
    expected = steps_of(control)
    assert len(expected) >= 4
    assert steps_of(reopened) == expected


@pytest.mark.parametrize("wrong", [b"", b"no steps", zlib.compress(b"[]"), zlib.compress(b'{"past": [3]}')])
def test_undo_steps_that_cannot_be_read_are_left_out_and_told(worked, wrong):
    layers = layers_of_session(session_of([data_of(layer) for layer in worked.layers]))
    layer = next(layer for layer in layers if ly.kind_of(layer) is ly.LayerKind.PEAKS)
    ly.info(layer).history = np.frombuffer(wrong, np.uint8)
    with pytest.warns(PetlutWarning, match="undo steps cannot be read"):
        editor = PeakEditor(layer, BLOCK, lambda: None)
    assert editor.history.undo_steps == 0


def test_parameters_and_events_come_back(worked, tmp_path):
    flood = worked.layers[0]
    ly.info(flood).parameters["FilterParameters"] = FilterParameters(sigma=1.5)
    again = saved(worked, tmp_path / "b.petlut")
    known = ly.info(again.layers[0])
    assert known.chosen(FilterParameters) == FilterParameters(sigma=1.5)
    assert known.events == ly.info(flood).events


def test_saving_twice_gives_the_same_bytes_also_after_reopening(worked, tmp_path):
    again = saved(worked, tmp_path / "a.petlut")
    third = saved(again, tmp_path / "b.petlut")
    assert len(third.layers) == len(worked.layers)
    # what napari does not hand to writers is the width of outlines; a session of the layers keeps it
    first = session_of([data_of(layer) for layer in worked.layers])
    write_session(tmp_path / "c.petlut", first)
    back = layers_of_session(read_session(tmp_path / "c.petlut"))
    assert [layer.contour for layer in back if isinstance(layer, Labels)] == [3]
    assert (tmp_path / "a.petlut").read_bytes() == (tmp_path / "b.petlut").read_bytes()


def test_other_peoples_layers_are_kept_too(viewer, tmp_path):
    viewer.add_image(np.ones((3, 4), np.uint8), name="plain", scale=(2, 3))
    viewer.add_points(np.array([[1, 2]]), name="mine", features={"word": ["ä"], "flag": [True]})
    viewer.add_points(np.empty((0, 2)), name="none")
    viewer.add_vectors(np.ones((2, 2, 2)), name="lines")
    viewer.add_labels(np.zeros((3, 4), np.uint8), name="labels")
    again = saved(viewer, tmp_path / "s.petlut")
    assert [layer.name for layer in again.layers] == ["plain", "mine", "none", "lines", "labels"]
    assert again.layers["plain"].data.dtype == np.uint8
    assert tuple(again.layers["plain"].scale) == (2, 3)
    assert again.layers["mine"].features["word"].tolist() == ["ä"]
    assert again.layers["mine"].features["flag"].tolist() == [True]
    assert "petlut" not in again.layers["plain"].metadata


def test_what_a_session_cannot_hold_is_said(tmp_path):
    with pytest.raises(ParameterError, match="of type shapes"):
        session_of([Shapes(np.array([[0, 0], [1, 1]])).as_layer_data_tuple()])
    bad = Session((SessionLayer("points", "p", np.ones(3)),))
    with pytest.raises(ParameterError, match="layer 'p' cannot be shown"):
        layers_of_session(bad)
    with pytest.raises(ParameterError, match="cannot be shown"):
        layers_of_session(Session((SessionLayer("hologram", "h", np.ones(3)),)))


def test_a_session_is_saved_by_script_too_and_says_what_it_left_out(worked, tmp_path):
    worked.add_shapes([np.array([[0, 0], [1, 1]])], name="note", shape_type="line")
    said = save_session(worked, tmp_path / "b7")
    assert said.startswith(f"Wrote {tmp_path / 'b7.petlut'}: session of {len(worked.layers) - 1} layers")
    assert "without note, which a session cannot hold" in said
    again = ViewerModel()
    again.open(tmp_path / "b7.petlut", plugin="napari-petlut")
    assert ly.find_layer(again, ly.LayerKind.CELLS, "b7").contour == 3
    with pytest.raises(FormatError, match="a file of this name"):
        save_session(worked, tmp_path / "b7.petlut")
    with pytest.raises(ParameterError, match="nothing to save"):
        save_session(ViewerModel(), tmp_path / "empty")


ODD = [None, True, -1, 1e308, "", "x", [], {}, [[1], [2, 3]], {"$array": "arrays/0000.npy"}, 10**30]


def places(value, path=()):
    """Every place in nested JSON."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


@pytest.mark.filterwarnings("ignore")  # napari warns of some odd values before it fails
def test_whatever_stands_in_a_session_it_opens_or_is_refused_in_one_line(tmp_path):
    flood = ly.flood_layer(FloodMap(np.eye(20), spectrum=np.arange(9)), name="f", geometry=BLOCK)
    table = ly.peaks_layer(peaks(), name="p", block="f", geometry=BLOCK)
    cells = ly.cells_layer(block().ideal_lut.resampled((20, 20)), name="c", block="f")
    path = tmp_path / "s.petlut"
    write_session(path, session_of([data_of(layer) for layer in (flood, table, cells)]))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    contents = parts.pop("petlut-session.json")
    where = [place for place in places(json.loads(contents)) if place]
    rng, refused = random.Random(5), 0
    for _ in range(60):
        *above, last = rng.choice(where)
        changed = part = json.loads(contents)
        for key in above:
            part = part[key]
        part[last] = rng.choice(ODD)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("petlut-session.json", json.dumps(changed))
            for name, data in parts.items():
                archive.writestr(name, data)
        try:
            open_file(path)
        except FormatError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 8 < refused < 60


def test_a_session_of_an_earlier_version_opens(tmp_path):
    stored = {
        "kind": "flood",
        "block": "b7",
        "geometry": {"rows": 4, "cols": 5},
        "spectrum": np.arange(9),
        "window": [300, 700],
        "full_scale": 512,
        "source": "b7_raw.dat",
        "path": "/data/b7_raw.dat",
        "note": "",
        "events": {"path": "/data/b7_raw.dat", "format": plain(EventFormat())},
        "parameters": {"FilterParameters": {"sigma": 2.5}, "ExportChoices": {"encoding": "linear"}},
    }
    cells = {"kind": "cells", "block": "b7", "computed": np.ones((3, 4), np.uint16), "method": "mixture"}
    layers = (
        SessionLayer("image", "b7", np.ones((3, 4)), {}, {}, stored),
        SessionLayer("labels", "b7 - cells", np.ones((3, 4), np.uint16), {}, {}, cells | {"stale": True}),
        SessionLayer("image", "other", np.ones((3, 4)), {}, {}, {"kind": "of tomorrow", "mood": 3}),
    )
    write_session(tmp_path / "old.petlut", Session(layers))
    flood, labels, other = open_file(tmp_path / "old.petlut")
    known = ly.info(flood)
    assert (ly.kind_of(flood), known.block, known.geometry) == (ly.LayerKind.FLOOD, "b7", BLOCK)
    assert known.window == EnergyWindow(300, 700)
    assert known.events == (Path("/data/b7_raw.dat"), EventFormat())
    assert known.chosen(FilterParameters) == FilterParameters(sigma=2.5)
    assert known.chosen(ExportChoices).encoding == "linear"
    assert (ly.info(labels).method, ly.info(labels).stale) == ("mixture", True)
    assert ly.kind_of(other) is None


def test_choices_that_this_version_cannot_take_are_said_and_the_rest_opens(tmp_path):
    stored = {
        "kind": "flood",
        "block": "b",
        "parameters": {"FilterParameters": {"sigma": -1}, "ExportChoices": {"colour": 1}},
    }
    write_session(tmp_path / "s.petlut", Session((SessionLayer("image", "b", np.ones((3, 4)), info=stored),)))
    with pytest.warns(PetlutWarning) as told:
        (flood,) = open_file(tmp_path / "s.petlut")
    assert [str(warning.message).split(": ")[1] for warning in told] == ["FilterParameters", "ExportChoices"]
    assert "colour: unknown to this version; the defaults are used instead" in str(told[1].message)
    assert ly.info(flood).chosen(FilterParameters) == FilterParameters()

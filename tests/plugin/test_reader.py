"""Every kind of file as layers, in a viewer without a window, as a script opens them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points
from npe2 import PluginManager

from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.errors import FormatError, TruncatedFileWarning
from napari_petlut.formats import _files
from napari_petlut.formats.events import write_events
from napari_petlut.formats.identification import KINDS
from napari_petlut.formats.kinds import Look
from napari_petlut.formats.lut import LUT_PRESETS, write_lut, write_luts
from napari_petlut.formats.maps import write_map
from napari_petlut.formats.record import InputFile, OutputFile, Record, RecordKind, write_record
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EventFormat, FloodMap
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io import reader
from napari_petlut.plugin.io.opening import open_file
from napari_petlut.plugin.io.writer import write_lut_layer
from napari_petlut.plugin.work.preferences import ReadingPreferences
from napari_petlut.plugin.work.workbench import workbench_of

from .files import BLOCK, block, peaks, write_block


@pytest.fixture
def files(tmp_path):
    return write_block(tmp_path)


@pytest.fixture
def viewer():
    PluginManager.instance().discover()
    return ViewerModel()


def test_a_map_is_the_blocks_region_ready_to_look_at(viewer, files):
    (layer,) = viewer.open(files["map"], plugin="napari-petlut")
    assert isinstance(layer, Image)
    assert layer.name == "b7_map"
    np.testing.assert_array_equal(layer.data, block().flood.counts)
    assert layer.data.shape == (512, 512)
    low, high = layer.contrast_limits
    assert low == 0
    assert 0.9 < (layer.data < high).mean() < 1
    assert layer.colormap.name == "inferno"
    known = ly.info(layer)
    assert (known.kind, known.block, known.source) == (ly.LayerKind.FLOOD, "b7", "b7_map.dat")
    assert known.path == files["map"].resolve()


def test_a_maps_spectrum_is_kept(viewer, tmp_path):
    write_map(tmp_path / "s.dat", FloodMap(block().flood.counts, spectrum=np.arange(4096)))
    (layer,) = viewer.open(tmp_path / "s.dat", plugin="napari-petlut")
    np.testing.assert_array_equal(ly.flood_from_layer(layer).spectrum, np.arange(4096))


def test_raw_events_become_a_flood_map_whose_window_can_be_changed(viewer, files):
    (layer,) = viewer.open(files["raw"], plugin="napari-petlut")
    flood = ly.flood_from_layer(layer)
    assert flood.spectrum.sum() == 20_000
    assert flood.window is not None
    assert flood.window.low < 520 < flood.window.high
    assert 0 < flood.total < 20_000
    known = ly.info(layer)
    assert known.events.path == files["raw"].resolve()
    assert known.events.format == EventFormat()
    assert known.chosen(FloodParameters).window == flood.window


def test_a_lut_is_labels_that_tell_crystal_row_and_column(viewer, files):
    (layer,) = viewer.open(files["lut"], plugin="napari-petlut")
    assert isinstance(layer, Labels)
    assert layer.name == "b7 - LUT"
    np.testing.assert_array_equal(layer.data, block().ideal_lut.ids + 1)
    assert layer.contour == 1
    assert ly.geometry_of(layer) == BLOCK
    place = tuple(int(c) for c in np.rint(block().centres[7]))
    label = int(layer.data[place])
    status = layer.get_status(place, world=True)
    row, col = divmod(label - 1, BLOCK.cols)
    assert f"crystal: {label - 1}, row: {row}, col: {col}" in status["coordinates"]
    known = ly.info(layer)
    assert known.encoding.name == "packed"
    assert "found out from the values" in known.note


def test_peaks_come_with_their_table(viewer, files):
    (layer,) = viewer.open(files["peaks"], plugin="napari-petlut")
    assert isinstance(layer, Points)
    np.testing.assert_array_equal(layer.data, peaks().positions)
    assert layer.features["crystal"].tolist() == list(range(20))
    assert layer.features["row"].tolist() == [i // 5 for i in range(20)]
    assert layer.features["status"][3] == "suspect"
    assert ly.geometry_of(layer) == BLOCK
    colours = {tuple(c) for c in layer.border_color}
    assert len(colours) == 2


def test_an_empty_table_and_one_without_numbers_are_points_too(viewer, tmp_path):
    (tmp_path / "empty_peaks.csv").write_text("index,axis-0,axis-1\n")
    (tmp_path / "bare_peaks.csv").write_text("index,axis-0,axis-1\n0,1.5,2\n1,3,4\n")
    empty, bare = viewer.open(
        [tmp_path / "empty_peaks.csv", tmp_path / "bare_peaks.csv"], plugin="napari-petlut"
    )
    assert len(empty.data) == 0
    assert bare.data.tolist() == [[1.5, 2], [3, 4]]
    assert bare.features["crystal"].tolist() == [-1, -1]
    assert ly.geometry_of(bare) is None


def test_a_whole_set_lines_up_and_belongs_together(viewer, files):
    layers = viewer.open([files[k] for k in ("map", "raw", "lut", "peaks")], plugin="napari-petlut")
    assert len({(tuple(layer.scale), tuple(layer.translate), layer.units) for layer in layers}) == 1
    centre = tuple(block().centres[13])
    assert {tuple(layer.world_to_data(layers[0].data_to_world(centre))) for layer in layers} == {centre}
    assert [ly.block_of(layer) for layer in layers] == ["b7", "b7", "b7", ""]
    bench = workbench_of(viewer)
    chosen = bench.choose(layers[0])
    assert chosen.peaks_layer is layers[3]
    assert chosen.geometry == BLOCK


def test_a_lut_of_larger_pixels_covers_the_same_map(viewer, tmp_path):
    files = write_block(tmp_path)
    write_lut(tmp_path / "b7.crm", block().ideal_lut.resampled((256, 256)), "cti-crm")
    (flood,) = viewer.open(files["map"], plugin="napari-petlut")
    flood.scale, flood.translate = (0.5, 0.5), (3, 4)
    (fine,), (coarse,) = (open_file(path, viewer) for path in (files["lut"], tmp_path / "b7.crm"))
    np.testing.assert_allclose(fine.extent.world, flood.extent.world)
    assert coarse.data.shape == (256, 256)
    # An extent goes from the first to the last pixel's centre.
    half_pixels = np.array([[-0.5], [0.5]])
    edges = np.add(coarse.extent.world, half_pixels)
    np.testing.assert_allclose(edges, np.add(flood.extent.world, half_pixels / 2))


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("block_07_raw.dat", "block_07"),
        ("block_07-MAP.dat", "block_07"),
        ("block_07.lut", "block_07"),
        ("block_07_peaks.csv", "block_07"),
        ("map.dat", "map"),
        ("roadmap.dat", "roadmap"),
    ],
)
def test_files_of_one_block_share_its_name(name, block):
    assert ly.block_name(Path(name)) == block


# -- what a LUT does not tell ---------------------------------------------------------------------------


def test_a_linear_lut_takes_its_geometry_from_the_open_block(viewer, tmp_path):
    files = write_block(tmp_path, encoding="linear")
    with pytest.raises(Exception, match="set its rows and columns in the Block panel, or set"):
        viewer.open(files["lut"], plugin="napari-petlut")
    assert len(viewer.layers) == 0
    (flood,) = viewer.open(files["map"], plugin="napari-petlut")
    ly.info(flood).geometry = BLOCK
    (layer,) = open_file(files["lut"], viewer)
    np.testing.assert_array_equal(layer.data, block().ideal_lut.ids + 1)
    assert ly.info(layer).encoding.name == "linear"


def test_a_lut_takes_encoding_and_geometry_from_the_record_beside_it(tmp_path):
    files = write_block(tmp_path, encoding="ucd")
    record = Record(RecordKind.LUT, BLOCK, LUT_PRESETS["ucd"]).with_outputs({"lut": files["lut"]})
    beside = tmp_path / "b7_record.json"
    write_record(beside, record)
    (layer,) = open_file(files["lut"])
    np.testing.assert_array_equal(layer.data, block().ideal_lut.ids + 1)
    of_another = replace(record, outputs={"lut": OutputFile("b7.lut", "0" * 64)})
    write_record(beside, of_another, overwrite=True)
    with pytest.raises(FormatError):
        open_file(files["lut"])


def test_preferences_tell_what_a_lut_does_not(tmp_path, monkeypatch):
    files = write_block(tmp_path, encoding="ucd")
    chosen = ReadingPreferences(lut_encoding="ucd", rows=4, cols=5)
    monkeypatch.setattr("napari_petlut.plugin.io.opening.reading_preferences", lambda: chosen)
    (layer,) = open_file(files["lut"])
    np.testing.assert_array_equal(layer.data, block().ideal_lut.ids + 1)


def test_a_file_of_several_blocks_is_a_layer_for_each(tmp_path, monkeypatch):
    lut = block().ideal_lut
    write_luts(tmp_path / "board.lut", [lut, lut.without([3]), lut], "cpm")
    chosen = ReadingPreferences(lut_encoding="cpm", rows=4, cols=5)
    monkeypatch.setattr("napari_petlut.plugin.io.opening.reading_preferences", lambda: chosen)
    layers = open_file(tmp_path / "board.lut")
    assert [layer.name for layer in layers] == ["board 0 - LUT", "board 1 - LUT", "board 2 - LUT"]
    assert [layer.visible for layer in layers] == [True, False, False]
    np.testing.assert_array_equal(layers[1].data, lut.without([3]).ids + 1)


def test_preferences_come_from_the_manifest(viewer):
    from napari.settings import get_plugin_settings

    from napari_petlut.plugin.work.preferences import reading_preferences

    assert reading_preferences() == ReadingPreferences()
    settings = get_plugin_settings("napari-petlut").reading
    settings.rows, settings.cols = 8, 9
    try:
        assert reading_preferences().geometry == BlockGeometry(8, 9)
    finally:
        settings.rows = settings.cols = 0


def test_the_event_layout_of_the_preferences_is_used(tmp_path, monkeypatch):
    layout = tmp_path / "layout.toml"
    layout.write_text('name = "other"\nheader_bytes = 64\n')
    files = write_block(tmp_path)
    files["raw"].write_bytes(bytes(64) + files["raw"].read_bytes())
    chosen = ReadingPreferences(event_format=str(layout))
    monkeypatch.setattr("napari_petlut.plugin.io.opening.reading_preferences", lambda: chosen)
    (layer,) = open_file(files["raw"])
    assert ly.flood_from_layer(layer).spectrum.sum() == 20_000
    assert ly.info(layer).events.format.header_bytes == 64


# -- records --------------------------------------------------------------------------------------------


def test_a_record_opens_the_block_that_was_calibrated(viewer, tmp_path):
    files = write_block(tmp_path)
    record = Record(
        RecordKind.CALIBRATION,
        BLOCK,
        inputs={"source": InputFile.of(files["map"], tmp_path)},
        parameters={"segmentation": {"method": "watershed"}},
    )
    path = tmp_path / "b7_record.json"
    write_record(path, record.with_outputs({"lut": files["lut"], "peaks": files["peaks"]}))
    layers = viewer.open(path, plugin="napari-petlut")
    assert [type(layer) for layer in layers] == [Image, Labels, Points]
    # The cells are those of the block that is worked on, and follow its peaks.
    control = workbench_of(viewer).choose(layers[0])
    assert control.cells_layer is layers[1]
    assert (layers[1].name, ly.info(layers[1]).method) == ("b7 - cells", "watershed")
    assert control.peaks_layer is layers[2]
    for file in files.values():
        file.unlink()
    with pytest.raises(FormatError, match=r"none of b7_map\.dat, b7\.lut, b7_peaks\.csv"):
        open_file(path)
    path.write_text('{"a": 1}')
    with pytest.raises(FormatError, match="another JSON file"):
        open_file(path)


def test_the_record_beside_a_saved_lut_opens_that_lut(viewer, tmp_path):
    layer = ly.cells_layer(block().ideal_lut, name="cells")
    write_lut_layer(str(tmp_path / "b.lut"), *layer.as_layer_data_tuple()[:2])
    (opened,) = viewer.open(tmp_path / "b_record.json", plugin="napari-petlut")
    assert (opened.name, ly.kind_of(opened)) == ("b - LUT", ly.LayerKind.LUT)
    np.testing.assert_array_equal(opened.data, layer.data)


# -- bad files ------------------------------------------------------------------------------------------

BAD = {
    "empty.dat": b"",
    "noise.dat": bytes(range(256)) * 41,
    "text.dat": b"some words\n" * 40,
    "short.lut": b"1234",
    "empty.lut": b"",
    "picture.dat": b"\x89PNG\r\n" + bytes(100),
    "other_peaks.csv": b"a,b\n1,2\n",
    "broken_peaks.csv": b"axis-0,axis-1\n1,two\n",
    "x_record.json": b"[1]",
    "x.petlut": b"PK\x03\x04 and no more",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_and_leaves_no_layer(viewer, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BAD[name])
    assert reader.get_dat_reader(str(path)) is not None
    with pytest.raises(FormatError) as caught:
        viewer.open(path, plugin="napari-petlut")
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    assert len(viewer.layers) == 0


@pytest.mark.parametrize("getter", ["dat", "lut", "peaks", "record", "session"])
@pytest.mark.parametrize("path", ["/nowhere/x.dat", ["a.dat", "b.dat"], ""])
def test_no_reader_refuses_or_raises_before_it_reads(getter, path):
    assert callable(getattr(reader, f"get_{getter}_reader")(path))


def test_a_cut_event_file_is_used_and_said(tmp_path):
    files = write_block(tmp_path)
    files["raw"].write_bytes(files["raw"].read_bytes()[:-2])
    with pytest.warns(TruncatedFileWarning, match="19,999 complete events"):
        (layer,) = open_file(files["raw"])
    assert ly.flood_from_layer(layer).spectrum.sum() == 19_999


def test_events_without_a_photopeak_keep_all_energies_and_say_so(tmp_path):
    energy = np.arange(200, 1000, 20)
    write_events(tmp_path / "few.dat", energy, energy // 2, energy // 3)
    (layer,) = open_file(tmp_path / "few.dat")
    known = ly.info(layer)
    assert known.window is None
    assert known.note.startswith("no photopeak found")
    assert layer.data.sum() == len(energy)


@pytest.mark.parametrize("kind", ["lut", "map", "peaks", "raw"])
def test_a_dropped_file_is_identified_once_and_read_once(viewer, files, kind, monkeypatch):
    opened, looked = [], []
    real_open, real_look = open, Look.__init__

    def noting_open(file, *args, **kwargs):
        opened.append(Path(file).name)
        return real_open(file, *args, **kwargs)

    def noting_look(self, path, hints):
        looked.append(Path(path).name)
        real_look(self, path, hints)

    monkeypatch.setattr(_files, "open", noting_open, raising=False)
    monkeypatch.setattr(Look, "__init__", noting_look)
    open_file(files[kind], viewer)
    name = files[kind].name
    assert looked.count(name) == 1
    if kind != "raw":  # events are not kept; each pass over them opens the file
        assert opened.count(name) == 1


def test_every_pattern_that_napari_asks_us_for_belongs_to_a_kind():
    patterns = [
        pattern
        for reader in PluginManager.instance().get_manifest("napari-petlut").contributions.readers
        for pattern in reader.filename_patterns
    ]
    suffixes = {suffix for kind in KINDS for suffix in kind.suffixes}
    claimed = {Path(pattern).suffix for pattern in patterns}
    assert claimed <= suffixes
    # What napari opens by itself is opened once more where it is a map, see `io/adopting.py`; or dropped on
    # the panel.
    by_napari = {".npy", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".csv"}
    assert suffixes - claimed <= by_napari | {".json"}


def test_maps_of_other_programs_open_by_their_endings(viewer, tmp_path):
    import scipy.io

    counts = block().flood.counts
    scipy.io.savemat(tmp_path / "a.mat", {"flood": counts})
    (layer,) = viewer.open(tmp_path / "a.mat", plugin="napari-petlut")
    np.testing.assert_array_equal(layer.data, counts)
    assert ly.kind_of(layer) is ly.LayerKind.FLOOD

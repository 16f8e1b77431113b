"""A scanner's events split into the maps of its blocks: the same maps as those of each block alone."""

import numpy as np
import pytest

import event_files as files
from napari_petlut.analysis.flood import FloodParameters, energy_spectrum, suggest_window
from napari_petlut.batch import split_scanner, splitting
from napari_petlut.errors import Cancelled, FormatError, ParameterError
from napari_petlut.formats.event_files import iter_events, iter_scanner
from napari_petlut.formats.identification import identify
from napari_petlut.model import BlockOfEvent, EnergyWindow, EventContainer
from napari_petlut.workflow.sources import flood_of_events

BLOCKS = ((0, 2), (0, 3), (1, 2))
WINDOW = EnergyWindow(350, 700)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Events of three blocks in any order, as two files, and their format."""
    folder = tmp_path_factory.mktemp("scan")
    rng = np.random.default_rng(1)
    parts = []
    for number, (ring, module) in enumerate(BLOCKS):
        events, _ = files.as_direct(files.lab_words(30_000, seed=number))
        columns = {name: np.asarray(events.column(name), np.float64) for name in ("E", "x", "y")}
        columns |= {"ring": np.full(30_000, ring), "module": np.full(30_000, module)}
        parts.append(columns)
    order = rng.permutation(90_000)
    columns = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    for name, part in (("a", slice(0, 50_000)), ("b", slice(50_000, None))):
        files.write_parquet(folder / f"{name}.parquet", {key: value[part] for key, value in columns.items()})
    files.write_parquet(folder / "all.parquet", columns)
    source = files.source_of(container=EventContainer("parquet"), block=BlockOfEvent(("ring", "module")))
    return folder, files.format_of(source)


def map_of(block):
    return identify(block.path).read()


def alone(path, fmt, number, parameters):
    chosen = files.format_of(fmt.source.with_block(number))
    return flood_of_events(path, parameters, chosen)[0]


def test_maps_and_spectra_are_those_of_each_block_alone(scan, tmp_path):
    folder, fmt = scan
    split = split_scanner([folder / "all.parquet"], fmt, tmp_path, FloodParameters(window=WINDOW))
    assert [block.place for block in split.blocks] == [*BLOCKS]
    assert [block.name for block in split.blocks] == ["all_0_2", "all_0_3", "all_1_2"]
    assert split.events == 90_000
    for block in split.blocks:
        made, expected = (
            map_of(block),
            alone(folder / "all.parquet", fmt, block.place, FloodParameters(window=WINDOW)),
        )
        np.testing.assert_array_equal(made.counts, expected.counts)
        np.testing.assert_array_equal(made.spectrum, expected.spectrum)


def test_a_window_left_open_is_that_of_the_first_events_of_the_block(scan, tmp_path, monkeypatch):
    folder, fmt = scan
    monkeypatch.setattr(splitting, "WINDOW_EVENTS", 20_000)
    split = split_scanner([folder / "all.parquet"], fmt, tmp_path)
    for block in split.blocks:
        chosen = files.format_of(fmt.source.with_block(block.place))
        (events,) = iter_events(folder / "all.parquet", chosen)
        window = suggest_window(energy_spectrum([events[:20_000]], chosen)).window
        expected = alone(folder / "all.parquet", fmt, block.place, FloodParameters(window=window))
        np.testing.assert_array_equal(map_of(block).counts, expected.counts)


def test_what_is_added_against_combs_is_that_of_each_block_alone(scan, tmp_path):
    folder, fmt = scan
    parameters = FloodParameters(window=WINDOW, dither=True, seed=5)
    split = split_scanner([folder / "all.parquet"], fmt, tmp_path, parameters)
    for block in split.blocks:
        expected = alone(folder / "all.parquet", fmt, block.place, parameters)
        np.testing.assert_array_equal(map_of(block).counts, expected.counts)


@pytest.mark.parametrize("rows", [997, 30_000])
def test_the_maps_do_not_depend_on_how_the_events_are_cut(scan, tmp_path, monkeypatch, rows):
    folder, fmt = scan
    monkeypatch.setattr(splitting, "WINDOW_EVENTS", 5_000)
    whole = split_scanner([folder / "all.parquet"], fmt, tmp_path / "whole")
    monkeypatch.setattr(splitting, "iter_scanner", lambda *args: iter_scanner(*args, chunk_events=rows))
    cut = split_scanner([folder / "all.parquet"], fmt, tmp_path / "cut")
    for one, other in zip(whole.blocks, cut.blocks, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


def test_several_files_are_one_scanner(scan, tmp_path):
    folder, fmt = scan
    parameters = FloodParameters(window=WINDOW, bins=128)
    whole = split_scanner([folder / "all.parquet"], fmt, tmp_path / "whole", parameters)
    two = split_scanner([folder / "a.parquet", folder / "b.parquet"], fmt, tmp_path / "two", parameters)
    assert [block.name for block in two.blocks] == ["scanner_0_2", "scanner_0_3", "scanner_1_2"]
    for one, other in zip(whole.blocks, two.blocks, strict=True):
        np.testing.assert_array_equal(map_of(one).counts, map_of(other).counts)


def test_what_was_split_is_not_split_again_unless_something_changed(scan, tmp_path, monkeypatch):
    folder, fmt = scan
    parameters = FloodParameters(window=WINDOW)
    first = split_scanner([folder / "all.parquet"], fmt, tmp_path, parameters)

    def never(*_):
        raise AssertionError("the events were read again")

    with monkeypatch.context() as patched:
        patched.setattr(splitting, "iter_scanner", never)
        assert split_scanner([folder / "all.parquet"], fmt, tmp_path, parameters) == first
        with pytest.raises(AssertionError):
            split_scanner([folder / "all.parquet"], fmt, tmp_path, FloodParameters(window=WINDOW, bins=64))
    first.blocks[0].path.write_bytes(b"changed")
    with pytest.raises(FormatError, match="expected a new file"):
        split_scanner([folder / "all.parquet"], fmt, tmp_path, parameters)
    again = split_scanner([folder / "all.parquet"], fmt, tmp_path, parameters, overwrite=True)
    assert again == first and first.blocks[0].path.read_bytes() != b"changed"
    other = FloodParameters(window=EnergyWindow(300, 700))
    assert split_scanner([folder / "all.parquet"], fmt, tmp_path, other).blocks == first.blocks


def test_more_maps_than_the_memory_holds_are_refused(scan, tmp_path, monkeypatch):
    folder, fmt = scan
    monkeypatch.setattr(splitting, "MOST_MEMORY", 3_000_000)
    with pytest.raises(FormatError, match="3 blocks or more, of 512 pixels a side; choose fewer bins"):
        split_scanner([folder / "all.parquet"], fmt, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_split_that_is_stopped_writes_nothing(scan, tmp_path):
    folder, fmt = scan
    with pytest.raises(Cancelled):
        split_scanner([folder / "all.parquet"], fmt, tmp_path, cancelled=lambda: True)
    assert not [*tmp_path.iterdir()]


def test_events_without_a_block_and_other_files_are_refused(scan, tmp_path):
    folder, fmt = scan
    plain = files.format_of(files.source_of(container=EventContainer("parquet")))
    with pytest.raises(ParameterError, match="do not say which block"):
        split_scanner([folder / "all.parquet"], plain, tmp_path)
    with pytest.raises(ParameterError, match="one file of events or more"):
        split_scanner([], fmt, tmp_path)
    (tmp_path / "a.txt").write_text("no events")
    with pytest.raises(FormatError):
        split_scanner([tmp_path / "a.txt"], fmt, tmp_path)


def test_the_command_goes_from_a_scanners_events_to_the_luts_of_its_blocks(scan, tmp_path):
    from typer.testing import CliRunner

    from napari_petlut.cli.main import app
    from napari_petlut.formats.lut import read_lut
    from napari_petlut.geometry import BlockGeometry

    folder, _ = scan
    (tmp_path / "scanner.toml").write_text(
        "\n".join(
            [
                '[position]\nrule = "direct"\nx = "x"\ny = "y"',
                "x_range = [0.0, 512.0]\ny_range = [0.0, 512.0]",
                '[energy]\ncolumns = ["E"]\nstep = 1.0',
                '[block]\ncolumns = ["ring", "module"]',
            ]
        )
    )
    arguments = ["batch", str(folder / "all.parquet"), "--event-format", str(tmp_path / "scanner.toml")]
    arguments += ["--rows", "4", "--cols", "5", "--out", str(tmp_path / "out"), "--workers", "1", "--json"]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert '"blocks": 3' in answer.stdout
    for name in ("all_0_2", "all_0_3", "all_1_2"):
        lut = read_lut(tmp_path / "out" / f"{name}.lut", "packed", BlockGeometry(4, 5)).lut
        assert {*range(20)} <= {*np.unique(lut.ids)}

"""The gate: what is taken for events, what is refused, and what a person is told to try."""

import io
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import event_files as files
from napari_petlut.errors import FormatError
from napari_petlut.formats.event_files import count_blocks, count_events, iter_blocks, iter_events
from napari_petlut.formats.event_formats import event_format, event_presets, load_event_format
from napari_petlut.formats.event_names import source_of_names
from napari_petlut.formats.event_settling import resolved_bins, settled
from napari_petlut.formats.events import write_words
from napari_petlut.formats.identification import Content, Hints, describe, identify
from napari_petlut.model import (
    BlockOfEvent,
    ChannelReadout,
    EnergySum,
    EventContainer,
    EventFormat,
    EventSource,
    HitJoin,
    PositionRule,
    RecordField,
)

LAB = EventFormat()
BIG = event_presets()["lab-big-endian"]
WORDS = files.lab_words(30_000)
CORNERS = EventContainer(
    "records", record_bytes=8, fields=tuple(RecordField(name, 2 * i) for i, name in enumerate("ABCD"))
)
CORNER_RULE = PositionRule("corners", ("A + B - C - D",), ("A + D - B - C",))


def noise(size):
    return np.random.default_rng(1).bytes(size)


def picture(kind):
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(2).integers(0, 255, (150, 200, 3), np.uint8)).save(stream, kind)
    return stream.getvalue()


def test_the_other_byte_order_is_an_error_that_says_what_would_do(tmp_path):
    path = tmp_path / "a.dat"
    write_words(path, [WORDS], BIG)
    file = identify(path)
    assert file.content is Content.UNKNOWN
    message = str(file.refusal("raw events"))
    assert "% of the events land on the map if read big-endian: --event-format lab-big-endian" in message
    assert identify(path, Hints(BIG)).content is Content.EVENTS
    write_words(path, [WORDS], overwrite=True)
    message = str(identify(path, Hints(BIG)).refusal("raw events"))
    assert "if read little-endian: --event-format lab" in message


@pytest.mark.parametrize(
    "header", [b"# block 3\n# 2 h, 20 C, no source moved\n", b"\0" * 63, b"HEAD" + bytes(509)]
)
def test_a_header_is_an_error_that_says_how_long_it_is(tmp_path, header):
    path = tmp_path / "a.dat"
    path.write_bytes(header + WORDS.astype("<u4").tobytes())
    file = identify(path)
    told = file.alternatives[0].finding
    start = told.found.layout.header_bytes
    # Zeros and the first events off the map may be counted to the header as well.
    assert len(header) <= start <= len(header) + 400
    assert (start - len(header)) % 4 == 0
    assert f"header_bytes = {start}" in told.tell
    fmt = replace(LAB, header_bytes=len(header))
    assert identify(path, Hints(fmt)).content is Content.EVENTS


@pytest.mark.parametrize("fmt", [LAB, BIG, replace(LAB, source=EventSource(CORNERS, CORNER_RULE))])
@pytest.mark.parametrize(
    "content",
    [
        noise(200_000),
        "".join(f"line {i} of a log that goes on, 3.5 V\n" for i in range(9000)).encode(),
        picture("PNG"),
        picture("JPEG"),
        picture("BMP"),
        bytes(100_000),
        np.random.default_rng(3).normal(size=20_000).tobytes(),
    ],
    ids=["random", "text", "png", "jpeg", "bmp", "zeros", "doubles"],
)
def test_other_bytes_are_no_events(tmp_path, fmt, content):
    path = tmp_path / "a.dat"
    path.write_bytes(content)
    assert identify(path, Hints(fmt)).content is not Content.EVENTS


def test_sound_is_no_lab_file(tmp_path):
    path = tmp_path / "a.dat"
    path.write_bytes((1000 * np.sin(np.arange(80_000) / 30)).astype("i2").tobytes())
    assert identify(path).content is Content.UNKNOWN


def test_records_of_a_preset_are_told_by_their_marks(tmp_path):
    preset = event_presets()["petsys-group"]
    hits = np.tile(np.arange(4), 3000)
    columns = {"hits": np.full(hits.size, 4), "hit": hits, "time": np.arange(hits.size)}
    columns |= {"energy": np.random.default_rng(0).random(hits.size), "channel": hits + 60}
    path = tmp_path / "run.ldat"
    files.write_records(path, columns, preset.source.container)
    message = str(identify(path).refusal("raw events"))
    assert (
        '100.0 % of the records are as petsys-group has them: --event-format FILE.toml with preset = "petsys'
        in message
    )
    message = str(identify(path, Hints(preset)).refusal("raw events"))
    assert "where each channel is: give places in the event format" in message
    (tmp_path / "p.toml").write_text(
        'preset = "petsys-group"\n[position]\nplaces = [[60, 0, 0], [61, 0, 1], [62, 1, 0], [63, 1, 1]]\n'
    )
    file = identify(path, Hints(load_event_format(tmp_path / "p.toml")))
    assert file.content is Content.EVENTS
    assert sum(len(chunk) for chunk in iter_events(path, file.found.layout)) == 3000


def test_ucd_singles_between_time_tags(tmp_path):
    preset = event_presets()["ucd-singles"]
    rng = np.random.default_rng(4)
    n = 2000
    signals = {name: rng.integers(50, 1000, n) for name in preset.source.position.columns}
    names = ["d_rear", "c_rear", "b_rear", "a_rear", "d_front", "c_front", "b_front", "a_front"]
    content = bytearray()
    for i in range(n):
        bits = (31 << 123) | (1 << 122) | ((i % 3) << 116)
        for place, name in enumerate(names):
            bits |= int(signals[name][i]) << (104 - 12 * place)
        content += bits.to_bytes(16, "big")
        if i % 10 == 0:
            content += ((31 << 123) | i).to_bytes(16, "big")
    path = tmp_path / "a.SGL"
    path.write_bytes(content)
    assert "as ucd-singles has them: --event-format ucd-singles" in str(identify(path).refusal("raw events"))
    assert count_blocks(path, preset) == {(0,): 667, (1,): 667, (2,): 666}
    file = identify(path, Hints(preset, block=(1,)))
    (chunk,) = iter_events(path, file.found.layout)
    for name in names:
        np.testing.assert_array_equal(chunk.column(name), signals[name][1::3])
    assert "blocks" in describe(identify(path, Hints(preset)))


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["Energy (keV)", "pos_x", "pos_y", "t"], "direct"),
        (["E", "Ex", "Ey"], "ratio"),
        (["A", "B", "C", "D"], "corners"),
        (["x", "y", "counts"], None),
        (["axis-0", "axis-1", "energy"], None),
        (["1", "2", "3"], None),
    ],
)
def test_columns_of_usual_names_need_no_description(names, rule):
    source = source_of_names(names)
    assert (source.position.rule if source else None) == rule


def test_a_table_off_its_own_map_is_no_table_of_events(tmp_path):
    rng = np.random.default_rng(0)
    columns = {"E": rng.normal(500, 30, 5000), "x": rng.normal(100, 1, 5000), "y": rng.normal(100, 1, 5000)}
    files.write_text(tmp_path / "a.csv", columns)
    source = files.source_of(container=EventContainer("text"), x_range=(0.0, 1.0), y_range=(0.0, 1.0))
    file = identify(tmp_path / "a.csv", Hints(files.format_of(source)))
    assert file.content is Content.UNKNOWN
    assert "as test only 0.0 % of the events land on the map" in str(file.refusal("raw events"))


def test_ranges_and_channel_width_are_taken_from_the_events(tmp_path):
    rng = np.random.default_rng(0)
    n = 8000
    path = tmp_path / "a.npy"

    def source_from(**columns):
        files.write_npy(path, columns)
        source = EventSource(EventContainer(), PositionRule(), EnergySum(("E",)))
        return settled(path, replace(LAB, source=source))[0].source

    found = source_from(E=rng.normal(500, 50, n), x=rng.random(n), y=rng.random(n))
    assert (found.position.x_range, found.energy.step, found.container.kind) == ((0.0, 1.0), 1.0, "numpy")
    found = source_from(E=rng.normal(5, 0.5, n), x=rng.uniform(-1, 1, n), y=rng.uniform(-0.9, 1, n))
    assert (found.position.y_range, found.energy.step) == ((-1.0, 1.0), 0.002)
    found = source_from(E=rng.normal(50_000, 900, n), x=rng.integers(0, 256, n), y=rng.integers(0, 256, n))
    assert (found.position.x_range, found.position.whole, found.energy.step) == ((0.0, 256.0), True, 20.0)
    found = source_from(E=rng.integers(0, 256, n), x=rng.normal(20, 1, n), y=rng.normal(-7, 2, n))
    low, high = found.position.y_range
    assert found.energy.step == 1.0
    assert -7 - 4 * 2 < low < -7 - 2.5 * 2
    assert -7 + 2.5 * 2 < high < -7 + 4 * 2


@pytest.mark.parametrize(("bins", "expected"), [(512, 256), (256, 256), (100, 85), (64, 64)])
def test_whole_positions_fill_every_pixel_alike(bins, expected):
    source = files.source_of(x_range=(0.0, 256.0), y_range=(0.0, 256.0), whole=True)
    assert resolved_bins(files.format_of(source), bins) == expected
    assert resolved_bins(files.format_of(files.source_of()), bins) == bins


@pytest.mark.parametrize("chunk", [3, 7, 1000])
@pytest.mark.parametrize("by", ["number", "count", "time"])
def test_hits_are_joined_whatever_the_chunks(tmp_path, by, chunk):
    lengths = np.random.default_rng(5).integers(1, 9, 60)
    number = np.repeat(np.arange(60), lengths)
    place = np.concatenate([np.arange(n) for n in lengths])
    columns = {"number": number, "count": place, "time": 100.0 * number + place, "E": np.ones(number.size)}
    columns |= {"x": number / 60, "y": number / 60}
    files.write_text(tmp_path / "a.csv", columns)
    source = files.source_of(container=EventContainer("text"), join=HitJoin(by, by, 5.0))
    chunks = list(iter_events(tmp_path / "a.csv", files.format_of(source), chunk_events=chunk))
    found = np.concatenate([np.diff(one.starts, append=one.rows) for one in chunks])
    np.testing.assert_array_equal(found, lengths)
    assert count_events(tmp_path / "a.csv", files.format_of(source)) is None


def test_hits_that_never_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_petlut.formats.event_files._LONGEST_EVENT", 100)
    files.write_text(
        tmp_path / "a.csv", {"E": np.ones(500), "x": np.ones(500), "y": np.ones(500), "n": np.ones(500)}
    )
    source = files.source_of(container=EventContainer("text"), join=HitJoin("number", "n"))
    with pytest.raises(FormatError, match=r"one event in .* join by another column"):
        list(iter_events(tmp_path / "a.csv", files.format_of(source), chunk_events=50))


def test_blocks_are_counted_chosen_and_read_in_one_pass(tmp_path):
    rng = np.random.default_rng(6)
    columns = {"E": rng.normal(500, 9, 999), "x": rng.random(999), "y": rng.random(999)}
    columns |= {"module": rng.integers(0, 3, 999), "chip": rng.integers(0, 256, 999)}
    files.write_parquet(tmp_path / "a.parquet", columns)
    source = files.source_of(container=EventContainer("parquet"), block=BlockOfEvent(("module", "chip"), 64))
    fmt = files.format_of(source)
    blocks = np.stack([columns["module"], columns["chip"] // 64], axis=1)
    counts = count_blocks(tmp_path / "a.parquet", fmt)
    assert sum(counts.values()) == 999
    for block, count in counts.items():
        mine = (blocks == block).all(axis=1)
        assert count == mine.sum()
        chosen = replace(fmt, source=source.with_block(block))
        (chunk,) = iter_events(tmp_path / "a.parquet", chosen)
        np.testing.assert_array_equal(chunk.column("x"), columns["x"][mine])
    parts = {}
    for block, events in iter_blocks(tmp_path / "a.parquet", fmt, chunk_events=100):
        parts.setdefault(block, []).append(events.column("E"))
    assert set(parts) == set(counts)
    for block, found in parts.items():
        np.testing.assert_array_equal(np.concatenate(found), columns["E"][(blocks == block).all(axis=1)])


def test_presets_are_found_by_name_and_records_give_the_settled_format(tmp_path):
    assert event_format("lab") == EventFormat()
    assert event_format() == EventFormat()
    with pytest.raises(FormatError, match="no preset of this name; use one of lab, lab-big-endian, minipet"):
        event_format("labb")
    for preset in event_presets().values():
        assert preset.source is None or preset.source.columns


def test_a_toml_file_can_build_on_a_preset(tmp_path):
    (tmp_path / "places.csv").write_text("channel,x,y\n5,0.5,1\n7,1.5,2\n")
    (tmp_path / "a.toml").write_text(
        'preset = "petsys-group-text"\n[position]\nplaces = "places.csv"\npower = 2\n'
    )
    source = load_event_format(tmp_path / "a.toml").source
    assert source.position.readout == ChannelReadout(
        channel="channel", charge="energy", places=((5, 0.5, 1.0), (7, 1.5, 2.0)), power=2
    )
    assert source.join == HitJoin("count", "hit")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[position]\nrule = "middle"\n', "position rule is one of ratio"),
        ('[position]\nx = "x"\ny = "y"\n', "direct needs the columns of the energy"),
        ('[position]\nrule = "corners"\nx = "A"\ny = "B - A"\n', "A . B - C - D"),
        ('preset = "lab"\n', "preset is one of minipet"),
        ('container = "records"\n[position]\nrule = "direct"\n', "record_bytes and the table"),
        ("[fields]\nA = { offset = 0 }\n", "record_bytes"),
        ("record_bytes = 1\n[fields]\nA = { offset = 0 }\n", "does not fit into a record of 1"),
        (
            'record_bytes = 4\n[fields]\nA = { offset = 0, type = "f4", bits = 3 }\n',
            "only an unsigned integer",
        ),
        ('[position]\nrule = "channels"\nchannel = "c"\ncharge = "q"\n', "which of them are one event"),
        ('[position]\nplaces = "a.csv"\n', "for the rule channels only"),
        ("[position]\nx = 3\n", "position.x is a text"),
        ('[position]\nx_range = [3, 1]\n[energy]\ncolumns = "E"\n', "x_range is two finite numbers"),
        ('[block]\ncolumns = "b"\ndivide = 0\n[position]\n[energy]\ncolumns = "E"\n', "divide is 1 or more"),
        ('[position]\nx = "ch{5-2}"\n', "the larger number comes last"),
        ("[positon]\n", "the keys"),
        ("gap = 3\n", "the keys"),
    ],
)
def test_a_wrong_description_is_told_in_one_line(tmp_path, text, said):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(FormatError, match=said) as error:
        load_event_format(tmp_path / "a.toml")
    assert "\n" not in str(error.value)


def test_a_sixteen_bit_picture_is_no_table(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.arange(10_000, dtype=np.uint16).reshape(100, 100))
    assert identify(tmp_path / "a.tif").content is Content.MAP


@given(
    st.lists(
        st.tuples(st.integers(-3, 4), st.integers(-(2**40), 2**40) | st.integers(0, 3)),
        min_size=1,
        max_size=40,
    )
)
def test_distinct_blocks_are_those_of_numpy(rows):
    from napari_petlut.formats.event_files import _distinct

    numbers = np.array(rows, np.int64)
    found, which = _distinct(numbers)
    expected, inverse = np.unique(numbers, axis=0, return_inverse=True)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(which, inverse.reshape(-1))

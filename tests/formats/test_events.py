import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.event_formats import load_event_format
from napari_petlut.formats.events import (
    TruncatedFileWarning,
    event_count,
    iter_words,
    pack_words,
    write_events,
    write_words,
)
from napari_petlut.model import BitField, EventContainer, EventFormat

WIDE = EventFormat("wide", ">u8", BitField(40, 16), BitField(0, 16), BitField(20, 16), header_bytes=5)


def fields(fmt, n, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, bits.mask + 1, n) for bits in (fmt.energy, fmt.x, fmt.y))


def read_all(path, fmt=EventFormat(), **options):
    return np.concatenate(list(iter_words(path, fmt, **options)))


def test_lab_words_lie_bit_for_bit_as_the_acquisition_writes_them(tmp_path):
    write_events(tmp_path / "raw.dat", [0xABC], [0x123], [0x2FF], EventFormat())
    word = 0xABC << 20 | 0x2FF << 10 | 0x123
    assert (tmp_path / "raw.dat").read_bytes() == word.to_bytes(4, "little")


@pytest.mark.parametrize("fmt", [EventFormat(), WIDE], ids=["lab", "wide"])
@pytest.mark.parametrize("chunk_events", [1, 7, 100, 1000])
def test_events_come_back_whatever_the_chunks(tmp_path, fmt, chunk_events):
    energy, ex, ey = fields(fmt, 100)
    path = tmp_path / "raw.dat"
    write_events(path, energy, ex, ey, fmt)
    assert path.stat().st_size == fmt.header_bytes + 100 * fmt.word_bytes
    assert event_count(path, fmt) == 100
    words = read_all(path, fmt, chunk_events=chunk_events)
    assert words.dtype.isnative
    for bits, values in ((fmt.energy, energy), (fmt.x, ex), (fmt.y, ey)):
        got = words >> words.dtype.type(bits.shift) & words.dtype.type(bits.mask)
        np.testing.assert_array_equal(got, values)


def test_reading_and_writing_words_gives_the_same_bytes(tmp_path):
    content = np.random.default_rng(1).bytes(4000)
    (tmp_path / "a.dat").write_bytes(content)
    write_words(tmp_path / "b.dat", iter_words(tmp_path / "a.dat", chunk_events=33))
    assert (tmp_path / "b.dat").read_bytes() == content


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_a_cut_file_gives_its_complete_events_and_a_warning(tmp_path, extra):
    path = tmp_path / "raw.dat"
    path.write_bytes(bytes(range(40)) + b"x" * extra)
    assert event_count(path) == 10
    with pytest.warns(TruncatedFileWarning, match=f"ends {extra} bytes into .* 10 complete events"):
        words = read_all(path, chunk_events=4)
    np.testing.assert_array_equal(words, np.frombuffer(bytes(range(40)), "<u4"))


@pytest.mark.parametrize("left", [50, 48, 0])
def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path, left):
    path = tmp_path / "raw.dat"
    path.write_bytes(bytes(400))
    chunks = iter_words(path, chunk_events=10)
    next(chunks)
    with path.open("r+b") as handle:
        handle.truncate(left)
    with pytest.raises(FormatError, match=rf"100 events, as at first, found {max(left // 4, 10)}: "):
        list(chunks)


def test_chunks_are_independent_arrays(tmp_path):
    path = tmp_path / "raw.dat"
    write_events(path, *fields(EventFormat(), 10))
    chunks = list(iter_words(path, chunk_events=5))
    assert not np.shares_memory(*chunks)


def test_memory_is_that_of_one_chunk(tmp_path):
    path = tmp_path / "raw.dat"
    path.write_bytes(bytes(8_000_000))
    tracemalloc.start()
    for _ in iter_words(path, chunk_events=10_000):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400_000


def test_bad_files_are_known_at_the_call(tmp_path):
    (tmp_path / "empty.dat").touch()
    (tmp_path / "short.dat").write_bytes(b"abc")
    (tmp_path / "header.dat").write_bytes(bytes(9))
    for name, found in (
        ("empty.dat", "empty"),
        ("short.dat", "3 bytes"),
        ("none.dat", "no such"),
        (".", "dir"),
    ):
        with pytest.raises(FormatError, match=found):
            iter_words(tmp_path / name)
    with pytest.raises(FormatError, match="after a header of 5, found 9 bytes"):
        iter_words(tmp_path / "header.dat", WIDE)
    with pytest.raises(ParameterError, match="chunk_events"):
        iter_words(tmp_path / "short.dat", chunk_events=0)


@pytest.mark.parametrize("values", [([4096], [0], [0]), ([0], [-1], [0]), ([0], [0], [1024])])
def test_values_that_do_not_fit_their_bits_are_refused(values):
    with pytest.raises(ParameterError, match="bits hold"):
        pack_words(*values)


def test_columns_of_different_length_are_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"\(3,\), \(2,\), \(3,\)"):
        write_events(tmp_path / "raw.dat", [1, 1, 1], [1, 1], [1, 1, 1])
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_kept(tmp_path):
    path = tmp_path / "raw.dat"
    path.write_bytes(b"old")
    with pytest.raises(FormatError, match="allow overwriting"):
        write_events(path, [1], [1], [1])
    assert path.read_bytes() == b"old"
    write_events(path, [1], [1], [1], overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["raw.dat"]
    assert path.stat().st_size == 4


def test_a_failure_in_the_middle_leaves_nothing_behind(tmp_path):
    def chunks():
        yield np.ones(3, np.uint32)
        raise ZeroDivisionError

    (tmp_path / "raw.dat").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        write_words(tmp_path / "raw.dat", chunks(), overwrite=True)
    assert (tmp_path / "raw.dat").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


TOML = """
name = "wide"
dtype = ">u8"
header_bytes = 5
energy = { shift = 40, bits = 16 }
x = { shift = 0, bits = 16 }
y = { shift = 20, bits = 16 }
"""


def test_an_event_format_is_read_from_toml(tmp_path):
    path = tmp_path / "daq.toml"
    path.write_text(TOML)
    assert load_event_format(path) == WIDE
    path.write_text("# all as in the lab\n")
    assert load_event_format(path) == EventFormat()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dtype = ", "Invalid value"),
        ("endian = 'big'", "endian"),
        ("energy = 5", "needs shift and bits"),
        ("x = { shift = 0 }", "needs shift and bits"),
        ("x = { shift = true, bits = 10 }", "x.shift is a whole number"),
        ("x = { shift = 15, bits = 10 }", "overlaps"),
        ("dtype = '<i4'", "unsigned integer"),
        ("dtype = 4", "text in quotes"),
        ("full_scale = nan", "full_scale"),
        ("full_scale = '512'", "full_scale"),
        ("header_bytes = -1", "header_bytes"),
        ("name = " + "[" * 10_000, "an event format"),
        ("header_bytes = " + "9" * 5000, "an event format"),
    ],
)
def test_wrong_toml_is_one_line(tmp_path, text, found):
    path = tmp_path / "daq.toml"
    path.write_text(text)
    with pytest.raises(FormatError, match=found) as error:
        load_event_format(path)
    assert "\n" not in str(error.value)


@given(content=st.binary(max_size=200), fmt=st.sampled_from([EventFormat(), WIDE]))
def test_any_bytes_are_events_or_one_error(tmp_path_factory, content, fmt):
    path = tmp_path_factory.getbasetemp() / "fuzz.dat"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncatedFileWarning)
        try:
            words = read_all(path, fmt)
        except FormatError as error:
            assert "\n" not in str(error)
        else:
            assert len(words) == event_count(path, fmt)


@given(text=st.text(max_size=100) | st.sampled_from(TOML.splitlines()).map(lambda line: line[:-3]))
def test_any_text_is_a_format_or_one_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        load_event_format(path)
    except FormatError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("claimed", [-1, 10**13, 2**30 + 1])
def test_a_header_that_no_file_has_is_refused(claimed):
    with pytest.raises(ParameterError, match="header_bytes must be 0 to 1,073,741,824"):
        EventFormat(header_bytes=claimed)
    with pytest.raises(ParameterError, match="header_bytes is 0 to 1,073,741,824"):
        EventContainer("numpy", header_bytes=claimed)

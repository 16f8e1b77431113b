"""Whole numbers read straight from the bytes of records are those of the columns, and so are their maps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_files import format_of, source_of
from napari_petlut.analysis.events.fields import are_whole, fields_in_records, fields_of_rows
from napari_petlut.analysis.events.locating import Locator
from napari_petlut.analysis.events.pixels import pixel_rule
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.formats.event_tables.records import columns_of_records
from napari_petlut.maps.signals import event_signals, signal_positions, signal_sums
from napari_petlut.model import EventColumns, EventContainer, RecordField

NAMES = ("E", "x", "y")


@st.composite
def short_fields(draw, name):
    """A field of up to 16 bits somewhere in a record of 24 bytes."""
    kind = draw(st.sampled_from(["u1", "i1", "u2", "i2", "u4", "u8"]))
    size = int(kind[1:])
    place = draw(st.integers(0, 24 - size))
    if size <= 2:
        return RecordField(name, place, kind)
    bits = draw(st.integers(1, 16))
    return RecordField(name, place, kind, shift=draw(st.integers(0, 8 * size - bits)), bits=bits)


def numbers_of(found, row, events):
    """The numbers of a field by its description, one byte after the other."""
    place, width, swapped, shift, mask, sign = found.fields[row].tolist()
    out = []
    for i in range(events):
        at = i * found.step + place
        value = int.from_bytes(found.memory[at : at + width].tobytes(), "big" if swapped else "little")
        out.append((((value >> shift) & mask) ^ sign) - sign)
    return out


@given(
    fields=st.tuples(*(short_fields(name) for name in NAMES)),
    order=st.sampled_from(["little", "big"]),
    seed=st.integers(0, 99),
)
def test_maps_from_the_bytes_of_records_are_those_of_the_columns(fields, order, seed):
    container = EventContainer("records", 24, fields=fields, byte_order=order)
    content = np.random.default_rng(seed).integers(0, 256, 24 * 1500, np.uint8)
    events = columns_of_records(content, container, NAMES)
    assert are_whole(events, NAMES)
    found = fields_in_records(events, NAMES)
    for row, name in enumerate(NAMES):
        assert numbers_of(found, row, 20) == events.column(name)[:20].tolist()
    low, high = (float(edge) for edge in np.quantile(events.column("x"), [0.1, 0.9]))
    source = source_of(x_range=(low, max(high, low + 1)), y_range=(low, max(high, low + 1)), whole=True)
    copied = EventColumns({name: events.column(name).astype(np.float64) for name in NAMES})
    parameters = FloodParameters(bins=100)
    flood, expected = (flood_from_words([one], format_of(source), parameters) for one in (events, copied))
    np.testing.assert_array_equal(flood.spectrum, expected.spectrum)
    np.testing.assert_array_equal(flood.counts, expected.counts)


@pytest.mark.parametrize("dither", [False, True])
def test_words_and_the_map_without_words_hold_the_same(dither):
    rng = np.random.default_rng(2)
    records = np.zeros(3000, [(name, "<u2") for name in NAMES])
    for name in NAMES:
        records[name] = rng.integers(0, 600, 3000)
    events = EventColumns({name: records[name] for name in NAMES})
    source = source_of(whole=True)
    rule = pixel_rule(format_of(source), 64, dither=dither)
    words = np.concatenate([part.copy() for part, _, _ in Locator(source, rule).parts(events, 0)])
    pixels, energies = words & rule.energy_shift.dtype.type(2**20 - 1), words >> rule.energy_shift
    counts = np.bincount(np.where(energies > 0, pixels, 65 * 65 - 1), minlength=65 * 65)
    flood = flood_from_words([events], format_of(source), FloodParameters(bins=64, dither=dither))
    np.testing.assert_array_equal(flood.counts, counts.reshape(65, 65)[:-1, :-1])
    np.testing.assert_array_equal(flood.spectrum[:600], np.bincount(energies, minlength=600))


@given(
    start=st.sampled_from([0, 1000, 30_000, 65_000]),
    width=st.sampled_from([1, 7, 50, 500]),
    bins=st.sampled_from([2, 512, 1000]),
    kind=st.sampled_from(["u2", "f4", "f8"]),
)
def test_positions_far_from_zero_fall_into_numpys_bins(start, width, bins, kind):
    rng = np.random.default_rng(start + width)
    n = 2000
    columns = {"E": np.full(n, 9, kind)}
    columns |= {name: np.minimum(start + rng.integers(0, width + 1, n), 65_535).astype(kind) for name in "xy"}
    span = (float(start), float(start + width))
    source = source_of(x_range=span, y_range=span)
    events = EventColumns(columns)
    sums = signal_sums(source)
    positions, _ = signal_positions(event_signals(events, source, sums), sums.rule)
    edges = np.linspace(*span, bins + 1)
    found = flood_from_words([events], format_of(source), FloodParameters(bins=bins))
    np.testing.assert_array_equal(found.counts, np.histogram2d(*positions, bins=[edges, edges])[0])


def test_columns_of_their_own_are_no_records_and_rows_are():
    apart = EventColumns({name: np.arange(9, dtype="u2")[::1].copy() for name in NAMES})
    assert are_whole(apart, NAMES)
    assert fields_in_records(apart, NAMES) is None
    assert not are_whole(EventColumns({"E": np.zeros(2, "f4")}), ["E"])
    assert not are_whole(EventColumns({"E": np.zeros(2, "u4")}), ["E"])
    rows = np.array([[3, -4, 5], [6, 7, 8]], np.int32)
    found = fields_of_rows(rows)
    values = [found.memory[at : at + 4].view(np.int32)[0] for at in (4, found.fields[1, 0])]
    assert values == [-4, 6]
    with pytest.raises(ValueError, match="read-only"):
        found.memory[0] = 1

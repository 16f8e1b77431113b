"""Events of every position rule count into the bins of the lab's words, or of plain NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_files import LAB, as_corners, as_direct, as_hits, as_ratio, format_of, lab_words, source_of
from napari_petlut.analysis.energy import apply_lut, crystal_spectra, flood_of_windows
from napari_petlut.analysis.events import event_energies, event_positions
from napari_petlut.analysis.flood import FloodParameters, energy_spectrum, flood_from_words
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.signals import event_signals, signal_positions, signal_sums
from napari_petlut.model import ChannelReadout, CrystalLUT, EnergyWindow, EventColumns, HitJoin

WINDOW = EnergyWindow(300, 900)
WORDS = lab_words()
SAME_EVENTS = {"ratio": as_ratio, "direct": as_direct, "corners": as_corners}


def lut_of_quarters():
    ids = np.add.outer(2 * (np.arange(64) // 32), np.arange(64) // 32).astype(np.int32)
    return CrystalLUT(ids, BlockGeometry(2, 2))


@pytest.mark.parametrize("rule", SAME_EVENTS)
@pytest.mark.parametrize("bins", [64, 512, 1024])
def test_the_flood_map_is_that_of_the_labs_words(rule, bins):
    events, fmt = SAME_EVENTS[rule](WORDS)
    parameters = FloodParameters(WINDOW, bins)
    expected = flood_from_words([WORDS], LAB, parameters)
    found = flood_from_words([events], fmt, parameters)
    np.testing.assert_array_equal(found.spectrum, expected.spectrum)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.total > 1000


@pytest.mark.parametrize("rule", SAME_EVENTS)
def test_every_use_of_events_gives_what_the_labs_words_give(rule):
    events, fmt = SAME_EVENTS[rule](WORDS)
    lut, windows = lut_of_quarters(), np.array([[300, 700], [400, 800], [1, 4095], [500, 400]])
    np.testing.assert_array_equal(energy_spectrum([events], fmt), energy_spectrum([WORDS], LAB))
    expected, found = crystal_spectra([WORDS], lut, LAB), crystal_spectra([events], lut, fmt)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.unassigned, expected.unassigned)
    parameters = FloodParameters(WINDOW, 64)
    expected = flood_of_windows([WORDS], lut, windows, LAB, parameters)
    found = flood_of_windows([events], lut, windows, fmt, parameters)
    np.testing.assert_array_equal(found.counts, expected.counts)
    ids, wanted = [], []
    apply_lut([events], lut, windows, fmt, sink=ids.append)
    apply_lut([WORDS], lut, windows, LAB, sink=wanted.append)
    np.testing.assert_array_equal(np.concatenate(ids), np.concatenate(wanted))
    np.testing.assert_array_equal(event_energies(events, fmt), event_energies(WORDS, LAB))
    positions, kept = event_positions(events, fmt, WINDOW)
    same, same_kept = event_positions(WORDS, LAB, WINDOW)
    np.testing.assert_array_equal(kept, same_kept)
    np.testing.assert_allclose(positions, same, atol=1e-9)


def test_hits_of_photosensors_make_the_same_map():
    events, fmt, keep = as_hits(WORDS)
    parameters = FloodParameters(WINDOW, 64)
    found = flood_from_words([events], fmt, parameters)
    expected = flood_from_words([WORDS[keep]], LAB, parameters)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.spectrum, expected.spectrum)


@pytest.mark.parametrize("rule", ["ratio", "direct", "corners", "hits"])
@pytest.mark.parametrize("dither", [False, True])
def test_the_same_bytes_whatever_the_threads_and_chunks(rule, dither):
    words = np.tile(WORDS, 3)
    events, fmt = {**SAME_EVENTS, "hits": lambda w: as_hits(w)[:2]}[rule](words)
    parameters = FloodParameters(WINDOW, 100, dither=dither, seed=5)
    whole = flood_from_words([events], fmt, parameters, threads=1)
    chunks = [events[i : i + 7001] for i in range(0, len(events), 7001)]
    parts = flood_from_words(chunks, fmt, parameters, threads=3)
    np.testing.assert_array_equal(parts.counts, whole.counts)


def test_dither_of_whole_ratios_is_the_labs():
    events, fmt = as_ratio(WORDS)
    parameters = FloodParameters(WINDOW, dither=True, seed=9)
    expected = flood_from_words([WORDS], LAB, parameters)
    np.testing.assert_array_equal(flood_from_words([events], fmt, parameters).counts, expected.counts)


def test_dither_spreads_whole_positions_over_their_cell():
    n = 40_000
    columns = EventColumns({"E": np.full(n, 500), "x": np.full(n, 3), "y": np.full(n, 7)})
    fmt = format_of(source_of(x_range=(0.0, 16.0), y_range=(0.0, 16.0), whole=True))
    plain = flood_from_words([columns], fmt, FloodParameters(bins=64))
    assert plain.counts[14, 30] == n  # the centre of cell 3 and of cell 7, 4 bins each
    spread = flood_from_words([columns], fmt, FloodParameters(bins=64, dither=True)).counts
    assert spread[12:16, 28:32].sum() == n
    assert spread[12:16, 28:32].min() > n / 16 * 0.9


@given(
    bins=st.integers(2, 1100),
    channels=st.sampled_from([16, 4096, 65536]),
    low=st.floats(-5, 5),
    width=st.floats(0.1, 9),
    step=st.sampled_from([1.0, 0.25, 3.0]),
    seed=st.integers(0, 1000),
)
def test_any_positions_fall_into_numpys_bins(bins, channels, low, width, step, seed):
    rng = np.random.default_rng(seed)
    n = 300
    edges = np.linspace(low, low + width, bins + 1)
    x = np.where(rng.random(n) < 0.3, rng.choice(edges, n), rng.uniform(low - 1, low + width + 1, n))
    y = rng.uniform(low - 1, low + width + 1, n)
    y[::50] = np.nan
    e = rng.uniform(-5, channels * step * 1.1, n)
    source = source_of(x_range=(low, low + width), y_range=(low, low + width), step=step)
    object.__setattr__(source.energy, "channels", channels)
    found = flood_from_words(
        [EventColumns({"E": e, "x": x, "y": y})], format_of(source), FloodParameters(bins=bins)
    )
    energy = np.clip(np.floor(e / step), 0, channels - 1)
    kept = (energy > 0) & np.isfinite(y)
    expected = np.histogram2d(x[kept], y[kept], bins=[edges, edges])[0]
    np.testing.assert_array_equal(found.counts, expected)
    spectrum = np.bincount(energy.astype(int), minlength=max(channels, 4096))
    np.testing.assert_array_equal(found.spectrum, spectrum)


@given(
    bins=st.sampled_from([2, 100, 512, 1000]),
    step=st.sampled_from([1.0, 2.5]),
    kind=st.sampled_from(["u1", "i2", "u2"]),
    rule=st.sampled_from(["direct", "ratio", "corners"]),
    seed=st.integers(0, 1000),
)
def test_whole_signals_are_located_as_by_plain_arithmetic(bins, step, kind, rule, seed):
    rng = np.random.default_rng(seed)
    names = "ABCD" if rule == "corners" else "Exy"
    events = EventColumns({name: rng.integers(0, 120, 3000).astype(kind) for name in names})
    formulas = {"x": ("A + B - C - D",), "y": ("A + D - B - C",)} if rule == "corners" else {}
    low, high = {"direct": (0.0, 120.0), "ratio": (0.0, 1.0), "corners": (-1.0, 1.0)}[rule]
    energy = () if rule == "corners" else ("E",)
    source = source_of(
        rule, energy=energy, step=step, whole=True, x_range=(low, high), y_range=(low, high), **formulas
    )
    sums = signal_sums(source)
    positions, energies = signal_positions(event_signals(events, source, sums), sums.rule)
    energies = np.maximum(np.floor(energies / step), 0)
    kept = (energies > 0) & np.isfinite(positions).all(axis=0)
    edges = np.linspace(low, high, bins + 1)
    expected = np.histogram2d(*positions[:, kept], bins=[edges, edges])[0]
    found = flood_from_words([events], format_of(source), FloodParameters(bins=bins))
    np.testing.assert_array_equal(found.counts, expected)


def test_a_calibrated_sum_of_energies():
    columns = EventColumns(
        {"a": np.array([10, 20]), "b": np.array([1.5, 2.5]), "x": np.zeros(2), "y": np.zeros(2)}
    )
    source = source_of(energy=("a", "b"))
    object.__setattr__(source.energy, "gains", (2.0, 10.0))
    object.__setattr__(source.energy, "offsets", (1.0, 0.5))
    assert event_energies(columns, format_of(source)).tolist() == [28, 58]


def test_several_formulas_are_averaged():
    columns = {name: np.array([float(value)]) for name, value in zip("ABCD", (3, 1, 1, 3), strict=True)}
    columns |= {"E": np.array([8.0])}
    source = source_of(
        "corners", x=("A - B", "A + B - C - D"), y=("A + D - B - C",), x_range=(-1, 1), y_range=(-1, 1)
    )
    sums = signal_sums(source)
    positions, energy = signal_positions(event_signals(EventColumns(columns), source, sums), sums.rule)
    assert positions[:, 0].tolist() == [0.25, 0.5]
    assert energy.tolist() == [8.0]
    whole = EventColumns({name: column.astype(np.int16) for name, column in columns.items()})
    for events in (EventColumns(columns), whole):
        flood = flood_from_words([events], format_of(source), FloodParameters(bins=8))
        assert flood.counts[5, 6] == flood.counts.sum() == 1


def test_charges_below_the_threshold_and_of_unknown_channels_count_nothing():
    readout = ChannelReadout(
        charges=("q0", "q1", "q2"),
        places=((0, 0.0, 0.0), (1, 2.0, 4.0)),
        gains=(1.0, 0.5),
        pedestal=10,
        threshold=4,
        power=2,
    )
    source = source_of("channels", energy=(), x=(), y=(), readout=readout)
    charges = {"q0": np.array([16, 13, 0]), "q1": np.array([22, 30, np.nan]), "q2": np.array([999, 999, 999])}
    sums = signal_sums(source)
    signals = event_signals(EventColumns(charges), source, sums)
    positions, energy = signal_positions(signals, sums.rule)
    np.testing.assert_array_equal(positions[:, :2], [[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_array_equal(energy, [12, 10, 0])
    assert np.isnan(positions[:, 2]).all()


def test_banks_of_channels_in_two_records_make_one_event():
    readout = ChannelReadout(
        charges=("a", "b"), bank="bank", places=tuple((i, float(i), 0.0) for i in range(4))
    )
    source = source_of("channels", energy=(), x=(), y=(), readout=readout, join=HitJoin("number", "n"))
    columns = EventColumns(
        {
            "a": np.array([1.0, 0.0]),
            "b": np.array([0.0, 3.0]),
            "bank": np.array([0, 1]),
            "n": np.array([7, 7]),
        },
        starts=np.array([0]),
    )
    sums = signal_sums(source)
    positions, energy = signal_positions(event_signals(columns, source, sums), sums.rule)
    assert positions[:, 0].tolist() == [9 / 4, 0.0]
    assert energy.tolist() == [4.0]


def test_hits_with_positions_are_weighted_with_their_energy():
    columns = EventColumns(
        {"E": np.array([1.0, 3.0]), "x": np.array([0.0, 4.0]), "y": np.array([8.0, 0.0])},
        starts=np.array([0]),
    )
    source = source_of(join=HitJoin("number", "n"))
    sums = signal_sums(source)
    positions, energy = signal_positions(event_signals(columns, source, sums), sums.rule)
    assert positions[:, 0].tolist() == [3.0, 2.0]
    assert energy.tolist() == [4.0]


@pytest.mark.parametrize("rule", SAME_EVENTS)
def test_an_event_without_signals_is_off_the_map(rule):
    words = np.concatenate([WORDS[:50], np.zeros(3, np.uint32)])
    events, fmt = SAME_EVENTS[rule](words)
    found = flood_from_words([events], fmt)
    np.testing.assert_array_equal(found.counts, flood_from_words([words], LAB).counts)
    assert found.spectrum[0] >= 3


def test_what_is_not_settled_or_of_another_form_is_refused():
    fmt = format_of(source_of(x_range=None))
    with pytest.raises(ParameterError, match="settle it"):
        flood_from_words([EventColumns({"E": np.ones(1)})], fmt)
    with pytest.raises(ParameterError, match="come as columns"):
        flood_from_words([WORDS], format_of(source_of()))
    with pytest.raises(ParameterError, match="no column 'x'"):
        flood_from_words([EventColumns({"E": np.ones(1)})], format_of(source_of()))
    readout = ChannelReadout(channel="c", charge="q")
    fmt = format_of(
        source_of("channels", energy=(), x=(), y=(), readout=readout, join=HitJoin("number", "n"))
    )
    with pytest.raises(ParameterError, match="where each channel is"):
        flood_from_words([EventColumns({"c": np.ones(1), "q": np.ones(1)})], fmt)

"""The compiled loops against the notebook's NumPy arithmetic, which they must equal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_petlut.analysis.events import counting, pixels
from napari_petlut.analysis.flood import FloodAccumulator, FloodParameters, energy_spectrum, flood_from_words
from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.model import BitField, EnergyWindow, EventFormat

LAB = EventFormat()


def field_of(words, field):
    bits = words.astype(np.uint64) >> np.uint64(field.shift)
    return bits & np.uint64(field.mask)


def splitmix64(seed, index):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.asarray(index, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def notebook_flood(words, fmt, parameters):
    """The notebook's steps in NumPy: spectrum and map of all events at once."""
    energy = field_of(words, fmt.energy)
    channels = min(max(4096, fmt.energy.mask + 1), 65536)
    spectrum = np.bincount(np.minimum(energy, np.uint64(channels - 1)).astype(np.int64), minlength=channels)
    window = parameters.window or EnergyWindow(0, 2.0**63)
    kept = (energy > window.low) & (energy < window.high)
    e, ex, ey = energy[kept], field_of(words, fmt.x)[kept], field_of(words, fmt.y)[kept]
    if parameters.dither:
        noise = splitmix64(splitmix64(parameters.seed, 0), np.flatnonzero(kept))
        ex = ex + (noise >> np.uint64(32)) / 2.0**32
        ey = ey + (noise & np.uint64(2**32 - 1)) / 2.0**32
    x, y = (1 - ex / e) * fmt.full_scale, (1 - ey / e) * fmt.full_scale
    limits = [[0, fmt.full_scale]] * 2
    return spectrum, np.histogram2d(x, y, bins=parameters.bins, range=limits)[0]


def lab_words(energy, ex, ey):
    energy, ex, ey = (np.asarray(values, np.uint32) for values in (energy, ex, ey))
    return (energy << np.uint32(20)) | (ey << np.uint32(10)) | ex


def assert_equals_notebook(words, fmt, parameters, flood):
    spectrum, counts = notebook_flood(words, fmt, parameters)
    np.testing.assert_array_equal(flood.spectrum, spectrum)
    np.testing.assert_array_equal(flood.counts, counts)


@st.composite
def event_formats(draw):
    """Any layout: words of 1 to 8 bytes, fields of any width at any place."""
    size = draw(st.sampled_from([1, 2, 4, 8]))
    widths = [draw(st.integers(1, size * 8 // 3)) for _ in range(3)]
    order = draw(st.permutations([0, 1, 2]))
    gaps = size * 8 - sum(widths)
    fields, place = {}, 0
    for which in order:
        gap = draw(st.integers(0, gaps))
        fields[("energy", "x", "y")[which]] = BitField(place + gap, widths[which])
        place += gap + widths[which]
        gaps -= gap
    full_scale = draw(st.sampled_from([512.0, 1.0, 100.0, 0.3, 1e6]))
    return EventFormat("drawn", f"<u{size}", header_bytes=0, full_scale=full_scale, **fields)


@given(
    fmt=event_formats(),
    bins=st.integers(2, 70),
    dither=st.booleans(),
    low=st.integers(0, 100),
    width=st.floats(0.5, 1e6),
    seed=st.integers(0, 2**64 - 1),
    cuts=st.lists(st.integers(0, 300), max_size=4),
)
def test_any_layout_equals_the_notebook(fmt, bins, dither, low, width, seed, cuts):
    words = np.random.default_rng(seed).integers(
        0, 2 ** (8 * fmt.word_bytes), 300, dtype=np.dtype(fmt.dtype).newbyteorder("="), endpoint=False
    )
    parameters = FloodParameters(EnergyWindow(low, low + width), bins, dither, seed)
    chunks = np.split(words, sorted(cuts))
    assert_equals_notebook(words, fmt, parameters, flood_from_words(chunks, fmt, parameters))


def test_every_position_of_the_lab_layout_falls_into_the_notebooks_bin():
    energy, ex = (grid.ravel() for grid in np.meshgrid(np.arange(401, 800), np.arange(1024), indexing="ij"))
    words = lab_words(energy, ex, np.minimum(energy // 3, 1023))
    parameters = FloodParameters(EnergyWindow(400, 800))
    assert_equals_notebook(words, LAB, parameters, flood_from_words([words], LAB, parameters))


@pytest.mark.parametrize("bins", [2, 3, 256, 511, 512, 777])
def test_table_and_arithmetic_agree(bins, monkeypatch):
    words = np.random.default_rng(bins).integers(0, 2**32, 50_000, dtype=np.uint32)
    parameters = FloodParameters(EnergyWindow(100, 1200), bins)
    by_table = flood_from_words([words], LAB, parameters)
    monkeypatch.setattr(pixels, "_MAX_TABLE_ENTRIES", 0)
    by_arithmetic = flood_from_words([words], LAB, parameters)
    np.testing.assert_array_equal(by_table.counts, by_arithmetic.counts)
    assert_equals_notebook(words, LAB, parameters, by_table)


def test_edges_of_the_scale_and_of_the_window():
    energy = [0, 400, 401, 799, 800, 600, 600, 600]
    ex = [0, 100, 100, 100, 100, 0, 600, 601]
    words = lab_words(energy, ex, np.full(8, 150))
    flood = flood_from_words([words], LAB, FloodParameters(EnergyWindow(400, 800)))
    rows = np.flatnonzero(flood.counts.sum(axis=1))
    # 401 and 799 are inside the window; Ex = 0 is the closed end, Ex = E the start; Ex > E lies outside.
    assert rows.tolist() == [0, 384, 447, 511]
    assert flood.total == 4
    assert flood.spectrum[[0, 400, 401, 799, 800]].tolist() == [1] * 5


def test_a_window_between_two_energies_keeps_nothing():
    words = lab_words([600, 601], [1, 1], [1, 1])
    for dither in (False, True):
        flood = flood_from_words([words], LAB, FloodParameters(EnergyWindow(600.2, 600.8), dither=dither))
        assert flood.total == 0
        assert flood.spectrum.sum() == 2
    assert flood_from_words([words], LAB, FloodParameters(EnergyWindow(5000, 6000))).total == 0


def test_without_a_window_every_energy_above_zero_counts():
    words = lab_words([0, 1, 4095], [0, 0, 0], [0, 0, 0])
    assert flood_from_words([words]).total == 2


@pytest.mark.parametrize("dither", [False, True])
def test_threads_and_chunks_do_not_matter(dither):
    words = np.random.default_rng(3).integers(0, 2**32, 300_000, dtype=np.uint32)
    parameters = FloodParameters(EnergyWindow(100, 3000), 64, dither, seed=7)
    alone = flood_from_words([words], LAB, parameters, threads=1)
    for threads, cuts in ((4, []), (3, [1, 2, 150_000]), (2, [140_001])):
        flood = flood_from_words(np.split(words, cuts), LAB, parameters, threads=threads)
        np.testing.assert_array_equal(flood.counts, alone.counts)
        np.testing.assert_array_equal(flood.spectrum, alone.spectrum)
        np.testing.assert_array_equal(
            energy_spectrum(np.split(words, cuts), LAB, threads=threads), alone.spectrum
        )


def test_the_seed_decides_the_dither():
    words = np.random.default_rng(3).integers(0, 2**32, 3000, dtype=np.uint32)
    first, again, other = (
        flood_from_words([words], LAB, FloodParameters(dither=True, seed=seed)).counts for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_more_events_can_be_added_after_a_result(monkeypatch):
    monkeypatch.setattr(counting, "_MAX_UNFLUSHED", 1000)
    words = np.random.default_rng(4).integers(0, 2**32, 3500, dtype=np.uint32)
    accumulator = FloodAccumulator(parameters=FloodParameters(bins=16))
    accumulator.add(words[:700])
    assert accumulator.result().spectrum.sum() == 700
    accumulator.add(words[700:])
    assert accumulator.events == 3500
    assert_equals_notebook(words, LAB, FloodParameters(bins=16), accumulator.result("here"))
    assert accumulator.result("here").source == "here"


def test_read_only_big_endian_and_strided_words_are_taken():
    words = np.random.default_rng(5).integers(0, 2**32, 1000, dtype=np.uint32)
    expected = flood_from_words([words]).counts
    frozen = np.frombuffer(words.tobytes(), np.uint32)
    for same in (frozen, words.astype(">u4"), np.repeat(words, 2)[::2]):
        np.testing.assert_array_equal(flood_from_words([same]).counts, expected)


def test_energies_above_the_spectrum_count_in_its_last_channel():
    fmt = EventFormat("wide", "<u8", BitField(0, 20), BitField(20, 20), BitField(40, 20))
    spectrum = energy_spectrum([np.array([70_000, 5, 2**20 - 1], np.uint64)], fmt)
    assert spectrum.shape == (65536,)
    assert spectrum[-1] == 2
    assert spectrum[5] == 1


@pytest.mark.parametrize(
    "words", [np.zeros(3, np.int32), np.zeros((2, 2), np.uint32), np.zeros(3, np.uint16), np.zeros(3)]
)
def test_words_of_another_kind_are_refused(words):
    with pytest.raises(ParameterError, match="32-bit unsigned"):
        flood_from_words([words])


@pytest.mark.parametrize("wrong", [{"bins": 1}, {"bins": 10_000}, {"seed": -1}, {"seed": 2**64}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError):
        FloodParameters(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bins": 3.5}, "bins must be a whole number, not 3.5"),
        ({"bins": 512.0}, "bins must be a whole number, not 512.0"),
        ({"bins": "512"}, "bins must be a whole number, not '512'"),
        ({"seed": 0.5}, "seed must be a whole number, not 0.5"),
        ({"window": (400, 800)}, r"window must be an EnergyWindow\(low, high\) or None, not \(400, 800\)"),
    ],
)
def test_parameters_of_another_kind_are_refused(wrong, said):
    with pytest.raises(ParameterError, match=f"^{said}$"):
        FloodParameters(**wrong)


def test_whole_numbers_of_numpy_are_taken():
    assert FloodParameters(bins=np.int64(64), seed=np.uint8(3)) == FloodParameters(bins=64, seed=3)


def test_no_threads_are_refused():
    with pytest.raises(ParameterError):
        FloodAccumulator(threads=0)


def test_progress_is_told_and_cancel_asked():
    words = np.zeros(100, np.uint32)
    told = []
    flood_from_words(np.split(words, 4), events=100, progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0, 1.0]
    with pytest.raises(Cancelled):
        flood_from_words([words, words], cancelled=lambda: True)
    with pytest.raises(Cancelled):
        energy_spectrum([words, words], cancelled=lambda: True)


def test_no_events_make_an_empty_map():
    flood = flood_from_words([])
    assert flood.total == 0
    assert flood.shape == (512, 512)

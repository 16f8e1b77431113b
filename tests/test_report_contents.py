from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, Lattice
from napari_petlut.report.contents import (
    Bad,
    CrystalFigure,
    CrystalSpectrum,
    PeakMark,
    Shown,
    crystals_to_see,
)
from napari_petlut.report.shapes import (
    border_path,
    colour_limits,
    crop_box,
    drawn_spectrum,
    figure_map,
    spectrum_shape,
)


def figure(values, **settings):
    return CrystalFigure("f", "Figure", np.array(values, float), **settings)


def lattice_of(status):
    n = len(status)
    reasons = tuple("faint" if word == "suspect" else "" for word in status)
    return Lattice(BlockGeometry(1, n), np.zeros((n, 2)), np.array(status), np.ones(n), reasons)


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.678, "12,345.7\u00a0px"), (np.nan, "–"), (np.inf, "∞"), (-0.5, "-0.5\u00a0px")],
)
def test_values_are_shown_with_their_digits_and_unit(value, text):
    assert figure([0], digits=1, unit="px").text(value) == text


@pytest.mark.parametrize(("bad", "outlying"), [(Bad.LOW, [5]), (Bad.HIGH, [6]), (Bad.BOTH, [5, 6])])
def test_only_the_bad_side_is_outlying(bad, outlying):
    badness = figure([10, 11, 9, 10, 11, 1, 19, np.nan], bad=bad).badness()
    assert np.flatnonzero(badness > 3.5).tolist() == outlying


def test_equal_values_are_never_outlying():
    assert not figure([3.0, 3.0, 3.0, 3.004]).badness().max() > 3.5
    assert figure([np.nan, 2.0]).badness().tolist() == [0, 0]


def test_infinite_ratios_are_good():
    assert figure([1.0, 2, 1.5, np.inf], bad=Bad.LOW).badness()[-1] == 0


def test_differences_below_the_least_spread_are_not_outlying():
    values = [1.0] * 9 + [0.94]
    assert figure(values, digits=3, bad=Bad.LOW).badness()[-1] > 3.5
    assert figure(values, digits=3, bad=Bad.LOW, spread=0.02).badness()[-1] <= 3.5


def test_doubted_crystals_come_first_then_outlying_ones_with_their_reasons():
    counts = figure([100, 101, 99, 100, 5, 101, 98], digits=0, bad=Bad.LOW)
    seen = crystals_to_see(lattice_of(["found"] * 5 + ["suspect", "found"]), [counts])
    assert [see.crystal for see in seen[:2]] == [5, 4]
    assert seen[0].reasons == ("faint",)
    assert seen[1].reasons == ("figure 5 (median 100)",)
    assert len(seen) == 2


def test_noted_crystals_come_before_outlying_ones():
    counts = figure([100, 101, 99, 100, 5, 101, 98], digits=0, bad=Bad.LOW)
    seen = crystals_to_see(lattice_of(["found"] * 7), [counts], {2: "no photopeak"})
    assert [see.crystal for see in seen[:2]] == [2, 4]
    assert seen[0].reasons == ("no photopeak",)


@pytest.mark.parametrize("status", ["suspect", "missing"])
def test_a_doubted_crystal_has_a_reason_even_if_its_peaks_file_gave_none(status):
    lattice = replace(lattice_of(["found", status, "found"]), reasons=("", "", ""))
    (seen,) = crystals_to_see(lattice, [])
    assert (seen.crystal, seen.reasons) == (1, (f"its peak is marked as {status}",))


def test_figures_for_the_files_send_nobody_to_a_crystal():
    errors = figure([1, 1, 1, 1, 1, 1, 99], digits=0, shown=Shown.FILE)
    assert crystals_to_see(lattice_of(["found"] * 7), [errors]) == ()


def test_no_more_crystals_are_seen_than_asked_for():
    assert len(crystals_to_see(lattice_of(["suspect"] * 20), [], most=6)) == 6


def test_colour_scales_leave_outliers_out_and_say_so():
    values = [10.0, 11, 12, 13, 14, 15, 16, 1000]
    low, high = colour_limits(np.array(values))
    assert low == 10 and high < 100
    drawn = figure_map(figure(values, digits=0), 4)
    assert drawn.low == "10" and drawn.high.startswith("≥ ")
    assert [(tile.row, tile.col) for tile in drawn.tiles[3:5]] == [(0, 3), (1, 0)]
    assert drawn.tiles[6].colour != drawn.tiles[5].colour


def test_a_figure_nobody_knows_is_grey():
    drawn = figure_map(figure([np.nan, np.nan]), 2)
    assert {tile.colour for tile in drawn.tiles} == {"#d9d9d9"}
    assert drawn.middle == "–"


def test_an_infinite_ratio_has_the_brightest_colour():
    tiles = figure_map(figure([1.0, 2.0, 3.0, np.inf]), 2).tiles
    assert tiles[3].colour == tiles[2].colour


def test_borders_lie_on_the_edges_of_pixels():
    assert border_path(np.array([[0, 1], [0, 1]])) == "M1 0V2"
    assert border_path(np.array([[0, 0], [1, 1]]), at=(10, 20)) == "M20 11H22"


def test_a_drawn_spectrum_keeps_every_event_it_shows():
    counts = np.zeros(4096, np.int64)
    counts[100:900] = 7
    drawn = drawn_spectrum(CrystalSpectrum(counts, EnergyWindow(400, 800)))
    assert (drawn.front * np.diff(drawn.edges)).sum() == counts[: int(drawn.edges[-1])].sum()
    assert drawn.edges[-1] >= 1.3 * 800 - 1
    assert drawn.top == pytest.approx(7 * 1.12)
    assert drawn.back is None


def test_behind_a_core_lie_all_counts_to_the_same_number():
    counts, core = np.zeros((2, 1000), np.int64)
    counts[100:900], core[400:600] = 8, 4
    drawn = drawn_spectrum(CrystalSpectrum(counts, core=core))
    widths = np.diff(drawn.edges)
    assert (drawn.front * widths).sum() == core[: int(drawn.edges[-1])].sum()
    shown = counts[: int(drawn.edges[-1])].sum() / counts.sum()
    assert (drawn.back * widths).sum() == pytest.approx(core.sum() * shown)


def test_few_events_are_drawn_in_wide_steps():
    counts = np.zeros(4096, np.int64)
    counts[::40] = 1
    assert np.diff(drawn_spectrum(CrystalSpectrum(counts)).edges)[0] > 100


def test_an_empty_spectrum_can_be_drawn():
    shape = spectrum_shape(CrystalSpectrum(np.zeros(4096, np.int64)))
    assert shape.path.endswith("Z") and shape.window is None and shape.peak is None


def test_window_and_photopeak_lie_where_they_are():
    counts = np.zeros(1000, np.int64)
    counts[:1000] = 10
    drawn = CrystalSpectrum(counts, EnergyWindow(250, 500), peak=PeakMark(500, 100))
    shape = spectrum_shape(drawn, width=100, height=10)
    right = drawn_spectrum(drawn).edges[-1]
    assert shape.window == pytest.approx((25000 / right, 25000 / right), abs=0.02)
    assert shape.peak[:3] == pytest.approx((50000 / right, 45000 / right, 10000 / right), abs=0.02)


def test_a_crop_holds_the_cell_and_stays_on_the_map():
    ids = np.full((40, 60), -1, np.int32)
    ids[0:8, 50:60] = 3
    row, col, height, width = crop_box(ids, 3, np.array([4.0, 55.0]), 8.0)
    assert row == 0 and col + width == 60
    assert height >= 8 and width >= 10
    # A crystal without a cell is shown around its peak.
    assert crop_box(ids, 0, np.array([20.0, 30.0]), 8.0) == (8, 18, 24, 24)

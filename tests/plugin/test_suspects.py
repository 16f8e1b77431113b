import numpy as np
import pytest

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Peaks
from napari_petlut.plugin.editing.numbering import numbering_of
from napari_petlut.plugin.editing.suspects import ACCEPTED_REASON, SuspectKind, list_suspects
from napari_petlut.plugin.layers import peak_features
from napari_petlut.plugin.work.counting import count_peaks

BLOCK = BlockGeometry(4, 5)
IDS = np.arange(20)


def suspects_of(positions, crystal, status="found", reasons=()):
    peaks = Peaks(positions, crystal=crystal, status=np.broadcast_to(status, len(positions)))
    features = peak_features(peaks, BLOCK, reasons)
    return list_suspects(positions, features, numbering_of(crystal, positions, BLOCK), BLOCK)


def test_a_perfect_block_has_none(points):
    assert suspects_of(points, IDS) == []


def test_a_hole_is_missing_at_its_expected_place(points):
    (hole,) = suspects_of(np.delete(points, 7, 0), np.delete(IDS, 7))
    assert (hole.kind, hole.crystal, hole.point) == (SuspectKind.MISSING, 7, -1)
    assert hole.position == pytest.approx(tuple(points[7]))
    assert hole.text == "crystal 7 (row 1, col 2) has no peak"


def test_a_second_peak_and_a_stray_one_are_told_apart(points):
    positions = np.vstack([points, points[7] + 1, points[7] + 5])
    doubled, stray = suspects_of(positions, np.append(IDS, [-1, -1]))
    assert (doubled.kind, doubled.point) == (SuspectKind.DOUBLED, 20)
    assert (stray.kind, stray.point) == (SuspectKind.EXTRA, 21)


def test_a_peak_off_the_lines_is_off_the_lattice(points):
    moved = points.copy()
    moved[7] += (7, 7)
    (suspect,) = suspects_of(moved, IDS)
    assert (suspect.kind, suspect.crystal) == (SuspectKind.OFF_LATTICE, 7)


def test_two_rows_that_nearly_merge_are_not_off_the_lattice(points):
    merged = points.reshape(4, 5, 2).copy()
    merged[1, :, 0] -= 8
    assert suspects_of(merged.reshape(-1, 2), IDS) == []


@pytest.mark.parametrize(
    ("status", "kind"), [("suspect", SuspectKind.DOUBTFUL), ("missing", SuspectKind.MISSING)]
)
def test_marked_peaks_are_listed_until_they_are_accepted(points, status, kind):
    marks = np.where(IDS == 9, status, "found")
    (suspect,) = suspects_of(points, IDS, marks, ["" for _ in range(9)] + ["dim"])
    assert (suspect.kind, suspect.point) == (kind, 9)
    assert suspect.text.endswith("dim")
    assert suspects_of(points, IDS, marks, ["" for _ in range(9)] + [ACCEPTED_REASON]) == []


def test_without_any_number_nothing_is_called_missing():
    positions = np.array([[3.0, 4.0]])
    (stray,) = suspects_of(positions, np.array([-1]))
    assert stray.kind is SuspectKind.EXTRA


def test_missing_crystals_are_not_counted_as_peaks(points):
    marks = np.where(IDS < 2, "missing", "found")
    count = count_peaks(peak_features(Peaks(points, status=marks)), BLOCK, suspects=2)
    assert str(count) == "18 / 20"
    assert count.sentence == "18 / 20 peaks, 2 suspects"
    assert not count.complete
    whole = count_peaks(peak_features(Peaks(points)), BLOCK, suspects=0)
    assert (whole.sentence, whole.complete) == ("20 / 20 peaks", True)


def test_an_accepted_dead_crystal_is_counted_as_such(points):
    marks = np.where(IDS == 9, "missing", "found")
    reasons = ["" for _ in range(9)] + [ACCEPTED_REASON]
    count = count_peaks(peak_features(Peaks(points, status=marks), BLOCK, reasons), BLOCK, suspects=0)
    assert (count.sentence, count.complete) == ("19 / 20 peaks, 1 dead", True)


def test_peaks_of_no_crystal_are_counted_apart(points):
    more = np.vstack([points[1:], points[:2] + 3])
    crystal = np.array([*range(1, 20), -1, -1])
    count = count_peaks(peak_features(Peaks(more, crystal=crystal), BLOCK), BLOCK, suspects=3)
    assert (count.sentence, count.complete) == ("19 / 20 peaks + 2 extra, 3 suspects", False)

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, FloodMap, Lattice
from napari_petlut.report import STATUS_COLOURS, block_title, cell_outlines, draw_block


@given(arrays(np.int32, st.tuples(st.integers(2, 8), st.integers(2, 8)), elements=st.integers(-1, 3)))
def test_outlines_are_as_long_as_the_borders_they_follow(labels):
    edges = (labels[1:] != labels[:-1]).sum() + (labels[:, 1:] != labels[:, :-1]).sum()
    segments = cell_outlines(labels)
    assert np.abs(segments[:, 1] - segments[:, 0]).sum() == edges


def test_outlines_join_runs_along_both_axes():
    labels = [[0, 0], [0, 0], [1, 1]]
    assert cell_outlines(labels).tolist() == [[[1.5, -0.5], [1.5, 1.5]]]


def small_block():
    block = BlockGeometry(1, 2)
    counts = np.zeros((8, 16))
    counts[4, 4] = counts[4, 12] = 9
    labels = np.zeros((8, 16), np.int32)
    labels[:, 8:] = 1
    lattice = Lattice(
        block,
        np.array([[4.0, 4], [4, 12]]),
        np.array(["found", "suspect"]),
        np.ones(2),
        ("", "faint"),
        extra=[[1, 1]],
    )
    return block, counts, labels, lattice


def test_a_block_with_a_spectrum_has_both_pictures():
    _, counts, labels, lattice = small_block()
    spectrum = np.zeros(4096, np.int64)
    spectrum[400:600] = 5
    figure = draw_block(
        FloodMap(counts, spectrum=spectrum), lattice, labels, EnergyWindow(400, 800), title="block"
    )
    map_axes, _, spectrum_axes = figure.axes
    assert [t.get_text() for t in map_axes.texts] == ["0", "1"]
    assert spectrum_axes.get_title() == "Energy spectrum"


def test_a_block_without_a_spectrum_has_the_map_alone():
    _, counts, labels, lattice = small_block()
    figure = draw_block(FloodMap(counts), lattice, labels)
    assert [axes.get_title() for axes in figure.axes] == ["", ""]  # the map and its colour bar


def test_the_title_counts_what_needs_a_look():
    block, *_, lattice = small_block()
    assert block_title(block, lattice, "b7") == "b7: 2 of 2 crystals, 1 to look at"


def test_a_status_has_the_same_colour_in_napari():
    from napari_petlut.plugin.layers import STATUS_COLORS

    assert STATUS_COLOURS == STATUS_COLORS

"""K-means before there are peaks, and the runs in which its variants are compared."""

from dataclasses import replace

import numpy as np
import pytest

from napari_petlut.analysis.segmentation import KMeansParameters, SegmentationParameters
from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.session import read_session, write_session
from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.session import data_of, layers_of_session, session_of
from napari_petlut.plugin.io.writer import write_lut_layer
from napari_petlut.plugin.work import segmenting
from napari_petlut.plugin.work.comparing import best_numbers, compare_layers
from napari_petlut.plugin.work.runs import (
    NOTEBOOK_VARIANTS,
    forget_runs,
    labels_of,
    runs_of,
    runs_table,
    show_run,
)

from .conftest import flood_of

GRID = SegmentationParameters("kmeans", kmeans=NOTEBOOK_VARIANTS["4.3 map, grid"])


@pytest.fixture
def counts(points):
    """Spots on a map that is dark between them, which a grid finds."""
    return np.floor(flood_of(points, (50, 60)) - 1)


@pytest.fixture
def clustered(block):
    """A block without peaks, clustered from a grid that suits it."""
    block.choose(replace(GRID, kmeans=replace(GRID.kmeans, grid_offset=(0.5, 0.5))))
    block.said = segmenting.segmentation_job(block).run()
    return block


def test_clusters_without_peaks_have_no_numbers(clustered, viewer, counts):
    assert clustered.said == "20 clusters by k-means, map, grid; they have no crystal numbers yet."
    layer = segmenting.clusters_of(clustered)
    assert layer.name == "b - clusters"
    assert set(np.unique(layer.data)) == set(range(1, 21))
    assert list(layer.features.columns) == ["index", "cluster"]
    assert clustered.cells_layer is None and clustered.peaks_layer is None
    with pytest.raises(ParameterError, match="clusters without crystal numbers"):
        ly.lut_from_labels(layer.data, {"metadata": layer.metadata}, clustered.geometry)


def test_clusters_are_not_saved_as_a_lut(clustered, tmp_path):
    layer = segmenting.clusters_of(clustered)
    data, meta, _ = layer.as_layer_data_tuple()
    with pytest.raises(FormatError, match="number them"):
        write_lut_layer(str(tmp_path / "x.lut"), data, meta)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("start", ["grid", "k-means++"])
def test_clusters_are_numbered_when_asked(clustered, viewer, points, start):
    if start == "k-means++":
        clustered.choose(SegmentationParameters("kmeans", kmeans=KMeansParameters("map", start, 300)))
        segmenting.segmentation_job(clustered).run()
    labels = segmenting.clusters_of(clustered).data.copy()
    centres = ly.info(segmenting.clusters_of(clustered)).centres
    said = segmenting.number_clusters(clustered)
    crystal = clustered.editor.numbering.crystal
    assert said.startswith(f"{(crystal >= 0).sum()} clusters numbered")
    np.testing.assert_array_equal(clustered.peaks_layer.data, centres)
    np.testing.assert_array_equal(clustered.cells_layer.data, crystal[labels.astype(int) - 1] + 1)
    assert not segmenting.clusters_of(clustered).visible
    assert clustered.provisional
    if start == "grid":
        np.testing.assert_array_equal(np.sort(crystal), np.arange(20))
        assert np.linalg.norm(clustered.places - points, axis=1).max() < 3


def test_a_cluster_that_fits_no_crystal_is_nobodys(block):
    block.choose(GRID)
    segmenting.segmentation_job(block).run()
    clusters = segmenting.clusters_of(block)
    known = ly.info(clusters)
    known.centres = known.centres.copy()
    known.centres[7] = known.centres[8] + 0.5
    segmenting.number_clusters(block)
    without = np.flatnonzero(block.editor.numbering.crystal == NO_CRYSTAL)
    assert without.size
    assert (block.cells_layer.data[np.isin(clusters.data, without + 1)] == 0).all()


def test_peaks_are_asked_for_where_they_are_needed(block):
    block.choose(SegmentationParameters("kmeans"))
    with pytest.raises(ParameterError, match="from a grid"):
        segmenting.segmentation_job(block)
    with pytest.raises(ParameterError, match="no clusters to number"):
        segmenting.number_clusters(block)
    block.choose(SegmentationParameters("kmeans", kmeans=NOTEBOOK_VARIANTS["4.1 events, k-means++"]))
    with pytest.raises(ParameterError, match="raw event file"):
        segmenting.segmentation_job(block)


def test_every_run_is_a_line_that_stays(done, viewer):
    forget_runs(done)
    for name in ("5.5 map, peaks, 1 iteration", "5.6 map ×100, peaks, 1 iteration", "5.4 map, peaks"):
        done.choose(SegmentationParameters("kmeans", kmeans=NOTEBOOK_VARIANTS[name]))
        segmenting.segmentation_job(done).run()
    once, weighted, converged = runs_of(done)
    assert [run.number for run in runs_of(done)] == [1, 2, 3]
    assert (once.name, weighted.name) == ("k-means, map, peaks", "k-means, map ×100, peaks")
    assert once.iterations == weighted.iterations == 1 < converged.iterations
    assert converged.inertia <= once.inertia < weighted.inertia
    assert 0 < once.median_drift <= once.largest_drift <= converged.largest_drift
    assert once.seconds > 0 and once.cells == 20 and once.numbered
    lines = runs_table(done).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("2,kmeans,map,peaks,1,100.0,20,1,")


def test_runs_are_kept_by_a_session_and_not_by_a_copy(done, viewer, tmp_path):
    path = tmp_path / "b.petlut"
    write_session(path, session_of([data_of(layer) for layer in viewer.layers]))
    again = [layer for layer in layers_of_session(read_session(path)) if ly.kind_of(layer) == "flood"]
    assert ly.info(again[0]).runs == runs_of(done)
    assert ly.info(again[0]).of_a_copy().runs == ()


def test_clusters_come_back_with_a_session(clustered, viewer, tmp_path):
    path = tmp_path / "b.petlut"
    write_session(path, session_of([data_of(layer) for layer in viewer.layers]))
    layers = {ly.kind_of(layer): layer for layer in layers_of_session(read_session(path))}
    known = ly.info(layers[ly.LayerKind.CLUSTERS])
    assert not known.numbered
    np.testing.assert_array_equal(known.centres, ly.info(segmenting.clusters_of(clustered)).centres)


def test_the_cells_of_a_run_are_shown_again_and_compared(clustered, viewer, points):
    run = runs_of(clustered)[0]
    labels, geometry = labels_of(clustered, run)
    shown = show_run(clustered, run)
    assert show_run(clustered, run) is shown
    np.testing.assert_array_equal(shown.data, labels + 1)
    assert geometry == clustered.geometry
    segmenting.number_clusters(clustered)
    clustered.choose(SegmentationParameters("nearest"))
    segmenting.segmentation_job(clustered).run()
    _, found = compare_layers(viewer, clustered.cells_layer, shown, clustered.flood_layer)
    assert found.counts > 0.9  # though the clusters have no numbers
    _, turned = compare_layers(viewer, shown, clustered.cells_layer, clustered.flood_layer)
    assert turned.counts == pytest.approx(found.counts)


def test_numbers_of_the_reference_go_to_whom_covers_it_best():
    reference = np.array([[1, 1, 2, 2, 0]])
    assert best_numbers(reference, np.array([[5, 5, 5, 3, 4]])).tolist() == [[1, 1, 1, 2, 0]]


def test_the_weighted_map_is_a_layer(done, viewer):
    name = "5.6 map ×100, peaks, 1 iteration"
    done.choose(SegmentationParameters("kmeans", kmeans=NOTEBOOK_VARIANTS[name]))
    segmenting.segmentation_job(done, segmenting.Extras(weighted=True)).run()
    layer = viewer.layers["b - weighted map"]
    counts, peak = done.flood_layer.data, tuple(done.places[7].astype(int))
    assert layer.data[peak] == pytest.approx(100 * counts[peak])
    assert (layer.data != counts).sum() == 20
    assert tuple(layer.contrast_limits) == tuple(done.flood_layer.contrast_limits)
    assert list(viewer.layers).index(layer) == 1
    segmenting.segmentation_job(done, segmenting.Extras(weighted=True)).run()
    assert sum(ly.kind_of(layer) is ly.LayerKind.WEIGHTED for layer in viewer.layers) == 1


def test_a_session_without_the_cells_says_so(done):
    run = runs_of(done)[0]
    with pytest.raises(ParameterError, match="use its settings"):
        show_run(done, replace(run, number=99))

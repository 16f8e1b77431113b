import numpy as np
import pytest
from sklearn.cluster import KMeans

from napari_petlut.analysis.segmentation import KMeansModel, KMeansParameters, fit_kmeans, uniform_grid
from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.geometry import BlockGeometry


def reference(counts, start, iterations):
    """scikit-learn on the pixels of the map with counts as weights, as in the notebook."""
    pixels = np.argwhere(np.ones(counts.shape)).astype(float)
    model = KMeans(len(start), init=start, n_init=1, max_iter=iterations)
    with np.errstate(all="ignore"):
        return model.fit(pixels, sample_weight=counts.ravel()), pixels


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("iterations", [1, 5, 300])
def test_map_variant_equals_scikit_learn(spots, iterations):
    block = spots(background=0.5)
    model = fit_kmeans(block.counts, block.centres, KMeansParameters(max_iterations=iterations))
    fitted, pixels = reference(block.counts, block.centres, iterations)
    assert np.allclose(model.centres, fitted.cluster_centers_, atol=1e-8)
    assert model.iterations == fitted.n_iter_
    assert model.inertia == pytest.approx(fitted.inertia_)
    assert np.array_equal(model.labels(block.counts.shape).ravel(), fitted.predict(pixels))


def test_peak_weight_holds_the_centres(spots):
    block = spots()
    free, held = (
        fit_kmeans(block.counts, block.centres, KMeansParameters(peak_weight=weight, max_iterations=5))
        for weight in (1, 1e6)
    )
    pixel = np.floor(block.centres)
    assert np.abs(held.centres - pixel).max() < 0.1
    assert np.abs(free.centres - pixel).max() > 0.3


def test_event_variant_clusters_the_first_events(spots):
    block = spots()
    rng = np.random.default_rng(0)
    events = block.centres[rng.integers(0, 30, 6000)] + rng.normal(0, 2, (6000, 2))
    params = KMeansParameters(data="events", max_events=5000, max_iterations=3)
    model = fit_kmeans(block.counts, block.centres, params, events=events)
    expected = KMeans(30, init=block.centres, n_init=1, max_iter=3).fit(events[:5000])
    assert np.allclose(model.centres, expected.cluster_centers_)
    assert model.iterations == expected.n_iter_


@pytest.mark.parametrize("data", ["map", "events"])
def test_drawn_clusters_take_the_ids_of_their_peaks(spots, data):
    block = spots(pitch=(30.0, 30.0), rows=3, cols=3, sigma=0.1)
    rng = np.random.default_rng(0)
    events = block.centres[rng.integers(0, 9, 4000)] + rng.normal(0, 3, (4000, 2))
    params = KMeansParameters(data=data, start="k-means++", max_iterations=300, restarts=4)
    for positions, geometry in ((block.centres, None), (None, BlockGeometry(3, 3))):
        model = fit_kmeans(block.counts, positions, params, events=events, geometry=geometry)
        assert np.abs(model.centres - block.centres).max() < 1.5


def test_same_seed_gives_the_same_centres(spots):
    block = spots()
    params = KMeansParameters(start="k-means++", max_iterations=4, seed=7)
    first, second = (fit_kmeans(block.counts, block.centres, params) for _ in range(2))
    assert np.array_equal(first.centres, second.centres)


def test_grid_is_the_notebooks():
    grid = uniform_grid((512, 512), BlockGeometry(16, 16)).reshape(16, 16, 2)
    assert np.array_equal(grid[:, 0, 0], np.arange(1, 512 - 16, 32))
    assert np.array_equal(grid[0, :, 1], np.arange(15, 512 - 16, 32))


def test_grid_start_needs_no_peaks(spots):
    block = spots()
    params = KMeansParameters(start="grid", grid_offset=(0.5, 0.5), max_iterations=50)
    model = fit_kmeans(block.counts, None, params, geometry=BlockGeometry(5, 6))
    assert np.abs(model.centres - block.centres).max() < 6


def test_clusters_without_counts_stay_and_are_counted():
    counts = np.zeros((10, 30))
    counts[5, 5] = counts[5, 15] = 3
    model = fit_kmeans(counts, [[5, 5], [5, 15], [5, 28]], KMeansParameters(max_iterations=10))
    assert model.empty == 1
    assert model.centres.tolist() == [[5, 5], [5, 15], [5, 28]]


def test_crystals_without_position_take_no_part(spots):
    block = spots()
    start = block.centres.copy()
    start[4] = np.nan
    model = fit_kmeans(block.counts, start)
    assert np.isnan(model.centres[4]).all() and np.isfinite(np.delete(model.centres, 4, 0)).all()


def test_saved_arrays_give_the_same_model(spots):
    block = spots()
    model = fit_kmeans(block.counts, block.centres)
    again = KMeansModel.from_arrays(model.to_arrays())
    assert np.array_equal(again.labels((40, 50)), model.labels((40, 50)))
    assert (again.inertia, again.iterations, again.empty) == (model.inertia, model.iterations, model.empty)
    with pytest.raises(ParameterError):
        KMeansModel.from_arrays({"centres": model.centres})
    with pytest.raises(ParameterError):
        KMeansModel.from_arrays({**model.to_arrays(), "start": np.zeros((2, 2))})


def test_progress_and_cancelling(spots):
    block = spots()
    seen = []
    fit_kmeans(block.counts, block.centres, KMeansParameters(max_iterations=20), progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1
    with pytest.raises(Cancelled):
        fit_kmeans(block.counts, block.centres, cancelled=lambda: True)


@pytest.mark.parametrize(
    "values",
    [
        {"data": "odd"},
        {"start": "odd"},
        {"max_iterations": 0},
        {"max_events": 0},
        {"restarts": 0},
        {"peak_weight": 0},
        {"tolerance": -1},
        {"seed": -1},
        {"grid_offset": (1, 0)},
    ],
)
def test_options_that_cannot_be_are_refused(values):
    with pytest.raises(ParameterError):
        KMeansParameters(**values)


@pytest.mark.parametrize(
    ("positions", "params", "events"),
    [
        (None, KMeansParameters(), None),
        (None, KMeansParameters(start="grid"), None),
        ([[1, 1]], KMeansParameters(data="events"), None),
        ([[1, 1]], KMeansParameters(data="events"), np.zeros(3)),
        ([[1, 1], [2, 2]], KMeansParameters(data="events"), np.zeros((1, 2))),
        ([[1, 1]] * 40, KMeansParameters(start="k-means++"), None),
    ],
)
def test_missing_data_is_asked_for(positions, params, events):
    with pytest.raises(ParameterError):
        fit_kmeans(np.eye(6), positions, params, events=events)

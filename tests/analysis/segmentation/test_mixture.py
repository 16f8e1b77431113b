import numpy as np
import pytest

from napari_petlut.analysis.segmentation import Mixture, MixtureParameters, fit_mixture
from napari_petlut.analysis.segmentation.islands import join_islands
from napari_petlut.errors import Cancelled, ParameterError


def agreement(labels, block):
    """Share of the expected counts whose pixel has the crystal most likely to have caused them."""
    return (block.expected * (labels == block.ideal)).sum() / block.expected.sum()


def test_fit_recovers_what_was_simulated(spots):
    block = spots(background=2.0)
    start = block.centres + np.random.default_rng(0).uniform(-2, 2, block.centres.shape)
    fit = fit_mixture(
        block.counts, start, MixtureParameters(max_iterations=500, tolerance=1e-5, stiffness=0.001)
    )
    assert fit.converged
    assert np.abs(fit.means - block.centres).max() < 0.15
    assert np.allclose(fit.covariances, block.covariances, rtol=0.05, atol=0.5)
    assert np.allclose(fit.weights, block.weights, rtol=0.1)
    assert np.allclose(fit.expected().sum() / block.counts.sum(), 1, atol=0.01)
    assert agreement(fit.labels(), block) > 0.99


@pytest.mark.parametrize("per_crystal", [60, 1000, 1e6])
def test_labels_come_close_to_the_ideal_ones_at_any_counts(spots, per_crystal):
    block = spots(per_crystal=per_crystal)
    start = block.centres + np.random.default_rng(0).uniform(-2, 2, block.centres.shape)
    # 60 counts leave a spot's place uncertain by a tenth of the pitch.
    assert agreement(fit_mixture(block.counts, start).labels(), block) > (0.9 if per_crystal < 100 else 0.975)


def test_dead_crystals_get_no_cell_and_dim_ones_keep_theirs(spots):
    block = spots(weights={7: 0.0, 20: 0.25}, background=3.0)
    fit = fit_mixture(block.counts, block.centres)
    assert np.flatnonzero(fit.dead).tolist() == [7]
    assert not (fit.labels() == 7).any()
    assert fit.labels()[tuple(np.rint(block.centres[20]).astype(int))] == 20
    assert np.abs(fit.means - block.centres).max() < 3


def test_merged_crystals_share_their_spot(spots):
    block = spots(noise=False)
    # Crystal 8 sits almost on crystal 9, and the lattice puts each a little to its side.
    moved = block.centres.copy()
    moved[8] = block.centres[9] - [0, 3]
    density = block.expected - spots(noise=False, weights={8: 0.0}).expected
    shift = np.rint(moved[8] - block.centres[8]).astype(int)
    counts = block.expected - density + np.roll(density, shift, axis=(0, 1))
    moved[9, 1] += 1
    fit = fit_mixture(counts, moved)
    labels = fit.labels()
    held = [counts[labels == crystal].sum() for crystal in (8, 9)]
    assert 0.5 < held[0] / held[1] < 2
    assert fit.means[8, 1] < fit.means[9, 1]


def test_crystals_without_position_take_no_part(spots):
    block = spots()
    start = block.centres.copy()
    start[3] = np.nan
    fit = fit_mixture(block.counts, start)
    assert np.isnan(fit.means[3]).all() and fit.weights[3] == 0
    assert not (fit.labels() == 3).any()


def test_scaling_counts_changes_nothing_but_weights(spots):
    block = spots()
    one, many = (fit_mixture(block.counts * factor, block.centres) for factor in (1, 64))
    assert np.allclose(one.means, many.means)
    assert np.allclose(one.weights * 64, many.weights)
    assert np.array_equal(one.labels(), many.labels())


def test_fine_pixels_are_binned_without_a_shift(spots):
    block = spots(pitch=(60.0, 64.0), rows=3, cols=3, per_crystal=1e5)
    fit = fit_mixture(
        block.counts, block.centres, MixtureParameters(stiffness=0, max_iterations=100, tolerance=1e-4)
    )
    assert fit.background.shape == block.counts.shape
    assert np.abs(fit.means - block.centres).max() < 0.5
    assert np.allclose(fit.covariances, block.covariances, rtol=0.05, atol=5)


def test_background_cells_leave_dark_pixels_to_nobody(spots):
    block = spots(background=2.0)
    labels = fit_mixture(block.counts, block.centres).labels(background_cells=True)
    assert (labels == -1).any()
    assert (labels[tuple(np.rint(block.centres).astype(int).T)] == np.arange(30)).all()


def test_saved_arrays_give_the_same_model(spots):
    block = spots()
    fit = fit_mixture(block.counts, block.centres)
    arrays = fit.to_arrays()
    again = Mixture.from_arrays(arrays)
    assert np.array_equal(again.labels(), fit.labels())
    assert (again.iterations, again.converged, again.log_likelihood) == (
        fit.iterations,
        fit.converged,
        fit.log_likelihood,
    )
    with pytest.raises(ParameterError, match="means"):
        Mixture.from_arrays({name: array for name, array in arrays.items() if name != "means"})
    with pytest.raises(ParameterError, match="shape"):
        Mixture.from_arrays({**arrays, "weights": np.ones(3)})


def test_progress_runs_to_the_end_and_cancelling_stops(spots):
    block = spots()
    seen = []
    fit_mixture(block.counts, block.centres, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1
    with pytest.raises(Cancelled):
        fit_mixture(block.counts, block.centres, cancelled=lambda: True)


def test_one_peak_is_enough(spots):
    block = spots(rows=1, cols=2, pitch=(30.0, 30.0))
    fit = fit_mixture(block.counts, block.centres[:1])
    assert (fit.labels() == 0).all()


def test_islands_join_the_cells_around_them():
    labels = np.zeros((7, 9), np.int32)
    labels[:, 5:] = 1
    labels[3, 1] = 1
    joined = join_islands(labels, np.array([[3.0, 2.0], [3.0, 7.0]]))
    assert joined[3, 1] == 0 and (joined[:, 5:] == 1).all()
    whole = np.repeat([[0, 1]], 3, axis=0).astype(np.int32)
    assert join_islands(whole, np.array([[0.0, 0.0], [np.nan, np.nan]])) is whole


@pytest.mark.parametrize(
    "values",
    [
        {"max_iterations": 0},
        {"tolerance": -1},
        {"stiffness": -1},
        {"width_sharing": np.inf},
        {"dead_share": 1},
    ],
)
def test_options_that_cannot_be_are_refused(values):
    with pytest.raises(ParameterError):
        MixtureParameters(**values)


def test_maps_without_counts_are_refused():
    with pytest.raises(ParameterError):
        fit_mixture(np.zeros((9, 9)), [[4, 4]])

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_petlut.analysis.lattice.proposing import tracing
from napari_petlut.analysis.lattice.seeing.index_space import (
    MARGIN,
    SAMPLES,
    IndexSpace,
    RectifiedMap,
    counts_per_cell,
    sample_places,
)
from napari_petlut.maps.parabola import top_of_parabola


def value_of(places, ridge, mass, wanted, gaps, anchor, weights) -> float:
    """The wishes of a set of lines, written out."""
    total = 0.0
    for i, k in enumerate(places):
        d = ((k - wanted[i]) / SAMPLES) ** 2
        total += ridge[k] - weights[0] * ((k - anchor[i]) / SAMPLES) ** 2
        total -= weights[1] * (
            d if d <= tracing.BREAK else tracing.BREAK + tracing.SLIP * (d - tracing.BREAK)
        )
        if i:
            j = places[i - 1]
            between = int(
                min(
                    max((mass[k] - mass[j]) * tracing.TABLE_STEPS, 0),
                    tracing.TABLE_STEPS * tracing.TABLE_END - 1,
                )
            )
            total -= weights[2] * ((k - j) / SAMPLES - gaps[i - 1]) ** 2
            total -= weights[3] * tracing.mass_penalty()[between]
    return total


def test_tops_between_samples_are_those_of_the_parabola():
    ridge = np.random.default_rng(8).random(40)
    ridge[20:23] = 0.5
    for k in range(1, 39):
        top = k + top_of_parabola(ridge[k - 1], ridge[k], ridge[k + 1], flattest=1e-9)
        assert tracing._top(ridge, float(k)) == pytest.approx(top, abs=1e-12)
    assert (tracing._top(ridge, 0.0), tracing._top(ridge, 39.0)) == (0.0, 39.0)


def placed(ridge, mass, wanted, gaps, anchor, weights):
    """The places of all lines at one position, and their value."""
    lines, samples = len(wanted), len(ridge)
    room = (np.full((lines, samples), -1e18), np.zeros((lines, samples), np.int64), tracing.room_apart())
    emptiness, out = weights[3] * tracing.mass_penalty(), np.zeros(lines)
    best = tracing.place_lines(ridge, mass, wanted, gaps, anchor, weights, emptiness, *room, out)
    return out, best


def test_lines_are_placed_as_well_as_by_trying_everything():
    rng = np.random.default_rng(5)
    samples = (2 - 1 + 2 * MARGIN) * SAMPLES + 1
    ridge, mass = rng.random(samples), rng.random(samples).cumsum()
    mass *= 2 / mass[-1]
    anchor = (np.arange(2) + MARGIN) * float(SAMPLES)
    wanted, gaps = anchor + np.array([1.5, -2.0]), np.array([0.9])
    weights = np.array([0.05, 0.4, 0.8, 1.1])
    out, best = placed(ridge, mass, wanted, gaps, anchor, weights)
    reach = int(tracing.BAND * SAMPLES)
    choices = [range(int(w) - reach, int(w) + reach + 1) for w in wanted]
    low, high = max(2, int(tracing.MIN_GAP * SAMPLES)), int(tracing.MAX_GAP * SAMPLES)
    tried = {
        p: value_of(p, ridge, mass, wanted, gaps, anchor, weights)
        for p in itertools.product(*choices)
        if low <= p[1] - p[0] <= high
    }
    assert tuple(out.astype(int)) == max(tried, key=lambda p: tried[p])
    assert best == max(tried.values()) or abs(best - max(tried.values())) < 1e-9


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 4), st.booleans())
def test_lines_are_placed_as_by_the_plain_twin(seed, lines, coupled):
    rng = np.random.default_rng(seed)
    samples = (lines - 1 + 2 * MARGIN) * SAMPLES + 1
    ridge, mass = rng.normal(size=samples), rng.random(samples).cumsum()
    mass *= lines / mass[-1]
    anchor = (np.arange(lines) + MARGIN) * float(SAMPLES)
    wanted, gaps = anchor + rng.normal(0, 3, lines), rng.uniform(0.5, 1.4, lines - 1)
    weights = np.array([0.05, 0.4 * coupled, 0.8, 1.1])
    out, best = placed(ridge, mass, wanted, gaps, anchor, weights)
    places = [int(k) for k in out]
    centre, reach = (wanted, tracing.BAND) if coupled else (anchor, tracing.SEED_BAND)
    assert best == pytest.approx(value_of(places, ridge, mass, wanted, gaps, anchor, weights), abs=1e-9)
    low, high = max(2, int(tracing.MIN_GAP * SAMPLES)), int(tracing.MAX_GAP * SAMPLES)
    for line, step in itertools.product(range(lines), (-2, -1, 1, 2)):
        other = list(places)
        other[line] += step
        start = max(0, int(centre[line]) - int(reach * SAMPLES))
        end = min(samples, int(centre[line]) + int(reach * SAMPLES) + coupled)
        if start <= other[line] < end and all(low <= d <= high for d in np.diff(other)):
            assert value_of(other, ridge, mass, wanted, gaps, anchor, weights) <= best + 1e-9


def ridges(rows: int, cols: int, bend: float) -> tuple[np.ndarray, np.ndarray]:
    """A rectified map of bent rows, and where they are at every column."""
    v, u = np.meshgrid(sample_places(rows), sample_places(cols), indexing="ij")
    centre = np.arange(rows)[:, None, None] + bend * np.sin(u / 2)
    image = np.exp(-((v - centre) ** 2) / (2 * 0.2**2)).sum(0) + 0.05
    return image, np.arange(rows)[:, None] + bend * np.sin(np.arange(cols) / 2)


def test_bent_lines_are_followed_from_any_seed():
    image, truth = ridges(5, 9, 0.45)
    view = tracing.line_image(RectifiedMap.from_counts(image), 0.3)
    assert view.lines == 5
    for seed in (-1, 0, 4, 8):
        places, _ = tracing.trace_lines(view, tracing.TracingWeights(), seed=seed)
        assert np.abs(places - truth).max() < 0.15


def test_a_line_image_is_the_blurred_map_at_the_nodes():
    rng = np.random.default_rng(0)
    image = rng.uniform(0.5, 2.0, ((4 - 1 + 2 * MARGIN) * SAMPLES + 1, (6 - 1 + 2 * MARGIN) * SAMPLES + 1))
    view, strip = RectifiedMap.from_counts(image), 0.7
    nodes = (np.arange(6) + MARGIN) * SAMPLES
    lines = tracing.line_image(view, strip)
    mass = ndimage.gaussian_filter1d(image, strip * SAMPLES, axis=1)[:, nodes].cumsum(axis=0)
    np.testing.assert_allclose(lines.mass.T, 4 * mass / mass[-1])
    ridge = ndimage.gaussian_filter1d(view.contrast, strip * SAMPLES, axis=1)[:, nodes]
    width = tracing.RIDGE_WIDTH * SAMPLES
    curve = ndimage.gaussian_filter1d(ridge, width, axis=0, order=2)
    np.testing.assert_allclose(lines.ridge.T, ridge - tracing.RIDGE_GAIN * width**2 * curve)


def test_contrast_is_seen_alike_along_both_axes():
    image = np.random.default_rng(1).uniform(0.5, 2.0, (57, 65))
    view, other = RectifiedMap.from_counts(image), RectifiedMap.from_counts(np.ascontiguousarray(image.T))
    np.testing.assert_allclose(view.along(1).contrast, other.contrast, atol=1e-5)
    assert view.along(0) is view


def test_curves_intersect_where_both_say():
    rows = np.arange(4)[:, None] + 0.1 * np.arange(5)[None]
    cols = np.arange(5)[:, None] - 0.2 * np.arange(4)[None]
    v, u = tracing.intersect(rows, cols)
    np.testing.assert_allclose(v, np.arange(4)[:, None] + 0.1 * u, atol=1e-4)
    np.testing.assert_allclose(u, np.arange(5)[None] - 0.2 * v, atol=1e-4)


def test_index_space_goes_through_its_nodes_and_keeps_the_counts():
    r, c = np.meshgrid(np.arange(5), np.arange(6), indexing="ij")
    grid = np.stack([40.0 + 12 * r + c, 45.0 + 11 * c - r], axis=-1)
    space = IndexSpace(grid)
    np.testing.assert_allclose(space.to_pixels(r * 1.0, c * 1.0), grid, atol=0.05)
    image = space.image(np.ones((140, 150)), 1)
    inner = image[MARGIN * SAMPLES : -MARGIN * SAMPLES, MARGIN * SAMPLES : -MARGIN * SAMPLES]
    np.testing.assert_allclose(inner, 12 * 11 + 1, rtol=1e-6)


def test_counts_per_cell_equal_the_plain_twin():
    rng = np.random.default_rng(4)
    counts = rng.random((20, 24))
    x0, x1 = np.meshgrid(np.linspace(-1.5, 20.5, 15), np.linspace(-1.2, 24.3, 17), indexing="ij")
    x0 = x0 + 0.3 * np.sin(x1)
    area = np.abs(
        np.gradient(x0, axis=0) * np.gradient(x1, axis=1) - np.gradient(x0, axis=1) * np.gradient(x1, axis=0)
    )
    inside = (x0 >= 0) & (x0 <= 19) & (x1 >= 0) & (x1 <= 23)
    plain = ndimage.map_coordinates(counts, [x0, x1], order=1, mode="nearest") * area * SAMPLES**2 * inside
    np.testing.assert_allclose(counts_per_cell(counts, x0, x1), plain, atol=1e-9)

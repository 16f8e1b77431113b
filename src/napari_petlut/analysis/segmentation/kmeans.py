"""K-means in all of the notebook's variants: on the map or on events, from peaks, a grid or k-means++.

Run to convergence it makes bad cells: centres leave their peaks, the more the more iterations are done. One
iteration from good peaks is harmless. The nearest-peak cells and the mixture are better; see the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.segmentation.nearest import nearest_peak_cells, usable_peaks
from napari_petlut.errors import Cancelled, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.cells import cell_centres, squared_distances
from napari_petlut.model import FloatArray, LabelArray

Start = Literal["peaks", "grid", "k-means++"]
Data = Literal["map", "events"]


@dataclass(frozen=True)
class KMeansParameters:
    """Options of k-means.

    Parameters
    ----------
    data : {"map", "events"}
        Cluster the pixels of the map with their counts as weights, or the first events themselves.
    start : {"peaks", "grid", "k-means++"}
        Where the centres start: at the peaks, on a uniform grid, or drawn by k-means++.
    max_iterations : int
        Iterations at most. Centres drift away from their peaks with every one; the notebook ends with 1.
    peak_weight : float
        Factor on the counts of the peak pixels, which holds the centres to them; the notebook tried 100.
        Only with data "map".
    max_events : int
        How many of the first events are clustered, with data "events"; the notebook took 256,000.
    tolerance : float
        Stop when the squared moves of all centres sum to less than this share of the mean variance of the
        coordinates, as in scikit-learn.
    grid_offset : tuple of float
        Place of the first grid point along axis 0 and axis 1, in grid steps. The notebook's is (1/32, 15/32).
    restarts : int
        Draws of k-means++, of which the best is kept; old versions of scikit-learn took 10.
    seed : int
        Seed of k-means++.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    data: Data = "map"
    start: Start = "peaks"
    max_iterations: int = 1
    peak_weight: float = 1.0
    max_events: int = 256_000
    tolerance: float = 1e-4
    grid_offset: tuple[float, float] = (1 / 32, 15 / 32)
    restarts: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        for name, known in (("data", get_args(Data)), ("start", get_args(Start))):
            if getattr(self, name) not in known:
                raise ParameterError(
                    f"k-means {name} {getattr(self, name)!r} is unknown; use one of {', '.join(known)}"
                )
        for name in ("max_iterations", "max_events", "restarts"):
            if getattr(self, name) < 1:
                raise ParameterError(f"k-means {name} must be 1 or more, not {getattr(self, name)}")
        if not 0 < self.peak_weight < np.inf:
            raise ParameterError(f"k-means peak_weight must be positive, not {self.peak_weight}")
        if not 0 <= self.tolerance < np.inf or self.seed < 0:
            raise ParameterError("k-means tolerance and seed must be 0 or more")
        if len(self.grid_offset) != 2 or not all(0 <= offset < 1 for offset in self.grid_offset):
            raise ParameterError(f"k-means grid_offset needs two shares of a step, not {self.grid_offset}")


@dataclass(frozen=True, eq=False)
class KMeansModel:
    """Fitted k-means: labels of any map follow from the centres.

    Parameters
    ----------
    centres : ndarray of float64, shape (n, 2)
        By crystal id, (axis 0, axis 1) in pixels; NaN for a crystal that took no part.
    start : ndarray of float64, shape (n, 2)
        Where the centres started, in the same order.
    inertia : float
        Weighted sum of squared distances of the data from their centres, in pixels squared.
    iterations : int
        Iterations done.
    empty : int
        Clusters that lost all their counts; they stay where they were.
    """

    centres: FloatArray
    start: FloatArray
    inertia: float
    iterations: int
    empty: int = 0

    def labels(self, shape: tuple[int, int], max_distance: float | None = None) -> LabelArray:
        """Return the nearest centre of each pixel, as scikit-learn's ``predict`` does."""
        return nearest_peak_cells(shape, self.centres, max_distance)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as named arrays, for files; the inverse of `from_arrays`."""
        return {
            "centres": self.centres,
            "start": self.start,
            "inertia": np.array(self.inertia),
            "iterations": np.array(self.iterations),
            "empty": np.array(self.empty),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the model that `to_arrays` took apart.

        Raises
        ------
        ParameterError
            If an array is missing or has a shape that does not fit.
        """
        missing = {"centres", "start", "inertia", "iterations", "empty"} - set(arrays)
        if missing:
            raise ParameterError(f"saved k-means needs {', '.join(sorted(missing))}; save the model again")
        centres, start = (np.asarray(arrays[name], np.float64) for name in ("centres", "start"))
        if centres.ndim != 2 or centres.shape[1:] != (2,) or start.shape != centres.shape:
            raise ParameterError(f"saved k-means: centres have shape {centres.shape}, start {start.shape}")
        return cls(centres, start, float(arrays["inertia"]), int(arrays["iterations"]), int(arrays["empty"]))


def uniform_grid(
    shape: tuple[int, int], geometry: BlockGeometry, offset: tuple[float, float] = (1 / 32, 15 / 32)
) -> FloatArray:
    """Return a uniform grid of starting centres by crystal id, shape (rows * cols, 2).

    The default offset gives the notebook's grid for 16 x 16 crystals on 512 pixels:
    ``arange(1, 496, 32)`` along axis 0 and ``arange(15, 496, 32)`` along axis 1.
    """
    axes = [
        (np.arange(number) + first) * size / number
        for number, first, size in zip(geometry.shape, offset, shape, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def fit_kmeans(
    counts: npt.ArrayLike,
    positions: npt.ArrayLike | None,
    params: KMeansParameters | None = None,
    *,
    events: npt.ArrayLike | None = None,
    geometry: BlockGeometry | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> KMeansModel:
    """Cluster the map or the events around one centre per crystal.

    Clusters started by k-means++ are in no order; where positions or a geometry are given, each takes the id
    of a crystal such that the distances to the peaks (the grid) are smallest in sum.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Unfiltered flood map.
    positions : array_like, shape (n, 2), optional
        Peaks by crystal id in pixels; a row of NaN is a crystal that takes no part. Needed for start "peaks".
    params : KMeansParameters, optional
    events : array_like, shape (m, 2), optional
        Event positions in pixels of the map, (axis 0, axis 1). Needed for data "events".
    geometry : BlockGeometry, optional
        Needed for start "grid", and for "k-means++" without positions.
    progress, cancelled : callable, optional
        Fraction done; whether to stop.

    Returns
    -------
    model : KMeansModel

    Raises
    ------
    ParameterError
        If what the variant needs is missing, or there is less data than clusters.
    Cancelled
        If `cancelled` said so.
    """
    params = KMeansParameters() if params is None else params
    values = np.asarray(counts, np.float64)
    if values.ndim != 2 or not values.sum() > 0:
        raise ParameterError("k-means needs a 2-D flood map with counts")
    targets, ids = _targets(values, positions, params, geometry)
    hooks = _Hooks(params, progress, cancelled)
    best: tuple[FloatArray, FloatArray, float, int, int] | None = None
    for attempt in range(params.restarts if params.start == "k-means++" else 1):
        if params.data == "events":
            fitted = _fit_events(_first_events(events, params), targets, params, params.seed + attempt, hooks)
        else:
            weights = weighted_map(values, positions, params.peak_weight)
            fitted = _fit_map(weights, targets, params, params.seed + attempt, hooks)
        best = fitted if best is None or fitted[2] < best[2] else best
    hooks.finish()
    assert best is not None
    return _by_crystal(best, targets, ids, _crystals(positions, geometry), params)


class _Hooks:
    """Progress and cancellation, asked once per iteration."""

    def __init__(
        self,
        params: KMeansParameters,
        progress: Callable[[float], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.total = params.max_iterations * (params.restarts if params.start == "k-means++" else 1)
        self.progress, self.cancelled, self.done = progress, cancelled, 0

    def step(self) -> None:
        self.done += 1
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("k-means was stopped")
        if self.progress is not None:
            self.progress(min(1.0, self.done / self.total))

    def finish(self) -> None:
        if self.progress is not None:
            self.progress(1.0)


def _crystals(positions: npt.ArrayLike | None, geometry: BlockGeometry | None) -> int:
    if positions is not None:
        return len(np.asarray(positions))
    assert geometry is not None
    return len(geometry)


def _targets(
    values: FloatArray,
    positions: npt.ArrayLike | None,
    params: KMeansParameters,
    geometry: BlockGeometry | None,
) -> tuple[FloatArray, LabelArray]:
    """Return the places that give clusters their ids, and those ids."""
    if params.start == "grid":
        if geometry is None:
            raise ParameterError("k-means from a grid needs the block's rows and columns")
        grid = uniform_grid((values.shape[0], values.shape[1]), geometry, params.grid_offset)
        return grid, np.arange(len(geometry), dtype=np.int32)
    if positions is not None:
        return usable_peaks(positions)
    if params.start == "peaks" or geometry is None:
        raise ParameterError("k-means needs peaks, or a start 'grid' or 'k-means++' with rows and columns")
    grid = uniform_grid((values.shape[0], values.shape[1]), geometry, (0.5, 0.5))
    return grid, np.arange(len(geometry), dtype=np.int32)


def weighted_map(counts: npt.ArrayLike, positions: npt.ArrayLike | None, factor: float) -> FloatArray:
    """Return the map with the counts of its peak pixels scaled: what k-means with a peak weight clusters.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Flood map.
    positions : array_like, shape (n, 2), optional
        Peaks, (axis 0, axis 1) in pixels, cut to whole pixels as the notebook does. NaN scales nothing.
    factor : float
        The notebook takes 100.

    Returns
    -------
    ndarray of float64, shape (n0, n1)

    Examples
    --------
    >>> weighted_map([[1, 2], [3, 4]], [[0.9, 1.2]], 100).tolist()
    [[1.0, 200.0], [3.0, 4.0]]
    """
    values = np.asarray(counts, np.float64)
    if factor == 1 or positions is None:
        return values
    points, _ = usable_peaks(positions)
    pixels = np.unique(np.clip(points.astype(np.intp), 0, np.array(values.shape) - 1), axis=0)
    weights = values.copy()
    weights[tuple(pixels.T)] *= factor
    return weights


def _first_events(events: npt.ArrayLike | None, params: KMeansParameters) -> FloatArray:
    if events is None:
        raise ParameterError("k-means on events needs the events; take data 'map' for a flood map alone")
    points = np.asarray(events, np.float64)[: params.max_events]
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ParameterError(f"events have shape {points.shape}, expected finite (m, 2) positions in pixels")
    return np.ascontiguousarray(points)


def _fit_map(
    weights: FloatArray, targets: FloatArray, params: KMeansParameters, seed: int, hooks: _Hooks
) -> tuple[FloatArray, FloatArray, float, int, int]:
    """Run Lloyd's algorithm on pixels: assign each to its nearest centre, move centres to their mean.

    Equal to scikit-learn's KMeans as long as no cluster loses all its counts, and far faster, because the
    nearest centre of a pixel comes from the tiles of `nearest_peak_cells`.
    """
    shape = (weights.shape[0], weights.shape[1])
    start = targets if params.start != "k-means++" else _plus_plus_pixels(weights, len(targets), seed)
    # scikit-learn's: the mean variance of the coordinates, here of a grid of pixels.
    tolerance = params.tolerance * sum((n * n - 1) / 12 for n in shape) / 2
    centres, previous = start, np.full(shape, -2, np.int32)
    iteration = 0
    while iteration < params.max_iterations:
        iteration += 1
        labels = nearest_peak_cells(shape, centres)
        held, means = cell_centres(labels, weights, len(centres))
        moved = np.where(held[:, None] > 0, means, centres)
        shift = float(((moved - centres) ** 2).sum())
        centres = moved
        hooks.step()
        if np.array_equal(labels, previous) or shift <= tolerance:
            break
        previous = labels
    labels = nearest_peak_cells(shape, centres)
    return centres, start, weighted_inertia(weights, labels, centres), iteration, int((held == 0).sum())


def weighted_inertia(weights: FloatArray, labels: LabelArray, centres: FloatArray) -> float:
    """Return the weighted sum of squared distances of pixels from the centre of their cell.

    Pixels without a crystal do not count.
    """
    squared = np.where(labels >= 0, squared_distances(labels, centres), 0.0)
    return float((weights * squared).sum())


def _plus_plus_pixels(weights: FloatArray, clusters: int, seed: int) -> FloatArray:
    """Draw starting centres among the pixels that hold counts."""
    from sklearn.cluster import kmeans_plusplus
    from threadpoolctl import threadpool_limits

    pixels = np.argwhere(weights > 0).astype(np.float64)
    if len(pixels) < clusters:
        raise ParameterError(f"k-means needs at least {clusters} pixels with counts, not {len(pixels)}")
    # One thread: sums in another order could draw another pixel.
    with threadpool_limits(1):
        drawn, _ = kmeans_plusplus(pixels, clusters, sample_weight=weights[weights > 0], random_state=seed)
    return np.asarray(drawn, np.float64)


def _fit_events(
    points: FloatArray, targets: FloatArray, params: KMeansParameters, seed: int, hooks: _Hooks
) -> tuple[FloatArray, FloatArray, float, int, int]:
    """Run scikit-learn's KMeans on event positions, with one thread so that the result never varies."""
    from sklearn.cluster import KMeans, kmeans_plusplus
    from threadpoolctl import threadpool_limits

    if len(points) < len(targets):
        raise ParameterError(f"k-means needs at least {len(targets)} events, not {len(points)}")
    with threadpool_limits(1):
        start = targets
        if params.start == "k-means++":
            start = np.asarray(kmeans_plusplus(points, len(targets), random_state=seed)[0])
        fitted = KMeans(
            len(start), init=start, n_init=1, max_iter=params.max_iterations, tol=params.tolerance
        ).fit(points)
    hooks.step()
    empty = len(start) - len(np.unique(fitted.labels_))
    return np.asarray(fitted.cluster_centers_), start, float(fitted.inertia_), int(fitted.n_iter_), empty


def _by_crystal(
    fitted: tuple[FloatArray, FloatArray, float, int, int],
    targets: FloatArray,
    ids: LabelArray,
    crystals: int,
    params: KMeansParameters,
) -> KMeansModel:
    """Return the model with a row per crystal."""
    centres, start, inertia, iterations, empty = fitted
    if params.start == "k-means++":
        from scipy.optimize import linear_sum_assignment
        from scipy.spatial.distance import cdist

        _, cluster = linear_sum_assignment(cdist(targets, centres, "sqeuclidean"))
        centres, start = centres[cluster], start[cluster]
    rows = np.full((2, max(crystals, int(ids.max()) + 1), 2), np.nan)
    rows[0, ids], rows[1, ids] = centres, start
    return KMeansModel(rows[0], rows[1], inertia, iterations, empty)

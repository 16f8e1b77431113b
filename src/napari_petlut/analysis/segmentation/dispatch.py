"""One call for every method."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.segmentation.kmeans import fit_kmeans, weighted_inertia
from napari_petlut.analysis.segmentation.mixture_fitting import fit_mixture
from napari_petlut.analysis.segmentation.nearest import nearest_peak_cells
from napari_petlut.analysis.segmentation.parameters import SegmentationParameters
from napari_petlut.analysis.segmentation.watershed import watershed_cells
from napari_petlut.errors import ParameterError
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.maps.cells import cell_centres, squared_distances
from napari_petlut.maps.neighbours import local_pitch
from napari_petlut.model import FloatArray, LabelArray, Segmentation

Progress = Callable[[float], None] | None
Cancel = Callable[[], bool] | None

# How many crystals a warning names before it says "and n more".
_NAMED_CRYSTALS = 8


class _Result(NamedTuple):
    """What a method hands back."""

    labels: LabelArray
    centres: FloatArray
    iterations: int
    warnings: tuple[str, ...] = ()
    inertia: float | None = None


def segment(
    counts: npt.ArrayLike,
    positions: npt.ArrayLike | None,
    params: SegmentationParameters | None = None,
    *,
    events: npt.ArrayLike | None = None,
    geometry: BlockGeometry | None = None,
    progress: Progress = None,
    cancelled: Cancel = None,
) -> Segmentation:
    """Give each pixel of a flood map to a crystal.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Unfiltered flood map.
    positions : array_like, shape (n, 2)
        Peaks by crystal id, (axis 0, axis 1) in pixels. A row of NaN is a crystal that takes no part: it gets
        no cell, and its id stays its own. May be None for k-means from a grid or k-means++.
    params : SegmentationParameters, optional
    events : array_like, shape (m, 2), optional
        Event positions in pixels, for k-means on events.
    geometry : BlockGeometry, optional
        For k-means from a grid, or without positions.
    progress : callable, optional
        Called with the fraction done, 0 to 1.
    cancelled : callable, optional
        Asked between iterations; True stops with `Cancelled`.

    Returns
    -------
    segmentation : Segmentation
        Its warnings say when centres left their peaks, crystals are dead, or a fit did not converge.

    Raises
    ------
    ParameterError
        If the map or the peaks cannot be used.
    Cancelled
        If `cancelled` said so.
    """
    params = SegmentationParameters() if params is None else params
    values = np.asarray(counts, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all() or not values.sum() > 0:
        raise ParameterError("segmentation needs a 2-D flood map of finite counts that is not empty")
    if positions is None and params.method != "kmeans":
        raise ParameterError(f"segmentation by {params.method} needs peaks; detect or add them first")
    peaks = None if positions is None else np.asarray(positions, np.float64)
    begin = time.perf_counter()
    if params.method == "kmeans":
        result = _kmeans(values, peaks, params, events, geometry, progress, cancelled)
    elif params.method == "mixture":
        result = _mixture(values, peaks, params, progress, cancelled)
    else:
        assert peaks is not None
        result = _direct(values, peaks, params)
    labels = _bounded(result.labels, result.centres, params.max_distance)
    drift = _drift(peaks, result.centres)
    inertia = weighted_inertia(values, labels, result.centres) if result.inertia is None else result.inertia
    return Segmentation(
        labels=labels,
        centres=result.centres,
        drift=drift,
        method=params.method,
        inertia=inertia,
        iterations=result.iterations,
        seconds=time.perf_counter() - begin,
        warnings=(*drift_warnings(drift, peaks, params.drift_limit), *result.warnings),
    )


def _direct(values: FloatArray, peaks: FloatArray, params: SegmentationParameters) -> _Result:
    """Run a method without iterations."""
    if params.method == "nearest":
        shape = (values.shape[0], values.shape[1])
        return _Result(nearest_peak_cells(shape, peaks), peaks.copy(), 0)
    labels = watershed_cells(values, peaks, params.watershed)
    held, centres = cell_centres(labels, values, len(peaks))
    return _Result(labels, np.where(held[:, None] > 0, centres, peaks), 0)


def _mixture(
    values: FloatArray,
    peaks: FloatArray | None,
    params: SegmentationParameters,
    progress: Progress,
    cancelled: Cancel,
) -> _Result:
    assert peaks is not None
    fit = fit_mixture(values, peaks, params.mixture, progress=progress, cancelled=cancelled)
    warnings = []
    if not fit.converged:
        warnings.append(f"the mixture did not converge within {fit.iterations} iterations; allow more")
    if fit.dead.any():
        share = f"{100 * params.mixture.dead_share:g} %"
        warnings.append(f"less than {share} of their neighbours' counts, no cell: {_named(fit.dead)}")
    labels = fit.labels(background_cells=params.mixture.background_cells)
    return _Result(labels, fit.means, fit.iterations, tuple(warnings))


def _kmeans(
    values: FloatArray,
    peaks: FloatArray | None,
    params: SegmentationParameters,
    events: npt.ArrayLike | None,
    geometry: BlockGeometry | None,
    progress: Progress,
    cancelled: Cancel,
) -> _Result:
    model = fit_kmeans(
        values,
        peaks,
        params.kmeans,
        events=events,
        geometry=geometry,
        progress=progress,
        cancelled=cancelled,
    )
    warnings = []
    if model.empty:
        warnings.append(f"{model.empty} clusters lost all their counts and stayed where they were")
    if peaks is None and params.kmeans.start == "k-means++":
        warnings.append("clusters were numbered by their place on a uniform grid; check the numbering")
    labels = model.labels((values.shape[0], values.shape[1]))
    return _Result(labels, model.centres, model.iterations, tuple(warnings), model.inertia)


def _bounded(labels: LabelArray, centres: FloatArray, max_distance: float | None) -> LabelArray:
    """Return labels without the pixels that are farther than the bound from the centre of their cell."""
    if max_distance is None:
        return labels
    far = squared_distances(labels, centres) > max_distance**2
    return np.where(far, NO_CRYSTAL, labels).astype(np.int32)


def _drift(peaks: FloatArray | None, centres: FloatArray) -> FloatArray:
    if peaks is None or len(peaks) != len(centres):
        return np.full(len(centres), np.nan)
    return np.asarray(np.hypot(*(centres - peaks).T))


def drift_warnings(drift: FloatArray, peaks: FloatArray | None, limit: float) -> tuple[str, ...]:
    """Return a line if centres moved from their peaks by more than `limit` typical pitches; else nothing."""
    if peaks is None or not np.isfinite(drift).any():
        return ()
    pitch = local_pitch(peaks)
    typical = float(np.nanmedian(pitch))
    if not np.isfinite(typical):
        return ()
    far = np.flatnonzero(drift > limit * typical)
    if far.size == 0:
        return ()
    worst = int(np.nanargmax(drift))
    return (
        f"{far.size} of {int(np.isfinite(drift).sum())} centres left their peaks by more than "
        f"{limit * typical:.1f} px ({limit:.2f} of the typical pitch); the farthest is crystal {worst} "
        f"with {drift[worst]:.1f} px ({drift[worst] / pitch[worst]:.2f} of its local pitch)",
    )


def _named(crystals: npt.NDArray[np.bool_]) -> str:
    """Return "crystals 3, 7 and 5 more"."""
    ids = np.flatnonzero(crystals)
    text = ", ".join(str(i) for i in ids[:_NAMED_CRYSTALS])
    more = len(ids) - _NAMED_CRYSTALS
    noun = "crystal" if len(ids) == 1 else "crystals"
    return f"{noun} {text}" + (f" and {more} more" if more > 0 else "")

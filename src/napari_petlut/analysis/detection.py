"""Peak detection: Gaussian filter, local maxima, sub-pixel positions, and good choices for all of them.

This is the notebook's recipe with its meaning kept. It does not know which peak is which crystal, and no
setting of it finds every crystal of every block: `analysis.lattice` is for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import peak_local_max

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.support import lit_part
from napari_petlut.model import FloatArray, Peaks

FilterMode = Literal["constant", "nearest", "reflect", "mirror", "wrap"]

# The lit part of a map: where a strongly smoothed map exceeds this share of its upper level, see `lit_part`.
_SUPPORT_SHARE = 0.12
_SUPPORT_PERCENTILE = 98.0
_SUPPORT_DARKEST = 0.01
# Relative noise that the filtered map may keep at its typical level; peaks stand out by 10 % and more.
_NOISE_TARGET = 0.03
# Filter sigma in units of the pitch. Spots have a sigma near 0.32 of it; more than half of that merges them.
_SIGMA_LIMITS_PITCH = (0.02, 0.15)
# The notebook's 5 px of a 28 px pitch.
_MIN_DISTANCE_PITCH = 0.18
# Threshold as a share of the typical peak: a dim crystal passes, the tails around the block do not.
_THRESHOLD_SHARE = 0.15
# Peaks per crystal of the block beyond which a noisy map is cut off; far too many to make a count look right.
_MAX_PEAKS_PER_CRYSTAL = 3


@dataclass(frozen=True)
class FilterParameters:
    """Smoothing of the flood map before peaks are sought.

    Parameters
    ----------
    sigma : float
        Standard deviation of the Gaussian in pixels; 0 leaves the map as it is. The notebook takes 0.75.
    mode : {"constant", "nearest", "reflect", "mirror", "wrap"}
        What lies beyond the map's edge, as in `scipy.ndimage.gaussian_filter`; "constant" means no counts.

    Raises
    ------
    ParameterError
        If `sigma` is negative or the mode unknown.
    """

    sigma: float = 0.75
    mode: FilterMode = "constant"

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < np.inf:
            raise ParameterError(f"filter sigma must be 0 or more pixels, not {self.sigma}")
        if self.mode not in ("constant", "nearest", "reflect", "mirror", "wrap"):
            raise ParameterError(f"filter mode {self.mode!r} is unknown; use 'constant' or 'nearest'")


@dataclass(frozen=True)
class PeakParameters:
    """What counts as a peak of the filtered map. Every field left out is chosen from the map.

    Parameters
    ----------
    threshold : float, optional
        Lowest height of a peak in counts per pixel of the filtered map. The notebook takes 200.
    min_distance : int, optional
        Peaks are at least this many pixels apart along one of the axes, and as far from the map's edge.
        The notebook takes 5.
    max_peaks : int, optional
        Keep only so many of the highest peaks. A cap makes a count look right that is not: by default it is
        three times the number of crystals where the geometry is known, and absent otherwise.
    refine : bool
        Move each peak to the sub-pixel maximum of the map around it.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    threshold: float | None = None
    min_distance: int | None = None
    max_peaks: int | None = None
    refine: bool = True

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold < np.inf:
            raise ParameterError(f"peak threshold must be 0 or more counts, not {self.threshold}")
        if self.min_distance is not None and self.min_distance < 1:
            raise ParameterError(f"min_distance must be 1 pixel or more, not {self.min_distance}")
        if self.max_peaks is not None and self.max_peaks < 1:
            raise ParameterError(f"max_peaks must be 1 or more, not {self.max_peaks}")


def filter_map(counts: npt.ArrayLike, params: FilterParameters | None = None) -> FloatArray:
    """Return the Gaussian-filtered map.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Flood map.
    params : FilterParameters, optional
        The notebook's by default.

    Returns
    -------
    filtered : ndarray of float64, shape (n0, n1)
        Counts per pixel.
    """
    params = FilterParameters() if params is None else params
    values = _checked(counts)
    if params.sigma == 0:
        return values.copy()
    filtered: FloatArray = ndimage.gaussian_filter(values, params.sigma, mode=params.mode)
    return filtered


def find_peaks(
    counts: npt.ArrayLike, params: PeakParameters | None = None, *, geometry: BlockGeometry | None = None
) -> Peaks:
    """Find the local maxima of a filtered flood map, highest first.

    A maximum is the highest pixel within `min_distance` along both axes, above `threshold`: the meaning of
    `skimage.feature.peak_local_max` in the notebook, except that a plateau gives one peak, its central pixel.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Flood map, usually after `filter_map`.
    params : PeakParameters, optional
        All chosen from the map by default.
    geometry : BlockGeometry, optional
        Sharpens the automatic choices.

    Returns
    -------
    peaks : Peaks
        Without crystal ids; empty when nothing stands out.

    Examples
    --------
    >>> counts = np.zeros((9, 9))
    >>> counts[3, 5] = 100
    >>> find_peaks(counts, PeakParameters(threshold=1, min_distance=2, refine=False)).positions.tolist()
    [[3.0, 5.0]]
    """
    values = _checked(counts)
    chosen = completed_parameters(values, PeakParameters() if params is None else params, geometry)
    assert chosen.threshold is not None and chosen.min_distance is not None
    if values.max() <= chosen.threshold or values.max() == values.min():
        return Peaks(np.empty((0, 2)))
    found = peak_local_max(  # type: ignore[no-untyped-call]
        _one_pixel_per_plateau(values, chosen.min_distance),
        min_distance=chosen.min_distance,
        threshold_abs=chosen.threshold,
        exclude_border=int(chosen.min_distance),
        num_peaks=values.size if chosen.max_peaks is None else chosen.max_peaks,
        p_norm=np.inf,
    )
    positions = np.asarray(found, np.float64)
    if chosen.refine and len(positions):
        positions = refine_peaks(values, positions, radius=max(1, chosen.min_distance // 2))
    return Peaks(positions)


def refine_peaks(counts: npt.ArrayLike, positions: npt.ArrayLike, radius: int = 2) -> FloatArray:
    """Move peaks to the maximum of a parabola fitted to the map around each.

    A quadratic surface is fitted by least squares to the (2 * radius + 1) squared pixels around the peak,
    weighted by a Gaussian of sigma `radius` / 1.5, and its vertex taken. A peak stays where it was when the
    surface has no maximum, or one farther than `radius`.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Flood map, filtered or not.
    positions : array_like, shape (n, 2)
        Starting positions in pixels.
    radius : int
        Half width of the window in pixels.

    Returns
    -------
    refined : ndarray of float64, shape (n, 2)
    """
    values, start = _checked(counts), np.asarray(positions, np.float64).reshape(-1, 2)
    if radius < 1:
        raise ParameterError(f"refinement radius must be 1 pixel or more, not {radius}")
    centre = np.rint(start).astype(np.intp)
    offsets = np.arange(-radius, radius + 1)
    d0, d1 = (grid.ravel().astype(float) for grid in np.meshgrid(offsets, offsets, indexing="ij"))
    rows = np.clip(centre[:, :1] + d0.astype(int), 0, values.shape[0] - 1)
    cols = np.clip(centre[:, 1:] + d1.astype(int), 0, values.shape[1] - 1)
    weight = np.exp(-0.5 * (d0**2 + d1**2) / (radius / 1.5) ** 2) ** 0.5
    design = np.stack([np.ones_like(d0), d0, d1, d0**2, d0 * d1, d1**2], axis=1)
    solver = np.linalg.pinv(design * weight[:, None]) * weight
    _, b0, b1, a00, a01, a11 = solver @ values[rows, cols].T
    determinant = 4 * a00 * a11 - a01**2
    curved = (a00 < 0) & (determinant > 0)
    safe = np.where(curved, determinant, 1.0)
    shift = np.stack([(a01 * b1 - 2 * a11 * b0) / safe, (a01 * b0 - 2 * a00 * b1) / safe], axis=1)
    inside = curved & (np.abs(shift).max(axis=1) <= radius)
    refined: FloatArray = np.where(inside[:, None], centre + shift, start)
    return refined


def suggest_parameters(
    counts: npt.ArrayLike, geometry: BlockGeometry | None = None
) -> tuple[FilterParameters, PeakParameters]:
    """Choose filter and peak parameters from the map itself.

    The filter is as weak as the noise allows: the Poisson noise left after a Gaussian of width sigma is
    1 / sqrt(4 pi sigma^2 N) of the level N, which is held at 3 % within limits set by the pitch.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Unfiltered flood map.
    geometry : BlockGeometry, optional
        The crystal array; without it the pitch is estimated from the map.

    Returns
    -------
    filter, peaks : FilterParameters, PeakParameters
        With every field filled in, except `max_peaks` where the geometry is not known.
    """
    values = _checked(counts)
    support = _support(values)
    pitch = estimate_pitch(values, geometry)
    level = float(values[support].mean()) if support.any() else 0.0
    low, high = _SIGMA_LIMITS_PITCH
    wanted = 1 / (_NOISE_TARGET * np.sqrt(4 * np.pi * max(level, 1e-3)))
    sigma = round(float(np.clip(wanted, low * pitch, high * pitch)), 2)
    filter_params = FilterParameters(sigma=sigma)
    chosen = completed_parameters(filter_map(values, filter_params), PeakParameters(), geometry, pitch=pitch)
    return filter_params, chosen


def completed_parameters(
    filtered: npt.ArrayLike,
    params: PeakParameters,
    geometry: BlockGeometry | None = None,
    *,
    pitch: float | None = None,
) -> PeakParameters:
    """Return the parameters with the fields left out chosen for this map, as `find_peaks` chooses them.

    Parameters
    ----------
    filtered : array_like, shape (n0, n1)
        Flood map after `filter_map`.
    params : PeakParameters
    geometry : BlockGeometry, optional
        The crystal array; without it the pitch is estimated from the map and `max_peaks` stays absent.
    pitch : float, optional
        Typical distance of neighbouring peaks in pixels, where it is known already.

    Returns
    -------
    PeakParameters

    Examples
    --------
    >>> counts = np.zeros((40, 40))
    >>> counts[5::10, 5::10] = 100
    >>> completed_parameters(counts, PeakParameters(min_distance=2), BlockGeometry(4, 4))
    PeakParameters(threshold=15.0, min_distance=2, max_peaks=48, refine=True)
    """
    values = _checked(filtered)
    min_distance, threshold, max_peaks = params.min_distance, params.threshold, params.max_peaks
    if min_distance is None:
        pitch = estimate_pitch(values, geometry) if pitch is None else pitch
        min_distance = max(1, round(_MIN_DISTANCE_PITCH * pitch))
    if threshold is None:
        threshold = _typical_threshold(values, min_distance, geometry)
    if max_peaks is None and geometry is not None:
        max_peaks = _MAX_PEAKS_PER_CRYSTAL * len(geometry)
    return PeakParameters(threshold, min_distance, max_peaks, params.refine)


def estimate_pitch(counts: npt.ArrayLike, geometry: BlockGeometry | None = None) -> float:
    """Return the typical distance of neighbouring peaks in pixels: the lit area per crystal, its square root.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        Flood map.
    geometry : BlockGeometry, optional
        Without it, the number of crystals is taken from the range of smoothing over which the number of local
        maxima changes least.
    """
    values = _checked(counts)
    area = float(_support(values).sum())
    if area == 0:
        return float(min(values.shape))
    number = len(geometry) if geometry is not None else _stable_number(values, area)
    return float(np.clip(np.sqrt(area / number), 1.0, min(values.shape)))


def _checked(counts: npt.ArrayLike) -> FloatArray:
    values = np.asarray(counts, np.float64)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ParameterError(f"a flood map is a 2-D array of at least 2 x 2 pixels, not {values.shape}")
    if not np.isfinite(values).all():
        raise ParameterError("the flood map holds values that are not finite")
    return values


def _support(values: FloatArray) -> npt.NDArray[np.bool_]:
    """Return the lit part of the map."""
    smooth = ndimage.gaussian_filter(values, min(values.shape) / 64)
    return lit_part(smooth, _SUPPORT_SHARE, percentile=_SUPPORT_PERCENTILE, darkest=_SUPPORT_DARKEST)


def _stable_number(values: FloatArray, area: float) -> int:
    """Return the number of local maxima where it depends least on the smoothing."""
    side = np.sqrt(area)
    sigmas = np.geomspace(side / 400, side / 12, 16)
    numbers = []
    for sigma in sigmas:
        smooth = ndimage.gaussian_filter(values, sigma)
        maxima = (smooth == ndimage.maximum_filter(smooth, size=3)) & (smooth > 0.1 * smooth.max())
        numbers.append(max(1, int(ndimage.label(maxima, np.ones((3, 3)))[1])))
    steps = np.abs(np.diff(np.log(numbers)))
    flatness = steps[:-1] + steps[1:]
    # A few maxima are stable under heavy smoothing of anything.
    flatness = np.where(np.array(numbers[1:-1]) >= 9, flatness, np.inf)
    return numbers[1 + int(np.argmin(flatness))] if np.isfinite(flatness).any() else max(numbers)


def _typical_threshold(values: FloatArray, min_distance: int, geometry: BlockGeometry | None) -> float:
    """Return a share of the median height of the maxima: of as many as crystals, where that is known."""
    maxima = values[values == ndimage.maximum_filter(values, size=2 * min_distance + 1)]
    heights = np.sort(maxima[maxima > 0])[::-1]
    if heights.size == 0:
        return 0.0
    crystals = int((heights > 0.05 * heights[0]).sum()) if geometry is None else len(geometry)
    heights = heights[:crystals]
    return float(
        np.format_float_positional(_THRESHOLD_SHARE * np.median(heights), precision=3, fractional=False)
    )


def _one_pixel_per_plateau(values: FloatArray, min_distance: int) -> FloatArray:
    """Return the map with nothing left but its local maxima, one pixel of each plateau: the most central."""
    maxima = values == ndimage.maximum_filter(values, size=2 * min_distance + 1, mode="nearest")
    plateaus, number = ndimage.label(maxima, np.ones((3, 3)))
    where = np.argwhere(maxima)
    label = plateaus[maxima] - 1
    size = np.bincount(label, minlength=number)
    centre = np.stack([np.bincount(label, where[:, axis], number) / size for axis in (0, 1)], axis=1)
    distance = ((where - centre[label]) ** 2).sum(axis=1)
    order = np.lexsort((distance, label))
    first = order[np.unique(label[order], return_index=True)[1]]
    single = np.zeros_like(values)
    single[tuple(where[first].T)] = values[tuple(where[first].T)]
    return single

"""The waves of the lines: which way rows and columns run, and how dense they are, everywhere on the block.

Seen through a window of a few pitches the crystals make two waves, one of the rows and one of the columns.
Their wave vectors are taken where the window's Fourier transform is largest (windowed Fourier ridges, Q.
Kemao, Optics and Lasers in Engineering 45 (2007) 304), but so that neighbouring windows agree: costs are
summed along paths from eight directions (semi-global matching, H. Hirschmueller, IEEE TPAMI 30 (2008) 328).
Their sum over the block, by least squares, is where the lines are. No line is followed, so that none can be
lost: a rough lattice that is several crystals off becomes one that is about right, however the lines swirl.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from napari_petlut.analysis.lattice.fitting.contest import Contest
from napari_petlut.analysis.lattice.grids import smooth_grid
from napari_petlut.analysis.lattice.proposing.phases import (
    PER_PITCH,
    PHASE_MARGIN,
    meet_offsets,
    put_on_phases,
)
from napari_petlut.analysis.lattice.proposing.ridges import ROUGH_SMOOTHING
from napari_petlut.analysis.lattice.seeing.index_space import MARGIN, SAMPLES, RectifiedMap, sample_places
from napari_petlut.compiling import compiled
from napari_petlut.maps.parabola import top_of_parabola
from napari_petlut.model import FloatArray, SingleArray

STEP = 0.1
"""Between the wave vectors that are tried, in waves per pitch."""
MAIN = np.round(np.arange(0.65, 1.5, STEP), 2)
"""How dense the lines may be across, in waves per pitch: the block is spread evenly only roughly."""
CROSS = np.round(np.arange(-0.9, 0.95, STEP), 2)
"""How far they may be turned: the other component of their wave vectors."""
STEEPEST = 0.8
"""Largest ratio of the two: near 1 a wave may as well be one of the other lines, or of the diagonals."""
WINDOW = 2.75
"""Standard deviation of the windows in pitches, where only one width is tried."""
PHASE_WIDTH = 0.8
"""Width of the windows, in pitches, of the phases that are taken in the end."""
PLACE_STEP = 1.5
"""Pitches between the windows."""
COARSE = 2
"""Every so many samples of the rectified map are enough."""
QUIET = 30
"""Percentile of the energy at one wavelength that is taken for what no wave makes."""
RING = 0.08
"""Half the width of the range of wavelengths that is called one, in waves per pitch."""
WAVE_FLOOR = 0.15
"""Added to the mean energy of a window, as a share of the median one: darkness has no waves."""
UNLIKE_COST = 0.05
"""Cost of neighbouring windows whose wave vectors are a step apart; it grows with the square."""
LARGEST_COST = 6.0
"""Most that unlike neighbours cost: lines may break at a fault."""
STRONGEST_WAVE, WEAKEST_WAVE = 10.0, 0.05
"""Largest and smallest weight of a window's wave vector."""
STEP_REACH = 5
"""Steps of the wave vector between neighbouring windows that are looked at."""
FURTHEST_PEAK = 0.6
"""Furthest that a wave vector is put from the one that was tried, in steps: a little more than halfway."""
FLATTEST = 1e-6
"""Second difference of the logarithms from which three of them have a top."""


def put_on_waves(contest: Contest, grid: FloatArray, window: float) -> FloatArray:
    """Return a lattice with its lines put where the waves of the map say, and then their phases.

    Parameters
    ----------
    contest : Contest
    grid : ndarray of float64, shape (rows, cols, 2)
        In pixels of the prepared map; several crystals off is near enough.
    window : float
        Standard deviation, in pitches, of the windows through which waves are seen.

    Returns
    -------
    ndarray of float64, shape (rows, cols, 2)
    """
    space, image = contest.scene.along(smooth_grid(grid, ROUGH_SMOOTHING))
    places = np.empty((2, *grid.shape[:2]))
    meet_offsets(*wave_offsets(image, window), places)
    return put_on_phases(contest, space.to_pixels(places[0], places[1]), ROUGH_SMOOTHING, PHASE_WIDTH)


def wave_offsets(image: RectifiedMap, window: float) -> tuple[FloatArray, FloatArray]:
    """Return how far the rows and the columns of a rectified map are off their even places.

    Parameters
    ----------
    image : RectifiedMap
    window : float
        Standard deviation, in pitches, of the windows through which waves are seen.

    Returns
    -------
    down, right : ndarray of float64, shape (places along v, places along u)
        In pitches, at the places of `phases.line_offsets`. Whole lines that all have in common are left out.
    """
    contrast = image.contrast[::COARSE, ::COARSE].astype(np.float32)
    down = _offsets(contrast, window)
    right = _offsets(np.ascontiguousarray(contrast.T), window)
    return down, np.ascontiguousarray(right.T)


def _offsets(contrast: SingleArray, window: float) -> FloatArray:
    """Return how far the lines that run along the second axis are off, at the places of phases."""
    lines, across = ((n - 1) * COARSE // SAMPLES + 1 - 2 * MARGIN for n in contrast.shape)
    energy = wave_energy(contrast, lines, across, window)
    main, cross, weight = wave_vectors(energy)
    at0, at1 = window_places(lines), window_places(across)
    phase = sum_steps(main * (at0[1] - at0[0]), cross * (at1[1] - at1[0]), weight)
    offset = at0[:, None] - phase
    return _at_phase_places(offset - np.median(offset), lines, across)


def _at_phase_places(offset: FloatArray, lines: int, across: int) -> FloatArray:
    """Return offsets of windows at the places where phases are taken."""
    at = [
        np.clip((np.arange(n * PER_PITCH + 1) / PER_PITCH - PHASE_MARGIN) / (n - 1), 0, 1) * (windows - 1)
        for n, windows in ((lines, offset.shape[0]), (across, offset.shape[1]))
    ]
    places = np.meshgrid(*at, indexing="ij")
    return np.asarray(ndimage.map_coordinates(offset, places, order=3, mode="nearest"))


def window_places(lines: int) -> FloatArray:
    """Return where the windows of one axis are centred: evenly from the first line to the last."""
    return np.linspace(0.0, lines - 1.0, max(2, round((lines - 1) / PLACE_STEP) + 1))


@lru_cache(maxsize=64)
def _waves(lines: int, main: bool, width: float) -> SingleArray:
    """Return windows times waves: real parts, then imaginary ones, (2 * waves * windows, samples)."""
    off = sample_places(lines)[::COARSE] - window_places(lines)[:, None]
    window = np.exp(-0.5 * (off / width) ** 2)
    window /= window.sum(axis=1, keepdims=True)
    turn = 2 * np.pi * (MAIN if main else CROSS)[:, None, None] * off
    parts = np.stack([window * np.cos(turn), -window * np.sin(turn)])
    return np.ascontiguousarray(parts.reshape(-1, off.shape[1]), dtype=np.float32)


def wave_energy(contrast: SingleArray, lines: int, across: int, window: float) -> SingleArray:
    """Return the energy of every wave in every window.

    Parameters
    ----------
    contrast : ndarray of float32, shape (samples along v, samples along u)
        Of a rectified map, every `COARSE` samples.
    lines, across : int
        Lines of the lattice along both axes.
    window : float
        Standard deviation of the windows in pitches.

    Returns
    -------
    ndarray of float32, shape (windows along v, windows along u, len(MAIN), len(CROSS))
    """
    down, right = _waves(lines, True, window), _waves(across, False, window)
    both = (down @ contrast) @ right.T
    high, wide = len(window_places(lines)), len(window_places(across))
    parts = both.reshape(2, len(MAIN), high, 2, len(CROSS), wide)
    real = parts[0, :, :, 0] - parts[1, :, :, 1]
    imaginary = parts[0, :, :, 1] + parts[1, :, :, 0]
    return np.ascontiguousarray((real**2 + imaginary**2).transpose(1, 3, 0, 2))


def wave_vectors(energy: SingleArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the wave vector of the lines in every window, and how sure it is.

    Parameters
    ----------
    energy : ndarray of float32
        As `wave_energy` returns it.

    Returns
    -------
    main, cross, weight : ndarray of float64, shape (windows along v, windows along u)
        Waves per pitch across and along the lines, and the energy against the window's mean.
    """
    length = np.hypot(MAIN[:, None], CROSS[None])
    steep = np.abs(CROSS)[None] > STEEPEST * MAIN[:, None]
    level = energy / _quiet(energy, length).astype(np.float32)
    mean = level[:, :, ~steep].mean(axis=-1)
    above = level / (mean + WAVE_FLOOR * np.median(mean) + np.float32(1e-30))[:, :, None, None]
    cost = -np.log1p(above)
    cost[:, :, steep] = 0.0
    total = np.zeros_like(cost)
    sum_costs(cost, total)
    best = total.reshape(*total.shape[:2], -1).argmin(axis=-1)
    i, j = np.unravel_index(best, total.shape[2:])
    log = np.log(energy + np.float32(1e-30)).astype(np.float64)
    main = MAIN[i] + STEP * _peak(log, i, j, (1, 0))
    cross = CROSS[j] + STEP * _peak(log, i, j, (0, 1))
    at0, at1 = np.indices(best.shape)
    weight = np.clip(above[at0, at1, i, j].astype(np.float64), 0, STRONGEST_WAVE) + WEAKEST_WAVE
    return main, cross, weight


def _quiet(energy: SingleArray, length: FloatArray) -> FloatArray:
    """Return the energy that no wave makes at each wave vector: unlike spots make long ones of all kinds."""
    lengths = np.arange(MAIN[0], length.max(), STEP)
    low = [np.percentile(energy[:, :, np.abs(length - at) < RING], QUIET) for at in lengths]
    fit = np.polynomial.Polynomial.fit(lengths**2, np.log(np.asarray(low) + 1e-30), 1)
    return np.asarray(np.exp(fit(length**2)))


def _peak(
    log: FloatArray, i: npt.NDArray[np.intp], j: npt.NDArray[np.intp], step: tuple[int, int]
) -> FloatArray:
    """Return how far a parabola through a value and its two neighbours peaks from it, in steps."""
    at0, at1 = np.indices(i.shape)

    def value(side: int) -> FloatArray:
        p = np.clip(i + side * step[0], 0, log.shape[2] - 1)
        q = np.clip(j + side * step[1], 0, log.shape[3] - 1)
        return np.asarray(log[at0, at1, p, q])

    low, here, high = value(-1), value(0), value(1)
    top = top_of_parabola(low, here, high, flattest=FLATTEST, furthest=FURTHEST_PEAK)
    return np.where(low - 2 * here + high < -FLATTEST, top, 0.5 * np.sign(high - low))


def sum_costs(cost: SingleArray, total: SingleArray) -> None:
    """Add to `total` the cheapest costs along paths to every window from eight directions.

    Parameters
    ----------
    cost, total : ndarray of float32, shape (windows, windows, len(MAIN), len(CROSS))
    """
    high, wide, mains, crosses = cost.shape
    path = np.zeros((2, wide, mains, crosses), np.float32)
    halfway = np.zeros((mains, crosses), np.float32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if down == 0 and right == 0:
                continue
            for step in range(high):
                i = step if down >= 0 else high - 1 - step
                now = path[step % 2]
                for across in range(wide):
                    j = across if right >= 0 else wide - 1 - across
                    now[j] = cost[i, j]
                    before = j - right
                    if 0 <= before < wide and (down == 0 or step > 0):
                        came = now[before] if down == 0 else path[(step + 1) % 2, before]
                        _go_on(came, halfway, now[j])
                    total[i, j] += now[j]


@compiled()
def _go_on(came: SingleArray, halfway: SingleArray, here: SingleArray) -> None:
    """Add to the costs of a window the cheapest way from its neighbour, `came`, less its cheapest at all."""
    mains, crosses = came.shape
    most = np.float32(LARGEST_COST)
    least = came[0, 0]
    for i in range(mains):
        for j in range(crosses):
            least = came[i, j] if came[i, j] < least else least
    for i in range(mains):
        for j in range(crosses):
            halfway[i, j] = most
        for k in range(max(0, i - STEP_REACH), min(mains, i + STEP_REACH + 1)):
            price = np.float32(UNLIKE_COST * (i - k) ** 2) - least
            for j in range(crosses):
                value = came[k, j] + price
                halfway[i, j] = value if value < halfway[i, j] else halfway[i, j]
    for i in range(mains):
        for j in range(crosses):
            best = halfway[i, j]
            for k in range(max(0, j - STEP_REACH), min(crosses, j + STEP_REACH + 1)):
                value = halfway[i, k] + np.float32(UNLIKE_COST * (j - k) ** 2)
                best = value if value < best else best
            here[i, j] += best


def sum_steps(down: FloatArray, right: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the field whose steps are nearest to those given, by weighted least squares.

    Parameters
    ----------
    down, right : ndarray of float64, shape (n0, n1)
        Its slope at every place along axis 0 and axis 1, per place.
    weight : ndarray of float64, shape (n0, n1)

    Returns
    -------
    ndarray of float64, shape (n0, n1)
        0 on average.

    Examples
    --------
    >>> slope = np.ones((3, 4))
    >>> sum_steps(2 * slope, slope, slope)[0].round(3).tolist()
    [-3.5, -2.5, -1.5, -0.5]
    """
    index = np.arange(weight.size).reshape(weight.shape)
    start = np.concatenate([index[:-1].ravel(), index[:, :-1].ravel()])
    end = np.concatenate([index[1:].ravel(), index[:, 1:].ravel()])
    step = np.concatenate([_between(down).ravel(), _between(right.T).T.ravel()])
    sure = np.concatenate(
        [np.sqrt(weight[:-1] * weight[1:]).ravel(), np.sqrt(weight[:, :-1] * weight[:, 1:]).ravel()]
    )
    number = np.arange(len(step))
    ones = np.ones(len(step))
    differences = sparse.csr_matrix(
        (np.concatenate([ones, -ones]), (np.concatenate([number, number]), np.concatenate([end, start]))),
        shape=(len(step), weight.size),
    )
    scaled = differences.T.multiply(sure)
    normal = sparse.csc_matrix(scaled @ differences + 1e-9 * sure.mean() * sparse.eye(weight.size))
    out = spsolve(normal, scaled @ step).reshape(weight.shape)
    return np.asarray(out - out.mean())


def _between(values: FloatArray) -> FloatArray:
    """Return the mean of neighbours along the first axis."""
    return 0.5 * (values[:-1] + values[1:])

"""Follow the phase of the lines: how far the map's rows and columns are off those of a lattice, everywhere.

In index space the crystals of a lattice that is about right repeat once per pitch along both axes. The phase
of that wave, taken over a window of about two pitches, is how far a line is off, but for whole lines; where
it is known all over the block it is unwrapped, so that an offset grows to several pitches where lines bend.
Where counts are few or lines swirl this sees what tracing one line after the other loses: every window adds
up several crystals, and the unwrapping goes around places that say nothing. In microscopy of crystals this is
geometric phase analysis (M. J. Hytch, E. Snoeck, R. Kilaas, Ultramicroscopy 74 (1998) 131).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numba import njit
from skimage.restoration import unwrap_phase

from napari_petlut.analysis.lattice.grids import node_distance, smooth_grid
from napari_petlut.analysis.lattice.hypotheses import GAIN, LOCK_WEIGHTS, SAME, Contest, Hypothesis
from napari_petlut.analysis.lattice.rectified import MARGIN, SAMPLES, RectifiedMap, sample_places
from napari_petlut.model import FloatArray

SMOOTHINGS = (2.0, 20.0)
"""How much a lattice is straightened before its phases are taken: lines that jump to their neighbours leave
bends, and the stiffer it is made, the larger the bends that are taken out."""
WIDTHS = (0.6, 0.8, 1.0)
"""Widths of the windows in pitches: narrow ones follow strong bends, wide ones see more crystals."""
PER_PITCH = 2
"""Places per pitch at which the phase is taken."""
OUTSIDE = 0.5
"""How far beyond the outer lines phases are taken, in pitches."""
TIMES = 2
"""Times that the map is rectified along what was found and its phases are taken again."""
ROUNDS, STARTS = 3, 1
"""Most rounds, and lattices whose phases are followed in each."""
PATIENCE = 1
"""Rounds without a gain after which it ends."""
BEHIND = 0.3
"""How far behind the best a lattice may be to be followed: lines that are one off are put right one after the
other, and the map is not explained better after each."""
NEARLY = 0.15
"""Lattices that are behind the best by less than this are fitted once more: where spots overlap, those that
start further away have not come to rest."""
UNLIKE = 0.003
"""Share of the crystals that differ from lattices that were followed before."""
MEETINGS = 8
"""Steps towards the place that is as far from its even place as the offset there says."""


def phase_moves(contest: Contest, grid: FloatArray) -> Iterator[tuple[FloatArray, str]]:
    """Yield a lattice with its lines moved to where the phases of the map put them.

    Parameters
    ----------
    contest : Contest
    grid : ndarray of float64, shape (rows, cols, 2)
        In pixels of the prepared map.
    """
    for smoothing in SMOOTHINGS:
        for width in WIDTHS:
            yield followed(contest, grid, smoothing, width), "lines put where their phases are"


def follow_phases(contest: Contest) -> None:
    """Move the lines of the best lattices to where their phases are, until that helps no more.

    Parameters
    ----------
    contest : Contest
    """
    done: list[Hypothesis] = []
    patience = PATIENCE
    for _ in range(ROUNDS):
        before = contest.best.score
        starts = unlike(contest.pool, done, before + BEHIND)
        if not starts or patience == 0 or contest.spent:
            return
        done += starts
        for start in starts:
            _follow(contest, start)
        patience = PATIENCE if contest.best.score < before - GAIN else patience - 1


def _follow(contest: Contest, start: Hypothesis) -> None:
    """Judge what the phases make of a lattice, every other one put onto the ridges."""
    for number, (grid, origin) in enumerate(phase_moves(contest, start.grid)):
        if contest.spent:
            return
        if number % 2:
            grid = contest.lock(grid, LOCK_WEIGHTS[1:])
        new = contest.judge(grid, origin)
        if new is not None and new.score < contest.best.score + NEARLY:
            contest.judge(new.grid, origin, to_the_end=True)


def unlike(
    pool: list[Hypothesis], others: list[Hypothesis], limit: float, most: int = STARTS
) -> list[Hypothesis]:
    """Return the best lattices up to a score, `most` of them, that are unlike others and each other."""
    out: list[Hypothesis] = []
    for h in sorted(pool, key=lambda h: h.score):
        if h.score > limit or len(out) == most:
            break
        if all((node_distance(h.grid, k.grid) > SAME).mean() > UNLIKE for k in others + out):
            out.append(h)
    return out


def followed(contest: Contest, grid: FloatArray, smoothing: float, width: float) -> FloatArray:
    """Return a lattice with its lines moved to where the phases of the map put them.

    Parameters
    ----------
    contest : Contest
    grid : ndarray of float64, shape (rows, cols, 2)
        In pixels of the prepared map.
    smoothing : float
        How much it is straightened first, see `smooth_grid`.
    width : float
        Of the windows that phases are taken over, in pitches.

    Returns
    -------
    ndarray of float64, shape (rows, cols, 2)
    """
    places = np.empty((2, *grid.shape[:2]))
    for _ in range(TIMES):
        space, image = contest.image(smooth_grid(grid, smoothing))
        meet_offsets(*line_offsets(image, width), places)
        grid = space.to_pixels(places[0], places[1])
    return grid


@njit(cache=True)
def meet_offsets(down: FloatArray, right: FloatArray, places: FloatArray) -> None:
    """Fill `places` (2, rows, cols) with where each crystal is as far off as the offsets there say.

    Parameters
    ----------
    down, right : ndarray of float64, shape (places along v, places along u)
        As `line_offsets` returns them; linear between their places and constant beyond.
    places : ndarray of float64, shape (2, rows, cols)
        v and u in index space.
    """
    last0, last1 = down.shape[0] - 1, down.shape[1] - 1
    for i in range(places.shape[1]):
        for j in range(places.shape[2]):
            v, u = float(i), float(j)
            for _ in range(MEETINGS):
                a = min(max((v + OUTSIDE) * PER_PITCH, 0.0), float(last0))
                b = min(max((u + OUTSIDE) * PER_PITCH, 0.0), float(last1))
                p, q = min(int(a), last0 - 1), min(int(b), last1 - 1)
                s, t = a - p, b - q
                off0 = (1 - s) * ((1 - t) * down[p, q] + t * down[p, q + 1])
                off0 += s * ((1 - t) * down[p + 1, q] + t * down[p + 1, q + 1])
                off1 = (1 - s) * ((1 - t) * right[p, q] + t * right[p, q + 1])
                off1 += s * ((1 - t) * right[p + 1, q] + t * right[p + 1, q + 1])
                v, u = 0.5 * (v + i + off0), 0.5 * (u + j + off1)
            places[0, i, j], places[1, i, j] = v, u


def line_offsets(image: RectifiedMap, width: float) -> tuple[FloatArray, FloatArray]:
    """Return how far the rows and the columns of a rectified map are off their even places.

    Parameters
    ----------
    image : RectifiedMap
    width : float
        Of the Gaussian window that phases are taken over, in pitches.

    Returns
    -------
    down, right : ndarray of float64, shape (places along v, places along u)
        In pitches, `PER_PITCH` places per pitch from `OUTSIDE` before the first line. Whole lines that all
        have in common are left out.
    """
    rows, cols = ((n - 1) // SAMPLES + 1 - 2 * MARGIN for n in image.contrast.shape)
    turned_rows = _turning_window(rows, width) @ image.contrast
    even_rows = _window(rows, width) @ image.contrast
    down = _turned(turned_rows @ _window(cols, width).T)
    right = _turned((even_rows @ _turning_window(cols, width).T).T).T
    return _unwrapped(down), _unwrapped(right)


def _turned(parts: FloatArray) -> npt.NDArray[np.complex128]:
    """Return the wave whose real and imaginary parts lie one below the other."""
    half = len(parts) // 2
    return np.asarray(parts[:half] + 1j * parts[half:])


def _unwrapped(wave: npt.NDArray[np.complex128]) -> FloatArray:
    """Return how far lines are off by the phase of their wave, in pitches."""
    phase = np.asarray(unwrap_phase(np.angle(wave), rng=0))  # type: ignore[no-untyped-call]
    offset = -phase / (2 * np.pi)
    return np.asarray(offset - np.round(np.average(offset, weights=np.abs(wave) + 1e-12)))


@lru_cache(maxsize=64)
def _window(lines: int, width: float) -> FloatArray:
    """Return what averages samples of one axis over windows, (places, samples)."""
    samples = sample_places(lines)
    places = np.arange(((lines - 1) + 2 * OUTSIDE) * PER_PITCH + 1) / PER_PITCH - OUTSIDE
    weight = np.exp(-0.5 * ((samples - places[:, None]) / width) ** 2)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


@lru_cache(maxsize=64)
def _turning_window(lines: int, width: float) -> FloatArray:
    """Return the windows times a wave that turns once a pitch: real parts, then imaginary ones below."""
    turn = 2 * np.pi * sample_places(lines)
    window = _window(lines, width)
    return np.concatenate([window * np.cos(turn), -window * np.sin(turn)])
